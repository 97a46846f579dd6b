// How much may be sent again. Retries hide the small failures of a service; in a large one they would multiply its load at
// the worst moment, so each is paid for by ten calls that went out before it (the retry throttling of gRPC, A6).

const DEPOSIT_PER_CALL = 0.1;

export class RetryBudget {
	readonly #tokensMax: number;
	#tokens: number;

	/** `burst` retries are there at the start, and never more than these. */
	constructor(burst: number) {
		this.#tokensMax = burst;
		this.#tokens = burst;
	}

	/** Counts one call that goes out for the first time. */
	deposit(): void {
		if (this.#tokens < this.#tokensMax) this.#tokens = Math.min(this.#tokensMax, this.#tokens + DEPOSIT_PER_CALL);
	}

	/** Takes one retry out; false when there is none left. */
	withdraw(): boolean {
		if (this.#tokens < 1) return false;
		this.#tokens -= 1;
		return true;
	}
}
