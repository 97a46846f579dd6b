// What every TLS listener of the platform shares: TLS 1.2 with forward-secret AEAD suites, or TLS 1.3; no renegotiation.
// Client certificates are asked for and judged by our own code: the library's verdict would end the handshake without an
// answer and without a record.
import { constants } from 'node:crypto';
import type { SecureContextOptions } from 'node:tls';

/** Certificate chain (leaf first) and key, PEM. */
export interface ServerIdentity {
	readonly chain: string;
	readonly key: string;
	/** OCSP answer about the certificate, DER, for clients that ask for it in the handshake. */
	readonly staple?: Uint8Array;
}

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

/** The options of the secure context for one identity. `clientAuthorities` are named to clients (PEM). */
export function secureContextOptions(
	identity: ServerIdentity,
	clientAuthorities: readonly string[],
): SecureContextOptions {
	return {
		cert: identity.chain,
		key: identity.key,
		ca: [...clientAuthorities],
		minVersion: 'TLSv1.2',
		ciphers: CIPHERS,
		honorCipherOrder: true,
		secureOptions: constants.SSL_OP_NO_RENEGOTIATION | constants.SSL_OP_NO_COMPRESSION,
	};
}
