// The body of a request on its way to the upstream: read only as fast as the upstream takes it, counted, and cut at its
// bound. It stands between the two connections, so that the upstream's client can end it without touching the partner's.
import { Readable } from 'node:stream';
import { BrokenBody } from '../../domain/api/broken-body.ts';
import { type Fault, fault } from '../../kernel/faults.ts';
import { isCutShort } from './downstream.ts';
import type { Exchange } from './exchange.ts';

export interface BodyStreamEvents {
	/** Called for each piece that came. */
	onProgress(): void;
	/** Called once, when the body ends before its end, passes its bound, or may not pass. The stream is destroyed then. */
	onFault(fault: Fault): void;
	/** Judges each piece before it passes, and with undefined the end. */
	readonly judge?: (chunk: Buffer | undefined) => Fault | undefined;
}

export class BodyStream extends Readable {
	readonly #exchange: Exchange;
	readonly #bytesMax: number;
	readonly #events: BodyStreamEvents;
	#isStarted = false;

	constructor(exchange: Exchange, bytesMax: number, events: BodyStreamEvents) {
		super({ highWaterMark: 65_536 });
		this.#exchange = exchange;
		this.#bytesMax = bytesMax;
		this.#events = events;
		// Whoever takes the body hears of its end by `onFault`; without a listener the error would end the thread.
		this.on('error', () => {});
	}

	/** Whether the partner is to send, and nothing else is waited for. */
	get isAwaited(): boolean {
		const { request } = this.#exchange;
		return this.#isStarted && !this.destroyed && !this.readableEnded && !request.readableEnded && !request.isPaused();
	}

	override _read(): void {
		const { request, response, expectsContinue } = this.#exchange;
		if (!this.#isStarted) {
			this.#isStarted = true;
			request.on('data', this.#onData);
			request.on('end', this.#onEnd);
			request.on('error', this.#onError);
			request.on('close', this.#onClose);
			// There is a connection to the upstream now: who waits for the word to send gets it.
			if (expectsContinue) response.writeContinue();
		}
		request.resume();
	}

	override _destroy(error: Error | null, done: (error: Error | null) => void): void {
		const { request } = this.#exchange;
		request.off('data', this.#onData);
		request.off('end', this.#onEnd);
		request.off('error', this.#onError);
		request.off('close', this.#onClose);
		if (!request.complete) {
			// What still comes is for `endAnswer` to drop.
			request.on('error', () => {});
			request.pause();
		}
		done(error);
	}

	readonly #onData = (chunk: Buffer): void => {
		this.#exchange.streamedBytes += chunk.length;
		if (this.#exchange.streamedBytes > this.#bytesMax) {
			this.#end(bodyTooLarge(this.#bytesMax));
			return;
		}
		const refused = this.#events.judge?.(chunk);
		if (refused !== undefined) {
			this.#end(refused);
			return;
		}
		this.#events.onProgress();
		if (!this.push(chunk)) this.#exchange.request.pause();
	};

	readonly #onEnd = (): void => {
		// SECURITY: a body that is cut short must not look complete to the upstream. test/attack/streaming.test.ts
		if (isCutShort(this.#exchange.request)) {
			this.#onClose();
			return;
		}
		const refused = this.#events.judge?.(undefined);
		if (refused === undefined) this.push(null);
		else this.#end(refused);
	};

	readonly #onError = (error: Error): void => {
		// Any other error is that of a connection which is gone.
		if (error instanceof BrokenBody) this.#end(fault(error.code, 'The body could not be read to its end.'));
		else this.#end(CUT_SHORT);
	};

	readonly #onClose = (): void => {
		if (this.readableEnded) return;
		if (this.#exchange.request.readableEnded && !isCutShort(this.#exchange.request)) return;
		this.#end(CUT_SHORT);
	};

	#end(reason: Fault): void {
		if (this.destroyed) return;
		this.#events.onFault(reason);
		this.destroy(new Error(reason.code));
	}
}

const CUT_SHORT = fault('client_closed', 'The connection ended before the body did.');

/** The fault of a body above its bound. */
export function bodyTooLarge(bytesMax: number): Fault {
	return fault('body_too_large', `Keep the body of this operation under ${bytesMax} bytes.`);
}
