// Port: remembers what may be used once, such as a DPoP proof.

/** `first`: nobody has used it yet, and from now on somebody has. `unavailable`: it could not be remembered. */
export type ReplayVerdict = 'first' | 'replayed' | 'unavailable';

/** How long anything may have to be remembered, in seconds. */
export const REPLAY_SECONDS_MAX = 220;

/**
 * Admits each key once.
 * - Of any number of calls with one key, in any number of threads at any time, exactly one gives `first`.
 * - Whoever is given anything else must refuse: an unremembered proof could be used again.
 * - Bounded: when there is no room left it gives `unavailable` and never forgets what still counts.
 */
export interface ReplayGuard {
	/**
	 * Admits `key` if nobody did before. From `untilSeconds` on nobody asks for it any more; it is the same on every call
	 * with one key, later than now, and at most `REPLAY_SECONDS_MAX` from now.
	 */
	admit(key: string, untilSeconds: number): ReplayVerdict;
}
