// Limits of a single thread, in a map: for tests and simulations. The same decisions as the shared counter,
// held to the same contract suite.
import {
	nextArrival,
	REFUSED,
	remainingRequests,
	secondsUntilAllowed,
	secondsUntilFull,
	withoutClockStep,
} from '../../domain/limit/gcra.ts';
import type { LimitCounter, LimitOutcome } from '../../domain/limit/limit-counter.ts';
import { createRateCache } from './rate-cache.ts';

/** Creates a counter with room for `slotsMax` keys, which are kept for good. */
export function createMemoryLimitCounter(slotsMax = 65_536): LimitCounter {
	const slots = new Map<string, number>();
	const arrivals: number[] = [];
	const rateOf = createRateCache();
	// Time is counted from the first spend, so that fine units keep within 53 bits.
	let epochMs: number | undefined;
	return {
		slotOf(key) {
			const known = slots.get(key);
			if (known !== undefined) return known;
			if (slots.size >= slotsMax) return undefined;
			slots.set(key, arrivals.length);
			return arrivals.push(0) - 1;
		},
		spend(slot, requests, windowSeconds, nowMs): LimitOutcome {
			const rate = rateOf(requests, windowSeconds);
			epochMs ??= Math.floor(nowMs) - 30 * 86_400_000;
			const now = Math.max(1, Math.floor((nowMs - epochMs) * rate.unitsPerMs));
			const tat = withoutClockStep(rate, arrivals[slot] ?? 0, now);
			const next = nextArrival(rate, tat, now);
			const allowed = next !== REFUSED;
			const left = allowed ? next : tat;
			arrivals[slot] = left;
			return {
				allowed,
				remaining: allowed ? remainingRequests(rate, left, now) : 0,
				resetSeconds: secondsUntilFull(rate, left, now),
				retryAfterSeconds: allowed ? 0 : Math.max(1, secondsUntilAllowed(rate, left, now)),
			};
		},
		refund(slot, requests, windowSeconds) {
			const tat = arrivals[slot];
			if (tat !== undefined) arrivals[slot] = tat - rateOf(requests, windowSeconds).emission;
		},
	};
}
