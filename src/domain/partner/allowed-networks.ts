// The networks from which a partner may call. Compiled once per record: a changed partner is another record.
import type { IpAddress } from '../network/ip-address.ts';
import { type IpSet, ipSetOf } from '../network/ip-set.ts';
import type { Partner } from './partner.ts';

/** Most networks on the list of one partner. */
export const ALLOWED_NETWORKS_MAX = 200;

const compiled = new WeakMap<Partner, IpSet>();

/** Whether a partner may call from `address`. An address that is not known is on no list. */
export function isAllowedForPartner(partner: Partner, address: IpAddress | undefined): boolean {
	if (partner.allowedNetworks === undefined) return true;
	if (address === undefined) return false;
	let set = compiled.get(partner);
	if (set === undefined) {
		set = ipSetOf(partner.allowedNetworks);
		compiled.set(partner, set);
	}
	return set.has(address);
}
