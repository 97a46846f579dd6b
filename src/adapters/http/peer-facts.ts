// What a TLS connection tells about its client, before anything is believed of it.
import type { Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import type { ProxyField } from '../../domain/network/proxy-protocol.ts';

/** Where a connection comes from, in the words of a trusted hop in front of the listener. */
export interface ConnectionSource {
	/** Address of the client, without a port. */
	readonly address: string;
	/** Address of the hop itself. */
	readonly peerAddress?: string;
	/** What else the hop said of the connection. */
	readonly fields?: readonly ProxyField[];
}

/** What a TLS connection tells about its client. */
export interface PeerFacts {
	readonly address: string;
	/** Address of the hop in front of us, where one told the client's address. */
	readonly peerAddress: string | undefined;
	readonly proxyFields: readonly ProxyField[] | undefined;
	readonly serverName: string | undefined;
	/** Version of TLS and group of the key exchange, such as `TLSv1.3 X25519MLKEM768`. */
	readonly keyExchange: string | undefined;
	/** DER of the certificate that the client presented and proved to hold the key of; undefined for none. */
	readonly certificate: Buffer | undefined;
}

const sources = new WeakMap<Socket, ConnectionSource>();
const keyExchanges = new WeakMap<Socket, string>();

/** Remembers, for a TLS connection, its version of TLS and the group of its key exchange. */
export function rememberKeyExchange(connection: Socket, description: string): void {
	keyExchanges.set(connection, description);
}

/** Remembers, for a TCP connection that is yet to speak TLS, where a trusted hop says that it comes from. */
export function rememberSource(connection: Socket, source: ConnectionSource): void {
	sources.set(connection, source);
}

/** Tells what a trusted hop said of the TCP connection below a TLS connection; undefined when there was none. */
export function sourceOf(socket: Socket): ConnectionSource | undefined {
	const below = connectionBelow(socket);
	return below === undefined ? undefined : sources.get(below);
}

/** The TCP connection below a TLS connection. */
export function connectionBelow(socket: Socket): Socket | undefined {
	// Node documents no way from the TLS socket to the TCP socket that it was made from; this is the one that there is.
	return (socket as { readonly _parent?: Socket | null })._parent ?? undefined;
}

/** The TCP connection below a TLS connection; the connection itself where there is none. */
export function transportOf(socket: Socket): Socket {
	return connectionBelow(socket) ?? socket;
}

/** The address of the client of a connection: what a trusted hop said, or the address of the peer. */
export function addressOf(socket: Socket): string {
	return sourceOf(socket)?.address ?? plainAddress(socket.remoteAddress ?? '');
}

/** Reads what a TLS connection tells about its client; call it once per connection, after the handshake. */
export function readPeerFacts(socket: TLSSocket): PeerFacts {
	const serverName = (socket as { readonly servername?: string | false | null }).servername;
	return {
		address: addressOf(socket),
		peerAddress: sourceOf(socket)?.peerAddress,
		proxyFields: sourceOf(socket)?.fields,
		serverName: typeof serverName === 'string' ? serverName.toLowerCase() : undefined,
		keyExchange: keyExchanges.get(socket),
		certificate: socket.getPeerX509Certificate()?.raw,
	};
}

/**
 * The DER certificates that a client sent after its own, in the order in which they came, at most `max`. A session that was
 * resumed brings none.
 */
export function readPeerChain(socket: TLSSocket, max: number): readonly Buffer[] {
	const chain: Buffer[] = [];
	let next = socket.getPeerX509Certificate()?.issuerCertificate;
	while (next !== undefined && chain.length < max) {
		chain.push(next.raw);
		next = next.issuerCertificate;
	}
	return chain;
}

/** Writes an IPv4 address that came over an IPv6 socket in its plain form. */
function plainAddress(address: string): string {
	return address.startsWith('::ffff:') ? address.slice('::ffff:'.length) : address;
}
