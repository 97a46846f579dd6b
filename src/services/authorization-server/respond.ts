// Writes the answers of the authorization server. Every answer carries the request id and the security header fields; every
// one that depends on who asks forbids storing it (RFC 6749 §5.1). A refusal of the token endpoint is an OAuth error (RFC 6749 §5.2), any other
// a problem document (RFC 9457).
import type { IncomingMessage, ServerResponse } from 'node:http';
import { type Fault, faultKind } from '../../kernel/faults.ts';
import { PROBLEM_MEDIA_TYPE, renderProblem } from '../../kernel/problem.ts';
import { SECURITY_HEADERS } from '../../kernel/security-headers.ts';

/** How long a published document may be kept, in seconds. */
const PUBLISHED_MAX_AGE_SECONDS = 300;
const JSON_MEDIA_TYPE = 'application/json';
/** RFC 6749 §5.1. */
const NOT_STORED = ['Cache-Control', 'no-store', 'Pragma', 'no-cache'] as const;
/** What RFC 6749 §5.2 allows in `error_description`. */
const NOT_IN_DESCRIPTION = /[^\x20-\x21\x23-\x5b\x5d-\x7e]/g;

/** Answers with a token, or with what is known of one. */
export function sendToken(
	response: ServerResponse,
	requestId: string,
	body: string,
	mediaType: string = JSON_MEDIA_TYPE,
): void {
	send(response, 200, requestId, body, ['Content-Type', mediaType, ...NOT_STORED]);
}

/** Answers that it was done, and no more (RFC 7009 §2.2). */
export function sendEmpty(response: ServerResponse, requestId: string): void {
	send(response, 200, requestId, '', NOT_STORED);
}

/** Answers a token request with a refusal. Gives the status, for the record. */
export function sendOauthError(
	request: IncomingMessage,
	response: ServerResponse,
	requestId: string,
	fault: Fault,
): number {
	const { status, oauthError } = faultKind(fault);
	const headers = ['Content-Type', JSON_MEDIA_TYPE, ...NOT_STORED];
	if (status === 405) headers.push('Allow', 'POST');
	const { authorization } = request.headers;
	if (status === 401 && authorization !== undefined) headers.push('WWW-Authenticate', challengeFor(authorization));
	if (fault.retryAfterSeconds !== undefined) headers.push('Retry-After', String(fault.retryAfterSeconds));
	// A body that was too large or too slow is not waited for.
	if (!request.complete) response.shouldKeepAlive = false;
	const body = JSON.stringify({
		// Faults that RFC 6749 has no code for: the nearest one, told apart by the status.
		error: oauthError ?? (status >= 500 ? 'server_error' : 'invalid_request'),
		error_description: fault.detail.replace(NOT_IN_DESCRIPTION, "'"),
	});
	send(response, status, requestId, request.method === 'HEAD' ? '' : body, headers);
	return status;
}

/** RFC 6749 §5.2: a client that tried a scheme is challenged in that scheme. Only names from this list are sent. */
function challengeFor(authorization: string): string {
	const scheme = /^(bearer|dpop)\b/i.exec(authorization)?.[1]?.toLowerCase();
	if (scheme === undefined) return 'Basic realm="token endpoint"';
	return scheme === 'dpop' ? 'DPoP error="invalid_client"' : 'Bearer error="invalid_client"';
}

/** Answers with a public document. */
export function sendDocument(
	request: IncomingMessage,
	response: ServerResponse,
	requestId: string,
	body: string,
): void {
	send(
		response,
		200,
		requestId,
		body,
		['Content-Type', JSON_MEDIA_TYPE, 'Cache-Control', `public, max-age=${PUBLISHED_MAX_AGE_SECONDS}`],
		request.method === 'HEAD',
	);
}

/** Answers with a problem document. */
export function sendProblem(
	request: IncomingMessage,
	response: ServerResponse,
	requestId: string,
	fault: Fault,
	headers: readonly string[] = [],
): void {
	send(
		response,
		faultKind(fault).status,
		requestId,
		renderProblem(fault, requestId),
		['Content-Type', PROBLEM_MEDIA_TYPE, 'Cache-Control', 'no-store', ...headers],
		request.method === 'HEAD',
	);
}

function send(
	response: ServerResponse,
	status: number,
	requestId: string,
	body: string,
	headers: readonly string[],
	headOnly = false,
): void {
	const bytes = Buffer.byteLength(body);
	// One flat list is what Node writes fastest; and a text of as many bytes as characters is ASCII, the same in Latin-1.
	const length = String(bytes);
	response.writeHead(status, [...headers, 'Content-Length', length, 'X-Request-Id', requestId, ...SECURITY_HEADERS]);
	if (headOnly) response.end();
	else response.end(body, bytes === body.length ? 'latin1' : 'utf8');
}
