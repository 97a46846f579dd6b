// A renewal token proves, where TLS ends before us, that whoever asks for a renewal holds the key of the certificate: a
// compact JWS signed by that key. It is good for one certificate request, at one server, once, for a few minutes.
//
//   header   typ `renewal+jwt` · alg as the key has it (jws-verify.ts) · kid = x5t#S256 of the certificate
//   payload  aud = the URL of the renewal · iat, exp (at most 300 s apart) · jti · csr#S256 = SHA-256 of the DER request
//
// Reading it needs the certificate's key, so it has two steps: find the certificate, then verify. RFC 7515, RFC 8725.
import { hash, type KeyObject, X509Certificate } from 'node:crypto';
import type { Random } from '../../kernel/random.ts';
import { type Fault, fault } from '../../kernel/faults.ts';
import { fail, ok, type Result } from '../../kernel/result.ts';
import { createJwsSigner } from '../token/jws-sign.ts';
import { algorithmOfKey, verifyJws } from '../token/jws-verify.ts';
import { decodeJws } from '../token/jwt.ts';
import { parseJsonObject } from '../token/strict-json.ts';

export const RENEWAL_TOKEN_TYPE = 'renewal+jwt';

/** Longest time from `iat` to `exp`. */
export const RENEWAL_TOKEN_SECONDS_MAX = 300;
/** How far the clocks of the two may differ. */
const SKEW_SECONDS = 10;
const JTI = /^[A-Za-z0-9_-]{16,128}$/;
const THUMBPRINT = /^[A-Za-z0-9_-]{43}$/;

/** A token that has proved what it says. */
export interface RenewalToken {
	readonly jti: string;
	/** Until then the `jti` must be remembered. */
	readonly forgettableAtMs: number;
}

/** Tells which certificate a token speaks for, believing nothing else of it; undefined when it names none. */
export function certificateOfRenewalToken(token: string): string | undefined {
	const decoded = decodeJws(token);
	const kid = decoded.ok ? decoded.value.header['kid'] : undefined;
	return typeof kid === 'string' && THUMBPRINT.test(kid) ? kid : undefined;
}

/** Verifies a token with the certificate that it names. Fault: `renewal_token_invalid`. */
export function verifyRenewalToken(
	token: string,
	expected: {
		readonly certificatePem: string;
		readonly thumbprint: string;
		readonly audience: string;
		/** DER. */
		readonly csr: Uint8Array;
		readonly nowMs: number;
	},
): Result<RenewalToken, Fault> {
	const key = new X509Certificate(expected.certificatePem).publicKey;
	if (algorithmOfKey(key) === undefined) return refuse('a key of this kind signs no renewal tokens');
	const verified = verifyJws(token, new Map([[expected.thumbprint, key]]));
	if (!verified.ok) return refuse(verified.fault);
	const { header, payload } = verified.value;
	const claims = parseJsonObject(payload);
	if (header['typ'] !== RENEWAL_TOKEN_TYPE || claims === undefined) return refuse('type');
	const { aud, iat, exp, jti, 'csr#S256': csrHash } = claims;
	if (aud !== expected.audience) return refuse('audience');
	if (csrHash !== hash('sha256', expected.csr, 'base64url')) return refuse('the token is for another request');
	if (typeof jti !== 'string' || !JTI.test(jti)) return refuse('jti');
	if (!isSecond(iat) || !isSecond(exp) || exp <= iat || exp - iat > RENEWAL_TOKEN_SECONDS_MAX)
		return refuse('lifetime');
	const nowSeconds = expected.nowMs / 1000;
	if (iat > nowSeconds + SKEW_SECONDS || exp <= nowSeconds - SKEW_SECONDS) return refuse('time');
	return ok({ jti, forgettableAtMs: (exp + SKEW_SECONDS) * 1000 });
}

function isSecond(value: unknown): value is number {
	return typeof value === 'number' && Number.isSafeInteger(value) && value > 0;
}

function refuse(reason: string): { readonly ok: false; readonly fault: Fault } {
	const internal = `the renewal token is refused: ${reason}`;
	return fail(
		fault('renewal_token_invalid', 'The renewal token is not valid for this request. Make a new one.', { internal }),
	);
}

/** Makes a token, on the side of the partner. Throws on a key of a kind that signs no renewal tokens. */
export function createRenewalToken(
	privateKey: KeyObject,
	claims: { readonly thumbprint: string; readonly audience: string; readonly csr: Uint8Array; readonly nowMs: number },
	random: Random,
): string {
	const signer = createJwsSigner(privateKey);
	const iat = Math.floor(claims.nowMs / 1000);
	const payload = {
		aud: claims.audience,
		iat,
		exp: iat + RENEWAL_TOKEN_SECONDS_MAX,
		jti: random.bytes(16).toString('base64url'),
		'csr#S256': hash('sha256', claims.csr, 'base64url'),
	};
	const encode = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url');
	const input = `${encode({ alg: signer.algorithm, typ: RENEWAL_TOKEN_TYPE, kid: claims.thumbprint })}.${encode(payload)}`;
	return `${input}.${signer.sign(Buffer.from(input)).toString('base64url')}`;
}
