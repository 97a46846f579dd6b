// One call over HTTP/2 with streamed bodies: hands the answer on piece by piece, with its trailers, and stops reading from the
// upstream while the receiver is not ready for more. It is never sent again: its body is not kept.
import type { Upstream } from '../../domain/api/api.ts';
import type {
	UpstreamHeaders,
	UpstreamStream,
	UpstreamStreamReceiver,
	UpstreamStreamRequest,
} from '../../domain/api/upstream-client.ts';
import type { Fault } from '../../kernel/faults.ts';
import { codeOfError, OVERLOADED, unreachable } from './upstream-failure.ts';
import type { CallContext } from './upstream-http2-call.ts';
import type { WaitingCall } from './upstream-http2-pool.ts';
import type { UpstreamHttp2Session } from './upstream-http2-session.ts';
import { requestFields, type StreamReceiver, UpstreamHttp2Stream } from './upstream-http2-stream.ts';

export class UpstreamHttp2StreamCall implements WaitingCall, StreamReceiver, UpstreamStream {
	readonly #context: Omit<CallContext, 'budget'>;
	readonly #request: UpstreamStreamRequest;
	readonly #receiver: UpstreamStreamReceiver;
	/** Bounds how long it waits for room. */
	readonly #timer: NodeJS.Timeout;
	#stream: UpstreamHttp2Stream | undefined = undefined;
	#isSettled = false;

	/** Asks for a session; the receiver is never called before the constructor has returned. */
	constructor(context: Omit<CallContext, 'budget'>, request: UpstreamStreamRequest, receiver: UpstreamStreamReceiver) {
		this.#context = context;
		this.#request = request;
		this.#receiver = receiver;
		this.#timer = setTimeout(() => this.#fail(OVERLOADED), waitMsMax(context.upstream));
		context.pool.acquire(this);
	}

	resume(): void {
		this.#stream?.resume();
	}

	abort(): void {
		if (!this.#settle()) return;
		this.#context.pool.withdraw(this);
		if (this.#stream === undefined) this.#dropBody();
		else this.#stream.cancel();
	}

	onRoom(session: UpstreamHttp2Session): void {
		clearTimeout(this.#timer);
		const { body, bodyBytes, isPatient } = this.#request;
		this.#stream = new UpstreamHttp2Stream(
			session,
			{
				fields: requestFields(this.#context.origin, this.#request, Buffer.isBuffer(body) ? body.length : bodyBytes),
				body,
				headMsMax: isPatient === true ? undefined : this.#context.upstream.responseTimeoutMs,
				pauseMsMax: undefined,
			},
			this,
		);
	}

	onNoSession(error: Error): void {
		this.#fail(unreachable(codeOfError(error)));
	}

	onHead(status: number, headers: UpstreamHeaders): void {
		this.#receiver.onUpstreamHead(status, headers);
	}

	onData(chunk: Buffer): boolean {
		return this.#receiver.onUpstreamData(chunk);
	}

	onEnd(trailers: UpstreamHeaders | undefined): void {
		if (this.#settle()) this.#receiver.onUpstreamEnd(trailers);
	}

	onFailure(outcome: Fault): void {
		if (this.#settle()) this.#receiver.onUpstreamFault(outcome);
	}

	/** Nothing was sent. */
	#fail(outcome: Fault): void {
		if (!this.#settle()) return;
		this.#context.pool.withdraw(this);
		this.#dropBody();
		this.#receiver.onUpstreamFault(outcome);
	}

	#dropBody(): void {
		const { body } = this.#request;
		if (body !== undefined && !Buffer.isBuffer(body)) body.destroy();
	}

	/** Says whether the receiver is still to hear of the end. */
	#settle(): boolean {
		if (this.#isSettled) return false;
		this.#isSettled = true;
		clearTimeout(this.#timer);
		this.#context.onSettled();
		return true;
	}
}

/** Longer than a connection may take to be made, so that its failure is what is told. */
function waitMsMax({ connectTimeoutMs, responseTimeoutMs }: Upstream): number {
	return connectTimeoutMs + responseTimeoutMs;
}
