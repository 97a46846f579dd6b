// The streaming half of forwardRequest: sends the request to the upstream while it still comes, or takes the answer while
// it is still being made. Everything that the gates decide is decided before the first byte passes.
import { streamsRequest } from '../../domain/api/stream-rule.ts';
import type { StreamRule } from '../../domain/api/api.ts';
import { type Fault, fault } from '../../kernel/faults.ts';
import { BodyStream } from './body-stream.ts';
import type { GatewayRoute } from './gateway-route.ts';
import type { Exchange } from './exchange.ts';
import type { GatewayContext } from './gateway-context.ts';
import { StreamRelay } from './stream-relay.ts';

/** Whether the body of this request passes as it comes: the operation streams requests, and this one is not JSON. */
export function isStreamedRequest(exchange: Exchange): boolean {
	const { operation, contract } = exchange.route as GatewayRoute;
	const contentType = exchange.headers.get('content-type');
	return streamsRequest(operation.stream) && contentType !== undefined && contract.isOpaqueRequest(contentType);
}

/** Sends the request with its bodies as streams; resolves when there is a head to protect, or a fault. */
export function forwardStream(
	exchange: Exchange,
	context: GatewayContext,
	request: { readonly method: string; readonly target: string; readonly headers: readonly string[] },
): Promise<Fault | undefined> {
	const { upstream, operation } = exchange.route as GatewayRoute;
	const rule = operation.stream as StreamRule;
	return new Promise((resolve) => {
		const relay = new StreamRelay(exchange, context, rule, resolve);
		exchange.abort = () => relay.cut(CLIENT_CLOSED);
		const body = exchange.isBodyStreamed
			? new BodyStream(exchange, rule.requestBytesMax, {
					onProgress: () => relay.touch(),
					onFault: (reason) => relay.cut(reason),
				})
			: exchange.body;
		const length = exchange.headers.get('content-length');
		const bodyBytes = exchange.isBodyStreamed && length !== undefined ? Number(length) : undefined;
		const call = upstream.stream({ ...request, body, bodyBytes }, relay);
		relay.attach(call, body instanceof BodyStream ? body : undefined);
	});
}

const CLIENT_CLOSED = fault(
	'client_closed',
	'The connection ended before the answer. Whether the work was done is not known.',
);
