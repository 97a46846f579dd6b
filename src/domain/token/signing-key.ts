// A key that signs access tokens or assertions, and its life: it is published before it signs (next), signs (active),
// is still published for what it has signed (retiring), and is gone. Its state follows from the record and the clock
// alone, so that everybody with the record agrees, and nothing has to run at the moment when a state ends.
import { createPublicKey, generateKeyPairSync, type KeyObject } from 'node:crypto';
import { Secret } from '../../kernel/secret.ts';
import { jwkThumbprint } from './jwk-thumbprint.ts';
import { ACCESS_TOKEN_TTL_SECONDS_MAX, REVOCATION_MARGIN_SECONDS } from './token-lifetime.ts';

/** What a key may sign. A key of one purpose is never used for another (RFC 8725 §3.12). */
export type SigningPurpose = 'token-signing' | 'assertion-signing';

export const SIGNING_PURPOSES: readonly SigningPurpose[] = ['token-signing', 'assertion-signing'];

/** What tokens and assertions can be signed with. */
export type SigningAlgorithm = 'ES256' | 'EdDSA' | 'PS256' | 'ML-DSA-65';

export const SIGNING_ALGORITHMS: readonly SigningAlgorithm[] = ['ES256', 'EdDSA', 'PS256', 'ML-DSA-65'];

/** The public half of a signing key as it is published (RFC 7517 §4): the members of its type, and these. */
export interface PublicSigningJwk {
	readonly kty: string;
	readonly kid: string;
	readonly use: 'sig';
	readonly alg: SigningAlgorithm;
	readonly [member: string]: string;
}

/** A JWK Set of public keys. */
export interface PublicJwkSet {
	readonly keys: readonly PublicSigningJwk[];
}

/** What everybody knows of a signing key. Its private half lies in the key store. */
export interface SigningKeyRecord {
	/** The `kid`: RFC 7638 thumbprint of the public key, so that one `kid` can never mean two keys. */
	readonly id: string;
	readonly purpose: SigningPurpose;
	readonly algorithm: SigningAlgorithm;
	readonly publicJwk: PublicSigningJwk;
	/** Where the key store has the private half. */
	readonly keyName: string;
	/** From when on it signs. */
	readonly activeFromMs: number;
	/** From when on its successor signs; absent while there is none. */
	readonly retiresAtMs?: number;
	/** When it was revoked: nothing that it has signed is accepted any more. */
	readonly revokedAtMs?: number;
	readonly createdAtMs: number;
	readonly updatedAtMs: number;
	readonly revision: number;
}

/** What the state of a key follows from, whatever the key is for. */
export type KeyLife = Pick<SigningKeyRecord, 'activeFromMs' | 'retiresAtMs' | 'revokedAtMs'>;

export type SigningKeyState = 'next' | 'active' | 'retiring' | 'gone' | 'revoked';

/** How long a key is published after its last signature: until everything that it has signed has expired. */
const LINGER_MS = (ACCESS_TOKEN_TTL_SECONDS_MAX + REVOCATION_MARGIN_SECONDS) * 1000;

/** Gives the state of a key at `nowMs`. */
export function signingKeyState(key: KeyLife, nowMs: number): SigningKeyState {
	if (key.revokedAtMs !== undefined) return 'revoked';
	if (nowMs < key.activeFromMs) return 'next';
	if (key.retiresAtMs === undefined || nowMs < key.retiresAtMs) return 'active';
	return nowMs < key.retiresAtMs + LINGER_MS ? 'retiring' : 'gone';
}

/** Tells whether a key is published, and what it has signed accepted. */
export function isPublished(key: KeyLife, nowMs: number): boolean {
	const state = signingKeyState(key, nowMs);
	return state !== 'gone' && state !== 'revoked';
}

/** How long a private key is kept after its last signature, for processes that learn of its successor later. */
const SPENT_AFTER_MS = 300_000;

/** Tells whether a key signs nothing any more, so that its private half can be destroyed. */
export function isSpent(key: SigningKeyRecord, nowMs: number): boolean {
	if (key.revokedAtMs !== undefined) return true;
	return key.retiresAtMs !== undefined && nowMs >= key.retiresAtMs + SPENT_AFTER_MS;
}

/** A key pair that was just made. */
export interface GeneratedSigningKey {
	readonly privateKeyPem: Secret;
	readonly publicJwk: PublicSigningJwk;
}

const RSA_BITS = 2048;

/** Makes a key pair for `algorithm`. */
export function generateSigningKey(algorithm: SigningAlgorithm): GeneratedSigningKey {
	const { privateKey, publicKey } = generateFor(algorithm);
	return {
		privateKeyPem: new Secret(privateKey.export({ type: 'pkcs8', format: 'pem' }).toString()),
		publicJwk: publicSigningJwk(publicKey, algorithm),
	};
}

function generateFor(algorithm: SigningAlgorithm): { readonly privateKey: KeyObject; readonly publicKey: KeyObject } {
	switch (algorithm) {
		case 'ES256':
			return generateKeyPairSync('ec', { namedCurve: 'P-256' });
		case 'EdDSA':
			return generateKeyPairSync('ed25519');
		case 'PS256':
			return generateKeyPairSync('rsa', { modulusLength: RSA_BITS });
		case 'ML-DSA-65':
			return generateKeyPairSync('ml-dsa-65');
	}
}

/** Writes a public key as it is published. */
export function publicSigningJwk(key: KeyObject, algorithm: SigningAlgorithm): PublicSigningJwk {
	const jwk = (key.type === 'public' ? key : createPublicKey(key)).export({ format: 'jwk' });
	const kid = jwkThumbprint({ ...jwk });
	if (kid === undefined) throw new Error('a signing key has no thumbprint');
	return { ...(jwk as { readonly kty: string }), kid, use: 'sig', alg: algorithm };
}

/**
 * Throws unless the keys of one purpose are in order: exactly one signs now; at most one is to follow, and begins at the
 * very moment at which the one before ends; no two are the same.
 */
export function checkSigningKeyInvariants(
	keys: readonly (KeyLife & Pick<SigningKeyRecord, 'id'> & { readonly purpose: string })[],
	nowMs: number,
): void {
	const active = keys.filter((key) => signingKeyState(key, nowMs) === 'active');
	const next = keys.filter((key) => signingKeyState(key, nowMs) === 'next');
	if (active.length !== 1) throw new Error(`${active.length} keys are active`);
	if (next.length > 1) throw new Error(`${next.length} keys are next`);
	if (active[0]?.retiresAtMs !== next[0]?.activeFromMs)
		throw new Error('the active key does not end where the next begins');
	if (new Set(keys.map((key) => key.id)).size !== keys.length) throw new Error('a key is there twice');
	if (new Set(keys.map((key) => key.purpose)).size > 1) throw new Error('keys of several purposes are mixed');
}
