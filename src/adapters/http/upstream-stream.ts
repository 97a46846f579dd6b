// One call with streamed bodies, over undici: hands the answer on piece by piece, and stops reading from the upstream while
// the receiver is not ready for more.
import type { Dispatcher } from 'undici';
import type {
	UpstreamHeaders,
	UpstreamStream,
	UpstreamStreamReceiver,
	UpstreamStreamRequest,
} from '../../domain/api/upstream-client.ts';
import { describeFailure } from './upstream-failure.ts';

/** The options that undici sends a call with. */
export function streamOptions(request: UpstreamStreamRequest): Dispatcher.DispatchOptions {
	const { method, target, body, bodyBytes } = request;
	const length = bodyBytes === undefined ? [] : ['content-length', String(bodyBytes)];
	return {
		method: method as Dispatcher.HttpMethod,
		path: target,
		headers: [...request.headers, ...length],
		body: body ?? null,
	};
}

export class UpstreamStreamCall implements Dispatcher.DispatchHandler, UpstreamStream {
	readonly #receiver: UpstreamStreamReceiver;
	readonly #settle: () => void;
	#controller: Dispatcher.DispatchController | undefined = undefined;
	#isAborted = false;
	#isSettled = false;

	/** `settle` is called once, when the call needs its connection no more. */
	constructor(receiver: UpstreamStreamReceiver, settle: () => void) {
		this.#receiver = receiver;
		this.#settle = settle;
	}

	resume(): void {
		this.#controller?.resume();
	}

	abort(): void {
		this.#isAborted = true;
		this.#controller?.abort(ABORTED);
	}

	onRequestStart(controller: Dispatcher.DispatchController): void {
		this.#controller = controller;
		if (this.#isAborted) controller.abort(ABORTED);
	}

	onRequestUpgrade(controller: Dispatcher.DispatchController): void {
		controller.abort(new Error('the upstream upgraded a connection that nobody asked it to'));
	}

	onResponseStart(_controller: Dispatcher.DispatchController, statusCode: number, headers: UpstreamHeaders): void {
		if (statusCode >= 200 && !this.#isAborted) this.#receiver.onUpstreamHead(statusCode, headers);
	}

	onResponseData(controller: Dispatcher.DispatchController, chunk: Buffer): void {
		if (!this.#isAborted && !this.#receiver.onUpstreamData(chunk)) controller.pause();
	}

	onResponseEnd(): void {
		if (this.#end()) this.#receiver.onUpstreamEnd();
	}

	onResponseError(_controller: Dispatcher.DispatchController, error: Error): void {
		if (this.#end()) this.#receiver.onUpstreamFault(describeFailure(error));
	}

	/** Says whether the receiver is still to hear of the end. */
	#end(): boolean {
		if (this.#isSettled) return false;
		this.#isSettled = true;
		this.#settle();
		return !this.#isAborted;
	}
}

const ABORTED = new Error('the call was taken back');
