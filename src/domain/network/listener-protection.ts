// What a listener holds against the network in front of it: who may connect at all, which hops are believed when they say
// for whom they speak, and how much of the listener one source may take.
import type { ForwardingField, TrustedHops } from './forwarded.ts';
import type { IpAddress } from './ip-address.ts';
import { type IpSet, ipSetOf } from './ip-set.ts';

/** Why a connection was closed before TLS, or in its handshake. */
export const CONNECTION_REFUSALS = ['address', 'proxy-header', 'source-connections', 'handshakes'] as const;
export type ConnectionRefusal = (typeof CONNECTION_REFUSALS)[number];

/** The settings, as plain data. Networks are in CIDR notation, checked by `parseIpNetwork`. */
export interface ListenerProtection {
	/** Who may connect; everybody when empty. */
	readonly allow: readonly string[];
	/** Who may not, even where `allow` says so. */
	readonly deny: readonly string[];
	/** Hops that begin each connection with a PROXY header. */
	readonly proxyProtocol: { readonly from: readonly string[]; readonly headerTimeoutMs: number } | undefined;
	/** Hops that name the client in a header field of the request. */
	readonly trustedHops: { readonly from: readonly string[]; readonly field: ForwardingField } | undefined;
	/** Connections of one address (IPv6: of a /64) that a thread of the listener holds; four times as many of a network. */
	readonly connectionsPerSourceMax: number;
	/** TLS handshakes that a thread of the listener has in progress. */
	readonly handshakesMax: number;
}

/** The settings compiled for use. */
export interface CompiledProtection {
	/** Whether a client of this address may be served. */
	admits(address: IpAddress): boolean;
	/** Hops from which a PROXY header is expected; undefined where there are none. */
	readonly proxyHops: { readonly hops: IpSet; readonly headerTimeoutMs: number } | undefined;
	readonly trustedHops: TrustedHops | undefined;
	readonly connectionsPerSourceMax: number;
	readonly handshakesMax: number;
}

/** Compiles the settings of a listener. */
export function compileListenerProtection(settings: ListenerProtection): CompiledProtection {
	const { proxyProtocol, trustedHops, connectionsPerSourceMax, handshakesMax } = settings;
	const allow = ipSetOf(settings.allow);
	const deny = ipSetOf(settings.deny);
	return {
		admits: (address) => (allow.isEmpty || allow.has(address)) && !deny.has(address),
		proxyHops:
			proxyProtocol === undefined
				? undefined
				: { hops: ipSetOf(proxyProtocol.from), headerTimeoutMs: proxyProtocol.headerTimeoutMs },
		trustedHops: trustedHops === undefined ? undefined : { hops: ipSetOf(trustedHops.from), field: trustedHops.field },
		connectionsPerSourceMax,
		handshakesMax,
	};
}
