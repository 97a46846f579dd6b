// Waits for the signature under a token whose key lies elsewhere: a token in hardware, a key service. A key in memory never
// comes here. While the signature was made the world went on, so what may have changed is judged once more, and a token
// that nobody may have any more is forgotten before it was shown to anybody.
import { SignerUnavailable } from '../../domain/certificate/signer.ts';
import type { WrittenToken } from '../../domain/token/access-token.ts';
import { TOKEN_LENGTH_MAX } from '../../domain/token/jwt.ts';
import { type Fault, fault } from '../../kernel/faults.ts';
import { fail, ok, type Result } from '../../kernel/result.ts';
import { type IssuedToken, tooLong } from './issue-token.ts';

const UNAVAILABLE = 'No token can be signed now. Try again later.';

/**
 * Gives the token once it is signed and `judgeAgain` has nothing against it. Faults: `oauth_temporarily_unavailable` when
 * the key cannot be used, `oauth_invalid_scope` for a token that is too long, those of `judgeAgain`.
 */
export async function awaitToken(
	issued: IssuedToken<WrittenToken>,
	judgeAgain: () => Fault | undefined,
): Promise<Result<IssuedToken, Fault>> {
	const signed = await awaitSignature(issued.token);
	if (!signed.ok) return signed;
	// SECURITY: a revocation that came meanwhile counts. test/conformance/authorization/remote-signing.test.ts
	const refused = judgeAgain();
	if (refused !== undefined) return fail(refused);
	if (signed.value.length > TOKEN_LENGTH_MAX) return fail(tooLong());
	return ok({ ...issued, token: signed.value });
}

/** Waits for a text that is signed elsewhere; `oauth_temporarily_unavailable` when the key cannot be used now. */
export async function awaitSignature(written: WrittenToken): Promise<Result<string, Fault>> {
	try {
		return ok(await written);
	} catch (error) {
		if (!(error instanceof SignerUnavailable)) throw error;
		const { message, retryAfterSeconds } = error;
		return fail(fault('oauth_temporarily_unavailable', UNAVAILABLE, { internal: message, retryAfterSeconds }));
	}
}
