// HTTP/2 on connections that are handed in: every bound that nghttp2 and node:http2 have, set tightly, and our own count of
// what is dear in numbers. RFC 9113; no push, no extended CONNECT. What the fields of a request mean is for the service.
import { constants, createServer, type Http2Server, type Http2ServerResponse } from 'node:http2';
import type { TLSSocket } from 'node:tls';
import { HEADERS_MAX } from '../../domain/api/http-headers.ts';
import type { StallTimeouts } from './connection-watch.ts';
import type { RefusalListener } from './http1-connection.ts';
import { HEAD_BYTES_MAX } from './http1-gate.ts';
import { CountedRequest, Http2Session } from './http2-session.ts';

/** Takes one request of a stream. `expectsContinue`: the client waits for `100 Continue` before it sends the body. */
export type Http2RequestListener = (
	request: CountedRequest,
	response: Http2ServerResponse,
	socket: TLSSocket,
	expectsContinue: boolean,
) => void;

/** Streams that a connection may have at once. */
const STREAMS_MAX = 100;
/** Megabytes that a connection may keep in frames, fields and unsent data. */
const SESSION_MEGABYTES_MAX = 10;
/** Malformed frames and refused streams after which a connection is ended. */
const MISTAKES_MAX = 10;

type Server = Http2Server<never, never, typeof CountedRequest>;

export class Http2Sessions {
	readonly #server: Server;
	readonly #open = new Map<object, Http2Session>();
	readonly #timeouts: StallTimeouts;
	readonly #listener: Http2RequestListener;
	#isClosed = false;

	constructor(timeouts: StallTimeouts, listener: Http2RequestListener, onRefusal: RefusalListener) {
		this.#timeouts = timeouts;
		this.#listener = listener;
		this.#server = createServer({
			Http2ServerRequest: CountedRequest,
			settings: {
				maxConcurrentStreams: STREAMS_MAX,
				maxHeaderListSize: HEAD_BYTES_MAX,
				enablePush: false,
				enableConnectProtocol: false,
			},
			// INVARIANT: above the bound of admitRequest, so that a longer list is seen as too long and never cut short unseen.
			maxHeaderListPairs: HEADERS_MAX * 2,
			maxSessionMemory: SESSION_MEGABYTES_MAX,
			maxSessionInvalidFrames: MISTAKES_MAX,
			maxSessionRejectedStreams: MISTAKES_MAX,
			maxOutstandingPings: 1,
			maxSettings: 32,
			streamResetBurst: 200,
			streamResetRate: 20,
			strictFieldWhitespaceValidation: true,
			unknownProtocolTimeout: 1,
		}) as unknown as Server;
		this.#server.on('session', (session) => {
			const socket = taken;
			if (socket === undefined) throw new Error('a session came without its connection');
			const known = new Http2Session(session, socket, onRefusal);
			this.#open.set(session, known);
			if (this.#isClosed) known.drain();
			session.once('close', () => this.#open.delete(session));
		});
		// An error of a session has ended it, and its streams have heard of it.
		this.#server.on('sessionError', () => undefined);
		this.#server.on('request', (request, response) => this.#serve(request, response, false));
		this.#server.on('checkContinue', (request, response) => this.#serve(request, response, true));
		this.#server.on('checkExpectation', (request, response) => this.#serve(request, response, false));
		// CONNECT has a request like any other method; the service refuses it.
		this.#server.on('connect', (request: CountedRequest, response: Http2ServerResponse) =>
			this.#serve(request, response, false),
		);
		let taken: TLSSocket | undefined;
		this.take = (socket) => {
			taken = socket;
			this.#server.emit('connection', socket);
			taken = undefined;
		};
	}

	/** Takes over a connection on which the TLS handshake is done and HTTP/2 was agreed on. */
	readonly take: (socket: TLSSocket) => void;

	/** Ends what is too slow; `stepMs` have gone by since the last look. */
	look(nowMs: number, stepMs: number): void {
		for (const session of this.#open.values()) session.look(nowMs, stepMs, this.#timeouts);
	}

	/** Takes no more streams on the connections that are there; also none on later ones when there are to be none. */
	drain(isLast: boolean): void {
		this.#isClosed ||= isLast;
		for (const session of this.#open.values()) session.drain();
	}

	/** Ends the connections on which no stream has run for `looksMax` calls of this function. */
	endQuiet(looksMax: number): void {
		for (const session of this.#open.values()) session.endQuiet(looksMax);
	}

	#serve(request: CountedRequest, response: Http2ServerResponse, expectsContinue: boolean): void {
		const { session } = request.stream;
		const known = session === undefined ? undefined : this.#open.get(session);
		if (known === undefined) {
			request.stream.close(constants.NGHTTP2_REFUSED_STREAM);
			return;
		}
		if (known.refusesLate(request.stream)) return;
		known.follow(request, response);
		this.#listener(request, response, known.socket, expectsContinue);
	}
}
