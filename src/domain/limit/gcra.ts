// The generic cell rate algorithm, in whole numbers: a burst of N is allowed at once, then one request per
// window/N. The whole state of a limit is one number, the theoretical arrival time (TAT): when the limit will be
// full again. Time is counted in units in which one request costs a whole number of them, so nothing is rounded
// and nothing drifts. Trusts nobody's clock to be monotonic. (ITU-T I.371 §A, virtual scheduling.)

/** A rate in whole units. A fresh limit has a TAT of 0 or less. */
export interface GcraRate {
	/** Requests that may come at once, and in each window in the long run. */
	readonly requests: number;
	/** Units of time in a millisecond. */
	readonly unitsPerMs: number;
	/** What one request costs, in units. */
	readonly emission: number;
	/** `requests` × `emission`: how far the TAT may lie ahead of now. */
	readonly capacity: number;
}

/** What `nextArrival` answers when the request is refused: no TAT has this value. */
export const REFUSED = -1;

/** Largest `requests` of a limit. */
const REQUESTS_MAX = 1_000_000_000;
/** Longest window of a limit: 366 days. */
const WINDOW_SECONDS_MAX = 366 * 86_400;

/** Up to this resolution a rate is exact; 65,536 units per millisecond count four years in 53 bits. */
const UNITS_PER_MS_MAX = 65_536;
/** Clocks of two threads may differ by this much without being taken for a clock that was set back. */
const CLOCK_TOLERANCE_MS = 1_000;

/**
 * Compiles `requests` per `windowSeconds`. Exact whenever requests ÷ gcd(requests, window in ms) ≤ 65,536. For
 * finer rates the refill is rounded down (by at most 1 in 655 at 100,000 requests a second); the burst stays exact.
 * Throws RangeError on figures out of bounds: the configuration has been checked, so that is a bug.
 */
export function createGcraRate(requests: number, windowSeconds: number): GcraRate {
	if (!Number.isInteger(requests) || requests < 1 || requests > REQUESTS_MAX) {
		throw new RangeError('requests of a limit must be a whole number from 1 to 1,000,000,000');
	}
	const windowMs = Math.round(windowSeconds * 1000);
	if (!(windowMs >= 1) || windowSeconds > WINDOW_SECONDS_MAX) {
		throw new RangeError('the window of a limit must be longer than 0 and at most 366 days');
	}
	const divisor = greatestCommonDivisor(requests, windowMs);
	const exactUnits = requests / divisor;
	const unitsPerMs = Math.min(exactUnits, UNITS_PER_MS_MAX);
	const emission = exactUnits === unitsPerMs ? windowMs / divisor : Math.ceil((windowMs * UNITS_PER_MS_MAX) / requests);
	return { requests, unitsPerMs, emission, capacity: emission * requests };
}

/**
 * Decides one request: the new TAT when it is allowed, `REFUSED` when not. `now` is in units. A TAT of 0 or less is
 * a full limit. A refused request changes nothing.
 */
export function nextArrival(rate: GcraRate, tat: number, now: number): number {
	const start = tat > now && tat > 0 ? tat : now;
	const next = start + rate.emission;
	return next - now > rate.capacity ? REFUSED : next;
}

/**
 * Gives the TAT to decide from when the stored one lies further ahead than any request can have moved it: then the
 * clock was set back, and the limit counts as empty from now on. Without this, a clock set back by an hour would
 * refuse everybody for an hour; with it, no more requests pass than burst + rate × time that really went by.
 */
export function withoutClockStep(rate: GcraRate, tat: number, now: number): number {
	const latest = now + rate.capacity;
	return tat > latest + CLOCK_TOLERANCE_MS * rate.unitsPerMs ? Math.max(latest, 1) : tat;
}

/** Requests that are left at a TAT. */
export function remainingRequests(rate: GcraRate, tat: number, now: number): number {
	const ahead = tat > now ? tat - now : 0;
	return Math.max(0, Math.floor((rate.capacity - ahead) / rate.emission));
}

/** Seconds, rounded up, until the limit is full again. */
export function secondsUntilFull(rate: GcraRate, tat: number, now: number): number {
	return tat > now ? Math.ceil((tat - now) / (rate.unitsPerMs * 1000)) : 0;
}

/** Seconds, rounded up, until one more request is allowed; 0 when it is allowed now. */
export function secondsUntilAllowed(rate: GcraRate, tat: number, now: number): number {
	const wait = (tat > now ? tat - now : 0) + rate.emission - rate.capacity;
	return wait > 0 ? Math.ceil(wait / (rate.unitsPerMs * 1000)) : 0;
}

function greatestCommonDivisor(a: number, b: number): number {
	let [left, right] = [a, b];
	while (right !== 0) [left, right] = [right, left % right];
	return left;
}
