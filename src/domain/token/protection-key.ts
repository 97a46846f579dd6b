// A key that hides what a token says: one that seals opaque tokens, or one that signed tokens are encrypted for. It lives as
// signing keys do (signing-key.ts): every thread knows it before it is used (next), it is used (active), it still opens what
// it has hidden (retiring), and is gone. Its record holds no part of the key; that lies in the key store.
import {
	createHash,
	createPrivateKey,
	createPublicKey,
	createSecretKey,
	generateKeyPairSync,
	type KeyObject,
} from 'node:crypto';
import type { Random } from '../../kernel/random.ts';
import { Secret } from '../../kernel/secret.ts';
import { jwkThumbprint } from './jwk-thumbprint.ts';

/** What a key hides, and how. */
export type ProtectionPurpose = 'token-sealing' | 'token-encryption';

export const PROTECTION_PURPOSES: readonly ProtectionPurpose[] = ['token-sealing', 'token-encryption'];

/** The algorithm of each purpose; there is one. */
export const PROTECTION_ALGORITHMS = {
	'token-sealing': 'A256GCM',
	'token-encryption': 'ECDH-ES',
} as const satisfies Record<ProtectionPurpose, string>;

/** What everybody knows of such a key. */
export interface ProtectionKeyRecord {
	/** Names the key in tokens: base64url of 8 bytes for one that seals, RFC 7638 thumbprint for one that encrypts. */
	readonly id: string;
	readonly purpose: ProtectionPurpose;
	/** Where the key store has it. */
	readonly keyName: string;
	/** From when on new tokens are made with it. */
	readonly activeFromMs: number;
	/** From when on its successor is used; absent while there is none. */
	readonly retiresAtMs?: number;
	/** When it was revoked: no token that was made with it opens any more. */
	readonly revokedAtMs?: number;
	readonly createdAtMs: number;
	readonly updatedAtMs: number;
	readonly revision: number;
}

/** Seals and opens opaque tokens. */
export interface SealingKey {
	/** base64url of the first 8 bytes of the SHA-256 of the key. */
	readonly id: string;
	readonly secret: KeyObject;
}

/** Encrypts and opens encrypted tokens. */
export interface EncryptionKey {
	/** RFC 7638 thumbprint of the public key. */
	readonly kid: string;
	readonly privateKey: KeyObject;
	readonly publicKey: KeyObject;
}

const SEALING_KEY_BYTES = 32;
const SEALING_ID_BYTES = 8;

/** Makes a key as the text in which the key store keeps it: base64url of 32 bytes, or PKCS#8 PEM. */
export function generateProtectionKey(purpose: ProtectionPurpose, random: Random): Secret {
	if (purpose === 'token-sealing') return new Secret(random.bytes(SEALING_KEY_BYTES).toString('base64url'));
	const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
	return new Secret(privateKey.export({ type: 'pkcs8', format: 'pem' }).toString());
}

/** Gives the id of a stored key. Throws when it is not one of its purpose. */
export function protectionKeyId(purpose: ProtectionPurpose, text: Secret): string {
	return purpose === 'token-sealing' ? readSealingKey(text).id : readEncryptionKey(text).kid;
}

/** Opens a stored key that seals tokens. Throws when it is none. */
export function readSealingKey(text: Secret): SealingKey {
	const bytes = Buffer.from(text.reveal(), 'base64url');
	if (bytes.length !== SEALING_KEY_BYTES) throw new Error('a stored key that seals tokens has not 32 bytes');
	const id = createHash('sha256').update(bytes).digest().subarray(0, SEALING_ID_BYTES).toString('base64url');
	return { id, secret: createSecretKey(bytes) };
}

/** Opens a stored key that encrypts tokens. Throws when it is none. */
export function readEncryptionKey(pem: Secret): EncryptionKey {
	const privateKey = createPrivateKey(pem.reveal());
	const publicKey = createPublicKey(privateKey);
	const jwk = publicKey.export({ format: 'jwk' });
	const kid = jwkThumbprint({ ...jwk });
	if (jwk.crv !== 'P-256' || kid === undefined) throw new Error('a stored key that encrypts tokens is not a P-256 key');
	return { kid, privateKey, publicKey };
}
