// Stage protectResponse: what the upstream answered is held to the API contract, cut down to what the contract names, and
// masked. A body that cannot be protected is never passed on: the partner sees 502, the operator the reason.
import { type Fault, fault } from '../../kernel/faults.ts';
import type { Exchange } from './exchange.ts';
import type { GatewayRoute } from './compile-route.ts';
import type { GatewayContext } from './snapshot.ts';

/** Protects the upstream's answer; fills `answerBody`. */
export function protectResponse(exchange: Exchange, _context: GatewayContext): Fault | undefined {
	const route = exchange.route as GatewayRoute;
	const contentType = single(exchange.upstreamHeaders['content-type']);
	if (exchange.upstreamHeaders['content-encoding'] !== undefined) {
		return invalid('content-encoding that was not asked for');
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

function single(value: string | string[] | undefined): string | undefined {
	return Array.isArray(value) ? value.join(', ') : value;
}

function invalid(internal: string): Fault {
	return fault('response_invalid', 'The answer of the service cannot be passed on. The provider was told.', {
		internal,
	});
}
