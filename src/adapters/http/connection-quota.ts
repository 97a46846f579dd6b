// How many connections each source has open at a listener, and which of them are still in their TLS handshake. A source is
// an address (IPv6: a /64), and the network around it (IPv4: a /24, IPv6: a /48) has four times as much. When the handshakes
// in progress reach their bound, the oldest one is cut: an honest client is done within milliseconds, so that what is old is
// what was begun in order to stay. Bounded by the connections that the listener takes.
import type { Socket } from 'node:net';
import { formatIpAddress, type IpAddress } from '../../domain/network/ip-address.ts';
import { networkPart } from '../../domain/network/ip-set.ts';
import { networkKey } from '../../domain/network/source.ts';

const NETWORK_FACTOR = 4;
const NETWORK_BITS = { 4: 24, 6: 48 } as const;
/** Share of the handshakes in progress that one source may have. */
const HANDSHAKE_SHARE = 2;

export interface ConnectionQuota {
	/** Counts a connection of `address` until it closes; false when the source has its share already. */
	take(socket: Socket, address: IpAddress): boolean;
	/** Notes that a TLS handshake begins on a connection; gives the connection to cut in exchange, if there is one. */
	beginHandshake(socket: Socket, address: IpAddress | undefined): Socket | undefined;
	/** Notes that the handshake of a connection is over. */
	endHandshake(socket: Socket): void;
}

/** Creates the quota of one listener of this thread. */
export function createConnectionQuota(perSourceMax: number, handshakesMax: number): ConnectionQuota {
	const open = new Map<string, number>();
	/** In the order in which they began. */
	const handshakes = new Map<Socket, string>();
	const handshaking = new Map<string, number>();
	const handshakesPerSource = Math.max(1, Math.floor(handshakesMax / HANDSHAKE_SHARE));
	const endHandshake = (socket: Socket): void => {
		const key = handshakes.get(socket);
		if (key === undefined) return;
		handshakes.delete(socket);
		subtract(handshaking, key);
	};
	return {
		take(socket, address) {
			const source = networkKey(address);
			const network = `net ${formatIpAddress(networkPart(address, NETWORK_BITS[address.family]))}`;
			if ((open.get(source) ?? 0) >= perSourceMax) return false;
			if ((open.get(network) ?? 0) >= perSourceMax * NETWORK_FACTOR) return false;
			for (const key of [source, network]) open.set(key, (open.get(key) ?? 0) + 1);
			socket.once('close', () => {
				for (const key of [source, network]) subtract(open, key);
			});
			return true;
		},
		beginHandshake(socket, address) {
			const key = address === undefined ? '' : networkKey(address);
			handshakes.set(socket, key);
			handshaking.set(key, (handshaking.get(key) ?? 0) + 1);
			socket.once('close', () => endHandshake(socket));
			if ((handshaking.get(key) ?? 0) > handshakesPerSource) return oldestOf(handshakes, key);
			return handshakes.size > handshakesMax ? oldestOf(handshakes, undefined) : undefined;
		},
		endHandshake,
	};
}

/** The oldest handshake, of one source or of all. */
function oldestOf(handshakes: ReadonlyMap<Socket, string>, wanted: string | undefined): Socket | undefined {
	for (const [socket, key] of handshakes) if (wanted === undefined || key === wanted) return socket;
	return undefined;
}

function subtract(counts: Map<string, number>, key: string): void {
	const left = (counts.get(key) ?? 0) - 1;
	if (left > 0) counts.set(key, left);
	else counts.delete(key);
}
