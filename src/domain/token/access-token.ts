// The access token: what it says, how it is minted, and how its claims are read. For one resource (RFC 8707), bound to the
// key of the client that asked for it (RFC 8705 §3.1, RFC 9449 §6.1), with claims as RFC 9068 has them. Three formats carry
// them: a signed JWT, the same encrypted (access-token-jwe.ts), or sealed text that says nothing (opaque-token.ts).
// What changes after minting (binding, revocation, status) is judged by the gateway on each request.
import { hash } from 'node:crypto';
import type { Clock } from '../../kernel/clock.ts';
import { type Fault, fault } from '../../kernel/faults.ts';
import { type ClientId, type CredentialId, type PartnerId, parseId } from '../../kernel/ids.ts';
import type { Random } from '../../kernel/random.ts';
import { type AuthorizationDetail, readAuthorizationDetails } from '../policy/authorization-detail.ts';
import { parseScope } from './scope.ts';
import { isJsonObject, type JsonObject } from './strict-json.ts';

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

/** How a token is written. Each API has one; a token in another format is refused there. */
export type TokenFormat = 'jwt' | 'encrypted' | 'opaque';

/** The keys that a token is bound to. Both: both must be proven. None: whoever holds the token may use it. */
export interface TokenConfirmation {
	/** base64url SHA-256 of the DER client certificate (RFC 8705 §3.1). */
	readonly x5tS256?: string;
	/** RFC 7638 thumbprint of the key that signs the DPoP proofs (RFC 9449 §6.1). */
	readonly jkt?: string;
}

/** What a token is minted from. All of it was decided before; minting decides nothing. */
export interface AccessTokenGrant {
	readonly partnerId: PartnerId;
	readonly clientId: ClientId;
	/** The credential that the client proved itself with: the token dies with it. */
	readonly credentialId: CredentialId;
	/** Resource indicator, the one audience. */
	readonly resource: string;
	readonly scopes: readonly string[];
	readonly confirmation: TokenConfirmation;
	/** Authorization details (RFC 9396); none when empty or absent. */
	readonly authorizationDetails?: readonly AuthorizationDetail[];
	readonly issuedAtSeconds: number;
	readonly expiresAtSeconds: number;
}

/** What a writer gives: the text at once, or a promise where the signing key lies elsewhere. */
export type WrittenToken = string | Promise<string>;

/** A fresh token. `token` is a credential: it goes to the client and nowhere else; `jti` is what is logged. */
export interface MintedAccessToken<Written extends WrittenToken> {
	readonly token: Written;
	readonly jti: string;
}

/** Turns claims into the text of a token: one of the three formats. */
export type TokenWriter<Written extends WrittenToken = WrittenToken> = (claims: {
	readonly [name: string]: unknown;
}) => Written;

/**
 * Mints an access token. `sign` is `createJwtSigner(key, ACCESS_TOKEN_TYPE)`, or the writer of another format:
 * `createEncryptedTokenWriter` or `createOpaqueTokenSealer`.
 */
export function mintAccessToken<Written extends WrittenToken>(
	grant: AccessTokenGrant,
	deps: { readonly issuer: string; readonly sign: TokenWriter<Written>; readonly random: Random },
): MintedAccessToken<Written> {
	const jti = deps.random.bytes(JTI_BYTES).toString('base64url');
	const token = deps.sign({
		iss: deps.issuer,
		sub: grant.clientId,
		client_id: grant.clientId,
		partner_id: grant.partnerId,
		credential_id: grant.credentialId,
		aud: grant.resource,
		iat: grant.issuedAtSeconds,
		exp: grant.expiresAtSeconds,
		jti,
		...(grant.scopes.length === 0 ? undefined : { scope: grant.scopes.join(' ') }),
		...writeConfirmation(grant.confirmation),
		...(grant.authorizationDetails === undefined || grant.authorizationDetails.length === 0
			? undefined
			: { authorization_details: grant.authorizationDetails }),
	});
	return { token, jti };
}

function writeConfirmation({ x5tS256, jkt }: TokenConfirmation): { readonly cnf?: object } | undefined {
	if (x5tS256 === undefined && jkt === undefined) return undefined;
	return {
		cnf: {
			...(x5tS256 === undefined ? undefined : { 'x5t#S256': x5tS256 }),
			...(jkt === undefined ? undefined : { jkt }),
		},
	};
}

/** A token whose signature, issuer, type, dates and claims are good. Immutable; shared between requests by the cache. */
export interface VerifiedToken {
	readonly jti: string;
	readonly issuer: string;
	/** The client as an external issuer names it; absent in a token of ours. */
	readonly externalClientId?: string;
	readonly format: TokenFormat;
	/** The resources that the token is for; ours name exactly one. The caller compares byte for byte. */
	readonly audiences: readonly string[];
	/** The client that it was issued to; undefined for a token of another issuer, which knows no client of ours. */
	readonly clientId: ClientId | undefined;
	readonly partnerId: PartnerId | undefined;
	readonly credentialId: CredentialId | undefined;
	readonly scopes: ReadonlySet<string>;
	readonly authorizationDetails: readonly AuthorizationDetail[];
	readonly issuedAtSeconds: number;
	readonly expiresAtSeconds: number;
	/** The keys that the token is bound to. The caller compares them with what the connection and the request prove. */
	readonly confirmation: TokenConfirmation;
	/** Id of the key that signed or sealed it. */
	readonly keyId: string;
	/** Id of the key that it was encrypted for; absent for other formats. */
	readonly encryptionKeyId?: string;
	/** base64url SHA-256 of the token: names it in logs without being usable. */
	readonly fingerprint: string;
}

/** How the claims came. */
interface TokenOrigin {
	readonly issuer: string;
	readonly format: TokenFormat;
	readonly keyId: string;
	readonly encryptionKeyId?: string;
	readonly fingerprint: string;
}

/** Gives the claims of a token of ours, or the name of the first one that is missing or of a wrong form. */
export function readClaims(claims: JsonObject, origin: TokenOrigin): VerifiedToken | `claim ${string}` {
	const { aud, exp, iat, jti } = claims;
	const clientId = parseId('cli', claims['client_id']);
	if (clientId === undefined) return 'claim client_id';
	if (claims['sub'] !== clientId) return 'claim sub';
	const partnerId = parseId('prt', claims['partner_id']);
	if (partnerId === undefined) return 'claim partner_id';
	const credentialId = parseId('crd', claims['credential_id']);
	if (credentialId === undefined) return 'claim credential_id';
	if (typeof aud !== 'string' || aud === '') return 'claim aud';
	if (!isSeconds(iat)) return 'claim iat';
	if (!isSeconds(exp) || exp <= iat) return 'claim exp';
	if (typeof jti !== 'string' || !JTI.test(jti)) return 'claim jti';
	const scopes = readScopes(claims['scope']);
	if (scopes === undefined) return 'claim scope';
	const confirmation = readConfirmation(claims['cnf']);
	if (confirmation === undefined) return 'claim cnf';
	const authorizationDetails = readAuthorizationDetails(claims['authorization_details']);
	if (authorizationDetails === undefined) return 'claim authorization_details';
	// A token of ours without scopes has details instead; one with neither permits nothing.
	if (scopes.size === 0 && authorizationDetails.length === 0) return 'claim scope';
	return Object.freeze({
		jti,
		issuer: origin.issuer,
		format: origin.format,
		audiences: Object.freeze([aud]),
		clientId,
		partnerId,
		credentialId,
		scopes,
		authorizationDetails,
		issuedAtSeconds: iat,
		expiresAtSeconds: exp,
		confirmation,
		keyId: origin.keyId,
		...(origin.encryptionKeyId === undefined ? undefined : { encryptionKeyId: origin.encryptionKeyId }),
		fingerprint: origin.fingerprint,
	});
}

const NO_SCOPES: ReadonlySet<string> = new Set();

function readScopes(scope: unknown): ReadonlySet<string> | undefined {
	if (scope === undefined) return NO_SCOPES;
	return typeof scope === 'string' ? parseScope(scope) : undefined;
}

const UNBOUND: TokenConfirmation = Object.freeze({});

/** Reads `cnf`: a certificate, a DPoP key, or both, and nothing beside them, because that would be a proof left unasked. */
export function readConfirmation(cnf: unknown): TokenConfirmation | undefined {
	if (cnf === undefined) return UNBOUND;
	if (!isJsonObject(cnf)) return undefined;
	const names = Object.keys(cnf);
	if (names.length === 0 || !names.every((name) => name === 'x5t#S256' || name === 'jkt')) return undefined;
	const { 'x5t#S256': x5tS256, jkt } = cnf;
	if (x5tS256 !== undefined && !isThumbprint(x5tS256)) return undefined;
	if (jkt !== undefined && !isThumbprint(jkt)) return undefined;
	return Object.freeze({
		...(x5tS256 === undefined ? undefined : { x5tS256 }),
		...(jkt === undefined ? undefined : { jkt }),
	});
}

function isThumbprint(value: unknown): value is string {
	return typeof value === 'string' && SHA256_BASE64URL.test(value);
}

/** RFC 7519 §2 allows fractions; our tokens have none, and a strict reader needs no rounding rule. */
export function isSeconds(value: unknown): value is number {
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
