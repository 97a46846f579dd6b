// Stage protectResponse: what the upstream answered is held to the API contract, cut down to what the contract names, and
// masked. A body that cannot be protected is never passed on: the partner sees 502, the operator the reason.
import { streamsResponse } from '../../domain/api/stream-rule.ts';
import { isBodiless } from '../../domain/api/http-headers.ts';
import { isJsonText } from '../../domain/contract/media-type.ts';
import { type Fault, fault } from '../../kernel/faults.ts';
import type { Exchange } from './exchange.ts';
import type { GatewayRoute } from './gateway-route.ts';
import type { GatewayContext } from './gateway-context.ts';

/** Protects the upstream's answer; fills `answerBody`. */
export function protectResponse(exchange: Exchange, _context: GatewayContext): Fault | undefined {
	const route = exchange.route as GatewayRoute;
	if (exchange.webSocket !== undefined) return undefined;
	// Its head was judged as it came, and each message is judged as it passes.
	if (route.operation.grpc !== undefined) return exchange.answerStream === undefined ? NO_CALL : undefined;
	const contentType = single(exchange.upstreamHeaders['content-type']);
	if (exchange.upstreamHeaders['content-encoding'] !== undefined) {
		return invalid('content-encoding that was not asked for');
	}
	if (exchange.answerStream !== undefined) {
		return isStreamedAnswer(exchange) ? undefined : invalid('an answer that may not stream');
	}
	const protectedBody = route.protectResponse(
		exchange.upstreamStatus,
		contentType,
		exchange.upstreamBody,
		route.operation.method,
	);
	if (!protectedBody.ok) return protectedBody.fault;
	exchange.answerBody = protectedBody.value;
	exchange.answerBytes = Buffer.byteLength(protectedBody.value);
	return undefined;
}

/**
 * Whether the answer may pass on unread: the operation streams its responses, nothing of it is masked, and status and
 * media type are declared as something that is not read. JSON never is.
 */
export function isStreamedAnswer({ route, upstreamStatus, upstreamHeaders }: Exchange): boolean {
	const { operation, contract } = route as GatewayRoute;
	const contentType = upstreamHeaders['content-type'];
	if (!streamsResponse(operation.stream) || operation.masks.length > 0 || operation.method === 'HEAD') return false;
	if (typeof contentType !== 'string' || upstreamHeaders['content-encoding'] !== undefined) return false;
	if (isBodiless(upstreamStatus) || isJsonText(contentType)) return false;
	return contract.responseFor(upstreamStatus, contentType)?.kind === 'opaque';
}

const NO_CALL = fault('response_invalid', 'The answer of the service cannot be passed on.', {
	internal: 'no answer of gRPC',
});

function single(value: string | string[] | undefined): string | undefined {
	return Array.isArray(value) ? value.join(', ') : value;
}

function invalid(internal: string): Fault {
	return fault('response_invalid', 'The answer of the service cannot be passed on. The provider was told.', {
		internal,
	});
}
