// Port: the shared state of limits. The embedded adapter lives in a SharedArrayBuffer, so that limits are exact
// over all gateway threads; a Valkey adapter can follow.

/** The outcome of spending one request from a set of limits. */
export interface LimitOutcome {
	readonly allowed: boolean;
	/** Requests left in the limit, after this one. */
	readonly remaining: number;
	/** Seconds (rounded up) until the limit is full again. */
	readonly resetSeconds: number;
	/** Seconds (rounded up) until one request is allowed again; 0 when allowed. */
	readonly retryAfterSeconds: number;
}

/**
 * Spends from one counter atomically over all threads: of N parallel calls at a limit of L, exactly L are allowed.
 * A refused call spends nothing.
 */
export interface LimitCounter {
	/** `slot` was given by `slotOf`. `requests` per `windowSeconds`, `nowMs` from the caller's clock. */
	spend(slot: number, requests: number, windowSeconds: number, nowMs: number): LimitOutcome;
	/** Gives back what `spend` took, when a later limit of the same request refused. */
	refund(slot: number, requests: number, windowSeconds: number): void;
	/** The counter of a key such as `sub_…|burst`; the same in all threads. Undefined when the table is full. */
	slotOf(key: string): number | undefined;
}
