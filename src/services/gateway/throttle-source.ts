// Stage throttleSource: is the source of this request refused because of what came from it before, or because of where it
// is? Behind a hop that terminates HTTP the client is the one that the hop names in its request; from anybody else that field
// is not looked at. Nothing of it is forwarded in any case.
import { findRequestOrigin, judgeOrigin } from '../../domain/network/request-origin.ts';
import type { Fault } from '../../kernel/faults.ts';
import type { Exchange } from './exchange.ts';
import type { GatewayContext } from './gateway-context.ts';

/** Refuses requests by their source; fills `origin`. */
export function throttleSource(exchange: Exchange, { sources }: GatewayContext): Fault | undefined {
	const origin = findRequestOrigin(exchange.connection, (name) => exchange.headers.get(name), sources.protection);
	if (!origin.ok) return origin.fault;
	exchange.origin = origin.value;
	return judgeOrigin(origin.value, sources, exchange.startedAtMs);
}
