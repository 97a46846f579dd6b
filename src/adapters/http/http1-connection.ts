// One HTTP/1.1 connection. Its bytes go through the gate first; Node's parser gets what is in order, one message at a time,
// and must then report the very message that the gate has read. What follows a request waits until that is answered.
import type { EventEmitter } from 'node:events';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { TLSSocket } from 'node:tls';
import { BrokenBody } from '../../domain/api/broken-body.ts';
import type { Fault } from '../../kernel/faults.ts';
import { CHUNKED_LENGTH, Http1Gate } from './http1-gate.ts';
import { MALFORMED, NO_TUNNEL, writeRawAnswer } from './raw-answer.ts';

/** Bytes of further requests that are kept while one is answered; the connection is paused long before. */
const WAITING_BYTES_MAX = 512 * 1024;

/** Is told of what was refused and is no request that a listener could take; records it and gives the id of the answer. */
export type RefusalListener = (socket: TLSSocket, refusal: Fault) => string;

export class Http1Connection {
	readonly socket: TLSSocket;
	readonly gate = new Http1Gate();
	/** The answer to the request that was read last. */
	response: ServerResponse | undefined = undefined;
	/** Whether nothing more is read: it was refused, or it ends with an answer. */
	isClosing = false;

	readonly #parse: (bytes: Buffer) => void;
	readonly #onRefusal: RefusalListener;
	/** Whether Node's parser is to report the request that the gate has read. */
	#isAnnounced = false;
	/** What came while a request was being answered. */
	#waiting: Buffer | undefined = undefined;

	/** `parse` is the listener with which Node's parser takes bytes. */
	constructor(socket: TLSSocket, parse: (bytes: Buffer) => void, onRefusal: RefusalListener) {
		this.socket = socket;
		this.#parse = parse;
		this.#onRefusal = onRefusal;
	}

	/** Whether an answer is still due. */
	get isAnswering(): boolean {
		return this.response !== undefined && !this.response.writableFinished;
	}

	/** Whether something has come that follows the request which is being answered. */
	get isMoreWaiting(): boolean {
		return this.#waiting !== undefined && this.gate.phase === 'between';
	}

	/** Takes bytes as they come from TLS. */
	read(bytes: Buffer): void {
		if (this.isClosing) return;
		if (this.#waiting !== undefined) {
			this.#wait(Buffer.concat([this.#waiting, bytes]));
			return;
		}
		const { gate } = this;
		let position = 0;
		while (position < bytes.length && !this.isClosing) {
			if (gate.phase === 'between') {
				if (this.response?.shouldKeepAlive === false) {
					// SECURITY: what follows on a connection that is to end may be a part of the request that ended it. It is
					// never looked at. test/attack/admission.test.ts
					this.isClosing = true;
					return;
				}
				if (this.isAnswering) {
					this.#wait(bytes.subarray(position), this.response, 'finish');
					return;
				}
			}
			if (this.#isHeldUp) {
				this.#wait(bytes.subarray(position), this.socket, 'drain');
				return;
			}
			const isNewHead = gate.phase !== 'body';
			position = gate.take(bytes, position);
			if (gate.piece !== undefined) this.#pass(gate.piece, isNewHead);
			if (gate.violation !== undefined && !this.isClosing) this.refuse(gate.violation);
		}
	}

	/** Takes the request that Node's parser reports; false when it must not be served. */
	accept(request: IncomingMessage, response: ServerResponse): boolean {
		const isExpected = this.#isAnnounced && !this.isClosing && this.#isSame(request);
		this.#isAnnounced = false;
		if (!isExpected) {
			this.refuse(MALFORMED);
			return false;
		}
		this.response = response;
		return true;
	}

	/**
	 * Gives the connection away, for another protocol on it; nothing is read as HTTP any more. Undefined when the client has
	 * sent more than its request already.
	 */
	takeOver(): TLSSocket | undefined {
		if (this.#waiting !== undefined || this.isClosing || this.gate.phase !== 'between') return undefined;
		this.isClosing = true;
		this.socket.removeAllListeners('data');
		return this.socket;
	}

	/** Answers what is no request, records it, and ends the connection. */
	refuse(refusal: Fault): void {
		if (this.isClosing) return;
		this.isClosing = true;
		const { response, socket } = this;
		if (response !== undefined && !response.req.complete) {
			this.#breakBody(response, refusal);
			return;
		}
		// An answer that is still due would come after this one, and be taken for the answer to another request.
		if (this.isAnswering || !socket.writable) socket.destroy();
		else socket.end(writeRawAnswer(refusal, this.#onRefusal(socket, refusal)));
	}

	/** The request is known and its listener is at work: it hears that the body is broken, and answers and records that. */
	#breakBody(response: ServerResponse, refusal: Fault): void {
		const { req } = response;
		if (!response.headersSent) response.shouldKeepAlive = false;
		const isHeard = !response.headersSent && req.listenerCount('error') > 0;
		if (isHeard) req.emit('error', new BrokenBody(refusal.code, 'the framing of the body is broken'));
		else this.socket.destroy();
	}

	/** Whether Node's parser takes nothing for the moment, since the client does not take what was answered. */
	get #isHeldUp(): boolean {
		return (this.socket as { readonly _paused?: boolean })._paused === true;
	}

	/** Gives bytes that are in order to Node's parser. SECURITY: the two must agree at the end of each piece. */
	#pass(piece: Buffer, isNewHead: boolean): void {
		if (isNewHead && this.gate.method === 'CONNECT') {
			this.refuse(NO_TUNNEL);
			return;
		}
		if (isNewHead) this.#isAnnounced = true;
		this.#parse(piece);
		if (this.isClosing) return;
		const isWhole = this.response?.req.complete === true;
		if (this.#isAnnounced || isWhole !== (this.gate.phase === 'between')) this.refuse(MALFORMED);
	}

	/** Whether Node has read the head as the gate has. */
	#isSame(request: IncomingMessage): boolean {
		const { gate } = this;
		const { headers } = request;
		return (
			request.method === gate.method &&
			request.url === gate.target &&
			request.rawHeaders.length === gate.fieldCount * 2 &&
			Number(headers['content-length'] ?? 0) === Math.max(0, gate.bodyLength) &&
			(headers['transfer-encoding'] !== undefined) === (gate.bodyLength === CHUNKED_LENGTH)
		);
	}

	/** Keeps what follows a request until that is answered. Requests on one connection are served one after the other. */
	#wait(bytes: Buffer, emitter?: EventEmitter, event?: 'finish' | 'drain'): void {
		if (emitter !== undefined && event !== undefined) emitter.once(event, () => this.#goOn());
		this.#waiting = bytes;
		if (bytes.length > WAITING_BYTES_MAX) this.socket.destroy();
		else this.socket.pause();
	}

	#goOn(): void {
		const bytes = this.#waiting;
		this.#waiting = undefined;
		if (bytes === undefined || this.socket.destroyed) return;
		this.read(bytes);
		if (this.#waiting === undefined) this.socket.resume();
	}
}
