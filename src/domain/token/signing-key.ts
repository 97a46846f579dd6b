// The keys that sign access tokens and assertions: ES256, named by their RFC 7638 thumbprint, kept in the key store.
// The newest key signs. Older ones are still published, so that what they signed can be verified until it expires.
import { createHash, createPrivateKey, createPublicKey, generateKeyPairSync, type KeyObject } from 'node:crypto';
import type { Clock } from '../../kernel/clock.ts';
import { Secret } from '../../kernel/secret.ts';
import type { KeyStore, StoredKey } from '../registry/key-store.ts';
import { StoreConflict } from '../registry/registry.ts';
import { algorithmOfKey } from './jws-verify.ts';

/** The public half of a signing key as it is published (RFC 7517 §4, RFC 7518 §6.2.1). */
export interface PublicSigningJwk {
	readonly kty: 'EC';
	readonly crv: 'P-256';
	readonly x: string;
	readonly y: string;
	readonly kid: string;
	readonly use: 'sig';
	readonly alg: 'ES256';
}

/** A JWK Set of public keys: plain data, which can be sent to other threads and read there with `parseJwkSet`. */
export interface PublicJwkSet {
	readonly keys: readonly PublicSigningJwk[];
}

export interface SigningKey {
	/** RFC 7638 thumbprint of the public key, so that one `kid` can never mean two keys. */
	readonly kid: string;
	readonly privateKey: KeyObject;
	readonly publicJwk: PublicSigningJwk;
	/** `active` signs; `retired` only verifies what it signed earlier. */
	readonly state: 'active' | 'retired';
}

const NAME_PREFIX = { 'token-signing': 'token', 'assertion-signing': 'assertion' } as const;

/**
 * Loads the signing keys of a purpose, newest first, and makes the first one when there is none.
 * Exactly one is active. Safe to run in several processes on one store: all of them end with the same keys.
 * Throws when a stored key is not a P-256 key: a platform that cannot sign must not start.
 */
export async function loadOrCreateSigningKeys(
	keys: KeyStore,
	purpose: 'token-signing' | 'assertion-signing',
	deps: { readonly clock: Clock },
): Promise<readonly SigningKey[]> {
	let stored = await keys.list(purpose);
	if (stored.length === 0) {
		await insertFirstKey(keys, purpose, deps.clock);
		stored = await keys.list(purpose);
	}
	const newestFirst = stored.toSorted((a, b) => b.createdAtMs - a.createdAtMs || (a.name < b.name ? 1 : -1));
	return newestFirst.map((key, index) => readSigningKey(key, index === 0 ? 'active' : 'retired'));
}

async function insertFirstKey(keys: KeyStore, purpose: keyof typeof NAME_PREFIX, clock: Clock): Promise<void> {
	const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
	const first: StoredKey = {
		name: `${NAME_PREFIX[purpose]}/1`,
		purpose,
		privateKeyPem: new Secret(privateKey.export({ type: 'pkcs8', format: 'pem' }).toString()),
		certificatePem: '',
		createdAtMs: clock.nowMs(),
	};
	try {
		await keys.insert(first);
	} catch (error) {
		// Another process was faster with the same name: its key is the one to use.
		if (!(error instanceof StoreConflict && error.reason === 'unique')) throw error;
	}
}

function readSigningKey(stored: StoredKey, state: SigningKey['state']): SigningKey {
	const privateKey = createPrivateKey(stored.privateKeyPem.reveal());
	const publicKey = createPublicKey(privateKey);
	const { x, y } = publicKey.export({ format: 'jwk' });
	if (algorithmOfKey(publicKey) !== 'ES256' || x === undefined || y === undefined) {
		throw new Error(`the stored key ${stored.name} is not a P-256 key`);
	}
	const kid = thumbprintOf(x, y);
	return {
		kid,
		privateKey,
		publicJwk: { kty: 'EC', crv: 'P-256', x, y, kid, use: 'sig', alg: 'ES256' },
		state,
	};
}

/** RFC 7638 §3: SHA-256 over the required members in lexicographic order, without white space. */
function thumbprintOf(x: string, y: string): string {
	return createHash('sha256').update(`{"crv":"P-256","kty":"EC","x":"${x}","y":"${y}"}`).digest('base64url');
}

/** Gives the key that signs. */
export function activeSigningKey(keys: readonly SigningKey[]): SigningKey {
	const active = keys.find((key) => key.state === 'active');
	if (active === undefined) throw new Error('no signing key is active');
	return active;
}

/** Gives the public halves of all keys as a JWK Set, for publishing and for the verifying threads. */
export function publicJwkSet(keys: readonly SigningKey[]): PublicJwkSet {
	return { keys: keys.map((key) => key.publicJwk) };
}
