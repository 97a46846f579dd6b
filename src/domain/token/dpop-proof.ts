// Verifies a DPoP proof: that whoever sends this request holds the private key of the JWK that the proof names.
// Pure: proof, request and clock in, verdict out. It trusts nothing of the proof; that the key is the one that a token
// is bound to, and that the proof is used once, is for the caller to check. RFC 9449 §4.2 and §4.3.
import { createPublicKey, type JsonWebKeyInput, type KeyObject } from 'node:crypto';
import { BoundedMap } from '../../kernel/bounded-map.ts';
import { type Clock, nowSeconds } from '../../kernel/clock.ts';
import { fail, ok, type Result } from '../../kernel/result.ts';
import { type DpopNonces, NONCE_LIFE_SECONDS } from './dpop-nonce.ts';
import { normalizeTargetUri } from './dpop-target-uri.ts';
import { jwkThumbprint } from './jwk-thumbprint.ts';
import { algorithmNamed, algorithmOfKey, isSignedBy, type JwsAlgorithm, PRIVATE_JWK_MEMBERS } from './jws-verify.ts';
import { type DecodedJws, decodeJws } from './jwt.ts';
import { isJsonObject, type JsonObject, parseJsonObject } from './strict-json.ts';

/** The `typ` header of proofs (RFC 9449 §4.2). */
const DPOP_TYPE = 'dpop+jwt';

/**
 * What a proof may be signed with, for the metadata and for `algs` in challenges. ML-DSA is left out: key and signature
 * travel with every request, and together they are larger than many servers let a header field be.
 */
export const DPOP_ALGORITHMS: readonly JwsAlgorithm[] = ['ES256', 'EdDSA', 'PS256'];

/** Longest proof that is read, in characters; an RSA key of 4096 bits and its signature take about 2,000. */
const PROOF_LENGTH_MAX = 4096;

/** How old a proof may be, in seconds, when nothing but its own `iat` says so. */
export const DPOP_AGE_SECONDS_MAX = 60;
/** How far `iat` may lie in the future, in seconds, for clocks that differ. */
const DPOP_SKEW_SECONDS = 15;
/** How far `iat` may be off when a nonce of ours proves that the proof is fresh: for clients without a good clock. */
const DPOP_DRIFT_SECONDS_MAX = 300;

const JTI_LENGTH_MAX = 256;

/**
 * Header members that are refused: all that change what is signed. Members that name a place of a key (`jku`, `x5u`) are
 * passed over, like any that is unknown (RFC 9449 §4.2): the key is the one in `jwk`, and nothing is ever fetched.
 */
const REFUSED_HEADER_MEMBERS = ['crit', 'b64', 'zip', 'enc'] as const;

/** Why a proof was refused. `nonce` asks for a repetition with a fresh nonce (`use_dpop_nonce`). */
export type DpopRefusal =
	| 'malformed'
	| 'type'
	| 'algorithm'
	| 'key'
	| 'signature'
	| 'claim jti'
	| 'claim htm'
	| 'claim htu'
	| 'claim iat'
	| 'claim exp'
	| 'claim nbf'
	| 'claim ath'
	| 'method'
	| 'target'
	| 'not fresh'
	| 'token hash'
	| 'nonce';

/** The request that a proof has to be for. */
export interface DpopExpectation {
	/** Method of the request, as it came. */
	readonly method: string;
	/** URL of the request without query and fragment, as `normalizeTargetUri` gives it. */
	readonly targetUri: string;
	/** base64url SHA-256 of the access token that comes with the proof; undefined where none does (token endpoint). */
	readonly accessTokenHash: string | undefined;
}

/** A good proof. */
export interface DpopProof {
	/** RFC 7638 thumbprint of the key: what `cnf.jkt` of a token is compared with. */
	readonly thumbprint: string;
	/** Chosen by the client. SECURITY: (thumbprint, jti) must be used once only; the caller checks it, after this. */
	readonly jti: string;
	/**
	 * Second from which on this proof is refused in any case, also by an instance whose clock is a little behind: until
	 * then its (thumbprint, jti) must be remembered.
	 */
	readonly staleAtSeconds: number;
}

/** What a verifier needs. */
export interface DpopVerifierDeps {
	readonly clock: Clock;
	readonly nonces: DpopNonces;
	/**
	 * Second since which used proofs are remembered; 0 = always. An older proof could have been used before, so it needs a
	 * nonce that was given since: `nonce`.
	 */
	readonly rememberedSinceSeconds?: number;
	/** Refuse proofs without a nonce. One that has a nonce needs a good one in any case. */
	readonly isNonceRequired: boolean;
	/** Most public keys that are remembered as parsed; about 1 KiB each. */
	readonly keysMax: number;
}

/** Verifies proofs of one server. */
export interface DpopVerifier {
	/**
	 * Verifies the value of the one `DPoP` header field of a request. Two fields that were joined by a comma are not a
	 * JWT, and are refused as malformed.
	 */
	verify(proof: string, expected: DpopExpectation): Result<DpopProof, DpopRefusal>;
}

/** Makes a verifier (≈ 65 µs a proof; the parsed keys of clients that have proven themselves are remembered). */
export function createDpopVerifier(deps: DpopVerifierDeps): DpopVerifier {
	const keys = new BoundedMap<string, KeyObject>(deps.keysMax);
	return {
		verify: (proof, expected) => {
			if (proof.length > PROOF_LENGTH_MAX) return fail('malformed');
			const decoded = decodeJws(proof, REFUSED_HEADER_MEMBERS);
			if (!decoded.ok) return fail('malformed');
			const signedBy = verifySignature(decoded.value, keys);
			if (!signedBy.ok) return signedBy;
			const claims = parseJsonObject(decoded.value.payload);
			if (claims === undefined) return fail('malformed');
			const mismatch = judgeRequest(claims, expected);
			if (mismatch !== undefined) return fail(mismatch);
			const staleAt = judgeFreshness(claims, deps);
			if (typeof staleAt === 'string') return fail(staleAt);
			return ok({ thumbprint: signedBy.value, jti: claims['jti'] as string, staleAtSeconds: staleAt });
		},
	};
}

/** Gives the thumbprint of the key in the header when it has signed the proof. */
function verifySignature(jws: DecodedJws, keys: BoundedMap<string, KeyObject>): Result<string, DpopRefusal> {
	const { typ, alg, jwk } = jws.header;
	if (typ !== DPOP_TYPE) return fail('type');
	if (!isJsonObject(jwk)) return fail('key');
	// SECURITY: a client that sends its private key is told so at once, and no secret is ever taken for a public key.
	for (const name of PRIVATE_JWK_MEMBERS) if (Object.hasOwn(jwk, name)) return fail('key');
	const thumbprint = jwkThumbprint(jwk);
	if (thumbprint === undefined) return fail('key');
	const known = keys.get(thumbprint);
	const key = known ?? importPublicKey(jwk);
	if (key === undefined) return fail('key');
	// The algorithm follows from the key. A proof that names another one, or a key of ours that is too weak, is refused.
	const algorithm = algorithmOfKey(key);
	if (algorithm === undefined) return fail('key');
	if (algorithmNamed(alg) !== algorithm || !DPOP_ALGORITHMS.includes(algorithm)) return fail('algorithm');
	if (!isSignedBy(key, algorithm, jws.signingInput, jws.signature)) return fail('signature');
	// Remembered only now, so that a flood of keys that nobody holds cannot push out those of clients.
	if (known === undefined) keys.set(thumbprint, key);
	return ok(thumbprint);
}

function importPublicKey(jwk: JsonObject): KeyObject | undefined {
	try {
		return createPublicKey({ key: jwk as JsonWebKeyInput['key'], format: 'jwk' });
	} catch {
		// node:crypto throws for a key type that it does not know and for a point that is not on its curve.
		return undefined;
	}
}

/** Compares the claims with the request; undefined when they are for it. */
function judgeRequest(claims: JsonObject, expected: DpopExpectation): DpopRefusal | undefined {
	const { jti, htm, htu, ath } = claims;
	if (typeof jti !== 'string' || jti === '' || jti.length > JTI_LENGTH_MAX) return 'claim jti';
	if (typeof htm !== 'string') return 'claim htm';
	if (typeof htu !== 'string') return 'claim htu';
	if (htm !== expected.method) return 'method';
	if (htu !== expected.targetUri && normalizeTargetUri(htu) !== expected.targetUri) return 'target';
	if (expected.accessTokenHash === undefined) return undefined;
	if (typeof ath !== 'string') return 'claim ath';
	return ath === expected.accessTokenHash ? undefined : 'token hash';
}

/** Gives the second from which on the proof is stale, or why it is not fresh now. */
function judgeFreshness(claims: JsonObject, deps: DpopVerifierDeps): number | DpopRefusal {
	const { iat, exp, nbf, nonce } = claims;
	const now = nowSeconds(deps.clock);
	const { rememberedSinceSeconds = 0 } = deps;
	if (!isSeconds(iat)) return 'claim iat';
	if (exp !== undefined && (!isSeconds(exp) || exp <= now)) return 'claim exp';
	// A nonce of ours says when the proof was made, whatever the clock of the client: only then may that be far off.
	const ahead = nonce === undefined ? DPOP_SKEW_SECONDS : DPOP_DRIFT_SECONDS_MAX;
	if (nbf !== undefined && (!isSeconds(nbf) || nbf > now + ahead)) return 'claim nbf';
	if (nonce === undefined) {
		if (iat < now - DPOP_AGE_SECONDS_MAX || iat > now + DPOP_SKEW_SECONDS) return 'not fresh';
		// After what is about the request and before what is about us: who gets this answer has sent a good proof but for that.
		return deps.isNonceRequired || iat < rememberedSinceSeconds
			? 'nonce'
			: Math.floor(iat) + DPOP_AGE_SECONDS_MAX + 1 + DPOP_SKEW_SECONDS;
	}
	const nonceEnd = typeof nonce === 'string' ? deps.nonces.verify(nonce) : undefined;
	if (nonceEnd === undefined) return 'nonce';
	if (Math.abs(iat - now) > DPOP_DRIFT_SECONDS_MAX) return 'not fresh';
	if (iat < rememberedSinceSeconds && nonceEnd - NONCE_LIFE_SECONDS < rememberedSinceSeconds) return 'nonce';
	return nonceEnd + DPOP_SKEW_SECONDS;
}

/** Dates that are no sane number are refused, as everywhere here; fractions are allowed (RFC 7519 §2). */
function isSeconds(value: unknown): value is number {
	return typeof value === 'number' && value > 0 && value <= Number.MAX_SAFE_INTEGER;
}
