// Counts what a peer may do now and then but not all the time.

/** A bucket of `burst` tokens that fills up again with `perSecond`. */
export class TokenBucket {
	readonly #burst: number;
	readonly #perSecond: number;
	#tokens: number;
	#atMs: number;

	constructor(burst: number, perSecond: number, nowMs: number) {
		this.#burst = burst;
		this.#perSecond = perSecond;
		this.#tokens = burst;
		this.#atMs = nowMs;
	}

	/** Takes one token; false when there is none. */
	take(nowMs: number): boolean {
		this.#tokens = Math.min(this.#burst, this.#tokens + ((nowMs - this.#atMs) * this.#perSecond) / 1000);
		this.#atMs = nowMs;
		if (this.#tokens < 1) return false;
		this.#tokens--;
		return true;
	}
}
