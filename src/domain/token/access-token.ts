// The access token: what it says, how it is minted and how it is verified. A JWT as RFC 9068 has it, for one resource
// (RFC 8707), bound to the client certificate that asked for it (RFC 8705 §3.1). The verifier trusts the published keys
// and the clock. What changes after minting (binding, revocation, status) is judged by its caller on each request.
import { hash, type KeyObject } from 'node:crypto';
import { type Clock, nowSeconds } from '../../kernel/clock.ts';
import { type Fault, fault } from '../../kernel/faults.ts';
import { type ClientId, type PartnerId, parseId } from '../../kernel/ids.ts';
import type { Random } from '../../kernel/random.ts';
import { fail, ok, type Result } from '../../kernel/result.ts';
import { verifyJws } from './jws-verify.ts';
import type { JwtSigner } from './jwt.ts';
import { parseScope } from './scope.ts';
import { isJsonObject, type JsonObject, parseJsonObject } from './strict-json.ts';

/** The `typ` header of access tokens (RFC 9068 §2.1); tokens of any other type are refused. */
export const ACCESS_TOKEN_TYPE = 'at+jwt';

/**
 * How far `iat` and `nbf` may lie in the future, for clocks that differ between nodes. `exp` gets no such grace: no
 * token lives longer than its client was told.
 */
export const CLOCK_SKEW_SECONDS = 5;

const JTI_BYTES = 16;
const JTI = /^[A-Za-z0-9_-]{16,128}$/;
const SHA256_BASE64URL = /^[A-Za-z0-9_-]{43}$/;

/** What a token is minted from. All of it was decided before; minting decides nothing. */
export interface AccessTokenGrant {
	readonly partnerId: PartnerId;
	readonly clientId: ClientId;
	/** Resource indicator, the one audience. */
	readonly resource: string;
	readonly scopes: readonly string[];
	/** base64url SHA-256 of the DER certificate that the token is bound to. */
	readonly certificateThumbprint: string;
	readonly issuedAtSeconds: number;
	readonly expiresAtSeconds: number;
}

/** A fresh token. `token` is a credential: it goes to the client and nowhere else; `jti` is what is logged. */
export interface MintedAccessToken {
	readonly token: string;
	readonly jti: string;
}

/** Mints a signed access token. `sign` comes from `createJwtSigner(key, ACCESS_TOKEN_TYPE)`. */
export function mintAccessToken(
	grant: AccessTokenGrant,
	deps: { readonly issuer: string; readonly sign: JwtSigner; readonly random: Random },
): MintedAccessToken {
	const jti = deps.random.bytes(JTI_BYTES).toString('base64url');
	const token = deps.sign({
		iss: deps.issuer,
		sub: grant.clientId,
		client_id: grant.clientId,
		partner_id: grant.partnerId,
		aud: grant.resource,
		iat: grant.issuedAtSeconds,
		exp: grant.expiresAtSeconds,
		jti,
		scope: grant.scopes.join(' '),
		cnf: { 'x5t#S256': grant.certificateThumbprint },
	});
	return { token, jti };
}

/** A token whose signature, issuer, type, dates and claims are good. Immutable; shared between requests by the cache. */
export interface VerifiedToken {
	readonly jti: string;
	readonly issuer: string;
	/** The resource that the token is for. The caller compares it with the route's, byte for byte. */
	readonly audience: string;
	readonly clientId: ClientId;
	readonly partnerId: PartnerId;
	readonly scopes: ReadonlySet<string>;
	readonly issuedAtSeconds: number;
	readonly expiresAtSeconds: number;
	/** The certificate that the token is bound to. The caller compares it with the connection's. */
	readonly confirmation: { readonly x5tS256: string };
	/** The `kid` of the key that signed it. */
	readonly keyId: string;
	/** base64url SHA-256 of the token: names it in logs without being usable. */
	readonly fingerprint: string;
}

/**
 * Verifies access tokens.
 * INVARIANT: what it gives proves only what the issuer said when it signed. Binding (`confirmation`), audience,
 * revocation and the status of client and partner are checked by the caller on every request, after this.
 */
export interface AccessTokenVerifier {
	verify(token: string): Result<VerifiedToken, Fault>;
}

/** What a verifier trusts. */
export interface AccessTokenVerifierDeps {
	readonly issuer: string;
	/** The current verification keys by `kid`. */
	readonly keys: () => ReadonlyMap<string, KeyObject>;
	readonly clock: Clock;
}

/** Makes a verifier that does the whole work each time (≈ 60 µs). Put `createVerifiedTokenCache` before it. */
export function createAccessTokenVerifier(deps: AccessTokenVerifierDeps): AccessTokenVerifier {
	return { verify: (token) => verifyAccessToken(token, deps) };
}

function verifyAccessToken(token: string, deps: AccessTokenVerifierDeps): Result<VerifiedToken, Fault> {
	const jws = verifyJws(token, deps.keys());
	if (!jws.ok) return fail(invalid(jws.fault));
	const { header, payload } = jws.value;
	if (header['typ'] !== ACCESS_TOKEN_TYPE) return fail(invalid('type'));
	const claims = parseJsonObject(payload);
	if (claims === undefined) return fail(invalid('payload'));
	if (claims['iss'] !== deps.issuer) return fail(invalid('issuer'));
	const verified = readClaims(claims, deps.issuer, String(header['kid']), fingerprintOf(token));
	if (typeof verified === 'string') return fail(invalid(verified));
	const now = nowSeconds(deps.clock);
	const notBefore = claims['nbf'] === undefined ? verified.issuedAtSeconds : claims['nbf'];
	if (!isSeconds(notBefore)) return fail(invalid('claim nbf'));
	if (Math.max(notBefore, verified.issuedAtSeconds) > now + CLOCK_SKEW_SECONDS) return fail(invalid('not yet valid'));
	if (isExpired(verified, deps.clock)) return fail(expired());
	return ok(verified);
}

/** Gives the claims as a token, or the name of the first one that is missing or of a wrong form. */
function readClaims(
	claims: JsonObject,
	issuer: string,
	keyId: string,
	fingerprint: string,
): VerifiedToken | `claim ${string}` {
	const { aud, exp, iat, jti, scope } = claims;
	const clientId = parseId('cli', claims['client_id']);
	if (clientId === undefined) return 'claim client_id';
	if (claims['sub'] !== clientId) return 'claim sub';
	const partnerId = parseId('prt', claims['partner_id']);
	if (partnerId === undefined) return 'claim partner_id';
	if (typeof aud !== 'string' || aud === '') return 'claim aud';
	if (!isSeconds(iat)) return 'claim iat';
	if (!isSeconds(exp) || exp <= iat) return 'claim exp';
	if (typeof jti !== 'string' || !JTI.test(jti)) return 'claim jti';
	const scopes = typeof scope === 'string' ? parseScope(scope) : undefined;
	if (scopes === undefined) return 'claim scope';
	const x5tS256 = readConfirmation(claims['cnf']);
	if (x5tS256 === undefined) return 'claim cnf';
	return Object.freeze({
		jti,
		issuer,
		audience: aud,
		clientId,
		partnerId,
		scopes,
		issuedAtSeconds: iat,
		expiresAtSeconds: exp,
		confirmation: Object.freeze({ x5tS256 }),
		keyId,
		fingerprint,
	});
}

/** RFC 8705 §3.1, and nothing beside it: a token that is bound twice would need two proofs. */
function readConfirmation(cnf: unknown): string | undefined {
	if (!isJsonObject(cnf) || Object.keys(cnf).length !== 1) return undefined;
	const thumbprint = cnf['x5t#S256'];
	return typeof thumbprint === 'string' && SHA256_BASE64URL.test(thumbprint) ? thumbprint : undefined;
}

/** RFC 7519 §2 allows fractions; our tokens have none, and a strict reader needs no rounding rule. */
function isSeconds(value: unknown): value is number {
	return Number.isSafeInteger(value) && (value as number) > 0;
}

/** Tells whether a token has expired; true from the first millisecond of `exp` on (RFC 7519 §4.1.4). */
export function isExpired(token: VerifiedToken, clock: Clock): boolean {
	return clock.nowMs() >= token.expiresAtSeconds * 1000;
}

/** base64url SHA-256 of a token's text. */
export function fingerprintOf(token: string): string {
	return hash('sha256', token, 'base64url');
}

/** The fault of a token that has expired. */
export function expired(): Fault {
	return fault('token_expired', 'Ask for a new access token.');
}

/** The fault of a token that is not one of ours. `reason` is for the log and holds nothing of the token. */
export function invalid(reason: string): Fault {
	return fault('token_invalid', 'Send the access token exactly as the token endpoint gave it, or ask for a new one.', {
		internal: reason,
	});
}
