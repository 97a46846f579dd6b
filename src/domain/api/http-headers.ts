// Which header fields of a request may repeat, which travel to the upstream, and what never does. The upstream request
// is built from nothing: a field that stands in no list here, and is no parameter of the API contract, stops at the gateway.

/** Most header fields of a request. Servers must read more than this, so that a list is refused and never cut short. */
export const HEADERS_MAX = 100;

/** Statuses whose answer has no body (RFC 9110 §15.3.5, §15.4.5). */
export function isBodiless(status: number): boolean {
	return status === 204 || status === 304;
}

/** Fields that may appear once only; a second one, in any case, is a request with two meanings. */
export const SINGLETON_HEADERS: ReadonlySet<string> = new Set([
	'authorization',
	'content-encoding',
	'content-length',
	'content-location',
	'content-range',
	'content-type',
	'cookie',
	'date',
	'dpop',
	'expect',
	'from',
	'host',
	'idempotency-key',
	'if-modified-since',
	'if-range',
	'if-unmodified-since',
	'max-forwards',
	'origin',
	'proxy-authorization',
	'range',
	'referer',
	'sallyport-assertion',
	'traceparent',
	'transfer-encoding',
	'upgrade',
	'user-agent',
	'x-request-id',
]);

/** Fields of the request that are passed on where the client sent them once. */
export const FORWARDED_REQUEST_HEADERS: ReadonlySet<string> = new Set([
	'accept',
	'accept-language',
	'content-type',
	'idempotency-key',
	'if-match',
	'if-modified-since',
	'if-none-match',
	'if-unmodified-since',
	'prefer',
	'user-agent',
]);

/** Fields of the response that are passed back where the upstream sent them once. */
export const FORWARDED_RESPONSE_HEADERS: ReadonlySet<string> = new Set([
	'cache-control',
	'content-disposition',
	'content-language',
	'deprecation',
	'etag',
	'expires',
	'last-modified',
	'preference-applied',
	'retry-after',
	'sunset',
	'vary',
]);

/**
 * Fields that only the gateway or the transport may set. A contract that declares one of these as a parameter does
 * not make it travel.
 */
export const RESERVED_HEADERS: ReadonlySet<string> = new Set([
	'access-control-allow-credentials',
	'access-control-allow-headers',
	'access-control-allow-methods',
	'access-control-allow-origin',
	'access-control-expose-headers',
	'access-control-max-age',
	'access-control-request-headers',
	'access-control-request-method',
	'authorization',
	'connection',
	'content-length',
	'content-type',
	'cookie',
	'dpop',
	'expect',
	'forwarded',
	'host',
	'http2-settings',
	'keep-alive',
	'origin',
	'proxy-authenticate',
	'proxy-authorization',
	'proxy-connection',
	'sallyport-assertion',
	'sec-websocket-accept',
	'sec-websocket-extensions',
	'sec-websocket-key',
	'sec-websocket-protocol',
	'sec-websocket-version',
	'set-cookie',
	'strict-transport-security',
	'te',
	'traceparent',
	'tracestate',
	'trailer',
	'transfer-encoding',
	'upgrade',
	'via',
	'x-content-type-options',
	'x-forwarded-for',
	'x-forwarded-host',
	'x-forwarded-proto',
	'x-real-ip',
	'x-request-id',
	'client-cert',
	'client-cert-chain',
	'x-forwarded-client-cert',
]);
