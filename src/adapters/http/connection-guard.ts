// Looks at each TCP connection before TLS begins: reads the PROXY header of configured hops, holds the client's address
// against the lists of the listener, and bounds what one source takes. What is refused here is closed without a word: there
// is no request yet that could be answered or recorded; it is counted.
import type { Socket } from 'node:net';
import { formatIpAddress, type IpAddress, parseSocketAddress } from '../../domain/network/ip-address.ts';
import type { CompiledProtection, ConnectionRefusal } from '../../domain/network/listener-protection.ts';
import { type ProxyHeader, readProxyHeader } from '../../domain/network/proxy-protocol.ts';
import { createConnectionQuota } from './connection-quota.ts';
import type { ConnectionGuard } from './listener.ts';

export interface GuardedListener {
	readonly guard: ConnectionGuard;
	/** To be told of each connection whose TLS handshake is over. */
	readonly onSecured: (connection: Socket) => void;
}

/** Creates the guard of one listener of this thread. `onRefused` is told of every connection that is closed by it. */
export function createConnectionGuard(
	protection: CompiledProtection,
	onRefused: (reason: ConnectionRefusal) => void,
): GuardedListener {
	const { proxyHops, trustedHops } = protection;
	const quota = createConnectionQuota(protection.connectionsPerSourceMax, protection.handshakesMax);
	const refuse = (socket: Socket, reason: ConnectionRefusal): void => {
		onRefused(reason);
		socket.destroy();
	};
	/** Lets a connection of `client` into its handshake, or closes it. */
	const admit = (socket: Socket, client: IpAddress, pass: () => void): void => {
		// A hop that names clients in its requests holds many of them: those are judged when they are known.
		if (trustedHops?.hops.has(client) !== true) {
			if (!protection.admits(client)) return refuse(socket, 'address');
			if (!quota.take(socket, client)) return refuse(socket, 'source-connections');
		}
		handshake(socket, client, pass);
	};
	const handshake = (socket: Socket, client: IpAddress, pass: () => void): void => {
		const cut = quota.beginHandshake(socket, client);
		if (cut !== undefined) refuse(cut, 'handshakes');
		if (cut !== socket) pass();
	};
	return {
		guard(socket, pass) {
			const peer = parseSocketAddress(socket.remoteAddress);
			if (peer === undefined) {
				// It was closed before we came to look.
				socket.destroy();
				return;
			}
			if (proxyHops?.hops.has(peer) !== true) {
				admit(socket, peer, pass);
				return;
			}
			readHeader(socket, proxyHops.headerTimeoutMs, (header) => {
				if (header === undefined) return refuse(socket, 'proxy-header');
				const { client, fields } = header;
				// The hop itself: it looks whether we are alive, and is not held against lists that are for clients.
				if (client === undefined) return handshake(socket, peer, pass);
				const source = { address: formatIpAddress(client), peerAddress: formatIpAddress(peer), fields };
				admit(socket, client, () => pass(source));
			});
		},
		onSecured: (connection) => quota.endHandshake(connection),
	};
}

/** Reads the header, in time and within its bound; gives undefined when there is none. Puts back what follows it. */
function readHeader(socket: Socket, timeoutMs: number, done: (header: ProxyHeader | undefined) => void): void {
	let held: Buffer | undefined;
	const finish = (header: ProxyHeader | undefined): void => {
		clearTimeout(timer);
		socket.removeListener('data', onData);
		socket.removeListener('end', onEnd);
		socket.removeListener('close', onEnd);
		socket.pause();
		done(header);
	};
	const onEnd = (): void => finish(undefined);
	const onData = (chunk: Buffer): void => {
		held = held === undefined ? chunk : Buffer.concat([held, chunk]);
		const reading = readProxyHeader(held);
		if (reading.kind === 'incomplete') return;
		if (reading.kind === 'header') {
			socket.pause();
			if (held.length > reading.header.length) socket.unshift(held.subarray(reading.header.length));
			finish(reading.header);
		} else finish(undefined);
	};
	const timer = setTimeout(onEnd, timeoutMs);
	socket.on('data', onData);
	socket.once('end', onEnd);
	socket.once('close', onEnd);
}
