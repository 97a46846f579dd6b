// Judges an address that this process is about to connect to because a URL says so which somebody else may have written.
// Only what is globally reachable is called by default (IANA special-purpose address registries, RFC 6890); the owner can
// permit networks of his own. What no list can permit are the metadata services of clouds, which hand out credentials,
// and addresses that are no single host.
import type { IpAddress } from './ip-address.ts';
import { type IpSet, ipSetOf } from './ip-set.ts';

/** Not for any configuration: unspecified, multicast and broadcast addresses, and the metadata services of clouds. */
const NEVER = ipSetOf([
	'0.0.0.0/8',
	'224.0.0.0/4',
	'255.255.255.255',
	'::',
	'ff00::/8',
	// Amazon, Google, Microsoft, DigitalOcean and others; Amazon's task credentials; Alibaba; Oracle; Microsoft's agent.
	'169.254.169.254',
	'169.254.170.2',
	'169.254.170.23',
	'100.100.100.200',
	'192.0.0.192',
	'168.63.129.16',
	'fd00:ec2::254',
	'fd00:ec2::23',
	'fd20:ce::254',
]);

/** IPv4 networks that the public does not reach. */
const NOT_PUBLIC_4 = ipSetOf([
	'10.0.0.0/8',
	'100.64.0.0/10',
	'127.0.0.0/8',
	'169.254.0.0/16',
	'172.16.0.0/12',
	'192.0.0.0/24',
	'192.0.2.0/24',
	'192.88.99.0/24',
	'192.168.0.0/16',
	'198.18.0.0/15',
	'198.51.100.0/24',
	'203.0.113.0/24',
	'240.0.0.0/4',
]);

/** IPv6: global unicast is one block, and these parts of it are special. 6to4 and Teredo carry an IPv4 address inside. */
const GLOBAL_6 = ipSetOf(['2000::/3']);
const NOT_PUBLIC_6 = ipSetOf(['2001::/23', '2001:db8::/32', '2002::/16', '3fff::/20']);

/** Says whether `address` may be connected to, given the networks that the owner permits beside the public ones. */
export function isPermittedDestination(address: IpAddress, permitted: IpSet): boolean {
	if (NEVER.has(address)) return false;
	return isPublic(address) || permitted.has(address);
}

function isPublic(address: IpAddress): boolean {
	if (address.family === 4) return !NOT_PUBLIC_4.has(address);
	return GLOBAL_6.has(address) && !NOT_PUBLIC_6.has(address);
}
