// Remembers compiled rates by their figures, so that a spend costs one look-up and no division. There are as many
// as the plans have limits: a handful.
import { BoundedMap } from '../../kernel/bounded-map.ts';
import { createGcraRate } from '../../domain/limit/gcra.ts';
import type { GcraRate } from '../../domain/limit/gcra.ts';

const RATES_MAX = 1024;

/** Gives a function that compiles a rate once per distinct pair of figures. */
export function createRateCache(): (requests: number, windowSeconds: number) => GcraRate {
	const byWindow = new BoundedMap<number, BoundedMap<number, GcraRate>>(RATES_MAX);
	return (requests, windowSeconds) => {
		let byRequests = byWindow.peek(windowSeconds);
		if (byRequests === undefined) {
			byRequests = new BoundedMap(RATES_MAX);
			byWindow.set(windowSeconds, byRequests);
		}
		let rate = byRequests.peek(requests);
		if (rate === undefined) {
			rate = createGcraRate(requests, windowSeconds);
			byRequests.set(requests, rate);
		}
		return rate;
	};
}
