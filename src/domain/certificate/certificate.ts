// A certificate that our CA has issued, as the registry remembers it.
import type { CertificateId, ClientId, PartnerId } from '../../kernel/ids.ts';

export type CertificateProfileName = 'partner-client' | 'server' | 'service' | 'operator';

export interface Certificate {
	readonly id: CertificateId;
	readonly profile: CertificateProfileName;
	/** Lower-case hexadecimal serial number, at least 64 random bits. */
	readonly serial: string;
	/** base64url SHA-256 of the DER certificate. */
	readonly thumbprint: string;
	/** base64url SHA-256 of the DER SubjectPublicKeyInfo: one key must not serve two partners. */
	readonly publicKeyHash: string;
	/** Id of the authority that signed it: `partner-issuing` or `platform-issuing`, with a number after a rollover. */
	readonly issuer: string;
	/** The one URI SAN (`spiffe://…`), or the first DNS name of a server certificate. */
	readonly subject: string;
	readonly partnerId?: PartnerId;
	readonly clientId?: ClientId;
	/** `held`: suspended, and the only state that a certificate can come back from. */
	readonly status: 'active' | 'held' | 'revoked';
	readonly notBeforeMs: number;
	readonly notAfterMs: number;
	/** The certificate that was renewed into this one. */
	readonly predecessorId?: CertificateId;
	/** When it is revoked as superseded, because its successor has taken over. */
	readonly supersededAtMs?: number;
	/** The certificate alone, PEM. */
	readonly pem: string;
	readonly createdAtMs: number;
	readonly updatedAtMs: number;
	readonly revokedAtMs?: number;
	readonly revocationReason?: string;
	readonly revision: number;
}

/** What those who publish revocations are told when the status of a certificate changes. */
export type CertificateStatus = Pick<Certificate, 'id' | 'issuer' | 'serial' | 'status'>;

/** Takes it from the whole record. */
export function certificateStatusOf({ id, issuer, serial, status }: CertificateStatus): CertificateStatus {
	return { id, issuer, serial, status };
}
