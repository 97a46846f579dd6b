// HTTP/1.1 on connections that are handed in. What Node would answer by itself (`Expect`, errors of its parser) goes the way
// of everything else: one request listener, and one answer, recorded, for what is no request.
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { TLSSocket } from 'node:tls';
import type { Fault } from '../../kernel/faults.ts';
import { type Awaited, ConnectionWatch, type StallTimeouts } from './connection-watch.ts';
import { Http1Connection, type RefusalListener } from './http1-connection.ts';
import { FIELDS_MAX, HEAD_BYTES_MAX } from './http1-gate.ts';
import { MALFORMED, TOO_MANY_FIELDS, TOO_SLOW } from './raw-answer.ts';

/** Takes one request of a connection. `expectsContinue`: the client waits for `100 Continue` before it sends the body. */
export type RequestListener = (
	request: IncomingMessage,
	response: ServerResponse,
	socket: TLSSocket,
	expectsContinue: boolean,
	/** Gives the connection away; there where the request has a field Upgrade. */
	takeOver?: () => TLSSocket | undefined,
) => void;

/** Milliseconds after which a connection that was ended by us is cut, whatever the client does. */
const LINGER_MS = 5000;

interface Open {
	readonly connection: Http1Connection;
	readonly watch: ConnectionWatch;
	/** For how many looks of a drain nothing has come. */
	quietLooks: number;
	bytesRead: number;
}

export class Http1Connections {
	readonly #server: Server;
	readonly #open = new Map<object, Open>();
	readonly #timeouts: StallTimeouts;
	readonly #listener: RequestListener;
	readonly #onRefusal: RefusalListener;
	#isDraining = false;

	constructor(timeouts: StallTimeouts, listener: RequestListener, onRefusal: RefusalListener) {
		this.#timeouts = timeouts;
		this.#listener = listener;
		this.#onRefusal = onRefusal;
		this.#server = createServer({
			// INVARIANT: above the bounds of the gate and of admitRequest, so that a longer list is seen as too long and never
			// cut short unseen.
			maxHeaderSize: HEAD_BYTES_MAX * 2,
			// Times are watched here, over what really happens on the connection.
			headersTimeout: 0,
			requestTimeout: 0,
			keepAliveTimeout: 0,
			requireHostHeader: false,
			httpValidation: 'strict',
			joinDuplicateHeaders: false,
			// No connection is given away before the request on it is judged.
			shouldUpgradeCallback: () => false,
		});
		this.#server.maxHeadersCount = FIELDS_MAX + 1;
		this.#server.on('request', (request, response) => this.#serve(request, response, false));
		this.#server.on('checkContinue', (request, response) => this.#serve(request, response, true));
		this.#server.on('checkExpectation', (request, response) => this.#serve(request, response, false));
		this.#server.on('clientError', (error: NodeJS.ErrnoException, socket) => {
			const connection = this.#open.get(socket)?.connection;
			// A connection that was reset, or is ending by our will, has nobody left to answer.
			if (connection === undefined || error.code === 'ECONNRESET') socket.destroy();
			else if (!connection.isClosing) connection.refuse(REFUSALS[error.code ?? ''] ?? MALFORMED);
		});
	}

	/** Takes over a connection on which the TLS handshake is done. */
	take(socket: TLSSocket): void {
		this.#server.emit('connection', socket);
		const [parse, ...others] = socket.listeners('data');
		// SECURITY: without its own way to the bytes the gate would see nothing, so nothing is served then.
		if (parse === undefined || others.length > 0) {
			socket.destroy();
			throw new Error('the parser of node:http does not listen as it is known to');
		}
		const give = parse as (this: TLSSocket, bytes: Buffer) => void;
		const connection = new Http1Connection(socket, (bytes) => give.call(socket, bytes), this.#onRefusal);
		this.#open.set(socket, { connection, watch: new ConnectionWatch(), quietLooks: 0, bytesRead: 0 });
		socket.once('close', () => this.#open.delete(socket));
		socket.on('data', (bytes: Buffer) => connection.read(bytes));
		socket.removeListener('data', give);
	}

	/** Cuts the connections on which the client is too slow; `stepMs` have gone by since the last look. */
	look(nowMs: number, stepMs: number): void {
		for (const { connection, watch } of this.#open.values()) {
			const { socket } = connection;
			const awaited = awaitedOn(connection);
			const timeouts = connection.isClosing ? { ...this.#timeouts, idleMs: LINGER_MS } : this.#timeouts;
			const stall = watch.look(socket, awaited, nowMs, stepMs, timeouts);
			if (stall === 'head' || stall === 'body') connection.refuse(TOO_SLOW);
			else if (stall !== undefined) socket.destroy();
		}
	}

	/** From now on every answer says that its connection ends with it, also those to requests that run already. */
	drain(): void {
		this.#isDraining = true;
		for (const { connection } of this.#open.values()) {
			if (connection.response?.headersSent === false) announceClose(connection, connection.response);
		}
	}

	/**
	 * Ends the connections on which nothing has run and nothing has come for `looksMax` calls of this function. Who uses its
	 * connection sends its next request before that, and hears in the answer that it is the last one.
	 */
	endQuiet(looksMax: number): void {
		for (const open of this.#open.values()) {
			const { connection } = open;
			const { socket } = connection;
			if (connection.isClosing) continue;
			if (connection.isAnswering || connection.gate.phase !== 'between' || socket.bytesRead !== open.bytesRead) {
				open.quietLooks = 0;
				open.bytesRead = socket.bytesRead;
			} else if (++open.quietLooks >= looksMax) socket.destroySoon();
		}
	}

	#serve(request: IncomingMessage, response: ServerResponse, expectsContinue: boolean): void {
		const connection = this.#open.get(request.socket)?.connection;
		if (connection?.accept(request, response) === true) {
			if (this.#isDraining) announceClose(connection, response);
			const takeOver = connection.gate.hasUpgrade ? () => connection.takeOver() : undefined;
			this.#listener(request, response, connection.socket, expectsContinue, takeOver);
		}
	}
}

/** Lets the head of this answer say that the connection ends; unless the next request is here already, which then says it. */
function announceClose(connection: Http1Connection, response: ServerResponse): void {
	const writeHead = response.writeHead.bind(response) as (...args: unknown[]) => ServerResponse;
	response.writeHead = (...args: unknown[]): ServerResponse => {
		if (!connection.isMoreWaiting) response.shouldKeepAlive = false;
		return writeHead(...args);
	};
}

function awaitedOn({ isClosing, isAnswering, gate, response }: Http1Connection): Awaited {
	if (isClosing) return isAnswering ? 'nothing' : 'request';
	if (gate.phase === 'body' && response?.req.readableFlowing === true) return 'body';
	if (isAnswering) return 'nothing';
	return gate.phase === 'between' ? 'request' : gate.phase;
}

const REFUSALS: { readonly [code: string]: Fault } = {
	HPE_HEADER_OVERFLOW: TOO_MANY_FIELDS,
};
