// A replay guard in the memory of one thread, for tests and simulations.
import { REPLAY_SECONDS_MAX, type ReplayGuard } from '../../domain/token/replay-guard.ts';
import { type Clock, nowSeconds } from '../../kernel/clock.ts';

/** Creates a guard that remembers at most `keysMax` keys at once. */
export function createMemoryReplayGuard(keysMax: number, clock: Clock): ReplayGuard {
	const seen = new Map<string, number>();
	return {
		admit(key, untilSeconds) {
			const now = nowSeconds(clock);
			if (!(untilSeconds > now && untilSeconds <= now + REPLAY_SECONDS_MAX)) return 'unavailable';
			if (seen.has(key)) return 'replayed';
			if (seen.size >= keysMax) for (const [one, until] of seen) if (until <= now) seen.delete(one);
			if (seen.size >= keysMax) return 'unavailable';
			seen.set(key, untilSeconds);
			return 'first';
		},
	};
}
