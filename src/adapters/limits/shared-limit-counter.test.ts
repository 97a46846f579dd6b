import { test } from 'node:test';
import assert from 'node:assert/strict';
import { Worker } from 'node:worker_threads';
import { ManualClock } from '../../kernel/clock.ts';
import { testLimitCounter } from './limit-counter-contract.ts';
import { attachLimitCounter, createLimitTable } from './shared-limit-counter.ts';

const START_MS = 1_790_000_000_000;
const SEED = 12345;

testLimitCounter('shared', (slotsMax, clock) => attachLimitCounter(createLimitTable(slotsMax, clock, SEED), clock));

const WORKER = `
const { parentPort, workerData } = require('node:worker_threads');
(async () => {
	const { attachLimitCounter } = await import(workerData.module);
	const counter = attachLimitCounter(workerData.table, { nowMs: () => workerData.nowMs });
	const gate = new Int32Array(workerData.gate);
	Atomics.add(gate, 1, 1);
	Atomics.notify(gate, 1);
	Atomics.wait(gate, 0, 0);
	const allowed = {};
	for (let turn = 0; turn < workerData.turns; turn++) {
		for (const key of workerData.keys) {
			const slot = counter.slotOf(key);
			if (slot !== undefined && counter.spend(slot, workerData.requests, 3600, workerData.nowMs).allowed) {
				allowed[key] = (allowed[key] ?? 0) + 1;
			}
		}
	}
	parentPort.postMessage(allowed);
})();
`;

/** Lets `threads` real threads spend at the same moment and adds up what each key was allowed. */
async function hammer(
	threads: number,
	data: { keys: string[]; turns: number; requests: number; table: SharedArrayBuffer },
) {
	const gate = new Int32Array(new SharedArrayBuffer(8));
	const module = new URL('./shared-limit-counter.ts', import.meta.url).href;
	const workerData = { ...data, nowMs: START_MS, gate: gate.buffer, module };
	const workers = Array.from({ length: threads }, () => new Worker(WORKER, { eval: true, workerData }));
	try {
		const results = workers.map(
			(worker) =>
				new Promise<Record<string, number>>((resolve, reject) => {
					worker.once('message', resolve);
					worker.once('error', reject);
				}),
		);
		while (Atomics.load(gate, 1) < threads) await new Promise((resolve) => setTimeout(resolve, 2));
		Atomics.store(gate, 0, 1);
		Atomics.notify(gate, 0);
		const total: Record<string, number> = {};
		for (const result of await Promise.all(results)) {
			for (const [key, count] of Object.entries(result)) total[key] = (total[key] ?? 0) + count;
		}
		return total;
	} finally {
		await Promise.all(workers.map((worker) => worker.terminate()));
	}
}

test('of N parallel spends over four threads, exactly the limit is allowed', async () => {
	const clock = new ManualClock(START_MS);
	const table = createLimitTable(256, clock, SEED);
	const total = await hammer(4, { keys: ['one'], turns: 40_000, requests: 10_007, table });
	assert.deepEqual(total, { one: 10_007 });
});

test('threads that add the same new keys at once agree on one counter each', async () => {
	const clock = new ManualClock(START_MS);
	const table = createLimitTable(4096, clock, SEED);
	const keys = Array.from({ length: 500 }, (_, index) => `sub_${index}|sustained`);
	const total = await hammer(4, { keys, turns: 4, requests: 5, table });
	assert.deepEqual(total, Object.fromEntries(keys.map((key) => [key, 5])));
});

test('gives up idle counters for new keys, and a slot number from before then spends nothing', () => {
	const clock = new ManualClock(START_MS);
	const table = createLimitTable(16, clock, SEED);
	const counter = attachLimitCounter(table, clock);
	const old = Array.from({ length: 16 }, (_, index) => counter.slotOf(`old-${index}`) as number);
	for (const slot of old) counter.spend(slot, 2, 60, clock.nowMs());
	assert.equal(counter.slotOf('new'), undefined);
	clock.advance(29_999);
	assert.equal(counter.slotOf('new'), undefined);
	clock.advance(1);
	const slot = counter.slotOf('new') as number;
	assert.equal(counter.spend(slot, 1, 60, clock.nowMs()).allowed, true);
	const index = slot % 2 ** 24;
	const stale = old.find((other) => other % 2 ** 24 === index) as number;
	assert.notEqual(stale, slot);
	assert.equal(counter.spend(stale, 1000, 60, clock.nowMs()).allowed, false);
	counter.refund(stale, 1, 60);
	assert.equal(counter.spend(slot, 1, 60, clock.nowMs()).allowed, false);
});

test('a key that lost its idle slot is found again, in this thread and in others', () => {
	const clock = new ManualClock(START_MS);
	const table = createLimitTable(16, clock, SEED);
	const [one, other] = [attachLimitCounter(table, clock), attachLimitCounter(table, clock)];
	for (let index = 0; index < 16; index++) {
		one.spend(one.slotOf(`old-${index}`) as number, 1, 1, clock.nowMs());
		other.slotOf(`old-${index}`);
	}
	clock.advance(1000);
	for (let index = 0; index < 16; index++) {
		other.spend(other.slotOf(`new-${index}`) as number, 1, 1, clock.nowMs());
	}
	clock.advance(1000);
	const slot = one.slotOf('old-3') as number;
	assert.equal(other.slotOf('old-3'), slot);
	assert.equal(one.spend(slot, 1, 60, clock.nowMs()).allowed, true);
	assert.equal(other.spend(slot, 1, 60, clock.nowMs()).allowed, false);
});

test('a thread that died while it added a key does not block the others', () => {
	const clock = new ManualClock(START_MS);
	const table = createLimitTable(64, clock, SEED);
	const dead = new Int32Array(table);
	dead[1] = 77;
	const counter = attachLimitCounter(table, clock);
	const slot = counter.slotOf('a');
	assert.notEqual(slot, undefined);
	assert.equal(dead[1], 0);
	assert.equal(counter.spend(slot as number, 1, 60, clock.nowMs()).allowed, true);
});

test('throws on a table size out of bounds', () => {
	for (const size of [0, 1.5, 2 ** 25]) assert.throws(() => createLimitTable(size, new ManualClock(0), 1), RangeError);
});
