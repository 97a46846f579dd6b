// Reads a client assertion: the JWT by which a client proves itself with a key of its own (RFC 7523 §2.2 and §3). Two
// steps. What it claims is judged first, without looking at what is registered, so that the sender may be told what is
// wrong with it. Then its signature is verified with a key that the caller found by the registration, never by the
// assertion: the algorithm is the key's, and nothing is ever fetched because an assertion says so.
import type { KeyObject } from 'node:crypto';
import { fail, ok, type Result } from '../../kernel/result.ts';
import { algorithmNamed, isSignedBy, type JwsAlgorithm } from './jws-verify.ts';
import { type DecodedJws, decodeJws } from './jwt.ts';
import { type JsonObject, parseJsonObject } from './strict-json.ts';

/** What clients may sign assertions with unless the configuration says otherwise, one algorithm for each kind of key. */
export const ASSERTION_ALGORITHMS: readonly JwsAlgorithm[] = ['ES256', 'ES384', 'EdDSA', 'PS256'];

/** Longest life of an assertion, from `iat` to `exp`, in seconds. */
export const ASSERTION_LIFETIME_SECONDS_MAX = 300;
/** How far `iat` and `nbf` may lie in the future, in seconds, for clocks that differ. */
const SKEW_SECONDS = 15;
/** How long a used assertion is remembered after it expired, in seconds: longer than any two clocks of ours differ. */
const REMEMBERED_SECONDS = 60;
const JTI_LENGTH_MAX = 256;
/** RFC 7523 names none; draft-ietf-oauth-rfc7523bis names the last one. Others belong to other kinds of tokens. */
const TYPES: ReadonlySet<unknown> = new Set([undefined, 'JWT', 'client-authentication+jwt']);

/** What is wrong with an assertion, whoever sent it. The text is for the sender. */
export type AssertionProblem =
	| 'The client assertion is not a signed JWT.'
	| 'The client assertion is of another type.'
	| 'The client assertion must be signed with an algorithm that is published.'
	| 'The client assertion must have iss and sub, both the client_id.'
	| 'The client assertion must have the issuer of this server as its aud, as one string.'
	| 'The client assertion has expired, or has no exp in whole seconds.'
	| 'The client assertion must not be valid for more than 300 seconds.'
	| 'The client assertion is not valid yet.'
	| 'The client assertion must have a jti of 1 to 256 characters.';

/** An assertion whose claims are in order. Nothing of it is proven before its signature is. */
export interface ClaimedAssertion {
	/** Who the sender says to be: `iss` and `sub`. */
	readonly clientId: string;
	readonly keyId: string | undefined;
	readonly algorithm: JwsAlgorithm;
	readonly jti: string;
	/** Second from which on it is refused in any case. Until then its (client, jti) must be remembered. */
	readonly staleAtSeconds: number;
	readonly jws: DecodedJws;
}

/** Judges everything about an assertion that does not depend on what is registered. `algorithms` are those that are published. */
export function readClientAssertion(
	assertion: string,
	issuer: string,
	nowMs: number,
	algorithms: readonly JwsAlgorithm[],
): Result<ClaimedAssertion, AssertionProblem> {
	const jws = decodeJws(assertion);
	if (!jws.ok) return fail('The client assertion is not a signed JWT.');
	const { header, payload } = jws.value;
	// SECURITY: an access token or a DPoP proof is no client assertion. test/conformance/authorization/assertion.test.ts
	if (!TYPES.has(header['typ'])) return fail('The client assertion is of another type.');
	const called = algorithmNamed(header['alg']);
	const algorithm = algorithms.find((name) => name === called);
	if (algorithm === undefined) return fail('The client assertion must be signed with an algorithm that is published.');
	const keyId = header['kid'];
	if (keyId !== undefined && typeof keyId !== 'string') return fail('The client assertion is not a signed JWT.');
	const claims = parseJsonObject(payload);
	if (claims === undefined) return fail('The client assertion is not a signed JWT.');
	const problem = judgeClaims(claims, issuer, nowMs);
	if (problem !== undefined) return fail(problem);
	return ok({
		clientId: claims['iss'] as string,
		keyId,
		algorithm,
		jti: claims['jti'] as string,
		staleAtSeconds: (claims['exp'] as number) + REMEMBERED_SECONDS,
		jws: jws.value,
	});
}

function judgeClaims(claims: JsonObject, issuer: string, nowMs: number): AssertionProblem | undefined {
	const { iss, sub, aud, exp, jti } = claims;
	if (typeof iss !== 'string' || iss === '' || sub !== iss) {
		return 'The client assertion must have iss and sub, both the client_id.';
	}
	// SECURITY: the issuer as one string, byte for byte, and never a URL that follows from the request: an assertion for
	// another server must not be of use here. test/conformance/authorization/assertion.test.ts
	if (aud !== issuer) return 'The client assertion must have the issuer of this server as its aud, as one string.';
	const nowSeconds = nowMs / 1000;
	if (!isSeconds(exp) || exp <= nowSeconds) {
		return 'The client assertion has expired, or has no exp in whole seconds.';
	}
	for (const start of [claims['iat'], claims['nbf']]) {
		if (start === undefined) continue;
		if (!isSeconds(start) || start > nowSeconds + SKEW_SECONDS) return 'The client assertion is not valid yet.';
	}
	const issuedAt = (claims['iat'] as number | undefined) ?? nowSeconds;
	const isLong = exp - issuedAt > ASSERTION_LIFETIME_SECONDS_MAX;
	if (isLong || exp > nowSeconds + ASSERTION_LIFETIME_SECONDS_MAX + SKEW_SECONDS) {
		return 'The client assertion must not be valid for more than 300 seconds.';
	}
	if (typeof jti !== 'string' || jti === '' || jti.length > JTI_LENGTH_MAX) {
		return 'The client assertion must have a jti of 1 to 256 characters.';
	}
	return undefined;
}

/** RFC 7519 §2 allows fractions; a strict reader needs no rounding rule. */
function isSeconds(value: unknown): value is number {
	return Number.isSafeInteger(value) && (value as number) > 0;
}

/** Says whether `key` made the signature. The key's own algorithm must be the one that the assertion names. */
export function isAssertionSignedBy(claimed: ClaimedAssertion, key: KeyObject): boolean {
	return isSignedBy(key, claimed.algorithm, claimed.jws.signingInput, claimed.jws.signature);
}
