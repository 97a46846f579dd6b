// Stage checkAddress: does the partner call from where it said that it would? A partner may have a list of networks; with
// one, a stolen key and token are worth nothing anywhere else.
import { whereFrom } from '../../domain/network/request-origin.ts';
import { isAllowedForPartner } from '../../domain/partner/allowed-networks.ts';
import { type Fault, fault } from '../../kernel/faults.ts';
import type { Exchange, Principal } from './exchange.ts';
import type { GatewayContext } from './gateway-context.ts';

/** Refuses a caller whose partner has a list of networks that its address is not in. */
export function checkAddress(exchange: Exchange, context: GatewayContext): Fault | undefined {
	const partner = context.directory.partner((exchange.principal as Principal).client.partnerId);
	if (partner?.allowedNetworks === undefined) return undefined;
	const { address } = exchange.origin ?? whereFrom(exchange.connection);
	if (isAllowedForPartner(partner, address)) return undefined;
	return fault('address_denied', 'Call from a network on the allow list of your company.');
}
