// What every LimitCounter must do, whatever it is made of. Each implementation runs this suite.
import { test } from 'node:test';
import assert from 'node:assert/strict';
import fc from 'fast-check';
import { ManualClock } from '../../kernel/clock.ts';
import type { Clock } from '../../kernel/clock.ts';
import type { LimitCounter } from '../../domain/limit/limit-counter.ts';

const START_MS = 1_790_000_000_000;

/** Runs the contract suite against a counter with room for about `slotsMax` keys. */
export function testLimitCounter(name: string, create: (slotsMax: number, clock: Clock) => LimitCounter): void {
	const open = (slotsMax = 256) => {
		const clock = new ManualClock(START_MS);
		return { clock, counter: create(slotsMax, clock) };
	};

	test(`${name}: allows exactly the burst, then one request per window/N`, () => {
		const { clock, counter } = open();
		const slot = counter.slotOf('a') as number;
		const spend = () => counter.spend(slot, 3, 60, clock.nowMs());
		assert.deepEqual(spend(), { allowed: true, remaining: 2, resetSeconds: 20, retryAfterSeconds: 0 });
		assert.deepEqual(spend(), { allowed: true, remaining: 1, resetSeconds: 40, retryAfterSeconds: 0 });
		assert.deepEqual(spend(), { allowed: true, remaining: 0, resetSeconds: 60, retryAfterSeconds: 0 });
		assert.deepEqual(spend(), { allowed: false, remaining: 0, resetSeconds: 60, retryAfterSeconds: 20 });
		clock.advance(19_999);
		assert.equal(spend().allowed, false);
		clock.advance(1);
		assert.deepEqual(spend(), { allowed: true, remaining: 0, resetSeconds: 60, retryAfterSeconds: 0 });
		assert.equal(spend().allowed, false);
	});

	test(`${name}: a refused request spends nothing, a refunded one is given back once`, () => {
		const { clock, counter } = open();
		const slot = counter.slotOf('a') as number;
		const spend = () => counter.spend(slot, 2, 10, clock.nowMs()).allowed;
		assert.deepEqual([spend(), spend(), spend(), spend()], [true, true, false, false]);
		counter.refund(slot, 2, 10);
		assert.deepEqual([spend(), spend()], [true, false]);
		clock.advance(10_000);
		assert.deepEqual([spend(), spend(), spend()], [true, true, false]);
	});

	test(`${name}: keys do not share a counter, and the same key always has the same one`, () => {
		const { clock, counter } = open(4096);
		const keys = Array.from({ length: 400 }, (_, index) => `sub_${index}|burst`);
		const slots = keys.map((key) => counter.slotOf(key));
		assert.equal(new Set(slots).size, keys.length);
		assert.ok(!slots.includes(undefined));
		assert.deepEqual(
			keys.map((key) => counter.slotOf(key)),
			slots,
		);
		for (const slot of slots) assert.equal(counter.spend(slot as number, 1, 60, clock.nowMs()).allowed, true);
		for (const slot of slots) assert.equal(counter.spend(slot as number, 1, 60, clock.nowMs()).allowed, false);
	});

	test(`${name}: a full table gives undefined for a new key and keeps the old ones`, () => {
		const { clock, counter } = open(16);
		const known: string[] = [];
		let isFull = false;
		for (let index = 0; index < 64 && !isFull; index++) {
			const slot = counter.slotOf(`key-${index}`);
			isFull = slot === undefined;
			if (slot !== undefined) {
				known.push(`key-${index}`);
				counter.spend(slot, 1, 3600, clock.nowMs());
			}
		}
		assert.equal(isFull, true);
		for (const key of known) {
			const slot = counter.slotOf(key) as number;
			assert.equal(counter.spend(slot, 1, 3600, clock.nowMs()).allowed, false, key);
		}
	});

	test(`${name}: a clock that is set back gives nothing away and locks nobody out`, () => {
		const { clock, counter } = open();
		const slot = counter.slotOf('a') as number;
		const spend = () => counter.spend(slot, 2, 60, clock.nowMs()).allowed;
		assert.deepEqual([spend(), spend(), spend()], [true, true, false]);
		clock.advance(-3_600_000);
		assert.equal(spend(), false);
		clock.advance(30_000);
		assert.deepEqual([spend(), spend()], [true, false]);
	});

	test(`${name}: never allows more than burst + rate × time, whatever the order of calls`, () => {
		const step = fc.record({ ms: fc.integer({ min: 0, max: 3_000 }), key: fc.integer({ min: 0, max: 2 }) });
		fc.assert(
			fc.property(fc.array(step, { maxLength: 120 }), (steps) => {
				const { clock, counter } = open();
				const allowed = [0, 0, 0];
				for (const { ms, key } of steps) {
					clock.advance(ms);
					const outcome = counter.spend(counter.slotOf(`k${key}`) as number, 5, 7, clock.nowMs());
					if (outcome.allowed) allowed[key] = (allowed[key] ?? 0) + 1;
				}
				const most = 5 + Math.floor((clock.nowMs() - START_MS) / 1400);
				for (const count of allowed) assert.ok(count <= most);
			}),
			{ numRuns: 40 },
		);
	});
}
