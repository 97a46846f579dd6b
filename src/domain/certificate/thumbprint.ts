// Names of certificates and keys by what they are, never by what they say.
import { createHash } from 'node:crypto';

/** Gives base64url SHA-256 of a DER certificate: the `x5t#S256` of RFC 8705 §3.1. */
export function certificateThumbprint(der: Uint8Array): string {
	return createHash('sha256').update(der).digest('base64url');
}
