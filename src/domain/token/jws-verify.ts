// Decides whether a compact JWS was signed by one of the keys that we trust. The algorithm follows from the key and
// never from the token; a token that names another one is refused. So `none`, HMAC with a public key as its secret, and
// a swap of curves are not cases to defend against: there is no way to ask for them. RFC 7515 §5.2, RFC 8725 §3.1.
import { constants, createPublicKey, type JsonWebKeyInput, type KeyObject, verify } from 'node:crypto';
import { fail, ok, type Result } from '../../kernel/result.ts';
import { type DecodedJws, decodeJws, type JwsRefusal } from './jwt.ts';
import { isJsonObject } from './strict-json.ts';

/** The signature algorithms that are verified, one for each kind of key. RS256 and HMAC are left out on purpose. */
export type JwsAlgorithm = 'ES256' | 'ES384' | 'EdDSA' | 'PS256' | 'ML-DSA-65';

/** RS256 is nobody's choice here: only keys of an external issuer, whose configuration names it, are bound to it. */
export type ExternalJwsAlgorithm = JwsAlgorithm | 'RS256';

/**
 * Gives the name by which an algorithm is known here. RFC 9864 gave EdDSA with Ed25519 a name of its own, which clients on
 * WebCrypto use; the key and the signature are the same.
 */
export function algorithmNamed(name: unknown): unknown {
	return name === 'Ed25519' ? 'EdDSA' : name;
}

/** Gives algorithms by every name that a header may call them by, for metadata. */
export function algorithmNames(algorithms: readonly JwsAlgorithm[]): readonly string[] {
	return algorithms.flatMap((name) => (name === 'EdDSA' ? [name, 'Ed25519'] : [name]));
}

const KEYS_MAX = 64;
/** Length of a signature (FIPS 204, table 2). */
const ML_DSA_65_BYTES = 3309;
const RSA_BITS_MIN = 2048;
const RSA_BITS_MAX = 8192;
/** Members of a JWK that hold secret material. */
export const PRIVATE_JWK_MEMBERS = ['d', 'p', 'q', 'dp', 'dq', 'qi', 'oth', 'k', 'priv'] as const;

/** The one algorithm that a public key may be used with; undefined for keys that are not accepted at all. */
export function algorithmOfKey(key: KeyObject): JwsAlgorithm | undefined {
	if (key.type !== 'public') return undefined;
	const { namedCurve, modulusLength, publicExponent } = key.asymmetricKeyDetails ?? {};
	switch (key.asymmetricKeyType) {
		case 'ec':
			if (namedCurve === 'prime256v1') return 'ES256';
			return namedCurve === 'secp384r1' ? 'ES384' : undefined;
		case 'ed25519':
			return 'EdDSA';
		case 'ml-dsa-65':
			return 'ML-DSA-65';
		case 'rsa':
			if (modulusLength === undefined || modulusLength < RSA_BITS_MIN || modulusLength > RSA_BITS_MAX) return undefined;
			return publicExponent === 65537n ? 'PS256' : undefined;
		default:
			return undefined;
	}
}

/**
 * Verifies a compact JWS with the key that its `kid` names. Gives its parts, the payload still as bytes.
 * The payload is not parsed before the signature has proven who wrote it. `algorithmOf` binds each key to its one
 * algorithm; the default is the one that we use the kind of key with ourselves.
 */
export function verifyJws(
	token: string,
	keys: ReadonlyMap<string, KeyObject>,
	algorithmOf: (key: KeyObject) => ExternalJwsAlgorithm | undefined = algorithmOfKey,
): Result<DecodedJws, JwsRefusal> {
	const decoded = decodeJws(token);
	return decoded.ok ? verifyDecodedJws(decoded.value, keys, algorithmOf) : decoded;
}

/** The same for a token that was split before. */
export function verifyDecodedJws(
	decoded: DecodedJws,
	keys: ReadonlyMap<string, KeyObject>,
	algorithmOf: (key: KeyObject) => ExternalJwsAlgorithm | undefined = algorithmOfKey,
): Result<DecodedJws, JwsRefusal> {
	const { header, signingInput, signature } = decoded;
	const key = typeof header['kid'] === 'string' ? keys.get(header['kid']) : undefined;
	if (key === undefined) return fail('key');
	const algorithm = algorithmOf(key);
	// SECURITY: the key decides, never the token. jws-verify.test.ts, test/attack/authorization.test.ts
	if (algorithm === undefined || algorithmNamed(header['alg']) !== algorithm) return fail('algorithm');
	if (!isSignedBy(key, algorithm, signingInput, signature)) return fail('signature');
	return ok(decoded);
}

/** Tells whether `key` made `signature` with `algorithm`, which must be the key's own. */
export function isSignedBy(
	key: KeyObject,
	algorithm: ExternalJwsAlgorithm,
	signingInput: string,
	signature: Buffer,
): boolean {
	const data = Buffer.from(signingInput, 'latin1');
	switch (algorithm) {
		case 'ES256':
			return signature.length === 64 && verify('sha256', data, { key, dsaEncoding: 'ieee-p1363' }, signature);
		case 'ES384':
			return signature.length === 96 && verify('sha384', data, { key, dsaEncoding: 'ieee-p1363' }, signature);
		case 'EdDSA':
			return signature.length === 64 && verify(null, data, key, signature);
		case 'ML-DSA-65':
			return signature.length === ML_DSA_65_BYTES && verify(null, data, key, signature);
		case 'RS256':
			return verify('sha256', data, { key, padding: constants.RSA_PKCS1_PADDING }, signature);
		case 'PS256':
			return verify(
				'sha256',
				data,
				{ key, padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: constants.RSA_PSS_SALTLEN_DIGEST },
				signature,
			);
	}
}

/**
 * Reads a JWK Set (RFC 7517 §5) into verification keys by `kid`. All or nothing: undefined when a key repeats a `kid` or
 * has none, carries private or symmetric material, is not for verifying, or names an algorithm other than its own.
 */
export function parseJwkSet(value: unknown): ReadonlyMap<string, KeyObject> | undefined {
	if (!isJsonObject(value) || !Array.isArray(value['keys']) || value['keys'].length > KEYS_MAX) return undefined;
	const keys = new Map<string, KeyObject>();
	for (const jwk of value['keys'] as readonly unknown[]) {
		if (!isJsonObject(jwk) || typeof jwk['kid'] !== 'string' || keys.has(jwk['kid'])) return undefined;
		const key = parsePublicJwk(jwk);
		if (key === undefined) return undefined;
		keys.set(jwk['kid'], key);
	}
	return keys;
}

function parsePublicJwk(jwk: { readonly [name: string]: unknown }): KeyObject | undefined {
	for (const name of PRIVATE_JWK_MEMBERS) if (Object.hasOwn(jwk, name)) return undefined;
	if (jwk['use'] !== undefined && jwk['use'] !== 'sig') return undefined;
	const operations = jwk['key_ops'];
	if (operations !== undefined && (!Array.isArray(operations) || !operations.includes('verify'))) return undefined;
	try {
		const key = createPublicKey({ key: jwk as JsonWebKeyInput['key'], format: 'jwk' });
		const algorithm = algorithmOfKey(key);
		return algorithm !== undefined && algorithmNamed(jwk['alg']) === algorithm ? key : undefined;
	} catch {
		// node:crypto throws for a key type that it does not know and for a point that is not on its curve.
		return undefined;
	}
}
