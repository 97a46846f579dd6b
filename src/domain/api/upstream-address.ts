// Addresses that no internal service has: where clouds publish the credentials of their machines, and what is no host at
// all. A URL in the configuration, or a name that begins to resolve there, would make the gateway ask for them.
import { parseIpAddress } from '../certificate/host-name.ts';

/** A network: its bytes, and how many of their bits count. */
interface Network {
	readonly bytes: Buffer;
	readonly bits: number;
}

const FORBIDDEN: readonly Network[] = [
	network('0.0.0.0', 8), // this host on this network
	network('169.254.0.0', 16), // link-local, 169.254.169.254 and 169.254.170.2 among them
	network('100.100.100.200', 32), // metadata of Alibaba Cloud
	network('168.63.129.16', 32), // wire server of Azure
	network('192.0.0.192', 32), // metadata of Oracle Cloud
	network('224.0.0.0', 3), // multicast, reserved, broadcast
	network('::', 128),
	network('fe80::', 10), // link-local
	network('fd00:ec2::', 32), // metadata of AWS
	network('fd20:ce::254', 128), // metadata of Google Cloud
	network('ff00::', 8), // multicast
];

/** Prefixes that carry an IPv4 address in their last four bytes: mapped, compatible, NAT64. */
const EMBEDDING: readonly Network[] = [network('::ffff:0:0', 96), network('::', 96), network('64:ff9b::', 96)];

/** Tells whether the gateway must not connect to an address; what is no address at all is forbidden as well. */
export function isForbiddenUpstreamAddress(address: string): boolean {
	const zone = address.indexOf('%');
	const bytes = parseIpAddress(zone === -1 ? address : address.slice(0, zone));
	if (bytes === undefined) return true;
	if (FORBIDDEN.some((one) => isWithin(bytes, one))) return true;
	if (bytes.length !== 16 || isLoopback(bytes)) return false;
	if (!EMBEDDING.some((one) => isWithin(bytes, one))) return false;
	const embedded = bytes.subarray(12);
	return FORBIDDEN.some((one) => isWithin(embedded, one));
}

function isLoopback(bytes: Buffer): boolean {
	return isWithin(bytes, LOOPBACK);
}

const LOOPBACK = network('::1', 128);

function network(address: string, bits: number): Network {
	const bytes = parseIpAddress(address);
	if (bytes === undefined) throw new Error(`${address} is no address`);
	return { bytes, bits };
}

function isWithin(bytes: Buffer, { bytes: base, bits }: Network): boolean {
	if (bytes.length !== base.length) return false;
	const whole = bits >> 3;
	if (bytes.compare(base, 0, whole, 0, whole) !== 0) return false;
	const rest = bits & 7;
	if (rest === 0) return true;
	const mask = (0xff << (8 - rest)) & 0xff;
	return ((bytes[whole] as number) & mask) === ((base[whole] as number) & mask);
}
