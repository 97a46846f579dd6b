// Writes answers: the protected response of the upstream, or the problem document of a fault. The header list is built
// from nothing here as well; what the upstream sent under a name of ours never reaches the partner.
import { FORWARDED_RESPONSE_HEADERS, isBodiless } from '../../domain/api/http-headers.ts';
import { challengesOf } from './challenge.ts';
import { WEBSOCKET_VERSION } from '../../domain/api/websocket-handshake.ts';
import { FAULTS, type Fault } from '../../kernel/faults.ts';
import { PROBLEM_MEDIA_TYPE, renderProblem } from '../../kernel/problem.ts';
import { SECURITY_HEADERS } from '../../kernel/security-headers.ts';
import { closeAfterAnswer, flushHead } from './downstream.ts';
import type { Exchange } from './exchange.ts';
import type { GatewayRoute } from './gateway-route.ts';

const CONTENT_LENGTH = /^(?:0|[1-9][0-9]{0,14})$/;

/** What a field value may hold; the rest of Latin-1 and beyond is dropped with its field. */
const VISIBLE = /^[\t\x20-\x7e]*$/;

/** Sends the protected answer of the upstream. */
export function sendResponse(exchange: Exchange): void {
	const { upstreamStatus, answerBody, upstreamHeaders } = exchange;
	const headers = answerHeaders(exchange);
	if (!isBodiless(upstreamStatus)) {
		const contentType = upstreamHeaders['content-type'];
		if (typeof contentType === 'string' && VISIBLE.test(contentType)) headers.push('content-type', contentType);
		// What a GET would have been given here is not known: its length is left out of the answer to HEAD.
		if (exchange.request.method !== 'HEAD') headers.push('content-length', String(exchange.answerBytes));
	}
	exchange.response.writeHead(upstreamStatus, headers);
	if (exchange.request.method === 'HEAD' || isBodiless(upstreamStatus)) exchange.response.end();
	else if (typeof answerBody === 'string') exchange.response.end(answerBody, cheapestEncoding(exchange));
	else exchange.response.end(answerBody);
}

/** Sends the head of an answer that streams, at once. Its length is sent where the upstream gave it, framing is ours. */
export function sendStreamHead(exchange: Exchange): void {
	const { request, response, upstreamHeaders } = exchange;
	const headers = answerHeaders(exchange);
	const length = upstreamHeaders['content-length'];
	headers.push('content-type', upstreamHeaders['content-type'] as string);
	if (typeof length === 'string' && CONTENT_LENGTH.test(length)) headers.push('content-length', length);
	// An answer before the end of the request: what still comes of the body is no next request.
	if (!request.complete) closeAfterAnswer(response);
	response.writeHead(exchange.upstreamStatus, headers);
	flushHead(response);
}

/** Header fields of every answer of an upstream, but for those of its body. */
function answerHeaders(exchange: Exchange): string[] {
	const { upstreamHeaders } = exchange;
	const headers = commonHeaders(exchange);
	for (const name in upstreamHeaders) {
		if (!FORWARDED_RESPONSE_HEADERS.has(name)) continue;
		const value = upstreamHeaders[name];
		if (typeof value === 'string' && VISIBLE.test(value)) headers.push(name, value);
	}
	// Two fields, or one that was dropped, count as none: nothing is kept by a cache on a doubtful word.
	if (!headers.includes('cache-control')) headers.push('cache-control', 'no-store');
	const location = upstreamHeaders['location'];
	if (typeof location === 'string') pushLocation(headers, location, exchange.route as GatewayRoute);
	return headers;
}

/** A text with as many bytes as characters is ASCII, which Node writes faster as Latin-1: the bytes are the same. */
function cheapestEncoding({ answerBody, answerBytes }: Exchange): 'latin1' | 'utf8' {
	return answerBody.length === answerBytes ? 'latin1' : 'utf8';
}

/** No Content: browsers take any status of success. */
export const PREFLIGHT_STATUS = 204;

/** Answers the preflight of a web page. */
export function sendPreflight(exchange: Exchange): void {
	exchange.response.writeHead(PREFLIGHT_STATUS, commonHeaders(exchange));
	exchange.response.end();
}

/** OK: a document of ours. */
export const DOCUMENT_STATUS = 200;
/** How long a document of ours may be kept, in seconds. */
const DOCUMENT_MAX_AGE_SECONDS = 300;

/** Sends a public document of ours. */
export function sendDocument(exchange: Exchange): void {
	const { request, response, document, answerBytes } = exchange;
	const headers = commonHeaders(exchange);
	headers.push('content-type', 'application/json', 'cache-control', `public, max-age=${DOCUMENT_MAX_AGE_SECONDS}`);
	if (request.method !== 'HEAD') headers.push('content-length', String(answerBytes));
	response.writeHead(DOCUMENT_STATUS, headers);
	if (request.method === 'HEAD') response.end();
	else response.end(document);
}

/** Sends the problem document of a fault. `closing` ends the connection after it. */
export function sendProblem(exchange: Exchange, outcome: Fault, closing: boolean): void {
	const { status } = FAULTS[outcome.code];
	const body = renderProblem(outcome, exchange.requestId);
	const headers = commonHeaders(exchange);
	headers.push(
		'content-type',
		PROBLEM_MEDIA_TYPE,
		'content-length',
		String(Buffer.byteLength(body)),
		'cache-control',
		'no-store',
	);
	if (status === 401 || outcome.code === 'insufficient_scope') {
		for (const challenge of challengesOf(exchange, outcome)) headers.push('www-authenticate', challenge);
	}
	if (outcome.retryAfterSeconds !== undefined) headers.push('retry-after', String(outcome.retryAfterSeconds));
	// SECURITY: HTTP/2 has no such fields; Node throws where one is written. test/attack/websocket.test.ts
	if (outcome.code === 'upgrade_required' && exchange.request.httpVersionMajor === 1)
		headers.push('sec-websocket-version', WEBSOCKET_VERSION, 'upgrade', 'websocket', 'connection', 'Upgrade');
	const allow = outcome.members?.['allow'];
	if (Array.isArray(allow)) headers.push('allow', allow.join(', '));
	if (closing) closeAfterAnswer(exchange.response);
	exchange.response.writeHead(status, headers);
	if (exchange.request.method === 'HEAD') exchange.response.end();
	else if (closing && exchange.isAdmitted && isStillSending(exchange)) {
		exchange.response.write(body);
		endAnswer(exchange);
	} else exchange.response.end(body);
}

/** Most bytes, and longest time, for which the rest of a body is read and dropped after the answer. */
const DRAIN_BYTES_MAX = 1_048_576;
const DRAIN_MS = 250;

/**
 * Ends an answer of which everything is written. A partner who still sends must not be cut off before it can have read the
 * answer: the rest of its body is dropped for a moment before the connection ends (RFC 9112 §9.6).
 */
export function endAnswer(exchange: Exchange): void {
	const { request, response } = exchange;
	if (!isStillSending(exchange)) {
		response.end();
		return;
	}
	let bytes = 0;
	const end = (): void => {
		clearTimeout(timer);
		request.off('data', drop);
		if (!response.writableEnded) response.end();
	};
	const drop = (chunk: Buffer): void => {
		bytes += chunk.length;
		if (bytes > DRAIN_BYTES_MAX) end();
	};
	const timer = setTimeout(end, DRAIN_MS);
	request.on('data', drop);
	request.once('end', end);
	request.once('close', end);
	request.resume();
}

/** Who still waits for `100 Continue` sends nothing. */
function isStillSending({ request, expectsContinue, body, streamedBytes }: Exchange): boolean {
	return !request.complete && (!expectsContinue || body !== undefined || streamedBytes > 0);
}

/** Header fields of every answer. */
export function commonHeaders(exchange: Exchange): string[] {
	const headers: string[] = ['x-request-id', exchange.requestId, ...SECURITY_HEADERS];
	for (const part of exchange.corsFields) headers.push(part);
	if (exchange.dpopNonce !== '') headers.push('dpop-nonce', exchange.dpopNonce);
	if (exchange.rateLimitPolicy !== '') {
		headers.push('ratelimit-policy', exchange.rateLimitPolicy, 'ratelimit', exchange.rateLimit);
	}
	return headers;
}

/** Passes a Location on only as a path of the same API: an absolute one would name an internal host. */
function pushLocation(headers: string[], location: string, route: GatewayRoute): void {
	if (!location.startsWith('/') || location.startsWith('//') || !/^[\x21-\x5b\x5d-\x7e]+$/.test(location)) return;
	const { upstreamBasePath } = route;
	if (upstreamBasePath !== '' && !location.startsWith(`${upstreamBasePath}/`)) return;
	headers.push('location', route.api.basePath + location.slice(upstreamBasePath.length));
}
