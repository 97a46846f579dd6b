// What every TLS listener of the platform shares: TLS 1.2 with forward-secret AEAD suites, or TLS 1.3; the hybrid
// post-quantum group first; no renegotiation. Client certificates are asked for and judged by our own code: the library's
// verdict would end the handshake without an answer and without a record.
import { constants } from 'node:crypto';
import { createSecureContext, type SecureContext, type SecureContextOptions } from 'node:tls';
import { HYBRID_GROUP, TLS_GROUPS } from './client-hello.ts';

/** Certificate chain (leaf first) and key, PEM. */
export interface ServerIdentity {
	readonly chain: string;
	readonly key: string;
	/** OCSP answer about the certificate, DER, for clients that ask for it in the handshake. */
	readonly staple?: Uint8Array;
}

/** An identity that is shown to clients that ask for one of these names. */
export interface NamedIdentity extends ServerIdentity {
	/** Lower case. */
	readonly names: readonly string[];
}

/** Whether a key exchange must hold against quantum computers: `require` leaves out classical clients and TLS 1.2. */
export type PostQuantum = 'prefer' | 'require';

const CIPHERS = [
	'TLS_AES_256_GCM_SHA384',
	'TLS_CHACHA20_POLY1305_SHA256',
	'TLS_AES_128_GCM_SHA256',
	'ECDHE-ECDSA-AES256-GCM-SHA384',
	'ECDHE-RSA-AES256-GCM-SHA384',
	'ECDHE-ECDSA-CHACHA20-POLY1305',
	'ECDHE-RSA-CHACHA20-POLY1305',
	'ECDHE-ECDSA-AES128-GCM-SHA256',
	'ECDHE-RSA-AES128-GCM-SHA256',
].join(':');
/** Seconds in which a session can be resumed; its keys live no longer either. */
const SESSION_SECONDS = 3600;

/** The options of the secure context for one identity. `clientAuthorities` are named to clients (PEM). */
export function secureContextOptions(
	identity: ServerIdentity,
	clientAuthorities: readonly string[],
	postQuantum: PostQuantum,
): SecureContextOptions {
	return {
		cert: identity.chain,
		key: identity.key,
		ca: [...clientAuthorities],
		minVersion: postQuantum === 'require' ? 'TLSv1.3' : 'TLSv1.2',
		ciphers: CIPHERS,
		ecdhCurve: postQuantum === 'require' ? HYBRID_GROUP : TLS_GROUPS,
		honorCipherOrder: true,
		secureOptions: constants.SSL_OP_NO_RENEGOTIATION | constants.SSL_OP_NO_COMPRESSION,
		sessionTimeout: SESSION_SECONDS,
	};
}

/** Thrown in a handshake for a name that is not served here. */
export class UnknownServerName extends Error {
	constructor() {
		super('no certificate is there for the name that the client asks for');
		this.name = 'UnknownServerName';
	}
}

/** The certificates of a listener by the name that a client asks for. */
export class ServerNames {
	readonly #main: ReadonlySet<string>;
	#contexts: ReadonlyMap<string, SecureContext> = new Map();

	/** `main` are the names of the certificate that is shown without a name; empty = it is shown for every name. */
	constructor(main: readonly string[]) {
		this.#main = new Set(main);
	}

	/** Shows these certificates from the next handshake on. Throws, and changes nothing, when one cannot be used. */
	replace(identities: readonly NamedIdentity[], clientAuthorities: readonly string[], postQuantum: PostQuantum): void {
		const contexts = new Map<string, SecureContext>();
		for (const identity of identities) {
			const context = createSecureContext(secureContextOptions(identity, clientAuthorities, postQuantum));
			for (const name of identity.names) contexts.set(name, context);
		}
		this.#contexts = contexts;
	}

	/** The context for a name; undefined for the one of the listener itself. Throws UnknownServerName. */
	contextOf(name: string): SecureContext | undefined {
		const lower = name.toLowerCase();
		const context = this.#contexts.get(lower);
		if (context !== undefined || this.#main.size === 0 || this.#main.has(lower)) return context;
		throw new UnknownServerName();
	}
}
