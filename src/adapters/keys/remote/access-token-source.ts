// Keeps the access token of a key service: asks once for many callers, and again some time before it expires.
import type { Clock } from '../../../kernel/clock.ts';
import type { Secret } from '../../../kernel/secret.ts';

/** A token, and for how long it may be used. */
export interface FreshToken {
	readonly token: Secret;
	/** Seconds from now; 0 = until it is refused. */
	readonly lifetimeSeconds: number;
}

export interface AccessTokenSource {
	/** Gives a token that is good for some time yet. Rejects as `fetchToken` does. */
	get(signal: AbortSignal): Promise<Secret>;
	/**
	 * Forgets the token that was used: it was not accepted. Another one is kept: of many calls whose token expired at once,
	 * the last to hear of it does not throw away what the first has fetched.
	 */
	forget(used: Secret | undefined): void;
}

/** A token is renewed when only this part of its life is left. */
const RENEW_AT_REST = 0.2;

/** Keeps what `fetchToken` gives. */
export function createAccessTokenSource(
	fetchToken: (signal: AbortSignal) => Promise<FreshToken>,
	clock: Clock,
): AccessTokenSource {
	let kept: { readonly token: Secret; readonly untilMs: number } | undefined;
	let running: Promise<Secret> | undefined;

	async function renew(signal: AbortSignal): Promise<Secret> {
		const askedAtMs = clock.nowMs();
		const { token, lifetimeSeconds } = await fetchToken(signal);
		const usableMs = lifetimeSeconds === 0 ? Number.POSITIVE_INFINITY : lifetimeSeconds * 1000 * (1 - RENEW_AT_REST);
		kept = { token, untilMs: askedAtMs + usableMs };
		return token;
	}

	return {
		get: async (signal) => {
			if (kept !== undefined && clock.nowMs() < kept.untilMs) return kept.token;
			// Who comes while it is fetched waits for the same answer; the deadline is that of the first.
			running ??= renew(signal).finally(() => {
				running = undefined;
			});
			return running;
		},
		forget: (used) => {
			if (kept?.token === used) kept = undefined;
		},
	};
}
