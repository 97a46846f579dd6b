// Time as a port: everything that decides by time takes a clock, so that tests own it.

/** Tells the time. `nowMs` is milliseconds since the epoch (wall clock). */
export interface Clock {
	nowMs(): number;
}

/** The machine's wall clock. */
export const systemClock: Clock = { nowMs: () => Date.now() };

/** Whole seconds since the epoch, as JWT NumericDate wants them (RFC 7519 §2). */
export function nowSeconds(clock: Clock): number {
	return Math.floor(clock.nowMs() / 1000);
}

/** A clock that stands still until it is moved, for tests and simulations. */
export class ManualClock implements Clock {
	#nowMs: number;
	constructor(startMs: number) {
		this.#nowMs = startMs;
	}
	nowMs(): number {
		return this.#nowMs;
	}
	/** Moves the clock by `ms` milliseconds; negative values move it back. */
	advance(ms: number): void {
		this.#nowMs += ms;
	}
}
