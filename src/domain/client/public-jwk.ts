// Decides which public keys a client may register for its assertions, and turns them into the one form in which they
// are kept. A key has exactly one algorithm, which follows from its type: an assertion can never choose. RFC 7517,
// RFC 7518 §6, RFC 8037 §2, RFC 9964 §3; weak keys as for certificates.
import { createHash, createPublicKey, type JsonWebKeyInput, type KeyObject } from 'node:crypto';
import { fail, ok, type Result } from '../../kernel/result.ts';
import { parsePublicKey } from '../certificate/public-key.ts';
import { algorithmNamed, algorithmOfKey, type JwsAlgorithm } from '../token/jws-verify.ts';

/** A public key as it is kept: the members that make the key, and no other. */
export type PublicJwk =
	| { readonly kty: 'EC'; readonly crv: 'P-256' | 'P-384'; readonly x: string; readonly y: string }
	| { readonly kty: 'OKP'; readonly crv: 'Ed25519'; readonly x: string }
	| { readonly kty: 'RSA'; readonly n: string; readonly e: string }
	| { readonly kty: 'AKP'; readonly alg: 'ML-DSA-65'; readonly pub: string };

/** A key that may be registered. */
export interface RegistrableKey {
	readonly jwk: PublicJwk;
	readonly algorithm: JwsAlgorithm;
	/** The `kid` of the JWK; its RFC 7638 thumbprint where it has none. */
	readonly keyId: string;
	/** base64url SHA-256 of the DER SubjectPublicKeyInfo: what tells the same key in another dress. */
	readonly publicKeyHash: string;
}

const PRIVATE_MEMBERS = ['d', 'p', 'q', 'dp', 'dq', 'qi', 'oth', 'k', 'priv'] as const;
const MEMBERS_MAX = 20;
/** A `kid` is text that a log line and a look-up take without a second thought. */
const KEY_ID = /^[\x21\x23-\x5b\x5d-\x7e]{1,128}$/;

/**
 * Judges a JWK that a partner sent. `algorithm` is the one that the caller expects, where it says so. The failure is a
 * sentence for the caller; it never repeats what was sent.
 */
export function parseRegistrableKey(value: unknown, algorithm?: string): Result<RegistrableKey, string> {
	if (typeof value !== 'object' || value === null || Array.isArray(value)) return fail('Send one JWK, a JSON object.');
	const jwk = value as { readonly [name: string]: unknown };
	if (Object.keys(jwk).length > MEMBERS_MAX) return fail('The JWK has too many members.');
	// SECURITY: a private key that was sent is a key that was given away. test/conformance/authorization/registration.test.ts
	if (PRIVATE_MEMBERS.some((name) => Object.hasOwn(jwk, name))) {
		return fail('The JWK holds private or secret material. Make a new key pair, and send its public key only.');
	}
	if (jwk['use'] !== undefined && jwk['use'] !== 'sig') return fail('The key is not for signatures ("use").');
	const operations = jwk['key_ops'];
	if (operations !== undefined && (!Array.isArray(operations) || !operations.includes('verify'))) {
		return fail('The key is not for verifying ("key_ops").');
	}
	const key = openJwk(jwk);
	if (key === undefined) return fail(ACCEPTED);
	return judgeKey(key, jwk, algorithm);
}

const ACCEPTED =
	'Keys of this type are not accepted. Use an EC key on P-256 or P-384, Ed25519, RSA with 2048 to 4096 bits, or ML-DSA-65.';

function judgeKey(
	key: KeyObject,
	given: { readonly [name: string]: unknown },
	algorithm: string | undefined,
): Result<RegistrableKey, string> {
	const judged = parsePublicKey(key.export({ type: 'spki', format: 'der' }));
	if (!judged.ok) return judged;
	const own = algorithmOfKey(key);
	if (own === undefined) return fail(ACCEPTED);
	if ((algorithm ?? own) !== own || algorithmNamed(given['alg'] ?? own) !== own) {
		return fail(`A key of this type signs with ${own} only; the algorithm that is named is another one.`);
	}
	const jwk = canonicalJwk(key);
	const keyId = given['kid'] ?? jwkThumbprint(jwk);
	if (typeof keyId !== 'string' || !KEY_ID.test(keyId)) {
		return fail('The kid must have 1 to 128 printable ASCII characters, without quotation mark, backslash or space.');
	}
	return ok({ jwk, algorithm: own, keyId, publicKeyHash: judged.value.hash });
}

function openJwk(jwk: { readonly [name: string]: unknown }): KeyObject | undefined {
	if (!['EC', 'OKP', 'RSA', 'AKP'].includes(String(jwk['kty']))) return undefined;
	try {
		return createPublicKey({ key: jwk as JsonWebKeyInput['key'], format: 'jwk' });
	} catch {
		// node:crypto throws for a curve that it does not know, a missing member, and a point that is not on its curve.
		return undefined;
	}
}

function canonicalJwk(key: KeyObject): PublicJwk {
	const exported = key.export({ format: 'jwk' });
	const { kty, crv, x, y, n, e, alg } = exported;
	// The types of Node do not know the member of RFC 9964 yet.
	const { pub }: { readonly [member: string]: unknown } = { ...exported };
	if (kty === 'RSA' && n !== undefined && e !== undefined) return { kty, n, e };
	if (kty === 'OKP' && crv === 'Ed25519' && x !== undefined) return { kty, crv, x };
	if (kty === 'EC' && (crv === 'P-256' || crv === 'P-384') && x !== undefined && y !== undefined) {
		return { kty, crv, x, y };
	}
	if (kty === 'AKP' && alg === 'ML-DSA-65' && typeof pub === 'string') return { kty, alg, pub };
	throw new TypeError('a key that was judged has no JWK form');
}

/** RFC 7638 §3: SHA-256 over the required members in lexicographic order, without white space. */
export function jwkThumbprint(jwk: PublicJwk): string {
	const members = Object.fromEntries(Object.entries(jwk).sort(([a], [b]) => (a < b ? -1 : 1)));
	return createHash('sha256').update(JSON.stringify(members)).digest('base64url');
}
