// Spends one request from every limit of a plan, all or nothing, and writes the RateLimit fields
// (draft-ietf-httpapi-ratelimit-headers-10), which go on admitted and refused answers alike.
// A limit that cannot be counted refuses: it never counts as unlimited.
import { fault } from '../../kernel/faults.ts';
import type { Fault } from '../../kernel/faults.ts';
import type { ClientId, CredentialId, PartnerId, SubscriptionId } from '../../kernel/ids.ts';
import { createGcraRate } from './gcra.ts';
import type { LimitRule } from './limit.ts';
import type { LimitCounter, LimitOutcome } from './limit-counter.ts';

/** Largest number of limits of one plan. */
const LIMITS_MAX = 16;

/** Whose requests are counted. */
export interface LimitSubject {
	readonly partnerId: PartnerId;
	readonly clientId: ClientId;
	/** The subscription, or the credential that has limits of its own. */
	readonly subscriptionId: SubscriptionId | CredentialId;
}

interface CompiledLimit {
	readonly key: string;
	readonly name: string;
	readonly requests: number;
	readonly windowSeconds: number;
	/** The start of its item in the RateLimit field, up to the number of requests left. */
	readonly fieldHead: string;
	/** Where the counter was last found, -1 before the first spend: most requests need no look-up of the key. */
	slot: number;
}

/** The limits of one subscription, ready to be spent from one counter, in one thread. */
export interface CompiledLimits {
	/** The value of `RateLimit-Policy`; '' when the plan has no limits, and then neither field is sent. */
	readonly policyField: string;
	readonly limits: readonly CompiledLimit[];
}

/** What became of one request. */
export interface LimitDecision {
	/** Undefined when the request is allowed. */
	readonly fault: Fault | undefined;
	/** The value of `RateLimit-Policy`; '' when neither field is sent. */
	readonly policyField: string;
	/** The value of `RateLimit`. */
	readonly limitField: string;
}

const NAME = /^[A-Za-z][A-Za-z0-9_.-]{0,63}$/;
const UNLIMITED: LimitDecision = { fault: undefined, policyField: '', limitField: '' };

/**
 * Compiles the limits of a plan for one subject. A counter's key holds the figures of its rule: a rule that the
 * configuration changes starts afresh. Throws on names and counts that the configuration check should have refused.
 */
export function compileLimits(rules: readonly LimitRule[], subject: LimitSubject): CompiledLimits {
	if (rules.length > LIMITS_MAX) throw new RangeError(`a plan has at most ${LIMITS_MAX} limits`);
	const limits = rules.map((rule): CompiledLimit => {
		if (!NAME.test(rule.name)) throw new RangeError('the name of a limit must be a token');
		const { name, requests, windowSeconds } = rule;
		// Figures that no counter can count are found now, not by the first request.
		createGcraRate(requests, windowSeconds);
		const key = `${subjectKey(rule, subject)}|${name}|${requests}/${windowSeconds}`;
		return { key, name, requests, windowSeconds, fieldHead: `"${name}";r=`, slot: -1 };
	});
	const policies = rules.map((rule) => `"${rule.name}";q=${rule.requests};w=${Math.ceil(rule.windowSeconds)}`);
	return { limits, policyField: policies.join(', ') };
}

function subjectKey(rule: LimitRule, subject: LimitSubject): string {
	switch (rule.per) {
		case 'client':
			return subject.clientId;
		case 'subscription':
			return subject.subscriptionId;
		case 'partner':
			return subject.partnerId;
		default:
			throw new RangeError('a limit counts per client, subscription or partner');
	}
}

/** Spends one request from every limit. When one refuses, what the limits before it took is given back. */
export function spendLimits(compiled: CompiledLimits, counter: LimitCounter, nowMs: number): LimitDecision {
	const { limits, policyField } = compiled;
	if (limits.length === 0) return UNLIMITED;
	let limitField = '';
	for (let index = 0; index < limits.length; index++) {
		const limit = limits[index] as CompiledLimit;
		const outcome = spendOne(limit, counter, nowMs);
		if (outcome === undefined) {
			refund(limits, index, counter);
			return { fault: uncountable(limit), policyField: '', limitField: '' };
		}
		if (!outcome.allowed) {
			refund(limits, index, counter);
			return refusal(limit, outcome, policyField);
		}
		const item = `${limit.fieldHead}${outcome.remaining};t=${outcome.resetSeconds}`;
		limitField = limitField === '' ? item : `${limitField}, ${item}`;
	}
	return { fault: undefined, policyField, limitField };
}

/** Spends from one limit; undefined when it cannot be counted. */
function spendOne(limit: CompiledLimit, counter: LimitCounter, nowMs: number): LimitOutcome | undefined {
	const { requests, windowSeconds } = limit;
	if (limit.slot !== -1) {
		const outcome = counter.spend(limit.slot, requests, windowSeconds, nowMs);
		if (outcome.allowed) return outcome;
		// The slot may have gone to another key while this counter was idle; then the refusal was not about this key.
		if (counter.slotOf(limit.key) === limit.slot) return outcome;
	}
	const slot = counter.slotOf(limit.key);
	limit.slot = slot ?? -1;
	return slot === undefined ? undefined : counter.spend(slot, requests, windowSeconds, nowMs);
}

/** Only the limit that refused is reported: what is left of the others is not what the caller has to wait for. */
function refusal(limit: CompiledLimit, outcome: LimitOutcome, policyField: string): LimitDecision {
	const retryAfterSeconds = Math.max(1, outcome.retryAfterSeconds);
	return {
		fault: fault('limit_exceeded', `The limit "${limit.name}" is used up; retry after ${retryAfterSeconds} s.`, {
			retryAfterSeconds,
			members: { 'violated-policies': [limit.name] },
		}),
		policyField,
		// `t` must not promise more than Retry-After: it is when requests are available again.
		limitField: `${limit.fieldHead}0;t=${retryAfterSeconds}`,
	};
}

function uncountable(limit: CompiledLimit): Fault {
	return fault('limit_unavailable', 'The limits of this request cannot be counted now; nothing was done.', {
		internal: `no counter is free for the limit "${limit.name}": raise the size of the limit table`,
		retryAfterSeconds: 5,
	});
}

function refund(limits: readonly CompiledLimit[], count: number, counter: LimitCounter): void {
	for (let index = 0; index < count; index++) {
		const limit = limits[index] as CompiledLimit;
		counter.refund(limit.slot, limit.requests, limit.windowSeconds);
	}
}
