// Speaks to one internal service over verified TLS: HTTP/1.1 with undici, here; HTTP/2 in upstream-http2-client.ts. Each
// gateway thread has one pool for each (upstream, client identity), so that no connection made with one identity ever
// carries a request meant for another. A call whose connection breaks is sent again where that is safe, on a connection of
// its own, within a budget.
import { type Dispatcher, Pool } from 'undici';
import type { Upstream } from '../../domain/api/api.ts';
import { RetryBudget } from '../../domain/api/retry-budget.ts';
import type {
	UpstreamClient,
	UpstreamHeaders,
	UpstreamReceiver,
	UpstreamRequest,
	UpstreamStream,
	UpstreamStreamReceiver,
	UpstreamStreamRequest,
	UpstreamUpgradeReceiver,
	UpstreamUpgradeRequest,
} from '../../domain/api/upstream-client.ts';
import type { Fault } from '../../kernel/faults.ts';
import { type UpstreamIdentity, upstreamTlsOptions } from './upstream-connect.ts';
import { answerTooLarge, describeFailure, isBrokenConnection, OVERLOADED, timedOut } from './upstream-failure.ts';
import { Http2UpstreamClient } from './upstream-http2-client.ts';
import { UpstreamUpgrade } from './upstream-upgrade.ts';
import { streamOptions, UpstreamStreamCall } from './upstream-stream.ts';

/** Longest that an unused connection is kept, though the upstream announces more. */
const KEEP_ALIVE_MS_MAX = 600_000;
/** A connection is given up this long before the upstream would close it by its own announcement. */
const KEEP_ALIVE_MARGIN_MS = 1000;
/** Pauses before a call is sent again: after a stale connection none is needed, a restart takes a moment. */
const RETRY_DELAYS_MS = [1, 50, 200];
const SWEEP_MS = 500;

/** Opens a client of one upstream. Connections are made when the first request needs them. */
export function openUpstreamClient(
	upstream: Upstream,
	identity: UpstreamIdentity,
): UpstreamClient & { close(): Promise<void> } {
	if (upstream.http2 !== undefined) return new Http2UpstreamClient(upstream, upstream.http2, identity);
	return new PooledUpstreamClient(upstream, identity);
}

class PooledUpstreamClient implements UpstreamClient {
	readonly upstream: Upstream;
	readonly budget: RetryBudget;
	readonly #identity: UpstreamIdentity;
	readonly #pool: Pool;
	/** Connections that carry one call and are closed: what is sent again must not meet a stale one once more. */
	#fresh: Pool | undefined = undefined;
	/** Each stream has a connection of its own, which ends with it: it keeps no other call from one, nor meets a stale one. */
	#streamed: Pool | undefined = undefined;
	#streams = 0;
	readonly #calls = new Set<UpstreamCall>();
	readonly #callsMax: number;
	#sweep: NodeJS.Timeout | undefined = undefined;

	constructor(upstream: Upstream, identity: UpstreamIdentity) {
		this.upstream = upstream;
		this.#identity = identity;
		this.#pool = openPool(upstream, identity, { pipelining: 1 });
		this.#callsMax = upstream.connectionsMax + upstream.queueMax;
		this.budget = new RetryBudget(upstream.connectionsMax + 10);
	}

	send(request: UpstreamRequest, receiver: UpstreamReceiver): () => void {
		if (this.#calls.size >= this.#callsMax) {
			queueMicrotask(() => receiver.onUpstreamFault(OVERLOADED));
			return doNothing;
		}
		const call = new UpstreamCall(this, request, receiver, performance.now() + this.upstream.totalTimeoutMs);
		this.#calls.add(call);
		this.#sweep ??= setInterval(() => this.#endOverdue(), SWEEP_MS).unref();
		this.budget.deposit();
		this.#pool.dispatch(call.options, call);
		return () => call.abort();
	}

	stream(request: UpstreamStreamRequest, receiver: UpstreamStreamReceiver): UpstreamStream {
		if (this.#streams >= this.upstream.streamsMax) {
			queueMicrotask(() => receiver.onUpstreamFault(OVERLOADED));
			return { resume: doNothing, abort: doNothing };
		}
		this.#streams++;
		const call = new UpstreamStreamCall(receiver, () => this.#streams--);
		this.#streamed ??= openPool(this.upstream, this.#identity, {
			...SINGLE_USE,
			connections: this.upstream.streamsMax,
		});
		this.#streamed.dispatch(streamOptions(request), call);
		return call;
	}

	upgrade(request: UpstreamUpgradeRequest, receiver: UpstreamUpgradeReceiver): () => void {
		if (this.#streams >= this.upstream.streamsMax) {
			queueMicrotask(() => receiver.onUpstreamFault(OVERLOADED));
			return doNothing;
		}
		this.#streams++;
		let isOpen = true;
		const upgrade = new UpstreamUpgrade(this.upstream, this.#identity, request, receiver, () => {
			if (isOpen) this.#streams--;
			isOpen = false;
		});
		return () => upgrade.abort();
	}

	/** Sends a call once more, on a connection of its own. */
	sendAgain(call: UpstreamCall): void {
		this.#fresh ??= openPool(this.upstream, this.#identity, { pipelining: 0 });
		this.#fresh.dispatch(call.options, call);
	}

	settled(call: UpstreamCall): void {
		this.#calls.delete(call);
	}

	async close(): Promise<void> {
		clearInterval(this.#sweep);
		await Promise.all([this.#pool.destroy(), this.#fresh?.destroy(), this.#streamed?.destroy()]);
	}

	/** One timer for all calls: a call that trickles in byte by byte keeps every other bound of time. */
	#endOverdue(): void {
		const now = performance.now();
		for (const call of this.#calls) if (call.deadlineTick <= now) call.expire();
	}
}

/** One call for each connection; how long a stream may pause is for its receiver to say. */
const SINGLE_USE: Pool.Options = { pipelining: 0, bodyTimeout: 0 };

/** `pipelining`: 1 keeps connections alive for the next call, 0 closes each after its call. */
function openPool(upstream: Upstream, identity: UpstreamIdentity, options: Pool.Options): Pool {
	return new Pool(upstream.origin, {
		connections: upstream.connectionsMax,
		allowH2: false,
		headersTimeout: upstream.responseTimeoutMs,
		bodyTimeout: upstream.bodyTimeoutMs,
		keepAliveTimeout: upstream.keepAliveMs,
		keepAliveMaxTimeout: KEEP_ALIVE_MS_MAX,
		keepAliveTimeoutThreshold: KEEP_ALIVE_MARGIN_MS,
		connectTimeout: upstream.connectTimeoutMs,
		connect: { ...upstreamTlsOptions(identity), timeout: upstream.connectTimeoutMs },
		...options,
	});
}

function doNothing(): void {}

/** Collects one response, up to its bound. */
class UpstreamCall implements Dispatcher.DispatchHandler {
	readonly options: Dispatcher.DispatchOptions;
	readonly deadlineTick: number;
	readonly #client: PooledUpstreamClient;
	readonly #request: UpstreamRequest;
	readonly #receiver: UpstreamReceiver;
	#controller: Dispatcher.DispatchController | undefined = undefined;
	#status = 0;
	#headers: UpstreamHeaders = {};
	#first: Buffer | undefined = undefined;
	#chunks: Buffer[] | undefined = undefined;
	#length = 0;
	#retries = 0;
	/** Whether bytes of the request may be on the wire. */
	#isStarted = false;
	/** Whether anything of an answer came, be it an informational one. */
	#isAnswered = false;
	#isSettled = false;
	/** Why the call ends, once somebody has ended it. */
	#ended: Error | undefined = undefined;

	constructor(
		client: PooledUpstreamClient,
		request: UpstreamRequest,
		receiver: UpstreamReceiver,
		deadlineTick: number,
	) {
		this.#client = client;
		this.#request = request;
		this.#receiver = receiver;
		this.deadlineTick = deadlineTick;
		this.options = {
			path: request.target,
			method: request.method,
			headers: request.headers as string[],
			body: request.body ?? null,
		};
	}

	abort(): void {
		this.#end(new Error('the client went away'));
	}

	expire(): void {
		if (this.#isSettled) return;
		this.#fail(timedOut('the call as a whole took too long'));
		this.#end(new Error('the call took too long'));
	}

	onRequestStart(controller: Dispatcher.DispatchController): void {
		this.#controller = controller;
		this.#isStarted = true;
		if (this.#ended !== undefined) controller.abort(this.#ended);
	}

	onRequestUpgrade(controller: Dispatcher.DispatchController): void {
		controller.abort(new Error('the upstream upgraded a connection that nobody asked it to'));
	}

	onResponseStart(_controller: Dispatcher.DispatchController, statusCode: number, headers: UpstreamHeaders): void {
		this.#isAnswered = true;
		if (statusCode < 200) return;
		this.#status = statusCode;
		this.#headers = headers;
	}

	onResponseData(controller: Dispatcher.DispatchController, chunk: Buffer): void {
		this.#length += chunk.length;
		if (this.#length > this.#request.responseBytesMax) {
			this.#fail(answerTooLarge(this.#request.responseBytesMax));
			controller.abort(new Error('response too large'));
			return;
		}
		if (this.#first === undefined) this.#first = chunk;
		else if (this.#chunks === undefined) this.#chunks = [this.#first, chunk];
		else this.#chunks.push(chunk);
	}

	onResponseEnd(): void {
		if (this.#isSettled) return;
		this.#settle();
		const body = this.#chunks === undefined ? (this.#first ?? EMPTY) : Buffer.concat(this.#chunks, this.#length);
		this.#receiver.onUpstreamResponse(this.#status, this.#headers, body);
	}

	onResponseError(_controller: Dispatcher.DispatchController, error: Error): void {
		if (this.#isSettled) return;
		if (!this.#mayRetry(error) || !this.#client.budget.withdraw()) {
			this.#fail(describeFailure(error));
			return;
		}
		const delayMs = RETRY_DELAYS_MS[Math.min(this.#retries, RETRY_DELAYS_MS.length - 1)];
		this.#retries++;
		this.#isStarted = false;
		this.#controller = undefined;
		this.#receiver.onUpstreamRetry();
		setTimeout(() => {
			if (this.#isSettled) return;
			if (this.#ended === undefined) this.#client.sendAgain(this);
			else this.#fail(describeFailure(this.#ended));
		}, delayMs);
	}

	/**
	 * INVARIANT: a call of which bytes were sent is sent again only where doing it twice is doing it once.
	 * upstream-retry.test.ts
	 */
	#mayRetry(error: Error): boolean {
		if (this.#ended !== undefined || this.#isAnswered || !isBrokenConnection(error)) return false;
		if (this.#retries >= this.#client.upstream.retriesMax) return false;
		return !this.#isStarted || this.#request.retry === 'unanswered';
	}

	#end(reason: Error): void {
		this.#ended ??= reason;
		this.#controller?.abort(reason);
	}

	#fail(outcome: Fault): void {
		if (this.#isSettled) return;
		this.#settle();
		this.#receiver.onUpstreamFault(outcome);
	}

	#settle(): void {
		this.#isSettled = true;
		this.#client.settled(this);
	}
}

const EMPTY = Buffer.alloc(0);
