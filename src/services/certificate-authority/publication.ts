// What relying parties fetch over plain HTTP: revocation lists, certificates of authorities, and OCSP answers. All of
// it is public and signed, so there is neither TLS nor authentication here (RFC 5280 §8: a list behind TLS could need
// itself). Takes nothing but a path and an OCSP request, changes nothing, and holds a bound on both.
import { hash } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { OCSP_REQUEST_BYTES_MAX } from '../../domain/certificate/ocsp-request.ts';
import type { OcspAnswer } from '../../domain/certificate/ocsp-responder.ts';
import { encodePem } from '../../domain/certificate/pem.ts';
import type { PublishedRevocationList } from '../../domain/certificate/revocation-list-store.ts';
import type { Clock } from '../../kernel/clock.ts';

export interface PublicationDependencies {
	/** The latest list of the authority with this id. */
	readonly list: (authority: string) => PublishedRevocationList | undefined;
	/** DER certificate of the authority with this id. */
	readonly certificate: (authority: string) => Uint8Array | undefined;
	/** The certificates of an authority by others, as a certs-only message; its own when there are none. */
	readonly bundle: (authority: string) => Uint8Array | undefined;
	readonly answerOcsp: (request: Buffer) => Promise<OcspAnswer>;
	readonly clock: Clock;
	readonly count: (what: PublicationEvent) => void;
	/** Told of what should not have happened; the caller gets `internalError` or 500. */
	readonly reportBug: (error: unknown) => void;
}

/** What is counted. */
export const PUBLICATION_EVENTS = [
	'crl_sent',
	'crl_not_modified',
	'certificate_sent',
	'ocsp_answered',
	'ocsp_answered_from_cache',
	'ocsp_malformed',
	'ocsp_unauthorized',
	'ocsp_unavailable',
	'refused',
] as const;
export type PublicationEvent = (typeof PUBLICATION_EVENTS)[number];

interface Representation {
	readonly type: string;
	readonly body: Buffer;
	/** An entity tag without quotes. */
	readonly tag: string;
	readonly modifiedMs: number;
	readonly maxAgeSeconds: number;
}

const OCSP_PATH = '/ocsp';
const OCSP_RESPONSE_TYPE = 'application/ocsp-response';
/** A certificate of an authority never changes under its name. */
const CERTIFICATE_MAX_AGE_SECONDS = 86_400;
/** A relying party that asks again this often learns of a revocation in time, whatever the list's lifetime. */
const LIST_MAX_AGE_SECONDS = 300;
const DOCUMENT_PATH = /^\/(crl|ca)\/([a-z0-9-]{1,64})\.(crl|crl\.pem|cer|pem|p7c)$/;

/** Makes the handler of the public listener. It answers every request and never throws. */
export function createPublication(
	deps: PublicationDependencies,
): (request: IncomingMessage, response: ServerResponse) => void {
	return (request, response) => {
		// Of the fields of every answer those that plain HTTP may carry (RFC 6797 §7.2 keeps HSTS to TLS).
		response.setHeader('X-Content-Type-Options', 'nosniff');
		response.setHeader('Content-Security-Policy', "default-src 'none'; frame-ancestors 'none'");
		serve(request, response, deps).catch((error: unknown) => {
			deps.reportBug(error);
			if (!response.headersSent) send(request, response, 500, 'text/plain', Buffer.from('internal error\n'));
			else response.destroy();
		});
	};
}

async function serve(request: IncomingMessage, response: ServerResponse, deps: PublicationDependencies): Promise<void> {
	const target = request.url ?? '';
	if (target === OCSP_PATH && request.method === 'POST') {
		await servePost(request, response, deps);
		return;
	}
	if (request.method !== 'GET' && request.method !== 'HEAD') {
		deps.count('refused');
		response.setHeader('Allow', target === OCSP_PATH ? 'POST' : 'GET, HEAD');
		send(request, response, 405, 'text/plain', Buffer.from('method not allowed\n'));
		return;
	}
	if (target.startsWith(`${OCSP_PATH}/`)) {
		await serveOcsp(request, response, deps, decodeOcspPath(target.slice(OCSP_PATH.length + 1)));
		return;
	}
	const found = findDocument(target, deps);
	if (found === undefined) {
		deps.count('refused');
		const text = 'Here are /crl/AUTHORITY.crl, /ca/AUTHORITY.cer and /ocsp.\n';
		send(request, response, 404, 'text/plain', Buffer.from(text));
		return;
	}
	serveDocument(request, response, deps, found);
}

function findDocument(target: string, deps: PublicationDependencies): Representation | undefined {
	const [, kind, authority = '', form] = DOCUMENT_PATH.exec(target) ?? [];
	if (kind === 'crl' && (form === 'crl' || form === 'crl.pem')) {
		const list = deps.list(authority);
		if (list === undefined) return undefined;
		const der = Buffer.from(list.der.buffer, list.der.byteOffset, list.der.byteLength);
		const leftSeconds = Math.floor((list.nextUpdateMs - deps.clock.nowMs()) / 1000);
		return {
			...(form === 'crl'
				? { type: 'application/pkix-crl', body: der, tag: `${list.number}` }
				: { type: 'application/x-pem-file', body: Buffer.from(encodePem('X509 CRL', der)), tag: `${list.number}-pem` }),
			modifiedMs: list.thisUpdateMs,
			maxAgeSeconds: Math.max(0, Math.min(LIST_MAX_AGE_SECONDS, leftSeconds)),
		};
	}
	if (kind !== 'ca') return undefined;
	if (form === 'p7c') return bundleDocument(deps.bundle(authority));
	if (form !== 'cer' && form !== 'pem') return undefined;
	const certificate = deps.certificate(authority);
	if (certificate === undefined) return undefined;
	const der = Buffer.from(certificate.buffer, certificate.byteOffset, certificate.byteLength);
	return {
		...(form === 'cer'
			? { type: 'application/pkix-cert', body: der, tag: authority }
			: { type: 'application/x-pem-file', body: Buffer.from(encodePem('CERTIFICATE', der)), tag: `${authority}-pem` }),
		modifiedMs: 0,
		maxAgeSeconds: CERTIFICATE_MAX_AGE_SECONDS,
	};
}

/** What belongs to an authority changes with its roots, so it is known by what it holds (RFC 5280 §4.2.2.1). */
function bundleDocument(bundle: Uint8Array | undefined): Representation | undefined {
	if (bundle === undefined) return undefined;
	return {
		type: 'application/pkcs7-mime; smime-type=certs-only',
		body: Buffer.from(bundle.buffer, bundle.byteOffset, bundle.byteLength),
		tag: hash('sha256', bundle).slice(0, 32),
		modifiedMs: 0,
		maxAgeSeconds: LIST_MAX_AGE_SECONDS,
	};
}

function serveDocument(
	request: IncomingMessage,
	response: ServerResponse,
	deps: PublicationDependencies,
	{ type, body, tag, modifiedMs, maxAgeSeconds }: Representation,
): void {
	const isList = type !== 'application/pkix-cert' && modifiedMs > 0;
	response.setHeader('ETag', `"${tag}"`);
	response.setHeader('Cache-Control', `public, max-age=${maxAgeSeconds}`);
	if (modifiedMs > 0) response.setHeader('Last-Modified', new Date(modifiedMs).toUTCString());
	if (isNotModified(request, tag, modifiedMs)) {
		if (isList) deps.count('crl_not_modified');
		response.writeHead(304).end();
		return;
	}
	deps.count(isList ? 'crl_sent' : 'certificate_sent');
	send(request, response, 200, type, body);
}

/** RFC 9110 §13.2.2: the entity tag decides where one is sent, the date otherwise. */
function isNotModified({ headers }: IncomingMessage, tag: string, modifiedMs: number): boolean {
	const tags = headers['if-none-match'];
	if (tags !== undefined) {
		if (tags.length > 1000) return false;
		return tags.split(',').some((one) => ['*', `"${tag}"`, `W/"${tag}"`].includes(one.trim()));
	}
	const since = headers['if-modified-since'];
	if (since === undefined || modifiedMs === 0) return false;
	const sinceMs = Date.parse(since);
	return !Number.isNaN(sinceMs) && Math.floor(modifiedMs / 1000) * 1000 <= sinceMs;
}

/** RFC 6960 appendix A.1: the request in base64, with or without percent signs; undefined when it is neither. */
function decodeOcspPath(text: string): Buffer | undefined {
	if (text.length > OCSP_REQUEST_BYTES_MAX * 2) return undefined;
	let base64: string;
	try {
		base64 = decodeURIComponent(text);
	} catch {
		// A broken percent sequence.
		return undefined;
	}
	if (!/^[A-Za-z0-9+/]+={0,2}$/.test(base64)) return undefined;
	return Buffer.from(base64, 'base64');
}

async function servePost(
	request: IncomingMessage,
	response: ServerResponse,
	deps: PublicationDependencies,
): Promise<void> {
	if (request.headers['content-type'] !== 'application/ocsp-request') {
		deps.count('refused');
		send(request, response, 415, 'text/plain', Buffer.from('send application/ocsp-request\n'));
		return;
	}
	const body = await readBody(request);
	if (body === 'gone') {
		response.destroy();
		return;
	}
	if (body === 'too large') response.shouldKeepAlive = false;
	await serveOcsp(request, response, deps, body === 'too large' ? undefined : body);
}

/** Collects the body up to its bound. A client that goes away in the middle is no failure of ours, and not worth a line. */
function readBody(request: IncomingMessage): Promise<Buffer | 'too large' | 'gone'> {
	return new Promise((resolve) => {
		const chunks: Buffer[] = [];
		let bytes = 0;
		request.on('data', (chunk: Buffer) => {
			bytes += chunk.length;
			if (bytes <= OCSP_REQUEST_BYTES_MAX) chunks.push(chunk);
			else {
				// The rest stays unread: the connection ends with the answer.
				request.pause();
				resolve('too large');
			}
		});
		request.on('end', () => resolve(Buffer.concat(chunks)));
		request.on('error', () => resolve('gone'));
		request.on('close', () => resolve('gone'));
	});
}

async function serveOcsp(
	request: IncomingMessage,
	response: ServerResponse,
	deps: PublicationDependencies,
	der: Buffer | undefined,
): Promise<void> {
	// What cannot be decoded is as malformed as what cannot be parsed.
	const answer = await deps.answerOcsp(der ?? Buffer.alloc(0));
	deps.count(answer.isFromCache === true ? 'ocsp_answered_from_cache' : `ocsp_${answer.outcome}`);
	const { cacheableUntilMs, producedAtMs } = answer;
	if (request.method === 'POST' || cacheableUntilMs === undefined || producedAtMs === undefined) {
		response.setHeader('Cache-Control', 'no-store');
	} else {
		// RFC 5019 §6.2: caches on the way may keep what was asked for by GET.
		const maxAge = Math.max(0, Math.floor((cacheableUntilMs - deps.clock.nowMs()) / 1000));
		response.setHeader('Cache-Control', `public, max-age=${maxAge}, no-transform, must-revalidate`);
		response.setHeader('Last-Modified', new Date(producedAtMs).toUTCString());
		response.setHeader('Expires', new Date(cacheableUntilMs).toUTCString());
	}
	send(request, response, 200, OCSP_RESPONSE_TYPE, answer.der);
}

function send(request: IncomingMessage, response: ServerResponse, status: number, type: string, body: Buffer): void {
	response.writeHead(status, {
		'Content-Type': type,
		'Content-Length': body.length,
	});
	response.end(request.method === 'HEAD' ? undefined : body);
}
