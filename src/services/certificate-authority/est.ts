// Enrolment over Secure Transport (RFC 7030): how a partner's machine gets its first certificate with an enrolment code,
// and every later one with the certificate that it has, without an operator. Served on the listener of the authorization
// server, whose TLS asks for a client certificate. What a request asks for beyond its key is not read.
import type { IncomingMessage, ServerResponse } from 'node:http';
import { certificatesOfPem, encodeCertsOnly } from '../../domain/certificate/certs-only.ts';
import { CSR_BYTES_MAX } from '../../domain/certificate/csr.ts';
import { decodeBase64 } from '../../domain/certificate/pem.ts';
import { type Fault, fault, faultKind } from '../../kernel/faults.ts';
import type { RequestOrigin } from '../../domain/network/request-origin.ts';
import { PROBLEM_MEDIA_TYPE, renderProblem } from '../../kernel/problem.ts';
import { parseId } from '../../kernel/ids.ts';
import { fail, ok, type Result } from '../../kernel/result.ts';
import { type Caller, type EnrolmentDependencies, enrol, type Enrolled, type Proof, recordRefusal } from './enrol.ts';

/** Where EST begins (RFC 7030 §3.2.2). */
export const EST_PATH = '/.well-known/est/';

export interface EstDependencies extends EnrolmentDependencies {
	/** The authorities, as `cacerts` answers: PEM, issuing authority first, then those above it. */
	readonly authorityChain: () => string;
	/**
	 * Thumbprint of the certificate that the connection has proved to hold the key of and that the partner CA signed,
	 * whether it has expired or not; undefined for none.
	 */
	readonly presentedThumbprint: (request: IncomingMessage) => string | undefined;
	/** From where a request comes, as far as the network tells. Asked for before the first wait. */
	readonly origin: (request: IncomingMessage) => EstOrigin;
	/** Notes that a request of this origin was refused, for those who fail too often. */
	readonly failed: (origin: EstOrigin, refused: Fault) => void;
	readonly requestId: () => string;
	readonly reportBug: (error: unknown, requestId: string) => void;
	readonly bodyTimeoutMs?: number;
}

/** From where a request comes, and why it is refused for that, if it is. */
export type EstOrigin = Pick<RequestOrigin, 'address' | 'text' | 'source'> & { readonly refused: Fault | undefined };

const BODY_BYTES_MAX = CSR_BYTES_MAX * 2;
const BODY_TIMEOUT_MS = 10_000;
const CERTS_ONLY = 'application/pkcs7-mime; smime-type=certs-only';

/** Makes the handler of everything below `EST_PATH`. It answers every request and never throws. */
export function createEst(deps: EstDependencies): (request: IncomingMessage, response: ServerResponse) => void {
	return (request, response) => {
		const requestId = deps.requestId();
		serve(request, response, requestId, deps).catch((error: unknown) => {
			deps.reportBug(error, requestId);
			response.destroy();
		});
	};
}

async function serve(
	request: IncomingMessage,
	response: ServerResponse,
	requestId: string,
	deps: EstDependencies,
): Promise<void> {
	const operation = (request.url ?? '').slice(EST_PATH.length);
	switch (operation) {
		case 'cacerts':
			if (request.method !== 'GET') return refuseMethod(response, requestId, 'GET');
			return send(response, requestId, 200, CERTS_ONLY, encodeChain(deps.authorityChain()));
		case 'csrattrs':
			if (request.method !== 'GET') return refuseMethod(response, requestId, 'GET');
			// RFC 7030 §4.5.2: nothing in particular is wanted of a request.
			return send(response, requestId, 204, undefined, '');
		case 'simpleenroll':
		case 'simplereenroll':
			if (request.method !== 'POST') return refuseMethod(response, requestId, 'POST');
			return await serveEnrolment(request, response, requestId, operation, deps);
		default:
			return refuse(
				response,
				requestId,
				fault('not_found', 'EST has cacerts, csrattrs, simpleenroll and simplereenroll here.'),
			);
	}
}

async function serveEnrolment(
	request: IncomingMessage,
	response: ServerResponse,
	requestId: string,
	operation: 'simpleenroll' | 'simplereenroll',
	deps: EstDependencies,
): Promise<void> {
	const origin = deps.origin(request);
	const caller: Caller = { requestId, address: origin.text, ip: origin.address, operation };
	const outcome = await decide(request, caller, origin.refused, deps);
	if (!outcome.ok) deps.failed(origin, outcome.fault);
	if (!request.complete) response.shouldKeepAlive = false;
	if (outcome.ok) return send(response, requestId, 200, CERTS_ONLY, encodeChain(outcome.value.chainPem));
	return refuse(response, requestId, outcome.fault, operation);
}

async function decide(
	request: IncomingMessage,
	caller: Caller,
	refused: Fault | undefined,
	deps: EstDependencies,
): Promise<Result<Enrolled, Fault>> {
	// SECURITY: codes and tokens are tried out here as secrets are at the token endpoint: who has failed too often is not
	// even read. src/services/certificate-authority/est.test.ts
	const body = refused === undefined ? await readBody(request, deps.bodyTimeoutMs ?? BODY_TIMEOUT_MS) : fail(refused);
	const csr = body.ok ? decodeRequest(body.value) : body;
	if (!csr.ok) {
		recordRefusal(deps, caller, csr.fault);
		return csr;
	}
	const proof = proofOf(request, caller.operation, csr.value, deps);
	if (!proof.ok) {
		recordRefusal(deps, caller, proof.fault);
		return proof;
	}
	return await enrol(proof.value, csr.value, caller, deps);
}

/** Takes the request from the body: base64 of DER (RFC 8951 §3.1), or PEM, which many tools send. */
function decodeRequest(body: Buffer): Result<Buffer, Fault> {
	const text = body.toString('latin1');
	const block = /-----BEGIN (?:NEW )?CERTIFICATE REQUEST-----([^-]+)-----END (?:NEW )?CERTIFICATE REQUEST-----/.exec(
		text,
	);
	const der = decodeBase64(block?.[1] ?? text);
	return der === undefined ? fail(fault('csr_rejected', 'Send a certificate request (PKCS #10) in base64.')) : ok(der);
}

/** What the caller shows to prove who it is. A renewal token counts more than a certificate: it says where TLS has ended. */
function proofOf(
	request: IncomingMessage,
	operation: 'simpleenroll' | 'simplereenroll',
	csr: Buffer,
	deps: EstDependencies,
): Result<Proof, Fault> {
	const { authorization } = request.headers;
	if (operation === 'simpleenroll') {
		const basic = readBasic(authorization);
		if (basic === undefined)
			return fail(
				fault('enrolment_refused', 'Send the client id and its enrolment code with HTTP Basic authentication.'),
			);
		return ok({ kind: 'enrolment-code', ...basic });
	}
	const token = /^renewal-token ([A-Za-z0-9._-]+)$/i.exec(authorization ?? '')?.[1];
	if (token !== undefined) return ok({ kind: 'renewal-token', token, audience: deps.renewalAudience, csr });
	if (authorization !== undefined)
		return fail(
			fault('renewal_token_invalid', 'Send "Authorization: Renewal-Token <token>", or only the certificate.'),
		);
	const thumbprint = deps.presentedThumbprint(request);
	if (thumbprint === undefined)
		return fail(
			fault('certificate_missing', 'Connect with the certificate that is to be renewed, or send a renewal token.'),
		);
	return ok({ kind: 'certificate', thumbprint });
}

function readBasic(
	authorization: string | undefined,
): Pick<Extract<Proof, { kind: 'enrolment-code' }>, 'clientId' | 'code'> | undefined {
	const base64 = /^basic ([A-Za-z0-9+/]{1,400}={0,2})$/i.exec(authorization ?? '')?.[1];
	if (base64 === undefined) return undefined;
	const text = Buffer.from(base64, 'base64').toString('latin1');
	const colon = text.indexOf(':');
	const clientId = parseId('cli', text.slice(0, Math.max(0, colon)));
	return clientId === undefined ? undefined : { clientId, code: text.slice(colon + 1) };
}

/** Collects the body within bounds of size and time. */
function readBody(request: IncomingMessage, timeoutMs: number): Promise<Result<Buffer, Fault>> {
	return new Promise((resolve) => {
		const chunks: Buffer[] = [];
		let bytes = 0;
		const finish = (result: Result<Buffer, Fault>): void => {
			clearTimeout(timer);
			request.removeAllListeners('data');
			request.on('error', () => undefined);
			if (!request.complete) request.pause();
			resolve(result);
		};
		const timer = setTimeout(
			() => finish(fail(fault('malformed_request', 'The body did not come in time.'))),
			timeoutMs,
		);
		request.on('data', (chunk: Buffer) => {
			bytes += chunk.length;
			if (bytes > BODY_BYTES_MAX) finish(fail(fault('body_too_large', 'A certificate request has at most 16 KiB.')));
			else chunks.push(chunk);
		});
		request.on('end', () => finish(ok(Buffer.concat(chunks))));
		request.on('close', () => finish(fail(fault('malformed_request', 'The body ended early.'))));
	});
}

function encodeChain(pem: string): string {
	const base64 = encodeCertsOnly(certificatesOfPem(pem)).toString('base64');
	return `${base64.replaceAll(/(.{76})/g, '$1\r\n')}\r\n`;
}

function refuseMethod(response: ServerResponse, requestId: string, allowed: string): void {
	response.setHeader('Allow', allowed);
	refuse(response, requestId, fault('method_not_allowed', `Use ${allowed}.`));
}

function refuse(response: ServerResponse, requestId: string, refused: Fault, operation?: string): void {
	const { status } = faultKind(refused);
	if (status === 401) {
		const scheme = operation === 'simpleenroll' ? 'Basic realm="enrolment"' : 'Renewal-Token realm="renewal"';
		response.setHeader('WWW-Authenticate', scheme);
	}
	if (refused.retryAfterSeconds !== undefined) response.setHeader('Retry-After', String(refused.retryAfterSeconds));
	send(response, requestId, status, PROBLEM_MEDIA_TYPE, renderProblem(refused, requestId));
}

function send(
	response: ServerResponse,
	requestId: string,
	status: number,
	type: string | undefined,
	body: string,
): void {
	response.writeHead(status, {
		...(type === undefined ? undefined : { 'Content-Type': type, 'Content-Length': Buffer.byteLength(body) }),
		...(type === CERTS_ONLY ? { 'Content-Transfer-Encoding': 'base64' } : undefined),
		'Cache-Control': 'no-store',
		'X-Content-Type-Options': 'nosniff',
		'X-Request-Id': requestId,
	});
	response.end(body);
}
