// Who stands behind a request as far as protection by source goes. A connection that has proven a certificate of ours is a
// source of its own, whatever address it comes from: partners behind one address (NAT, a cloud's exit) do not pay for each
// other, and a stranger behind that address cannot have them locked out. Everybody else is known by the network address;
// IPv6 by its /64, since a single host can have all of it, and by the /48 around it with more patience, since a single
// customer can have that.
import { formatIpAddress, type IpAddress } from './ip-address.ts';
import { networkPart } from './ip-set.ts';

export interface Source {
	/** What failures are counted for. */
	readonly key: string;
	/** A wider network that they are counted for as well; undefined where there is none. */
	readonly widerKey: string | undefined;
	/** Whether the connection has proven a client certificate of ours. */
	readonly isCertified: boolean;
}

const HOST_BITS_6 = 64;
const SITE_BITS_6 = 48;

/** The source of a connection. `thumbprint` is that of a client certificate that was verified, undefined without one. */
export function sourceOf(address: IpAddress | undefined, thumbprint: string | undefined): Source {
	if (thumbprint !== undefined) return { key: `c:${thumbprint}`, widerKey: undefined, isCertified: true };
	// A socket that has lost its address has been closed by its client.
	if (address === undefined) return { key: 'unknown', widerKey: undefined, isCertified: false };
	return { key: networkKey(address), widerKey: siteKey(address), isCertified: false };
}

/** One text for all addresses that one host can have: the address itself, or its /64. */
export function networkKey(address: IpAddress): string {
	if (address.family === 4) return formatIpAddress(address);
	return `${formatIpAddress(networkPart(address, HOST_BITS_6))}/${HOST_BITS_6}`;
}

function siteKey(address: IpAddress): string | undefined {
	if (address.family === 4) return undefined;
	return `${formatIpAddress(networkPart(address, SITE_BITS_6))}/${SITE_BITS_6}`;
}
