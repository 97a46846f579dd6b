// A credential proves that a caller is a client. Several live at once, so that rotation needs no outage.
// A certificate credential is known by the exact thumbprint of its certificate, never by a name in it.
import type { CertificateId, ClientId, CredentialId, PartnerId } from '../../kernel/ids.ts';

export interface Credential {
	readonly id: CredentialId;
	readonly clientId: ClientId;
	readonly partnerId: PartnerId;
	readonly kind: 'certificate';
	readonly status: 'active' | 'held' | 'revoked';
	readonly certificateId: CertificateId;
	/** base64url SHA-256 of the DER certificate: the `x5t#S256` of RFC 8705 §3.1. */
	readonly thumbprint: string;
	readonly notBeforeMs: number;
	readonly notAfterMs: number;
	readonly createdAtMs: number;
	readonly updatedAtMs: number;
	readonly revokedAtMs?: number;
	readonly revocationReason?: string;
	readonly revision: number;
}
