// One call over HTTP/2 whose answer is taken in whole, up to its bound, and which is sent again where that is safe.
import type { Upstream } from '../../domain/api/api.ts';
import type { RetryBudget } from '../../domain/api/retry-budget.ts';
import type { UpstreamHeaders, UpstreamReceiver, UpstreamRequest } from '../../domain/api/upstream-client.ts';
import type { Fault } from '../../kernel/faults.ts';
import { answerTooLarge, isBrokenConnection, timedOut, unreachable, codeOfError } from './upstream-failure.ts';
import type { UpstreamHttp2Pool, WaitingCall } from './upstream-http2-pool.ts';
import type { UpstreamHttp2Session } from './upstream-http2-session.ts';
import {
	requestFields,
	type StreamFailure,
	type StreamReceiver,
	UpstreamHttp2Stream,
} from './upstream-http2-stream.ts';

/** What calls of one upstream share. */
export interface CallContext {
	readonly upstream: Upstream;
	readonly origin: URL;
	readonly pool: UpstreamHttp2Pool;
	readonly budget: RetryBudget;
	/** Called once, when the call is over. */
	readonly onSettled: () => void;
}

/** Pauses before a call is sent again. */
const RETRY_DELAYS_MS = [1, 50, 200];

export class UpstreamHttp2Call implements WaitingCall, StreamReceiver {
	readonly #context: CallContext;
	readonly #request: UpstreamRequest;
	readonly #receiver: UpstreamReceiver;
	readonly #timer: NodeJS.Timeout;
	#retryTimer: NodeJS.Timeout | undefined = undefined;
	#stream: UpstreamHttp2Stream | undefined = undefined;
	#status = 0;
	#headers: UpstreamHeaders = {};
	#chunks: Buffer[] = [];
	#length = 0;
	#retries = 0;
	#isSettled = false;

	/** Asks for a session at once; the receiver is never called before the constructor has returned. */
	constructor(context: CallContext, request: UpstreamRequest, receiver: UpstreamReceiver) {
		this.#context = context;
		this.#request = request;
		this.#receiver = receiver;
		const { totalTimeoutMs } = context.upstream;
		this.#timer = setTimeout(() => this.#fail(timedOut('the call as a whole took too long')), totalTimeoutMs);
		context.pool.acquire(this);
	}

	/** Takes the call back. */
	abort(): void {
		this.#fail(unreachable('the client went away'));
	}

	onRoom(session: UpstreamHttp2Session): void {
		const { upstream, origin } = this.#context;
		const { body } = this.#request;
		this.#stream = new UpstreamHttp2Stream(
			session,
			{
				fields: requestFields(origin, this.#request, body?.length),
				body,
				headMsMax: upstream.responseTimeoutMs,
				pauseMsMax: upstream.bodyTimeoutMs,
			},
			this,
		);
	}

	onNoSession(error: Error): void {
		this.#failOrRetry(unreachable(codeOfError(error)), isBrokenConnection(error) ? 'unprocessed' : 'final');
	}

	onHead(status: number, headers: UpstreamHeaders): void {
		this.#status = status;
		this.#headers = headers;
	}

	onData(chunk: Buffer): boolean {
		this.#length += chunk.length;
		if (this.#length > this.#request.responseBytesMax) this.#fail(answerTooLarge(this.#request.responseBytesMax));
		else this.#chunks.push(chunk);
		return true;
	}

	onEnd(): void {
		this.#stream = undefined;
		if (!this.#settle()) return;
		const [first] = this.#chunks;
		const body = this.#chunks.length === 1 && first !== undefined ? first : Buffer.concat(this.#chunks, this.#length);
		this.#receiver.onUpstreamResponse(this.#status, this.#headers, body);
	}

	onFailure(outcome: Fault, kind: StreamFailure): void {
		this.#stream = undefined;
		this.#failOrRetry(outcome, kind);
	}

	/**
	 * INVARIANT: a call of which bytes were sent is sent again only where the upstream has said that it did nothing, or where
	 * doing it twice is doing it once. RFC 9113 §8.7. upstream-http2-retry.test.ts
	 */
	#failOrRetry(outcome: Fault, kind: StreamFailure): void {
		if (this.#isSettled) return;
		const { upstream, budget, pool } = this.#context;
		const isSafe = kind === 'unprocessed' || (kind === 'lost' && this.#request.retry === 'unanswered');
		if (!isSafe || this.#retries >= upstream.retriesMax || !budget.withdraw()) {
			this.#fail(outcome);
			return;
		}
		const delayMs = RETRY_DELAYS_MS[Math.min(this.#retries, RETRY_DELAYS_MS.length - 1)];
		this.#retries++;
		this.#receiver.onUpstreamRetry();
		this.#retryTimer = setTimeout(() => pool.acquire(this), delayMs);
	}

	#fail(outcome: Fault): void {
		if (!this.#settle()) return;
		this.#context.pool.withdraw(this);
		this.#stream?.cancel();
		// Never within the call that `abort` or `send` is.
		queueMicrotask(() => this.#receiver.onUpstreamFault(outcome));
	}

	/** Says whether the receiver is still to hear of the outcome. */
	#settle(): boolean {
		if (this.#isSettled) return false;
		this.#isSettled = true;
		clearTimeout(this.#timer);
		clearTimeout(this.#retryTimer);
		this.#context.onSettled();
		return true;
	}
}
