// Limits how often one client may ask the authorization server, once it has proven itself: each token costs a signature and an
// entry of the ledger, each revocation a transaction and memory in every thread until the token would have ended. A partner
// that floods, or whose program lost its way, must not take that from others. Whoever keeps a token until it expires is far below.
import type { Clock } from '../../kernel/clock.ts';
import { GenerationMap } from '../../kernel/generation-map.ts';
import type { ClientId } from '../../kernel/ids.ts';
import { createGcraRate, type GcraRate, nextArrival, REFUSED, withoutClockStep } from '../limit/gcra.ts';

interface Allowance {
	readonly requests: number;
	readonly windowSeconds: number;
}

/** Requests at once, and how long it takes until so many are allowed again: 50 a second in the long run. */
export const REQUEST_ALLOWANCE: Allowance = { requests: 2000, windowSeconds: 40 };

/** At least so many clients are remembered, and twice as many at most: who was pushed out has asked for nothing lately. */
export const REQUEST_CLIENTS_MAX = 20_000;

/** Counts the requests of clients at one authorization server, in bounded memory. */
export class RequestLimit {
	readonly #clock: Clock;
	readonly #rate: GcraRate;
	/** From client to the moment at which it may ask as much as it likes again, in units of the rate. */
	readonly #arrivals = new GenerationMap<ClientId, number>(REQUEST_CLIENTS_MAX);

	constructor(clock: Clock, allowance: Allowance = REQUEST_ALLOWANCE) {
		this.#clock = clock;
		this.#rate = createGcraRate(allowance.requests, allowance.windowSeconds);
	}

	/** How many numbers are held in memory. */
	get size(): number {
		return this.#arrivals.size;
	}

	/** Counts a request. Gives 0 when it may be served; otherwise the seconds until the next one may, and counts nothing. */
	spend(client: ClientId): number {
		const now = this.#clock.nowMs() * this.#rate.unitsPerMs;
		const arrival = withoutClockStep(this.#rate, this.#arrivals.get(client) ?? 0, now);
		const next = nextArrival(this.#rate, arrival, now);
		if (next === REFUSED) {
			// Kept although nothing was counted: after a clock that was set back it is an earlier moment than before.
			this.#arrivals.set(client, arrival);
			const units = arrival + this.#rate.emission - this.#rate.capacity - now;
			return Math.max(1, Math.ceil(units / (this.#rate.unitsPerMs * 1000)));
		}
		this.#arrivals.set(client, next);
		return 0;
	}
}
