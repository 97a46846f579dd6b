// HTTP/1.1 on connections that are handed in: bounded headers and times, one request listener for everything that Node
// would answer by itself (`Expect`, CONNECT), and one answer, recorded, for what is no HTTP.
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import { HEADERS_MAX } from '../../domain/api/http-headers.ts';
import { type Fault } from '../../kernel/faults.ts';
import { MALFORMED, NO_TUNNEL, TOO_MANY_FIELDS, TOO_SLOW, writeRawAnswer } from './raw-answer.ts';

/** Takes one request of a connection. `expectsContinue`: the client waits for `100 Continue` before it sends the body. */
export type RequestListener = (
	request: IncomingMessage,
	response: ServerResponse,
	socket: TLSSocket,
	expectsContinue: boolean,
) => void;

/** Is told of what was refused and is no request that a listener could take; records it and gives the id of the answer. */
export type RefusalListener = (socket: Socket, refusal: Fault) => string;

export interface Http1Timeouts {
	/** Milliseconds for the head of a request, from its first byte. */
	readonly headersMs: number;
	/** Milliseconds for a whole request. */
	readonly requestMs: number;
	/** Milliseconds that a connection may idle between requests. */
	readonly keepAliveMs: number;
}

export interface Http1Connections {
	/** Takes over a connection on which the TLS handshake is done. */
	take(socket: TLSSocket): void;
	/** Whether no request runs on the connection. */
	isIdle(socket: TLSSocket): boolean;
	close(): void;
}

/** Makes the HTTP/1.1 side of a listener. */
export function createHttp1Connections(
	timeouts: Http1Timeouts,
	listener: RequestListener,
	onRefusal: RefusalListener,
): Http1Connections {
	const server = createServer({
		maxHeaderSize: 16_384,
		headersTimeout: timeouts.headersMs,
		requestTimeout: timeouts.requestMs,
		keepAliveTimeout: timeouts.keepAliveMs,
		connectionsCheckingInterval: Math.min(5000, Math.ceil(timeouts.headersMs / 2)),
		requireHostHeader: false,
		insecureHTTPParser: false,
		joinDuplicateHeaders: false,
	});
	// INVARIANT: above the bound of admitRequest, so that a longer list is seen as too long and never cut short unseen.
	server.maxHeadersCount = HEADERS_MAX * 2;
	const latest = new WeakMap<object, ServerResponse>();
	serveRequests(server, latest, listener);
	server.on('connect', (_request, socket) => {
		const requestId = onRefusal(socket as Socket, NO_TUNNEL);
		// The parser has let go of the socket: from here on its errors, and its end, are ours to take care of.
		socket.on('error', () => socket.destroy());
		const earlier = latest.get(socket);
		// An answer that is still due would come after this one, and be taken for the answer to another request.
		if (earlier !== undefined && !earlier.writableFinished) socket.destroy();
		else socket.end(writeRawAnswer(NO_TUNNEL, requestId), () => socket.destroy());
	});
	server.on('clientError', (error: NodeJS.ErrnoException, socket) => {
		const response = latest.get(socket);
		// In the middle of a body the request is known already: its listener sees it break off, and records it.
		const isKnown = response !== undefined && (!response.req.complete || !response.shouldKeepAlive);
		if (!socket.writable || error.code === 'ECONNRESET' || isKnown) {
			socket.destroy();
			return;
		}
		const refusal = UNPARSABLE[error.code ?? ''] ?? MALFORMED;
		socket.end(writeRawAnswer(refusal, onRefusal(socket as Socket, refusal)));
	});
	// Connections are handed in, so that the server never listens itself; it watches over times from here on all the same.
	server.emit('listening');
	return {
		take: (socket) => server.emit('connection', socket),
		isIdle: (socket) => latest.get(socket)?.writableFinished !== false,
		close: () => server.close(),
	};
}

const UNPARSABLE: { readonly [code: string]: Fault } = {
	HPE_HEADER_OVERFLOW: TOO_MANY_FIELDS,
	ERR_HTTP_REQUEST_TIMEOUT: TOO_SLOW,
};

/** What Node would answer by itself goes to the listener as well. */
function serveRequests(server: Server, latest: WeakMap<object, ServerResponse>, listener: RequestListener): void {
	const serve = (request: IncomingMessage, response: ServerResponse, expectsContinue: boolean): void => {
		// SECURITY: what follows on a connection that is to end may be a part of the request that ended it. It is never
		// looked at, though the parser hands it over. test/attack/admission.test.ts
		if (latest.get(request.socket)?.shouldKeepAlive === false) {
			request.socket.destroy();
			return;
		}
		latest.set(request.socket, response);
		listener(request, response, request.socket as TLSSocket, expectsContinue);
	};
	server.on('request', (request, response) => serve(request, response, false));
	server.on('checkContinue', (request, response) => serve(request, response, true));
	server.on('checkExpectation', (request, response) => serve(request, response, false));
}
