// A circuit breaker: after some failures in a row nobody waits for a peer that does not answer; one call at a time tries
// whether it is back. Time comes from a clock that tests hold.
import type { Clock } from '../../../kernel/clock.ts';

const FAILURES_MAX = 5;
const OPEN_MS = 5000;

/** Counts what came of calls, and says whether the next one may be made. */
export class Circuit {
	readonly #clock: Clock;
	#failures = 0;
	#closedAgainAtMs = 0;
	#isProbing = false;
	#isHealthy = true;

	constructor(clock: Clock) {
		this.#clock = clock;
	}

	/** False while the circuit is open. The first call after the pause is a probe: until it ends there is no other. */
	mayCall(): boolean {
		if (this.#failures < FAILURES_MAX) return true;
		if (this.#isProbing || this.#clock.nowMs() < this.#closedAgainAtMs) return false;
		this.#isProbing = true;
		return true;
	}

	/** Milliseconds until a probe may be made; 0 when calls are made. */
	waitMs(): number {
		return this.#failures < FAILURES_MAX ? 0 : Math.max(0, this.#closedAgainAtMs - this.#clock.nowMs());
	}

	/** The peer did what it was asked for. */
	succeed(): void {
		this.#answered(true);
	}

	/** The peer answered that it will not. It is asked again, because somebody may have put it right. */
	refuse(): void {
		this.#answered(false);
	}

	/** The peer did not answer, or not sensibly. */
	fail(): void {
		this.#failures += 1;
		this.#isHealthy = false;
		this.#isProbing = false;
		this.#closedAgainAtMs = this.#clock.nowMs() + OPEN_MS;
	}

	/** Whether the latest call worked. */
	get isHealthy(): boolean {
		return this.#isHealthy;
	}

	#answered(isHealthy: boolean): void {
		this.#failures = 0;
		this.#isHealthy = isHealthy;
		this.#isProbing = false;
	}
}
