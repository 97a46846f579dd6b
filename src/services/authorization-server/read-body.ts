// Collects a request body within bounds of size and time. A body that is somewhat too large is read to its end and
// dropped, because a sender that is still sending may never see the answer. One that is far too large, or too slow, is
// left where it is: the answer then says `Connection: close`, and nobody can hold the connection.
import type { IncomingMessage } from 'node:http';
import { type Fault, fault } from '../../kernel/faults.ts';
import { fail, ok, type Result } from '../../kernel/result.ts';

/** How much more than the bound is read and dropped. */
const DROPPED_FACTOR = 16;

/**
 * Reads the body of `request`. Faults: `body_too_large`, `oauth_invalid_request` when it does not arrive in time or the
 * sender goes away. Resolves always, once.
 */
export function readBody(
	request: IncomingMessage,
	bytesMax: number,
	timeoutMs: number,
): Promise<Result<Buffer, Fault>> {
	return new Promise((resolve) => {
		const chunks: Buffer[] = [];
		let bytes = 0;
		const finish = (result: Result<Buffer, Fault>): void => {
			clearTimeout(timer);
			request.off('data', onData).off('end', onEnd).off('close', onClose).off('error', onClose);
			// What goes wrong from here on concerns a request that is decided already; it must only not be thrown.
			request.on('error', () => {});
			if (!request.complete) request.pause();
			resolve(result);
		};
		const onData = (chunk: Buffer): void => {
			bytes += chunk.length;
			if (bytes <= bytesMax) chunks.push(chunk);
			else if (bytes > bytesMax * DROPPED_FACTOR) finish(fail(tooLarge(bytesMax)));
			else chunks.length = 0;
		};
		const onEnd = (): void => finish(bytes > bytesMax ? fail(tooLarge(bytesMax)) : ok(Buffer.concat(chunks)));
		const onClose = (): void => finish(fail(fault('oauth_invalid_request', 'The request body ended early.')));
		const timer = setTimeout(() => {
			finish(fail(fault('oauth_invalid_request', 'The request body did not arrive in time.')));
		}, timeoutMs);
		request.on('data', onData).on('end', onEnd).on('close', onClose).on('error', onClose);
	});
}

function tooLarge(bytesMax: number): Fault {
	return fault('body_too_large', `Send at most ${bytesMax} bytes.`);
}
