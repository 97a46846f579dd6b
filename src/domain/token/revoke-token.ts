// Revokes one access token by its `jti`. The revocation is kept until the token would have expired anyway, and a
// little longer, because whoever checks tokens may have a slower clock.
import { REVOCATION_MARGIN_SECONDS } from './token-lifetime.ts';
import { nowSeconds, type Clock } from '../../kernel/clock.ts';
import { fault, type Fault } from '../../kernel/faults.ts';
import { fail, ok, type Result } from '../../kernel/result.ts';
import type { Changed } from '../registry/commit-change.ts';
import type { Registry } from '../registry/registry.ts';
import type { TokenRevocation } from './revocation-store.ts';

/**
 * Longest lifetime of any token that is accepted, in seconds: more than the hour that a configuration may give one, so that
 * it also holds for tokens of an older configuration.
 */
export const TOKEN_LIFE_SECONDS_MAX = 86_400;

const JTI = /^[A-Za-z0-9\-._~]{8,128}$/;

/**
 * Revokes the token `jti`, which expires at `expiresAtSeconds` (unknown: the longest possible lifetime from now on).
 * The same token again is no error. Run it in a transaction. Faults: `input_invalid`.
 */
export async function revokeToken(
	registry: Registry,
	request: { readonly jti: string; readonly expiresAtSeconds: number | undefined },
	deps: { readonly clock: Clock },
): Promise<Result<Changed<TokenRevocation>, Fault>> {
	const now = nowSeconds(deps.clock);
	const latest = now + TOKEN_LIFE_SECONDS_MAX;
	const expiresAtSeconds = request.expiresAtSeconds ?? latest;
	if (!JTI.test(request.jti)) return fail(invalid('#/jti', 'must be the jti of an access token'));
	if (!Number.isSafeInteger(expiresAtSeconds) || expiresAtSeconds <= now || expiresAtSeconds > latest) {
		return fail(invalid('#/expiresAt', 'must be the expiry of the token: later than now, at most a day from now'));
	}
	const record: TokenRevocation = {
		jti: request.jti,
		expiresAtSeconds: expiresAtSeconds + REVOCATION_MARGIN_SECONDS,
		revokedAtMs: deps.clock.nowMs(),
	};
	await registry.revocations.insert(record);
	const sequence = await registry.changes.append({ kind: 'token-revocation', record });
	return ok({ record, sequence, changed: true });
}

function invalid(pointer: string, detail: string): Fault {
	return fault('input_invalid', 'The token cannot be revoked as asked.', {
		members: { errors: [{ pointer, detail }] },
	});
}
