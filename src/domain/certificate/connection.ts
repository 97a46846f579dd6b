// What is known of one TLS connection, found out once per connection and then looked up by its socket.
import type { Fault } from '../../kernel/faults.ts';
import type { Result } from '../../kernel/result.ts';
import type { VerifiedCertificate } from './verify-client-certificate.ts';

export interface Connection {
	/** Address of the peer, without a port. */
	readonly address: string;
	/** Server name indication, lower case; undefined when the client sent none. */
	readonly serverName: string | undefined;
	/** The verdict on the client certificate at the time of the handshake; undefined when none was presented. */
	readonly certificate: Result<VerifiedCertificate, Fault> | undefined;
}
