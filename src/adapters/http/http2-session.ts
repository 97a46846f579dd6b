// One HTTP/2 connection: its streams, how far each has come, and what its client does besides asking. nghttp2 bounds single
// frames; here is bounded what is dear only in numbers: streams that end in a reset, PING and SETTINGS frames.
import {
	constants,
	Http2ServerRequest,
	type Http2ServerResponse,
	type ServerHttp2Session,
	type ServerHttp2Stream,
} from 'node:http2';
import type { TLSSocket } from 'node:tls';
import { BrokenBody } from '../../domain/api/broken-body.ts';
import { fault } from '../../kernel/faults.ts';
import { BODY_BYTES_PER_SECOND_MIN, type StallTimeouts } from './connection-watch.ts';
import type { RefusalListener } from './http1-connection.ts';
import { transportOf } from './peer-facts.ts';
import { TokenBucket } from './token-bucket.ts';

/** A single write of which nobody can tell how much is left may take so many times `answerMs`. */
const WHOLE_ANSWER_FACTOR = 4;

/** Milliseconds after which a connection that we have ended is cut. */
const LINGER_MS = 1000;

/** Milliseconds after an answer in which its stream may end by itself. */
const AFTER_ANSWER_MS = 100;

const FLOOD = fault('connection_flooded', 'Open streams to ask for something, and wait for the answers.');

/** A request that counts the bytes of its body. */
export class CountedRequest extends Http2ServerRequest {
	bodyBytes = 0;
	/** Whether its body may pause for as long as it likes: whoever reads it bounds the time. */
	mayPause = false;
	override push(chunk: Buffer | null): boolean {
		if (chunk !== null) this.bodyBytes += chunk.length;
		return super.push(chunk);
	}
}

/** One request, and how far it had come at the last look. */
interface Running {
	readonly request: CountedRequest;
	readonly response: Http2ServerResponse;
	waitedMs: number;
	bodyBytes: number;
	unsentBytes: number;
	unsentSinceMs: number;
}

export class Http2Session {
	readonly session: ServerHttp2Session;
	readonly socket: TLSSocket;
	readonly #onRefusal: RefusalListener;
	readonly #running = new Set<Running>();
	readonly #resets: TokenBucket;
	readonly #pings: TokenBucket;
	readonly #settings: TokenBucket;
	#isEnding = false;
	/** The last stream that is served, once GOAWAY is to say so. */
	#lastStream = Number.POSITIVE_INFINITY;
	#quietLooks = 0;
	#idleSinceMs = -1;
	#sentBytes = 0;
	#sentSinceMs = 0;

	constructor(session: ServerHttp2Session, socket: TLSSocket, onRefusal: RefusalListener) {
		this.session = session;
		this.socket = socket;
		this.#onRefusal = onRefusal;
		const nowMs = performance.now();
		this.#resets = new TokenBucket(100, 10, nowMs);
		this.#pings = new TokenBucket(100, 10, nowMs);
		this.#settings = new TokenBucket(20, 1, nowMs);
		session.on('ping', () => this.#count(this.#pings));
		session.on('remoteSettings', () => this.#count(this.#settings));
		session.on('stream', (stream) => {
			stream.once('close', () => {
				const isReset = stream.rstCode !== constants.NGHTTP2_NO_ERROR;
				if (isReset && (stream.id ?? 0) <= this.#lastStream) this.#count(this.#resets);
			});
		});
	}

	/** Follows a request to its end. */
	follow(request: CountedRequest, response: Http2ServerResponse): void {
		const running: Running = {
			request,
			response,
			waitedMs: 0,
			bodyBytes: 0,
			unsentBytes: 0,
			unsentSinceMs: 0,
		};
		this.#running.add(running);
		request.on('close', () => this.#running.delete(running));
		// SECURITY: Node ends a body that was cut short as if it were whole; who reads it must know. test/attack/http2.test.ts
		request.on('aborted', () => breakBody(request, new BrokenBody('malformed_request', 'the stream was reset')));
		if (request.stream.endAfterHeaders) return;
		// Who has been answered need not send the rest of the body, and must not hold the stream with it. RFC 9113 §8.1.
		// Not at once: nghttp2 drops an answer that still waits to be sent when its stream is reset.
		request.stream.once('finish', () => {
			if (request.stream.readableEnded) return;
			const timer = setTimeout(() => request.stream.close(constants.NGHTTP2_NO_ERROR), AFTER_ANSWER_MS);
			request.stream.once('close', () => clearTimeout(timer));
		});
	}

	get isIdle(): boolean {
		return this.#running.size === 0;
	}

	/** Ends what is too slow; `stepMs` have gone by since the last look. */
	look(nowMs: number, stepMs: number, timeouts: StallTimeouts): void {
		if (!this.isIdle) this.#idleSinceMs = -1;
		else if (this.#idleSinceMs === -1) this.#idleSinceMs = nowMs;
		else if (nowMs - this.#idleSinceMs >= timeouts.idleMs) this.end(constants.NGHTTP2_NO_ERROR);
		const sent = transportOf(this.socket).bytesWritten;
		if (sent !== this.#sentBytes) {
			this.#sentBytes = sent;
			this.#sentSinceMs = nowMs;
		}
		for (const running of this.#running) {
			if (isSlowBody(running, stepMs, timeouts.bodyMs)) {
				breakBody(running.request, new BrokenBody('request_timeout', 'the body comes too slowly'));
			}
			if (this.#isUnread(running, nowMs, timeouts.answerMs)) {
				cutStream(running.request.stream, constants.NGHTTP2_ENHANCE_YOUR_CALM);
			}
		}
	}

	/**
	 * Takes no more streams. GOAWAY names the last one that is served, so that the client knows of every later one that it was
	 * not begun, and may send it elsewhere (RFC 9113 §6.8). nghttp2 takes nothing after any GOAWAY of ours, so that a first
	 * one without a bound, as the RFC suggests, would only be less exact.
	 */
	drain(): void {
		const { session } = this;
		if (this.#lastStream !== Number.POSITIVE_INFINITY || this.#isEnding || session.destroyed) return;
		this.#lastStream = session.state.lastProcStreamID ?? 0;
		session.goaway(constants.NGHTTP2_NO_ERROR, this.#lastStream);
	}

	/**
	 * Refuses a stream that is later than what GOAWAY names: it can still come while that waits to be sent.
	 * SECURITY: to its client it was not begun, and is sent again. test/attack/drain.test.ts
	 */
	refusesLate(stream: ServerHttp2Stream): boolean {
		if ((stream.id ?? 0) <= this.#lastStream) return false;
		stream.close(constants.NGHTTP2_REFUSED_STREAM);
		return true;
	}

	/**
	 * Ends a connection that is being drained once no stream has run for `looksMax` calls of this function. It is not ended at
	 * once: a client that sends meanwhile would see a reset in place of the GOAWAY, and would not know.
	 */
	endQuiet(looksMax: number): void {
		if (!this.isIdle) this.#quietLooks = 0;
		else if (++this.#quietLooks >= looksMax && !this.session.closed) this.session.close();
	}

	/** Ends the connection, and says why. What still comes is read and thrown away, so that the client hears of it. */
	end(code: number): void {
		const { session, socket } = this;
		if (session.destroyed || this.#isEnding) return;
		this.#isEnding = true;
		session.goaway(code);
		// Not in the middle of what nghttp2 reads: it would not send the frame any more.
		setImmediate(() => {
			session.close();
			session.destroy(undefined, code);
		});
		setTimeout(() => socket.destroy(), LINGER_MS).unref();
	}

	#count(bucket: TokenBucket): void {
		if (this.#isEnding || bucket.take(performance.now())) return;
		this.#onRefusal(this.socket, FLOOD);
		this.end(constants.NGHTTP2_ENHANCE_YOUR_CALM);
	}

	/** Whether something waits for the client and nothing leaves the connection, or too long nothing of this stream. */
	#isUnread(running: Running, nowMs: number, answerMs: number): boolean {
		const unsent = running.request.stream.writableLength;
		if (unsent === 0 || unsent !== running.unsentBytes) {
			running.unsentBytes = unsent;
			running.unsentSinceMs = nowMs;
			return false;
		}
		const sinceMs = nowMs - running.unsentSinceMs;
		const isSilent = nowMs - this.#sentSinceMs >= answerMs;
		return sinceMs >= answerMs * WHOLE_ANSWER_FACTOR || (sinceMs >= answerMs && isSilent);
	}
}

/** Counts only the time in which the body is read: who waits for us is not slow. */
function isSlowBody(running: Running, stepMs: number, bodyMs: number): boolean {
	const { request } = running;
	if (request.mayPause || request.readableEnded || request.readableFlowing !== true || request.stream.isPaused())
		return false;
	running.waitedMs += stepMs;
	if (running.waitedMs < bodyMs) return false;
	const isSlow = request.bodyBytes - running.bodyBytes < (BODY_BYTES_PER_SECOND_MIN * running.waitedMs) / 1000;
	running.waitedMs = 0;
	running.bodyBytes = request.bodyBytes;
	return isSlow;
}

/** Tells whoever reads the body; ends the stream where nobody does. */
function breakBody(request: CountedRequest, error: BrokenBody): void {
	if (request.listenerCount('error') > 0) request.emit('error', error);
	else cutStream(request.stream, constants.NGHTTP2_CANCEL);
}

/**
 * Ends a stream in the middle of its answer.
 * SECURITY: not by `close`, unless the answer has ended: Node then ends it first, and now and then meets its stream destroyed
 * while it looks for trailers, which aborts the whole process. The code is INTERNAL_ERROR then.
 */
function cutStream(stream: ServerHttp2Stream, code: number): void {
	if (stream.writableEnded) stream.close(code);
	else stream.destroy(new Error('the stream was cut short'));
}
