import { test } from 'node:test';
import assert from 'node:assert/strict';
import type { ClientId, PartnerId, SubscriptionId } from '../../kernel/ids.ts';
import type { LimitRule } from './limit.ts';
import type { LimitCounter } from './limit-counter.ts';
import { compileLimits, spendLimits } from './spend-limit.ts';

const subject = {
	partnerId: 'prt_1' as PartnerId,
	clientId: 'cli_1' as ClientId,
	subscriptionId: 'sub_1' as SubscriptionId,
};

/** A counter that counts down without time: what this file tests is the spending of several limits as one. */
function createCountdown(keysMax = 100): LimitCounter & { readonly spent: Map<string, number> } {
	const keys: string[] = [];
	const spent = new Map<string, number>();
	return {
		spent,
		slotOf(key) {
			if (!keys.includes(key) && keys.length >= keysMax) return undefined;
			if (!keys.includes(key)) keys.push(key);
			return keys.indexOf(key);
		},
		spend(slot, requests, windowSeconds) {
			const key = keys[slot] ?? '';
			const count = spent.get(key) ?? 0;
			if (count >= requests) {
				return { allowed: false, remaining: 0, resetSeconds: windowSeconds, retryAfterSeconds: 7 };
			}
			spent.set(key, count + 1);
			return { allowed: true, remaining: requests - count - 1, resetSeconds: windowSeconds, retryAfterSeconds: 0 };
		},
		refund(slot) {
			const key = keys[slot] ?? '';
			spent.set(key, (spent.get(key) ?? 0) - 1);
		},
	};
}

const burst: LimitRule = { name: 'burst', requests: 3, windowSeconds: 60, per: 'client' };
const daily: LimitRule = { name: 'daily', requests: 2, windowSeconds: 86_400, per: 'partner' };

test('writes the RateLimit fields of draft-10 for an allowed request', () => {
	const decision = spendLimits(compileLimits([burst, daily], subject), createCountdown(), 0);
	assert.deepEqual(decision, {
		fault: undefined,
		policyField: '"burst";q=3;w=60, "daily";q=2;w=86400',
		limitField: '"burst";r=2;t=60, "daily";r=1;t=86400',
	});
});

test('names the limit that refused, says when to come back, and gives back what the limits before it took', () => {
	const counter = createCountdown();
	const limits = compileLimits([burst, daily], subject);
	spendLimits(limits, counter, 0);
	spendLimits(limits, counter, 0);
	const { fault, limitField, policyField } = spendLimits(limits, counter, 0);
	assert.equal(fault?.code, 'limit_exceeded');
	assert.equal(fault?.retryAfterSeconds, 7);
	assert.deepEqual(fault?.members, { 'violated-policies': ['daily'] });
	assert.equal(limitField, '"daily";r=0;t=7');
	assert.equal(policyField, limits.policyField);
	assert.equal(counter.spent.get('cli_1|burst|3/60'), 2);
});

test('refuses when a limit cannot be counted, and spends nothing', () => {
	const counter = createCountdown(1);
	const { fault } = spendLimits(compileLimits([burst, daily], subject), counter, 0);
	assert.equal(fault?.code, 'limit_unavailable');
	assert.equal(counter.spent.get('cli_1|burst|3/60'), 0);
});

test('finds its counter again after an idle slot went to another key', () => {
	const counter = createCountdown();
	let shift = 0;
	const moving: LimitCounter = {
		slotOf: (key) => (counter.slotOf(key) ?? 0) + shift,
		spend(slot, requests, windowSeconds, nowMs) {
			if (slot < shift) return { allowed: false, remaining: 0, resetSeconds: 1, retryAfterSeconds: 1 };
			return counter.spend(slot - shift, requests, windowSeconds, nowMs);
		},
		refund: () => undefined,
	};
	const limits = compileLimits([burst], subject);
	assert.equal(spendLimits(limits, moving, 0).fault, undefined);
	shift = 10;
	assert.equal(spendLimits(limits, moving, 0).limitField, '"burst";r=1;t=60');
	assert.equal(spendLimits(limits, moving, 0).fault, undefined);
	assert.equal(spendLimits(limits, moving, 0).fault?.code, 'limit_exceeded');
});

test('counts per client, subscription or partner, and afresh when the figures change', () => {
	const keys = compileLimits(
		[burst, { ...burst, per: 'subscription' }, { ...burst, per: 'partner' }, { ...burst, requests: 4 }],
		subject,
	).limits.map((limit) => limit.key);
	assert.deepEqual(keys, ['cli_1|burst|3/60', 'sub_1|burst|3/60', 'prt_1|burst|3/60', 'cli_1|burst|4/60']);
});

test('a plan without limits allows everything and sends no fields', () => {
	const decision = spendLimits(compileLimits([], subject), createCountdown(0), 0);
	assert.deepEqual(decision, { fault: undefined, policyField: '', limitField: '' });
});

test('throws on a name that would break the field, and on an unknown subject', () => {
	assert.throws(() => compileLimits([{ ...burst, name: 'a";q=9' }], subject), RangeError);
	assert.throws(() => compileLimits([{ ...burst, per: 'planet' as 'client' }], subject), RangeError);
	assert.throws(
		() =>
			compileLimits(
				Array.from({ length: 17 }, () => burst),
				subject,
			),
		RangeError,
	);
});
