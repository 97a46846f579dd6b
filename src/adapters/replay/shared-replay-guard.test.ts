import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Worker } from 'node:worker_threads';
import { ManualClock } from '../../kernel/clock.ts';
import { testReplayGuard } from './replay-guard-contract.ts';
import { attachReplayGuard, createReplayTable } from './shared-replay-guard.ts';

const START = 1_790_000_000;
const SEED = Buffer.alloc(32, 7);

testReplayGuard('shared', (keysMax, clock) => attachReplayGuard(createReplayTable(keysMax, SEED), clock));

const WORKER = `
const { parentPort, workerData } = require('node:worker_threads');
(async () => {
	const { attachReplayGuard } = await import(workerData.module);
	const guard = attachReplayGuard(workerData.table, { nowMs: () => workerData.nowMs });
	const gate = new Int32Array(workerData.gate);
	Atomics.add(gate, 1, 1);
	Atomics.wait(gate, 0, 0);
	const first = [];
	for (let key = 0; key < workerData.keys; key++) {
		for (let turn = 0; turn < workerData.turns; turn++) {
			if (guard.admit('proof-' + key, workerData.until) === 'first') first.push(key);
		}
	}
	parentPort.postMessage(first);
})();
`;

/** Lets real threads admit the same keys at the same moment; gives how often each key was admitted. */
async function race(
	threads: number,
	data: { keys: number; turns: number; table: SharedArrayBuffer },
): Promise<number[]> {
	const gate = new Int32Array(new SharedArrayBuffer(8));
	const module = new URL('./shared-replay-guard.ts', import.meta.url).href;
	const workerData = { ...data, nowMs: START * 1000, until: START + 60, gate: gate.buffer, module };
	const workers = Array.from({ length: threads }, () => new Worker(WORKER, { eval: true, workerData }));
	try {
		const results = workers.map(
			(worker) =>
				new Promise<number[]>((resolve, reject) => {
					worker.once('message', resolve);
					worker.once('error', reject);
				}),
		);
		while (Atomics.load(gate, 1) < threads) await new Promise((resolve) => setTimeout(resolve, 2));
		Atomics.store(gate, 0, 1);
		Atomics.notify(gate, 0);
		const counts = Array.from({ length: data.keys }, () => 0);
		for (const key of (await Promise.all(results)).flat()) counts[key] = (counts[key] ?? 0) + 1;
		return counts;
	} finally {
		await Promise.all(workers.map((worker) => worker.terminate()));
	}
}

test('check 75: of 50 parallel replays over two threads exactly one is admitted', async () => {
	const counts = await race(2, { keys: 1, turns: 25, table: createReplayTable(1024, SEED) });
	assert.deepEqual(counts, [1]);
});

test('check 75: two and four threads that race for 5,000 keys admit each exactly once', async () => {
	for (const threads of [2, 4]) {
		const counts = await race(threads, { keys: 5000, turns: 3, table: createReplayTable(8192, SEED) });
		assert.deepEqual(
			counts.filter((count) => count !== 1),
			[],
		);
	}
});

test('threads that attach to one table know the same keys, also one that is started later', () => {
	const clock = new ManualClock(START * 1000);
	const table = createReplayTable(1024, SEED);
	const one = attachReplayGuard(table, clock);
	assert.equal(one.admit('a', START + 60), 'first');
	assert.equal(attachReplayGuard(table, clock).admit('a', START + 60), 'replayed');
});

test('a key survives every other slice that comes and goes while it counts', () => {
	const clock = new ManualClock(START * 1000);
	const guard = attachReplayGuard(createReplayTable(1024, SEED), clock);
	assert.equal(guard.admit('a', START + 220), 'first');
	for (let second = 0; second < 220; second++) {
		for (const ahead of [1, 100, 220]) guard.admit(`other-${second}-${ahead}`, START + second + ahead);
		assert.equal(guard.admit('a', START + 220), 'replayed', String(second));
		clock.advance(1000);
	}
});

test('throws on a table size or a seed out of bounds', () => {
	for (const size of [0, 32, 100, 2 ** 25]) assert.throws(() => createReplayTable(size, SEED), RangeError);
	assert.throws(() => createReplayTable(64, Buffer.alloc(4)), RangeError);
});
