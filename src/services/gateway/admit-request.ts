// Stage admitRequest: is this one unambiguous HTTP request? The parsers of Node are lenient where a bypass hides (repeated
// Host, `Transfer-Encoding: ,chunked`, several readings of a path), so the raw header list is judged here, before anything
// else looks at the request. RFC 9112 and RFC 9113, narrowed; nothing is repaired, what is doubtful is refused.
import { meansGrpc } from '../../domain/api/grpc-wire.ts';
import { parseRequestTarget, TARGET_LENGTH_MAX } from '../../domain/api/request-target.ts';
import { asksForWebSocket } from '../../domain/api/websocket-handshake.ts';
import { type Fault, fault } from '../../kernel/faults.ts';
import { announcesBody } from './downstream.ts';
import type { Exchange } from './exchange.ts';
import { readFields, readHttp2Fields } from './read-fields.ts';
import type { GatewayContext } from './gateway-context.ts';

const METHODS: ReadonlySet<string> = new Set(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS']);
const CONTENT_LENGTH = /^(?:0|[1-9][0-9]{0,14})$/;

/** Admits or refuses one request; fills `path`, `query`, `headers`, `hasBody`, `isGrpc` and `isAdmitted`. */
export function admitRequest(exchange: Exchange, context: GatewayContext): Fault | undefined {
	const { request } = exchange;
	const isHttp2 = request.httpVersionMajor === 2;
	if (!isHttp2 && (request.httpVersionMajor !== 1 || request.httpVersionMinor !== 1)) {
		return malformed('Speak HTTP/1.1 or HTTP/2.', 'HTTP version');
	}
	const method = request.method ?? '';
	if (!METHODS.has(method)) {
		return fault('method_not_implemented', 'Use GET, HEAD, POST, PUT, PATCH, DELETE or OPTIONS.');
	}
	const headers = isHttp2 ? readHttp2Fields(request.rawHeaders) : readFields(request.rawHeaders);
	if (!(headers instanceof Map)) return headers;
	exchange.headers = headers;
	exchange.isGrpc = isHttp2 && method === 'POST' && meansGrpc(headers.get('content-type'));
	const refused = admitHost(exchange, context) ?? admitTarget(exchange) ?? admitFraming(exchange, method, isHttp2);
	exchange.isAdmitted = refused === undefined;
	return refused;
}

function admitHost(exchange: Exchange, context: GatewayContext): Fault | undefined {
	const host = exchange.headers.get('host');
	if (host === undefined) return malformed('Send the header field Host.', 'no Host');
	const name = context.hosts.get(host.toLowerCase());
	if (name === undefined) {
		return fault('misdirected_request', 'The Host header field names no host of this gateway.');
	}
	const { serverName } = exchange.connection;
	// Without a server name the connection has shown the certificate of the listener, which does not hold these names.
	const isOther = serverName === undefined ? context.namesOfOtherCertificates.has(name) : serverName !== name;
	if (isOther) {
		return fault('misdirected_request', 'The Host header field and the TLS server name differ.');
	}
	return undefined;
}

function admitTarget(exchange: Exchange): Fault | undefined {
	const target = exchange.request.url ?? '';
	if (target.length > TARGET_LENGTH_MAX) {
		return fault('target_too_long', `Keep the request target under ${TARGET_LENGTH_MAX} characters.`);
	}
	const parsed = parseRequestTarget(target);
	if (parsed === undefined) {
		return malformed(
			'The request target must be an absolute path without empty or dot segments, `;`, `#`, or needless escapes.',
			'request target',
		);
	}
	exchange.path = parsed.path;
	exchange.query = parsed.query;
	return undefined;
}

/** RFC 9112 §6: exactly one way to find the end of the body, and no way to speak another protocol afterwards. */
function admitFraming(exchange: Exchange, method: string, isHttp2: boolean): Fault | undefined {
	const { headers } = exchange;
	const length = headers.get('content-length');
	const encoding = headers.get('transfer-encoding');
	if (length !== undefined && !CONTENT_LENGTH.test(length))
		return malformed('Content-Length must be a decimal number.', 'Content-Length');
	if (encoding !== undefined && encoding !== 'chunked')
		return malformed('Transfer-Encoding must be chunked.', 'Transfer-Encoding');
	if (length !== undefined && encoding !== undefined) {
		return malformed('Send Content-Length or Transfer-Encoding, not both.', 'two framings');
	}
	exchange.hasBody = isHttp2
		? announcesBody(exchange.request)
		: encoding !== undefined || (length !== undefined && length !== '0');
	if (exchange.hasBody && (method === 'GET' || method === 'HEAD' || method === 'OPTIONS')) {
		return malformed(`A ${method} request has no body here.`, 'body on a safe method');
	}
	if (exchange.takeOver !== undefined && method === 'GET') {
		exchange.asksForWebSocket = asksForWebSocket(headers.get('connection'), headers.get('upgrade'));
		// Whether there is one to be had is for matchRoute to say.
		if (exchange.asksForWebSocket && !headers.has('http2-settings') && !headers.has('expect')) return undefined;
	}
	if (!hasPlainConnection(headers.get('connection'))) {
		return malformed('Connection may say close or keep-alive only.', 'Connection tokens');
	}
	if (headers.has('upgrade') || headers.has('http2-settings')) {
		return malformed('This gateway upgrades to no other protocol.', 'Upgrade');
	}
	const expect = headers.get('expect');
	if (expect !== undefined && expect.toLowerCase() !== '100-continue') {
		return malformed('Expect may say 100-continue only.', 'Expect');
	}
	return undefined;
}

function hasPlainConnection(value: string | undefined): boolean {
	if (value === undefined) return true;
	const lower = value.toLowerCase();
	return lower === 'keep-alive' || lower === 'close';
}

function malformed(detail: string, internal: string): Fault {
	return fault('malformed_request', detail, { internal });
}
