// Verifies access tokens of external issuers, and sends each token to the verifier of the issuer that it names. The name is
// read before the signature is verified, because it decides whose keys may verify it; nothing else of the payload is
// looked at before. A token that names none of the issuers goes the way of our own, and fails there. RFC 9068 §4, RFC 8725.
import { hash } from 'node:crypto';
import type { Clock } from '../../kernel/clock.ts';
import { type Fault, fault } from '../../kernel/faults.ts';
import { fail, ok, type Result } from '../../kernel/result.ts';
import {
	expired,
	fingerprintOf,
	invalid,
	isExpired,
	isSeconds,
	readConfirmation,
	type TokenConfirmation,
	type VerifiedToken,
} from '../token/access-token.ts';
import { algorithmNamed, isSignedBy } from '../token/jws-verify.ts';
import { type DecodedJws, decodeJws, TOKEN_LENGTH_MAX } from '../token/jwt.ts';
import { type JsonObject, parseJsonObject } from '../token/strict-json.ts';
import type { AccessTokenVerifier } from '../token/verify-access-token.ts';
import type { ExternalIssuer } from './external-issuer.ts';
import type { IssuerKey, IssuerKeys } from './issuer-keys.ts';
import { compileDialect, type DialectReader } from './token-dialect.ts';

/** What the verifier trusts. */
export interface ExternalTokenDeps {
	readonly issuers: readonly ExternalIssuer[];
	readonly keys: IssuerKeys;
	/** Verifies our own tokens. */
	readonly own: AccessTokenVerifier;
	readonly clock: Clock;
}

interface CompiledIssuer {
	readonly settings: ExternalIssuer;
	readonly read: DialectReader;
	readonly scopes: ReadonlyMap<string, readonly string[]>;
}

const AUDIENCES_MAX = 16;
const AUDIENCE_LENGTH_MAX = 512;
const KEYS_RETRY_SECONDS = 3;
const OUTAGE_RETRY_SECONDS = 30;

/** Makes a verifier of our own tokens and those of external issuers. Put `createVerifiedTokenCache` before it. */
export function createFederatedVerifier(deps: ExternalTokenDeps): AccessTokenVerifier {
	const { own, keys } = deps;
	const issuers = new Map(deps.issuers.map((settings) => [settings.issuer, compileIssuer(settings)]));
	return {
		isTrusted: (token) =>
			token.externalClientId === undefined ? own.isTrusted(token) : keys.isTrusted(token.issuer, token.keyId),
		verify: (token) => {
			// Ours are opaque, encrypted, or name us; what cannot be read as a signed token is refused by our own verifier.
			const decoded = token.length > TOKEN_LENGTH_MAX ? undefined : decodeJws(token);
			if (decoded?.ok !== true) return own.verify(token);
			const claims = parseJsonObject(decoded.value.payload);
			const iss = claims?.['iss'];
			const issuer = typeof iss === 'string' ? issuers.get(iss) : undefined;
			if (claims === undefined || issuer === undefined) return own.verify(token);
			return verifyExternal(token, decoded.value, claims, issuer, deps);
		},
	};
}

function compileIssuer(settings: ExternalIssuer): CompiledIssuer {
	return {
		settings,
		read: compileDialect(settings),
		scopes: new Map(settings.scopes.map(({ external, own }) => [external, own])),
	};
}

function verifyExternal(
	token: string,
	{ header, signingInput, signature }: DecodedJws,
	claims: JsonObject,
	issuer: CompiledIssuer,
	{ keys, clock }: ExternalTokenDeps,
): Result<VerifiedToken, Fault> {
	const { kid } = header;
	if (typeof kid !== 'string') return fail(invalid('no kid'));
	// SECURITY: only a key of the issuer that the token names, with the algorithm that was bound to the key when it was
	// fetched. test/attack/external-issuers.test.ts
	const key = keys.find(issuer.settings.issuer, kid);
	if (typeof key === 'string') return fail(keyFault(key));
	if (algorithmNamed(header['alg']) !== key.algorithm) return fail(invalid('algorithm'));
	if (!isSignedBy(key.key, key.algorithm, signingInput, signature)) return fail(invalid('signature'));
	const verified = readToken({ token, signingInput }, header, claims, issuer, key);
	if (typeof verified === 'string') return fail(invalid(verified));
	const refused = judgeDates(verified, claims, issuer.settings, clock) ?? judgeBinding(verified, issuer.settings);
	return refused === undefined ? ok(verified) : fail(refused);
}

function readToken(
	{ token, signingInput }: { readonly token: string; readonly signingInput: string },
	header: JsonObject,
	claims: JsonObject,
	{ settings, read, scopes: mapping }: CompiledIssuer,
	key: IssuerKey,
): VerifiedToken | string {
	const said = read(header, claims);
	if (typeof said === 'string') return said;
	const { iat, exp } = claims;
	const audiences = readAudiences(claims['aud']);
	if (audiences === undefined) return 'claim aud';
	if (!isSeconds(iat)) return 'claim iat';
	if (!isSeconds(exp) || exp <= iat) return 'claim exp';
	const confirmation = readConfirmation(claims['cnf']);
	if (confirmation === undefined) return 'claim cnf';
	const scopes = new Set<string>();
	for (const external of said.scopes) for (const scope of mapping.get(external) ?? []) scopes.add(scope);
	return Object.freeze({
		// SECURITY: of what is signed, because anybody can turn a signature by ECDSA into another good one: a token that is
		// revoked would go on under another name. test/attack/external-issuers.test.ts
		jti: externalTokenName(settings.issuer, said.tokenId ?? `#${fingerprintOf(signingInput)}`),
		issuer: settings.issuer,
		externalClientId: said.client,
		format: 'jwt',
		audiences,
		clientId: undefined,
		partnerId: undefined,
		credentialId: undefined,
		scopes,
		authorizationDetails: NO_DETAILS,
		// The clock of the issuer may be ahead of ours: a cut must not miss a token because of that.
		issuedAtSeconds: iat - settings.clockSkewSeconds,
		expiresAtSeconds: exp,
		confirmation,
		keyId: key.id,
		fingerprint: fingerprintOf(token),
	} as const);
}

const NO_DETAILS: readonly [] = [];

/**
 * Gives the name by which a token of an external issuer is known here: in the ledger, and where it is revoked. Names of
 * different issuers can be the same, and some issuers give none: then `tokenId` is `#` and the hash of header and payload.
 */
export function externalTokenName(issuer: string, tokenId: string): string {
	return `x${hash('sha256', JSON.stringify([issuer, tokenId]), 'base64url')}`;
}

function readAudiences(aud: unknown): readonly string[] | undefined {
	const list: readonly unknown[] = Array.isArray(aud) ? aud : [aud];
	if (list.length === 0 || list.length > AUDIENCES_MAX) return undefined;
	for (const audience of list) {
		if (typeof audience !== 'string' || audience === '' || audience.length > AUDIENCE_LENGTH_MAX) return undefined;
	}
	return Object.freeze([...(list as readonly string[])]);
}

function judgeDates(
	token: VerifiedToken,
	{ iat, nbf }: JsonObject,
	{ clockSkewSeconds, tokenLifetimeSecondsMax }: ExternalIssuer,
	clock: Clock,
): Fault | undefined {
	const issuedAt = iat as number;
	const notBefore = nbf ?? issuedAt;
	if (!isSeconds(notBefore)) return invalid('claim nbf');
	if (token.expiresAtSeconds - issuedAt > tokenLifetimeSecondsMax) return invalid('lifetime');
	if (Math.max(notBefore, issuedAt) * 1000 > clock.nowMs() + clockSkewSeconds * 1000) return invalid('not yet valid');
	// No grace for `exp`: no token lives longer here than its client was told.
	return isExpired(token, clock) ? expired() : undefined;
}

/** SECURITY: what is not bound as the issuer's tokens must be is refused, whatever the operation is content with. */
function judgeBinding({ confirmation }: VerifiedToken, { senderConstraint }: ExternalIssuer): Fault | undefined {
	if (isBoundBy(confirmation, senderConstraint)) return undefined;
	return fault('binding_missing', `Access tokens of this issuer must be bound by ${senderConstraint}.`);
}

function isBoundBy({ x5tS256, jkt }: TokenConfirmation, constraint: ExternalIssuer['senderConstraint']): boolean {
	if (constraint === 'mtls') return x5tS256 !== undefined;
	return constraint === 'none' || jkt !== undefined;
}

function keyFault(answer: 'unknown' | 'asked' | 'unavailable'): Fault {
	switch (answer) {
		case 'unknown':
			return invalid('key');
		case 'asked':
			return fault(
				'issuer_key_unknown',
				'The issuer of the token is being asked for its keys. Send the request again.',
				{
					retryAfterSeconds: KEYS_RETRY_SECONDS,
				},
			);
		case 'unavailable':
			return fault('issuer_unavailable', 'The keys of the issuer of this token cannot be had now. Try again later.', {
				retryAfterSeconds: OUTAGE_RETRY_SECONDS,
			});
	}
}
