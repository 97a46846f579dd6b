import { test } from 'node:test';
import assert from 'node:assert/strict';
import fc from 'fast-check';
import { ManualClock } from '../../kernel/clock.ts';
import {
	createGcraRate,
	nextArrival,
	REFUSED,
	remainingRequests,
	secondsUntilAllowed,
	secondsUntilFull,
	withoutClockStep,
} from './gcra.ts';
import type { GcraRate } from './gcra.ts';

const START_MS = 1_800_000_000;

/** One limit with a clock of its own. */
function createLimit(rate: GcraRate) {
	const clock = new ManualClock(START_MS);
	let tat = 0;
	return {
		clock,
		spend(): boolean {
			const now = clock.nowMs() * rate.unitsPerMs;
			tat = withoutClockStep(rate, tat, now);
			const next = nextArrival(rate, tat, now);
			if (next !== REFUSED) tat = next;
			return next !== REFUSED;
		},
		waitMs(): number {
			return (tat + rate.emission - rate.capacity) / rate.unitsPerMs - clock.nowMs();
		},
		tat: () => tat,
	};
}

const rates = fc
	.record({ requests: fc.integer({ min: 1, max: 400 }), windowSeconds: fc.integer({ min: 1, max: 100_000 }) })
	.map(({ requests, windowSeconds }) => createGcraRate(requests, windowSeconds));

test('allows a burst of exactly N at once, also for figures that do not divide', () => {
	for (const [requests, seconds] of [
		[1, 1],
		[3, 1],
		[7, 60],
		[1000, 3],
		[999, 86_400],
		[99_991, 1],
	] as const) {
		const limit = createLimit(createGcraRate(requests, seconds));
		for (let index = 0; index < requests; index++) assert.equal(limit.spend(), true, `${requests}/${seconds}`);
		assert.equal(limit.spend(), false, `${requests}/${seconds}`);
	}
});

test('allows one more request exactly window/N after the burst, and no millisecond sooner', () => {
	fc.assert(
		fc.property(rates, (rate) => {
			const limit = createLimit(rate);
			for (let index = 0; index < rate.requests; index++) limit.spend();
			const waitMs = limit.waitMs();
			limit.clock.advance(Math.ceil(waitMs) - 1);
			assert.equal(limit.spend(), false);
			limit.clock.advance(1);
			assert.equal(limit.spend(), true);
		}),
	);
});

test('never allows more than burst + rate × time in any window', () => {
	const steps = fc.array(fc.oneof(fc.constant(0), fc.integer({ min: 0, max: 40_000 })), { maxLength: 150 });
	fc.assert(
		fc.property(rates, steps, (rate, advances) => {
			const limit = createLimit(rate);
			const allowedAt: number[] = [];
			for (const ms of advances) {
				limit.clock.advance(ms);
				if (limit.spend()) allowedAt.push(limit.clock.nowMs());
			}
			for (let from = 0; from < allowedAt.length; from++) {
				for (let to = from; to < allowedAt.length; to++) {
					const elapsedUnits = ((allowedAt[to] ?? 0) - (allowedAt[from] ?? 0)) * rate.unitsPerMs;
					assert.ok(to - from + 1 <= rate.requests + Math.floor(elapsedUnits / rate.emission));
				}
			}
		}),
		{ numRuns: 60 },
	);
});

test('a clock that is set back gives nothing away, and refuses nobody for longer than a window', () => {
	const steps = fc.array(fc.integer({ min: -9_000_000, max: 30_000 }), { maxLength: 120 });
	fc.assert(
		fc.property(rates, steps, (rate, moves) => {
			const limit = createLimit(rate);
			let forwardMs = 0;
			let allowed = 0;
			for (const ms of moves) {
				limit.clock.advance(ms);
				forwardMs += Math.max(0, ms);
				if (limit.spend()) allowed++;
				const aheadMs = limit.tat() / rate.unitsPerMs - limit.clock.nowMs();
				assert.ok(aheadMs <= rate.capacity / rate.unitsPerMs + 1_000);
			}
			assert.ok(allowed <= rate.requests + (forwardMs * rate.unitsPerMs) / rate.emission);
		}),
	);
});

test('reports what is left, when it is full again and when one request is allowed again', () => {
	const rate = createGcraRate(10, 100);
	const now = 5_000_000 * rate.unitsPerMs;
	const tat = nextArrival(rate, 0, now);
	assert.equal(remainingRequests(rate, tat, now), 9);
	assert.equal(secondsUntilFull(rate, tat, now), 10);
	assert.equal(secondsUntilAllowed(rate, tat, now), 0);
	const empty = now + rate.capacity;
	assert.equal(remainingRequests(rate, empty, now), 0);
	assert.equal(secondsUntilAllowed(rate, empty, now), 10);
	assert.equal(secondsUntilAllowed(rate, empty, now + 9_500 * rate.unitsPerMs), 1);
	assert.equal(remainingRequests(rate, 0, now), 10);
	assert.equal(secondsUntilFull(rate, 0, now), 0);
});

test('refills at most slower, never faster, than a rate too fine for its units', () => {
	const rate = createGcraRate(99_991, 1);
	assert.ok(rate.emission / rate.unitsPerMs >= 1000 / 99_991);
	assert.ok(rate.emission / rate.unitsPerMs <= (1000 / 99_991) * 1.01);
});

test('keeps within whole numbers of 53 bits for years', () => {
	const rate = createGcraRate(65_521, 366 * 86_400);
	const threeYears = 3 * 366 * 86_400_000 * rate.unitsPerMs;
	assert.ok(Number.isSafeInteger(threeYears + rate.capacity + rate.emission));
});

test('throws on figures that no limit may have', () => {
	for (const [requests, seconds] of [
		[0, 1],
		[1.5, 1],
		[-1, 1],
		[1, 0],
		[1, Number.NaN],
		[1, 1e9],
		[1e12, 1],
	] as const) {
		assert.throws(() => createGcraRate(requests, seconds), RangeError);
	}
});
