// The keys that hide what a token says: secret keys that seal opaque tokens, and P-256 keys that signed tokens are encrypted
// for. Kept in the key store. The newest of a kind is used for new tokens, older ones only open what was minted earlier.
import {
	createHash,
	createPrivateKey,
	createPublicKey,
	createSecretKey,
	generateKeyPairSync,
	type KeyObject,
} from 'node:crypto';
import type { Clock } from '../../kernel/clock.ts';
import type { Random } from '../../kernel/random.ts';
import { Secret } from '../../kernel/secret.ts';
import type { KeyStore, StoredKey } from '../registry/key-store.ts';
import { StoreConflict } from '../registry/registry.ts';

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

/** Newest first, at least one of each. */
export interface TokenProtectionKeys {
	readonly sealing: readonly SealingKey[];
	readonly encryption: readonly EncryptionKey[];
}

/** The same as plain data, for another thread. As secret as the keys themselves. */
export interface TokenProtectionMessage {
	/** base64url of 32 bytes each. */
	readonly sealing: readonly string[];
	/** PKCS#8 PEM. */
	readonly encryption: readonly string[];
}

const SEALING_KEY_BYTES = 32;

/**
 * Loads the keys, and makes the first of each kind. Safe to run in several processes on one store: all of them end with
 * the same keys.
 */
export async function loadOrCreateTokenProtectionKeys(
	keys: KeyStore,
	deps: { readonly clock: Clock; readonly random: Random },
): Promise<TokenProtectionKeys> {
	const sealing = await loadOrCreate(keys, 'token-sealing', () => newKey('token-sealing', 1, deps));
	const encryption = await loadOrCreate(keys, 'token-encryption', () => newKey('token-encryption', 1, deps));
	return {
		sealing: sealing.map(({ privateKeyPem }) => readSealingKey(privateKeyPem.reveal())),
		encryption: encryption.map(({ privateKeyPem }) => readEncryptionKey(privateKeyPem.reveal())),
	};
}

type ProtectionPurpose = 'token-sealing' | 'token-encryption';

async function loadOrCreate(
	keys: KeyStore,
	purpose: ProtectionPurpose,
	create: () => StoredKey,
): Promise<readonly StoredKey[]> {
	let stored = await keys.list(purpose);
	if (stored.length === 0) {
		try {
			await keys.insert(create());
		} catch (error) {
			// Another process was faster with the same name: its key is the one to use.
			if (!(error instanceof StoreConflict && error.reason === 'unique')) throw error;
		}
		stored = await keys.list(purpose);
	}
	return stored.toSorted((a, b) => b.createdAtMs - a.createdAtMs || (a.name < b.name ? 1 : -1));
}

function newKey(
	purpose: ProtectionPurpose,
	generation: number,
	deps: { readonly clock: Clock; readonly random: Random },
): StoredKey {
	const text =
		purpose === 'token-sealing'
			? deps.random.bytes(SEALING_KEY_BYTES).toString('base64url')
			: generateKeyPairSync('ec', { namedCurve: 'P-256' })
					.privateKey.export({ type: 'pkcs8', format: 'pem' })
					.toString();
	return {
		name: `${purpose}/${generation}`,
		purpose,
		privateKeyPem: new Secret(text),
		certificatePem: '',
		createdAtMs: deps.clock.nowMs(),
	};
}

function readSealingKey(text: string): SealingKey {
	const bytes = Buffer.from(text, 'base64url');
	if (bytes.length !== SEALING_KEY_BYTES) throw new Error('a stored key that seals tokens has not 32 bytes');
	const id = createHash('sha256').update(bytes).digest().subarray(0, 8).toString('base64url');
	return { id, secret: createSecretKey(bytes) };
}

function readEncryptionKey(pem: string): EncryptionKey {
	const privateKey = createPrivateKey(pem);
	const publicKey = createPublicKey(privateKey);
	const { crv, x, y } = publicKey.export({ format: 'jwk' });
	if (crv !== 'P-256') throw new Error('a stored key that encrypts tokens is not a P-256 key');
	const kid = createHash('sha256').update(`{"crv":"P-256","kty":"EC","x":"${x}","y":"${y}"}`).digest('base64url');
	return { kid, privateKey, publicKey };
}

/** Writes the keys as plain data. */
export function writeTokenProtection(keys: TokenProtectionKeys): TokenProtectionMessage {
	return {
		sealing: keys.sealing.map(({ secret }) => secret.export().toString('base64url')),
		encryption: keys.encryption.map(({ privateKey }) => privateKey.export({ type: 'pkcs8', format: 'pem' }).toString()),
	};
}

/** Reads the keys that open tokens, by the id that a token names. */
export function readTokenProtection(message: TokenProtectionMessage): {
	readonly sealingKeys: ReadonlyMap<string, KeyObject>;
	readonly decryptionKeys: ReadonlyMap<string, KeyObject>;
} {
	return {
		sealingKeys: new Map(message.sealing.map(readSealingKey).map(({ id, secret }) => [id, secret])),
		decryptionKeys: new Map(message.encryption.map(readEncryptionKey).map(({ kid, privateKey }) => [kid, privateKey])),
	};
}
