// The part of the schema about the network in front of the platform: lists of addresses, hops that are believed, and what
// one source may do before it is refused.
import { z } from 'zod';
import { parseIpNetwork } from '../domain/network/ip-set.ts';
import { checkedText, durationMs, durationSeconds } from './schema-field.ts';

const NETWORKS_MAX = 10_000;
const HOPS_MAX = 200;

/** A network in CIDR notation, or a single address. */
export function network() {
	return checkedText((text) => {
		if (parseIpNetwork(text) !== undefined) return undefined;
		return {
			message: 'this is no network',
			remedy: 'Write 203.0.113.0/24, 2001:db8::/32 or a single address; bits beyond the prefix are zero.',
		};
	});
}

/** A network that may speak for others: never everybody. */
function hop() {
	return checkedText((text) => {
		const parsed = parseIpNetwork(text);
		if (parsed === undefined) {
			return {
				message: 'this is no network',
				remedy: 'Write the addresses of the load balancers, such as 10.0.1.0/28 or 10.0.1.5.',
			};
		}
		if (!/\/[0-7]$/.test(parsed.text)) return undefined;
		return {
			message: 'hops that are believed cannot be half of the internet: anybody could name any address',
			remedy: 'Write the addresses of the load balancers, such as 10.0.1.0/28.',
		};
	});
}

const hops = (what: string) => z.array(hop()).min(1).max(HOPS_MAX).describe(what);

/** Settings that every TLS listener has. */
export const listenerProtectionFields = {
	allow: z
		.array(network())
		.max(NETWORKS_MAX)
		.default([])
		.describe(
			'Networks that may connect, in CIDR notation, IPv4 and IPv6; others are closed before TLS. Empty = everybody.',
		),
	deny: z
		.array(network())
		.max(NETWORKS_MAX)
		.default([])
		.describe('Networks that may not connect, also where `allow` names them.'),
	proxyProtocol: z
		.strictObject({
			from: hops('Networks of the hops. Each of their connections must begin with a PROXY header.'),
			headerTimeout: durationMs(100, 60_000)
				.prefault('5s')
				.describe('How long the header may take, 100ms to 1m. Then the connection is closed.'),
		})
		.optional()
		.describe(
			'Load balancers that pass TCP on and say in a PROXY header (version 1 or 2) for whom. The address that they say is ' +
				'the client for every list, limit and record. From anybody else a PROXY header is just bad TLS.',
		),
	trustedHops: z
		.strictObject({
			from: hops('Networks of the hops.'),
			field: z
				.enum(['forwarded', 'x-forwarded-for'])
				.describe('The field that they write: `forwarded` (RFC 7239) or `x-forwarded-for`. The other one is ignored.'),
		})
		.optional()
		.describe(
			'HTTP proxies in front that name the client in a field of the request. WARNING: they must remove or extend what ' +
				'clients send under that name. From anybody else the field is ignored; it is never passed on.',
		),
	connectionsPerSource: z
		.int()
		.min(1)
		.max(1_000_000)
		.default(256)
		.describe(
			'Connections of one address (IPv6: of a /64) that each thread of the listener holds, 1 to 10⁶; its network (IPv4: a ' +
				'/24, IPv6: a /48) has four times as many. Further ones are closed before TLS.',
		),
	handshakesMax: z
		.int()
		.min(8)
		.max(100_000)
		.default(512)
		.describe(
			'TLS handshakes that each thread of the listener has in progress, 8 to 10⁵; one source has half of them. Above that ' +
				'the oldest is cut.',
		),
};

/** What a source may do before it is refused. */
export const sourcesSchema = z
	.strictObject({
		failures: z
			.int()
			.min(5)
			.max(100_000)
			.default(60)
			.describe(
				'Failures of an address (IPv6: of a /64; eight times as many of a /48) in a window before it is refused with 429, ' +
					'5 to 10⁵. What looks like an attack counts double or threefold.',
			),
		certifiedFailures: z
			.int()
			.min(5)
			.max(100_000)
			.default(300)
			.describe(
				'The same for a client certificate of ours, 5 to 10⁵. Such a connection is judged by its certificate and not by its ' +
					'address, so that partners behind one address do not pay for each other or for strangers.',
			),
		window: durationSeconds(10, 3600).prefault('60s').describe('Length of the window, 10s to 1h.'),
		blockMin: durationSeconds(1, 3600)
			.prefault('10s')
			.describe('How long a source is refused at first, 1s to 1h. Each relapse doubles it.'),
		blockMax: durationSeconds(1, 86_400)
			.prefault('15m')
			.describe('The longest time, 1s to 1d. A source that keeps quiet for so long begins anew.'),
		requests: z
			.strictObject({
				count: z.int().min(1).max(1_000_000).describe('Requests, 1 to 10⁶.'),
				window: durationSeconds(1, 3600).describe('Window, 1s to 1h.'),
			})
			.optional()
			.describe(
				'Most requests of one source at the gateway in a window, whether they fail or not. Not bounded by default: plans ' +
					'have limits of their own.',
			),
	})
	.prefault({})
	.describe('Protection against sources that fail too often.');
