// Remembers tokens whose signature was good, so that a token is verified once and not on every request (60 µs → 2 µs).
// Only what cannot change is remembered: the signature and the claims. A refusal is never remembered, so that a flood of
// invalid tokens cannot push good ones out.
import { BoundedMap } from '../../kernel/bounded-map.ts';
import type { Clock } from '../../kernel/clock.ts';
import { fail, ok } from '../../kernel/result.ts';
import { expired, fingerprintOf, invalid, isExpired, type VerifiedToken } from './access-token.ts';
import { TOKEN_LENGTH_MAX } from './jwt.ts';
import type { AccessTokenVerifier } from './verify-access-token.ts';

/** What the cache needs. */
export interface VerifiedTokenCacheDeps {
	/** Does the whole work for a token that is not remembered, and says whether its key is trusted still. */
	readonly verifier: AccessTokenVerifier;
	readonly clock: Clock;
	/** Most tokens that are remembered; about 1 KiB each. */
	readonly entriesMax: number;
}

/**
 * Puts a memory before a verifier; the result is a verifier again.
 * The key is the SHA-256 of the whole token: no two tokens share one, and the memory holds no usable token.
 * INVARIANT: expiry and trust in the key are re-checked on every use. Binding, audience and revocation are not this
 * cache's to check: its caller checks them on every request, whether the token was remembered or not.
 */
export function createVerifiedTokenCache(deps: VerifiedTokenCacheDeps): AccessTokenVerifier {
	const { verifier, clock } = deps;
	const tokens = new BoundedMap<string, VerifiedToken>(deps.entriesMax);
	return {
		isTrusted: (token) => verifier.isTrusted(token),
		verify: (token) => {
			if (token.length > TOKEN_LENGTH_MAX) return fail(invalid('size'));
			const fingerprint = fingerprintOf(token);
			const known = tokens.get(fingerprint);
			if (known !== undefined && verifier.isTrusted(known)) {
				if (!isExpired(known, clock)) return ok(known);
				tokens.delete(fingerprint);
				return fail(expired());
			}
			const result = verifier.verify(token);
			if (result.ok) tokens.set(fingerprint, result.value);
			else tokens.delete(fingerprint);
			return result;
		},
	};
}
