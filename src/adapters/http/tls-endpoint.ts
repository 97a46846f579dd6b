// The TLS side of a listener: which certificate is shown for which name, which keys seal session tickets, and how each
// connection has exchanged its keys. All of it can be replaced while connections live.
import { X509Certificate } from 'node:crypto';
import type { Socket } from 'node:net';
import { createSecureContext, createServer, type TLSSocket } from 'node:tls';
import { type GroupName, negotiatedGroup } from './client-hello.ts';
import { peekHello } from './peek-hello.ts';
import { rememberKeyExchange, transportOf } from './peer-facts.ts';
import {
	type NamedIdentity,
	type PostQuantum,
	secureContextOptions,
	type ServerIdentity,
	ServerNames,
} from './tls-context.ts';

export interface TlsEndpointOptions {
	readonly identity: ServerIdentity;
	/** Names of `identity`. With them, a client that asks for any other name is refused; without, it is shown to everybody. */
	readonly names?: readonly string[];
	/** Certificates for further names. */
	readonly certificates?: readonly NamedIdentity[];
	/** Authorities that are named to the client when its certificate is asked for (PEM). */
	readonly clientAuthorities: readonly string[];
	/** Session ticket keys, 48 bytes, the same in all threads of a listener. */
	readonly ticketKeys?: Buffer;
	/** Default `prefer`. */
	readonly postQuantum?: PostQuantum;
	/** Told of each finished handshake: version of TLS and group of the key exchange. */
	readonly onHandshake?: (protocol: string, group: GroupName) => void;
}

export interface TlsEndpoint {
	/** Begins the handshake on a TCP connection. */
	begin(socket: Socket): void;
	/** Shows other certificates from the next handshake on. Throws, and changes nothing, when one cannot be used. */
	replaceIdentity(identity: ServerIdentity, certificates: readonly NamedIdentity[]): void;
	/** Names other authorities to clients from the next handshake on. */
	replaceClientAuthorities(clientAuthorities: readonly string[]): void;
	/** Seals tickets with other keys; tickets under the old ones are worth nothing from now on. */
	setTicketKeys(keys: Buffer): void;
}

/** Makes the TLS side of a listener. `take` gets each connection on which the handshake is over. */
export function createTlsEndpoint(
	options: TlsEndpointOptions,
	protocols: readonly string[],
	handshakeMs: number,
	take: (socket: TLSSocket) => void,
): TlsEndpoint {
	const { postQuantum = 'prefer' } = options;
	let { clientAuthorities, identity, ticketKeys } = options;
	let further = options.certificates ?? [];
	const names = new ServerNames(options.names ?? []);
	names.replace(further, clientAuthorities, postQuantum);
	const contextOptions = () => ({
		...secureContextOptions(identity, clientAuthorities, postQuantum),
		...(ticketKeys === undefined ? undefined : { ticketKeys }),
	});
	let staples = staplesOf([identity, ...further]);
	const groups = new WeakMap<Socket, (protocol: string | null) => GroupName>();
	const server = createServer({
		...contextOptions(),
		requestCert: true,
		rejectUnauthorized: false,
		ALPNProtocols: [...protocols],
		handshakeTimeout: handshakeMs,
		SNICallback: (name, decide) => {
			try {
				decide(null, names.contextOf(name));
			} catch (thrown) {
				decide(thrown as Error);
			}
		},
	});
	server.on('secureConnection', (socket) => {
		const protocol = socket.getProtocol();
		const group = groups.get(transportOf(socket))?.(protocol) ?? 'unknown';
		rememberKeyExchange(socket, `${protocol ?? 'TLS'} ${group}`);
		options.onHandshake?.(protocol ?? 'TLS', group);
		take(socket);
	});
	// A handshake that fails is the client's affair; it has been told by an alert.
	server.on('tlsClientError', (_error, socket) => socket.destroy());
	// A client that asks for the revocation of our certificate gets it in the handshake, where we have an answer (RFC 6066 §8).
	server.on('OCSPRequest', (certificate, _issuer, answer) => {
		// Node's types want a buffer; nothing is said by null.
		answer(null, (staples.get(certificate.toString('latin1')) ?? null) as Buffer);
	});
	const show = (): void => {
		names.replace(further, clientAuthorities, postQuantum);
		server.setSecureContext(contextOptions());
		staples = staplesOf([identity, ...further]);
	};
	return {
		begin(socket) {
			peekHello(socket, handshakeMs, (hello) => {
				groups.set(socket, (protocol) => negotiatedGroup(hello, protocol));
				server.emit('connection', socket);
			});
		},
		replaceIdentity(replacement, certificates) {
			// Whatever cannot be used throws here, while the old ones are still shown.
			for (const one of [replacement, ...certificates]) {
				createSecureContext(secureContextOptions(one, clientAuthorities, postQuantum));
			}
			identity = replacement;
			further = certificates;
			show();
		},
		replaceClientAuthorities(replacement) {
			clientAuthorities = replacement;
			show();
		},
		setTicketKeys(keys) {
			ticketKeys = keys;
			server.setTicketKeys(keys);
		},
	};
}

/** The OCSP answers that there are, by the certificate that each is about. */
function staplesOf(identities: readonly ServerIdentity[]): ReadonlyMap<string, Buffer> {
	const staples = new Map<string, Buffer>();
	for (const { chain, staple } of identities) {
		if (staple !== undefined) staples.set(new X509Certificate(chain).raw.toString('latin1'), Buffer.from(staple));
	}
	return staples;
}
