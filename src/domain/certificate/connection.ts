// What is known of one TLS connection, found out once per connection and then looked up by its socket.
import type { ProxyField } from '../network/proxy-protocol.ts';
import type { Fault } from '../../kernel/faults.ts';
import type { Result } from '../../kernel/result.ts';
import type { VerifiedCertificate } from './verify-client-certificate.ts';

export interface Connection {
	/** Address of the client, without a port: of the peer, or what a trusted hop said in its PROXY header. */
	readonly address: string;
	/** Address of that hop; undefined where there is none. */
	readonly peerAddress?: string | undefined;
	/** What else that hop said of the connection. */
	readonly proxyFields?: readonly ProxyField[] | undefined;
	/** Server name indication, lower case; undefined when the client sent none. */
	readonly serverName: string | undefined;
	/** Version of TLS and group of the key exchange, such as `TLSv1.3 X25519MLKEM768`. */
	readonly keyExchange?: string | undefined;
	/** The verdict on the client certificate at the time of the handshake; undefined when none was presented. */
	readonly certificate: Result<VerifiedCertificate, Fault> | undefined;
	/**
	 * base64url SHA-256 of the certificate that was presented, whether it is one of ours or not: the peer has proven that
	 * it holds its key, and nothing more. Undefined when none was presented.
	 */
	readonly thumbprint?: string | undefined;
}
