// Reads a JWK Set that was fetched: which of its keys count, and the one algorithm of each. A set is as its owner
// publishes it, so a key that cannot be used is left out and the rest counts; what counts is judged as strictly as a key
// that is registered by hand. Certificates in it (`x5c`, `x5u`) are not looked at. RFC 7517 §4 and §5, RFC 8725 §3.
import { createPublicKey, type JsonWebKeyInput, type KeyObject } from 'node:crypto';
import { fail, ok, type Result } from '../../kernel/result.ts';
import { parsePublicKey } from '../certificate/public-key.ts';
import { algorithmNamed, algorithmOfKey, type ExternalJwsAlgorithm, PRIVATE_JWK_MEMBERS } from '../token/jws-verify.ts';
import { isJsonObject, type JsonObject, parseJsonObject } from '../token/strict-json.ts';

/** A key that counts. Plain data, which is stored and cloned between threads. */
export interface FetchedKey {
	readonly kid: string;
	/** The one algorithm that signatures under it are verified with. */
	readonly algorithm: ExternalJwsAlgorithm;
	/** The members that make the key, and no other. */
	readonly jwk: Readonly<Record<string, string>>;
	/** base64url SHA-256 of the DER SubjectPublicKeyInfo: what tells the same key in another dress. */
	readonly publicKeyHash: string;
}

/** What a set holds. */
export interface ReadKeySet {
	readonly keys: readonly FetchedKey[];
	/** Why keys were left out, each reason once; for the log. */
	readonly leftOut: readonly string[];
}

/** Judges one key of a set; gives why it does not count. */
export type KeyJudge = (jwk: JsonObject) => Result<FetchedKey, string>;

const KEYS_MAX = 64;
const KEY_ID = /^[\x21-\x7e]{1,256}$/;
const MEMBERS = { EC: ['kty', 'crv', 'x', 'y'], OKP: ['kty', 'crv', 'x'], RSA: ['kty', 'n', 'e'] } as const;

/**
 * Reads the body of a JWK Set. Fails when it is none: then nothing is known, and what was known before holds. A set
 * without a key that counts is no failure: its owner has withdrawn them all.
 */
export function readKeySet(body: Uint8Array, judge: KeyJudge): Result<ReadKeySet, string> {
	const value = parseJsonObject(body);
	if (value === undefined) return fail('no JSON object without repeated members');
	const list = value['keys'];
	if (!Array.isArray(list) || list.length > KEYS_MAX) return fail(`no list of at most ${KEYS_MAX} keys`);
	const keys = new Map<string, FetchedKey>();
	const repeated = new Set<string>();
	const leftOut = new Set<string>();
	for (const jwk of list as readonly unknown[]) {
		const key = isJsonObject(jwk) ? judge(jwk) : fail('no JSON object');
		if (!key.ok) leftOut.add(key.fault);
		else if (keys.has(key.value.kid)) repeated.add(key.value.kid);
		else keys.set(key.value.kid, key.value);
	}
	for (const kid of repeated) {
		// SECURITY: which of the two is meant cannot be known, and one may be there to pass as the other. key-set.test.ts
		keys.delete(kid);
		leftOut.add('two keys with one kid');
	}
	return ok({ keys: [...keys.values()], leftOut: [...leftOut] });
}

/** Gives those of the keys that were stored which a judge would take today. */
export function acceptStored(stored: readonly FetchedKey[], judge: KeyJudge): readonly FetchedKey[] {
	return stored.flatMap(({ kid, algorithm, jwk }) => {
		const judged = judge({ ...jwk, kid, alg: algorithm });
		return judged.ok ? [judged.value] : [];
	});
}

/**
 * Makes the judge of keys that an issuer signs with. A key that names no algorithm has the one that is configured for its
 * type; where two would do, it has none: the token must never be the one to choose.
 */
export function issuerKeyJudge(
	algorithms: readonly ExternalJwsAlgorithm[],
	mayBeOf: (jwk: JsonObject) => boolean = () => true,
): KeyJudge {
	return (jwk) => {
		const { kid, alg } = jwk;
		if (typeof kid !== 'string' || !KEY_ID.test(kid)) return fail('no kid');
		if (!isForVerifying(jwk)) return fail('not for verifying signatures');
		if (!mayBeOf(jwk)) return fail('key of another issuer');
		const opened = openKey(jwk);
		if (!opened.ok) return opened;
		const { key, publicKeyHash } = opened.value;
		const possible = algorithmsOf(key).filter((algorithm) => algorithms.includes(algorithm));
		const named = alg === undefined ? possible : possible.filter((algorithm) => algorithm === algorithmNamed(alg));
		const [algorithm, second] = named;
		if (algorithm === undefined || second !== undefined) return fail('algorithm');
		return ok({ kid, algorithm, jwk: opened.value.jwk, publicKeyHash });
	};
}

function isForVerifying({ use, key_ops: operations }: JsonObject): boolean {
	if (use !== undefined && use !== 'sig') return false;
	return operations === undefined || (Array.isArray(operations) && operations.includes('verify'));
}

function algorithmsOf(key: KeyObject): readonly ExternalJwsAlgorithm[] {
	const own = algorithmOfKey(key);
	if (own === undefined) return [];
	return own === 'PS256' ? ['PS256', 'RS256'] : [own];
}

function openKey(given: JsonObject): Result<Pick<FetchedKey, 'jwk' | 'publicKeyHash'> & { key: KeyObject }, string> {
	const { kty } = given;
	// A symmetric key (`oct`) that is published is no secret, and one that verifies can also sign.
	if (kty !== 'EC' && kty !== 'OKP' && kty !== 'RSA') return fail('key type');
	// SECURITY: a private key that was published signs for everybody. key-set.test.ts
	if (PRIVATE_JWK_MEMBERS.some((name) => Object.hasOwn(given, name))) return fail('private key');
	const jwk: Record<string, string> = {};
	for (const name of MEMBERS[kty]) {
		const value = given[name];
		if (typeof value !== 'string') return fail('members of the key');
		jwk[name] = value;
	}
	let key: KeyObject;
	let spki: Buffer;
	try {
		key = createPublicKey({ key: jwk as JsonWebKeyInput['key'], format: 'jwk' });
		spki = key.export({ type: 'spki', format: 'der' });
	} catch {
		// node:crypto throws for a curve that it does not know and for a point that is not on its curve.
		return fail('members of the key');
	}
	const judged = parsePublicKey(spki);
	return judged.ok ? ok({ key, jwk, publicKeyHash: judged.value.hash }) : fail('weak key');
}
