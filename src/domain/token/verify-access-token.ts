// Verifies access tokens of our own authorization server in all three formats: a compact JWT has three parts, an encrypted
// one five, an opaque one its prefix. What it gives proves only what the issuer said when it minted. Trusts the published
// keys and the clock. RFC 9068 §4, RFC 8725.
import type { KeyObject } from 'node:crypto';
import { type Clock, nowSeconds } from '../../kernel/clock.ts';
import type { Fault } from '../../kernel/faults.ts';
import { fail, ok, type Result } from '../../kernel/result.ts';
import {
	ACCESS_TOKEN_TYPE,
	CLOCK_SKEW_SECONDS,
	expired,
	fingerprintOf,
	invalid,
	isExpired,
	isSeconds,
	readClaims,
	type TokenFormat,
	type VerifiedToken,
} from './access-token.ts';
import { openEncryptedToken } from './access-token-jwe.ts';
import { verifyJws } from './jws-verify.ts';
import { type JwsRefusal, TOKEN_LENGTH_MAX } from './jwt.ts';
import { OPAQUE_TOKEN_PREFIX, openOpaqueToken } from './opaque-token.ts';
import { type JsonObject, parseJsonObject } from './strict-json.ts';

/**
 * Verifies access tokens.
 * INVARIANT: binding (`confirmation`), audience, format, revocation and the status of credential, client and partner are
 * checked by the caller on every request, after this.
 */
export interface AccessTokenVerifier {
	verify(token: string): Result<VerifiedToken, Fault>;
	/** Whether the key that a token was minted with is trusted still: a token dies with its key. */
	isTrusted(token: VerifiedToken): boolean;
}

/** Keys by their id. Asked for on every token, so that a changed set holds from the next token on. */
export type KeysById = () => ReadonlyMap<string, KeyObject>;

/** What a verifier trusts. */
export interface AccessTokenVerifierDeps {
	readonly issuer: string;
	/** The current keys that signatures are verified with, by `kid`. */
	readonly keys: KeysById;
	/** Private keys that encrypted tokens are opened with, by `kid`; absent: there are no such tokens. */
	readonly decryptionKeys?: KeysById;
	/** Secret keys that opaque tokens are opened with, by id; absent: there are no such tokens. */
	readonly sealingKeys?: KeysById;
	readonly clock: Clock;
}

const NO_KEYS: ReadonlyMap<string, KeyObject> = new Map();

/** Makes a verifier that does the whole work each time (≈ 60 µs for ES256). Put `createVerifiedTokenCache` before it. */
export function createAccessTokenVerifier(deps: AccessTokenVerifierDeps): AccessTokenVerifier {
	return {
		verify: (token) => verifyAccessToken(token, deps),
		isTrusted: ({ format, keyId, encryptionKeyId }) => {
			if (format === 'opaque') return deps.sealingKeys?.().has(keyId) ?? false;
			// SECURITY: an encrypted token dies with either of its keys. test/attack/token-formats.test.ts
			if (encryptionKeyId !== undefined && deps.decryptionKeys?.().has(encryptionKeyId) !== true) return false;
			return deps.keys().has(keyId);
		},
	};
}

interface OpenedToken {
	readonly claims: JsonObject;
	readonly keyId: string;
	readonly format: TokenFormat;
	readonly encryptionKeyId?: string;
}

function verifyAccessToken(token: string, deps: AccessTokenVerifierDeps): Result<VerifiedToken, Fault> {
	if (token.length > TOKEN_LENGTH_MAX) return fail(invalid('size'));
	const opened = openToken(token, deps);
	if (!opened.ok) return fail(invalid(opened.fault));
	const { claims, keyId, format, encryptionKeyId } = opened.value;
	const { issuer } = deps;
	// SECURITY: byte for byte; a trailing slash makes another issuer. test/conformance/gateway-token.test.ts
	if (claims['iss'] !== issuer) return fail(invalid('issuer'));
	const verified = readClaims(claims, {
		issuer,
		format,
		keyId,
		...(encryptionKeyId === undefined ? undefined : { encryptionKeyId }),
		fingerprint: fingerprintOf(token),
	});
	if (typeof verified === 'string') return fail(invalid(verified));
	const refused = judgeTokenDates(verified, claims['nbf'], deps.clock);
	return refused === undefined ? ok(verified) : fail(refused);
}

function openToken(token: string, deps: AccessTokenVerifierDeps): Result<OpenedToken, JwsRefusal> {
	if (token.startsWith(OPAQUE_TOKEN_PREFIX)) {
		const opened = openOpaqueToken(token, deps.issuer, deps.sealingKeys?.() ?? NO_KEYS);
		return opened.ok ? ok({ ...opened.value, format: 'opaque' }) : opened;
	}
	if (!hasFiveParts(token)) return openSigned(token, deps, 'jwt');
	const inner = openEncryptedToken(token, deps.decryptionKeys?.() ?? NO_KEYS);
	if (!inner.ok) return inner;
	const signed = openSigned(inner.value.text, deps, 'encrypted');
	return signed.ok ? ok({ ...signed.value, encryptionKeyId: inner.value.keyId }) : signed;
}

function openSigned(
	token: string,
	deps: AccessTokenVerifierDeps,
	format: TokenFormat,
): Result<OpenedToken, JwsRefusal> {
	const jws = verifyJws(token, deps.keys());
	if (!jws.ok) return jws;
	const { header, payload } = jws.value;
	if (header['typ'] !== ACCESS_TOKEN_TYPE) return fail('type');
	const claims = parseJsonObject(payload);
	return claims === undefined ? fail('payload') : ok({ claims, keyId: String(header['kid']), format });
}

function hasFiveParts(token: string): boolean {
	let dots = 0;
	for (let at = token.indexOf('.'); at !== -1; at = token.indexOf('.', at + 1)) dots++;
	return dots === 4;
}

/** Judges `iat`, `nbf` and `exp` against the clock; undefined when the token is valid now. */
export function judgeTokenDates(token: VerifiedToken, nbf: unknown, clock: Clock): Fault | undefined {
	const notBefore = nbf === undefined ? token.issuedAtSeconds : nbf;
	if (!isSeconds(notBefore)) return invalid('claim nbf');
	if (Math.max(notBefore, token.issuedAtSeconds) > nowSeconds(clock) + CLOCK_SKEW_SECONDS) {
		return invalid('not yet valid');
	}
	return isExpired(token, clock) ? expired() : undefined;
}
