// Addresses that no internal service has: where clouds publish the credentials of their machines, and what is no host at
// all. A URL in the configuration, or a name that begins to resolve there, would make the gateway ask for them.
import { ipv4Address, parseSocketAddress } from '../network/ip-address.ts';
import { ipSetOf } from '../network/ip-set.ts';

const FORBIDDEN = ipSetOf([
	'0.0.0.0/8', // this host on this network
	'169.254.0.0/16', // link-local, 169.254.169.254 and 169.254.170.2 among them
	'100.100.100.200', // metadata of Alibaba Cloud
	'168.63.129.16', // wire server of Azure
	'192.0.0.192', // metadata of Oracle Cloud
	'224.0.0.0/3', // multicast, reserved, broadcast
	'::',
	'fe80::/10', // link-local
	'fd00:ec2::/32', // metadata of AWS
	'fd20:ce::254', // metadata of Google Cloud
	'ff00::/8', // multicast
]);

/** Prefixes that carry an IPv4 address in their last four bytes: compatible, NAT64. Mapped ones are read as IPv4. */
const EMBEDDING = ipSetOf(['::/96', '64:ff9b::/96']);
const LOOPBACK = ipSetOf(['::1']);

/** Tells whether the gateway must not connect to an address; what is no address at all is forbidden as well. */
export function isForbiddenUpstreamAddress(text: string): boolean {
	const address = parseSocketAddress(text);
	if (address === undefined || FORBIDDEN.has(address)) return true;
	if (!EMBEDDING.has(address) || LOOPBACK.has(address)) return false;
	return FORBIDDEN.has(ipv4Address(address.words[3]));
}
