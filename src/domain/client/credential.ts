// A credential proves that a caller is a client. Several live at once, so that rotation needs no outage.
// Each kind is known by something exact (a thumbprint, a key, a hash), never by a name in it, and says which one
// algorithm it may be used with. Secrets are kept as SHA-256 alone: 256 random bits need no slow hash.
import type { CertificateId, ClientId, CredentialId, PartnerId, TrustAnchorId } from '../../kernel/ids.ts';
import type { LimitRule } from '../limit/limit.ts';
import type { JwsAlgorithm } from '../token/jws-verify.ts';
import type { SubjectAttribute } from '../trust-anchor/subject-names.ts';
import type { PublicJwk } from './public-jwk.ts';

interface CredentialBase {
	readonly id: CredentialId;
	readonly clientId: ClientId;
	readonly partnerId: PartnerId;
	/** `held`: suspended, and the only state that a credential can come back from. Only certificates are. */
	readonly status: 'active' | 'held' | 'revoked';
	readonly notBeforeMs: number;
	readonly notAfterMs: number;
	/** Set when a successor took its place: it ends at this time, if that is earlier than `notAfterMs`. */
	readonly retiresAtMs?: number;
	readonly createdAtMs: number;
	readonly updatedAtMs: number;
	readonly revokedAtMs?: number;
	readonly revocationReason?: string;
	readonly revision: number;
}

/** A certificate that the partner CA issued (`tls_client_auth`). */
export interface CertificateCredential extends CredentialBase {
	readonly kind: 'certificate';
	readonly certificateId: CertificateId;
	/** base64url SHA-256 of the DER certificate: the `x5t#S256` of RFC 8705 §3.1. */
	readonly thumbprint: string;
}

/**
 * Every certificate below an authority of the partner's own that has this one name (`tls_client_auth`, RFC 8705 §2.1.2):
 * the partner renews them without us.
 */
export interface AnchoredCertificateCredential extends CredentialBase {
	readonly kind: 'anchored-certificate';
	readonly trustAnchorId: TrustAnchorId;
	readonly subjectAttribute: SubjectAttribute;
	/** In the one form that is compared. */
	readonly subjectValue: string;
	/** Anchor, attribute and value, as `anchoredName` writes them: among active credentials it is there once. */
	readonly anchoredName: string;
}

/** One certificate that the partner made itself (`self_signed_tls_client_auth`, RFC 8705 §2.2). */
export interface SelfSignedCertificateCredential extends CredentialBase {
	readonly kind: 'self-signed-certificate';
	readonly thumbprint: string;
	/** base64url SHA-256 of the DER SubjectPublicKeyInfo. */
	readonly publicKeyHash: string;
}

/** One public key that verifies client assertions (`private_key_jwt`). */
export interface PublicKeyCredential extends CredentialBase {
	readonly kind: 'public-key';
	/** The one algorithm of assertions under this key. */
	readonly algorithm: JwsAlgorithm;
	/** The `kid` by which assertions name it. Unique among the active credentials of the client. */
	readonly keyId: string;
	readonly jwk: PublicJwk;
	readonly publicKeyHash: string;
}

/** A shared secret (`client_secret_basic`, `client_secret_post`). Shown once, when it is made. */
export interface ClientSecretCredential extends CredentialBase {
	readonly kind: 'client-secret';
	/** base64url SHA-256 of the whole secret. */
	readonly secretHash: string;
}

/** An API key for low-risk calls without an access token. Shown once, when it is made. */
export interface ApiKeyCredential extends CredentialBase {
	readonly kind: 'api-key';
	/** base64url SHA-256 of the whole key. */
	readonly secretHash: string;
	/** The first characters of the key, by which people tell keys apart. */
	readonly prefix: string;
	/** Address ranges (CIDR) from which it is accepted; never empty. */
	readonly allowedAddresses: readonly string[];
	/** Limits of this key alone, beside those of the plan; `per` is ignored. At least one. */
	readonly limits: readonly LimitRule[];
}

/**
 * The keys at a URL of the partner (`private_key_jwt` with `jwks_uri`). Which keys these are is fetched, and stands in no
 * record: the partner changes them without us.
 */
export interface KeySetCredential extends CredentialBase {
	readonly kind: 'key-set';
	/** The one algorithm of assertions; keys for another one do not count. */
	readonly algorithm: JwsAlgorithm;
	/** https; unique among the active credentials of the client. */
	readonly jwksUri: string;
}

/**
 * A link: this client of an external issuer is this client of ours. Proven by an access token of that issuer, at the
 * gateway. Unique among the active ones: one client there is one client here.
 */
export interface ExternalClientCredential extends CredentialBase {
	readonly kind: 'external-client';
	/** The `iss` of its tokens, byte for byte. */
	readonly issuer: string;
	/** The id of the client there, byte for byte. */
	readonly externalClientId: string;
}

export type Credential =
	| CertificateCredential
	| AnchoredCertificateCredential
	| SelfSignedCertificateCredential
	| PublicKeyCredential
	| ClientSecretCredential
	| ApiKeyCredential
	| KeySetCredential
	| ExternalClientCredential;

export type CredentialKind = Credential['kind'];

/** The credentials that are known by the thumbprint of a certificate. */
export type ThumbprintCredential = CertificateCredential | SelfSignedCertificateCredential;

/** Gives the moment at which a credential ends, whether it is revoked before or not. */
export function credentialEndMs(credential: Pick<Credential, 'notAfterMs' | 'retiresAtMs'>): number {
	return Math.min(credential.notAfterMs, credential.retiresAtMs ?? Number.POSITIVE_INFINITY);
}

/** Says whether a credential can be used at this moment. */
export function isCredentialLive(
	credential: Pick<Credential, 'status' | 'notBeforeMs' | 'notAfterMs' | 'retiresAtMs'>,
	nowMs: number,
): boolean {
	return credential.status === 'active' && nowMs >= credential.notBeforeMs && nowMs < credentialEndMs(credential);
}
