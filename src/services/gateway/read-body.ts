// Stage readBody: takes the body of the request in, up to the bound of the operation. Nothing is read of a body whose
// caller was refused earlier: who waits for `100 Continue` hears it only here.
import { BrokenBody } from '../../domain/api/broken-body.ts';
import type { StreamRule } from '../../domain/api/api.ts';
import { type Fault, fault } from '../../kernel/faults.ts';
import { bodyTooLarge } from './body-stream.ts';
import { isCutShort } from './downstream.ts';
import type { Exchange } from './exchange.ts';
import { isStreamedRequest } from './forward-stream.ts';
import type { GatewayRoute } from './gateway-route.ts';
import type { GatewayContext } from './gateway-context.ts';

/** Reads the body; fills `body`. Fails with `body_too_large` as soon as the bound is passed or announced. */
export function readBody(exchange: Exchange, _context: GatewayContext): Fault | undefined | Promise<Fault | undefined> {
	if (!exchange.hasBody) return undefined;
	const { operation } = exchange.route as GatewayRoute;
	const { grpc, stream } = operation;
	exchange.isBodyStreamed = grpc !== undefined || (stream !== undefined && isStreamedRequest(exchange));
	const bytesMax = exchange.isBodyStreamed
		? (grpc ?? (stream as StreamRule)).requestBytesMax
		: operation.requestBodyBytesMax;
	const tooLarge = bodyTooLarge(bytesMax);
	if (Number(exchange.headers.get('content-length') ?? 0) > bytesMax) return tooLarge;
	// It is read when the upstream takes it, and no byte earlier.
	if (exchange.isBodyStreamed) return undefined;
	if (exchange.expectsContinue) exchange.response.writeContinue();
	return collectBody(exchange, bytesMax, tooLarge);
}

/** Longest time that a body may take which is taken in whole. */
const BODY_MS_MAX = 60_000;
const TOO_SLOW = fault('request_timeout', 'Send the whole request without long pauses.');

function collectBody(exchange: Exchange, bytesMax: number, tooLarge: Fault): Promise<Fault | undefined> {
	const { request } = exchange;
	return new Promise((resolve) => {
		const chunks: Buffer[] = [];
		let length = 0;
		const timer = setTimeout(() => {
			request.pause();
			settle(TOO_SLOW);
		}, BODY_MS_MAX);
		const settle = (outcome: Fault | undefined): void => {
			clearTimeout(timer);
			request.removeListener('data', onData);
			resolve(outcome);
		};
		const onData = (chunk: Buffer): void => {
			length += chunk.length;
			if (length > bytesMax) {
				request.pause();
				settle(tooLarge);
				return;
			}
			chunks.push(chunk);
		};
		request.on('data', onData);
		request.once('end', () => {
			if (isCutShort(request)) return;
			exchange.body = chunks.length === 1 ? chunks[0] : Buffer.concat(chunks, length);
			settle(undefined);
		});
		request.once('close', () => {
			settle(fault('malformed_request', 'The connection ended before the body did.'));
		});
		request.once('error', (error) => {
			const code = error instanceof BrokenBody ? error.code : 'malformed_request';
			settle(fault(code, 'The body could not be read to its end.'));
		});
	});
}
