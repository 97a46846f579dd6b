// Port: counts of requests, cheap enough for every request.
import type { FaultCode } from '../../kernel/faults.ts';

export interface RequestMetrics {
	/**
	 * Counts one finished request. `route` is the index of its route in the catalogue, undefined when none was matched;
	 * `durationMs` from its first byte to its decision; `reason` the fault that refused or failed it.
	 */
	observe(route: number | undefined, status: number, durationMs: number, reason: FaultCode | undefined): void;
}
