// Writes answers: the protected response of the upstream, or the problem document of a fault. The header list is built
// from nothing here as well; what the upstream sent under a name of ours never reaches the partner.
import { FORWARDED_RESPONSE_HEADERS } from '../../domain/api/http-headers.ts';
import { challengesOf } from './challenge.ts';
import { FAULTS, type Fault } from '../../kernel/faults.ts';
import { PROBLEM_MEDIA_TYPE, renderProblem } from '../../kernel/problem.ts';
import { closeAfterAnswer } from './downstream.ts';
import type { Exchange } from './exchange.ts';
import type { GatewayRoute } from './compile-route.ts';

const SECURITY_HEADERS = [
	'strict-transport-security',
	'max-age=31536000; includeSubDomains',
	'x-content-type-options',
	'nosniff',
	'content-security-policy',
	"default-src 'none'; frame-ancestors 'none'",
] as const;

/** What a field value may hold; the rest of Latin-1 and beyond is dropped with its field. */
const VISIBLE = /^[\t\x20-\x7e]*$/;

/** Statuses whose answer has no body (RFC 9110 §15.3.5, §15.4.5). */
function isBodiless(status: number): boolean {
	return status === 204 || status === 304;
}

/** Sends the protected answer of the upstream. */
export function sendResponse(exchange: Exchange): void {
	const { upstreamHeaders, upstreamStatus, answerBody } = exchange;
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
	if (!isBodiless(upstreamStatus)) {
		const contentType = upstreamHeaders['content-type'];
		if (typeof contentType === 'string' && VISIBLE.test(contentType)) headers.push('content-type', contentType);
		headers.push('content-length', String(exchange.answerBytes));
	}
	exchange.response.writeHead(upstreamStatus, headers);
	if (exchange.request.method === 'HEAD' || isBodiless(upstreamStatus)) exchange.response.end();
	else if (typeof answerBody === 'string') exchange.response.end(answerBody, cheapestEncoding(exchange));
	else exchange.response.end(answerBody);
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
	const allow = outcome.members?.['allow'];
	if (Array.isArray(allow)) headers.push('allow', allow.join(', '));
	if (closing) closeAfterAnswer(exchange.response);
	exchange.response.writeHead(status, headers);
	if (exchange.request.method === 'HEAD') exchange.response.end();
	else exchange.response.end(body);
}

function commonHeaders(exchange: Exchange): string[] {
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
