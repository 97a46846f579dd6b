// Refuses sources that fail too often, for a time that grows with each relapse and is bounded. A failure costs its weight
// from a bucket that refills over a window; a source whose bucket runs dry is refused until a moment that is fixed then:
// what it sends meanwhile neither prolongs the time nor counts, so that Retry-After is the truth. A source with a
// certificate of ours has more patience: its failures stand under its name in the ledger, and it can be revoked.
import { FAULTS, type FaultCode } from '../../kernel/faults.ts';
import type { Source } from './source.ts';

/** Settings of the protection. */
export interface SourcePolicy {
	/** Weighed failures of an address in a window before it is refused. */
	readonly failures: number;
	/** The same for a connection with a certificate of ours. */
	readonly certifiedFailures: number;
	readonly windowSeconds: number;
	/** How long a source is refused at first; each relapse doubles it. */
	readonly blockSecondsMin: number;
	readonly blockSecondsMax: number;
	/** Most requests of a source in a window of their own; undefined = not bounded by source. */
	readonly requests: { readonly count: number; readonly windowSeconds: number } | undefined;
}

/** Counts failures for all threads of all listeners. Memory is fixed; every call takes constant time and never waits long. */
export interface SourceThrottle {
	/** Seconds for which this source is refused from now on; 0 lets it pass. Call it once for each request. */
	admit(source: Source, nowMs: number): number;
	/** Counts that a request of this source ended with a fault; which ones count is decided here. */
	failed(source: Source, code: FaultCode, nowMs: number): void;
}

/** How a source stands. All zero for one that is not known. */
export interface Standing {
	/** When the bucket is full again: the later, the emptier. */
	readonly refilledAtMs: number;
	readonly blockedUntilMs: number;
	/** How often it was refused in a row. */
	readonly relapses: number;
}

/** A site is counted with the patience of so many hosts. */
const SITE_PATIENCE = 8;

/**
 * What counts more, or less, than one. Attempts at another reading of HTTP and at another one's token weigh more. What
 * happens to every honest client now and then weighs nothing. Everything else that is refused with 401 or 403 weighs one.
 */
const WEIGHTS: { readonly [code in FaultCode]?: number } = {
	malformed_request: 3,
	misdirected_request: 1,
	method_not_implemented: 1,
	target_too_long: 1,
	header_fields_too_large: 1,
	route_not_found: 1,
	method_not_allowed: 1,
	token_invalid: 2,
	token_expired: 0,
	renewal_not_due: 0,
	binding_mismatch: 3,
	certificate_invalid: 2,
	resource_denied: 2,
	oauth_invalid_request: 1,
	oauth_unauthorized_client: 1,
	oauth_invalid_scope: 1,
	oauth_invalid_target: 1,
	not_found: 1,
};

/** How much a fault counts against its source; 0 = it does not. */
export function failureWeight(code: FaultCode): number {
	const weight = WEIGHTS[code];
	if (weight !== undefined) return weight;
	const { status } = FAULTS[code];
	return status === 401 || status === 403 ? 1 : 0;
}

/** The failures that a source, or its site, may have in a window. */
export function patienceFor(source: Source, isSite: boolean, policy: SourcePolicy): number {
	const failures = source.isCertified ? policy.certifiedFailures : policy.failures;
	return isSite ? failures * SITE_PATIENCE : failures;
}

/** Adds a failure of `weight` to a standing. `patience` is what fits into a full bucket. */
export function addFailure(
	standing: Standing,
	weight: number,
	patience: number,
	policy: SourcePolicy,
	nowMs: number,
): Standing {
	if (remainingBlockMs(standing, policy, nowMs) > 0) return standing;
	const windowMs = policy.windowSeconds * 1000;
	// INVARIANT: never further ahead than a window, also when the clock has been set back.
	const from = Math.min(Math.max(standing.refilledAtMs, nowMs), nowMs + windowMs);
	const refilledAtMs = from + (windowMs / patience) * weight;
	if (refilledAtMs - nowMs <= windowMs) return { ...standing, refilledAtMs };
	const relapses = isRemembered(standing, policy, nowMs) ? standing.relapses + 1 : 1;
	const seconds = Math.min(policy.blockSecondsMax, policy.blockSecondsMin * 2 ** Math.min(relapses - 1, 30));
	const blockedUntilMs = nowMs + seconds * 1000;
	return { refilledAtMs: blockedUntilMs, blockedUntilMs, relapses };
}

/** For how long a source is refused from now on, in milliseconds; 0 = it is not. */
export function remainingBlockMs({ blockedUntilMs }: Standing, policy: SourcePolicy, nowMs: number): number {
	const left = blockedUntilMs - nowMs;
	// A longer time than any block, rounded up to a second, means that the clock has been set back.
	return left > 0 && left <= policy.blockSecondsMax * 1000 + 1000 ? left : 0;
}

/** Until when a standing matters. Of several, the one that matters least long is forgotten first. */
export function matteringUntilMs(standing: Standing, policy: SourcePolicy): number {
	return Math.max(standing.refilledAtMs, standing.relapses === 0 ? 0 : memoryEndMs(standing, policy));
}

function isRemembered(standing: Standing, policy: SourcePolicy, nowMs: number): boolean {
	return standing.relapses > 0 && nowMs <= memoryEndMs(standing, policy);
}

/** A source that has kept quiet for as long as the longest block begins anew. */
function memoryEndMs({ blockedUntilMs }: Standing, policy: SourcePolicy): number {
	return blockedUntilMs + policy.blockSecondsMax * 1000;
}
