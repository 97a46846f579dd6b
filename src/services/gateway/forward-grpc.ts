// The gRPC half of forwardRequest: messages pass in both directions as they come, each followed by its prefix. Everything that
// the gates decide is decided before the first byte passes.
import { GrpcMessages } from '../../domain/api/grpc-messages.ts';
import { type GrpcRule, streamsRequests, streamsResponses } from '../../domain/api/grpc-rule.ts';
import { formatGrpcTimeout } from '../../domain/api/grpc-wire.ts';
import { type Fault, fault } from '../../kernel/faults.ts';
import { BodyStream } from './body-stream.ts';
import type { GatewayRoute } from './gateway-route.ts';
import type { Exchange } from './exchange.ts';
import { DEADLINE_EXCEEDED, GrpcRelay } from './grpc-relay.ts';
import type { GatewayContext } from './gateway-context.ts';
import { NOT_ONE_MESSAGE } from './validate-grpc-call.ts';

/** Sends the call; resolves when there is an answer to pass on, or a fault. */
export function forwardGrpc(
	exchange: Exchange,
	context: GatewayContext,
	request: { readonly method: string; readonly target: string; readonly headers: readonly string[] },
): Promise<Fault | undefined> {
	const { upstream, operation } = exchange.route as GatewayRoute;
	const rule = operation.grpc as GrpcRule;
	const isMany = streamsRequests(rule.kind);
	const leftMs = exchange.deadlineMs - (context.tick() - exchange.startedAtTick);
	if (leftMs <= 0) {
		exchange.forwarded = false;
		return Promise.resolve(DEADLINE_EXCEEDED);
	}
	// Whoever sends many messages sends them when there is something to say.
	exchange.request.mayPause = isMany;
	return new Promise((resolve) => {
		const relay = new GrpcRelay(exchange, context, rule, leftMs, resolve);
		exchange.abort = () => relay.cut(CLIENT_CLOSED);
		const body = exchange.hasBody
			? new BodyStream(exchange, rule.requestBytesMax, {
					onProgress: () => relay.touch(),
					onFault: (reason) => relay.cut(reason),
					judge: judgeMessages(operation.requestBodyBytesMax, isMany),
				})
			: undefined;
		const headers = [...request.headers, 'te', 'trailers', 'grpc-timeout'];
		headers.push(formatGrpcTimeout(Math.min(leftMs, rule.timeMaxMs)));
		const isPatient = streamsResponses(rule.kind);
		relay.attach(upstream.stream({ ...request, headers, body, bodyBytes: undefined, isPatient }, relay));
	});
}

/** Follows the messages of the caller; whole ones only may end. */
function judgeMessages(bytesMax: number, isMany: boolean): (chunk: Buffer | undefined) => Fault | undefined {
	const messages = new GrpcMessages(bytesMax, isMany ? Number.POSITIVE_INFINITY : 1);
	return (chunk) => {
		if (chunk === undefined) {
			// SECURITY: half a message must not look like the end of the call. test/attack/grpc.test.ts
			if (!messages.isWhole) return CUT_MESSAGE;
			return isMany || messages.count === 1 ? undefined : NOT_ONE_MESSAGE;
		}
		switch (messages.take(chunk)) {
			case undefined:
				return undefined;
			case 'compressed':
				return COMPRESSED;
			case 'too-large':
				return fault('message_too_large', `Keep each message within ${bytesMax} bytes.`);
			case 'too-many':
				return NOT_ONE_MESSAGE;
		}
	};
}

const COMPRESSED = fault('media_type_unsupported', 'Send messages without compression.');
const CUT_MESSAGE = fault('frames_invalid', 'The call ended in the middle of a message.');
const CLIENT_CLOSED = fault('client_closed', 'The call was taken back before its end.');
