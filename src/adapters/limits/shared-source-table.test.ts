import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Worker } from 'node:worker_threads';
import { parseIpAddress } from '../../domain/network/ip-address.ts';
import { type Source, sourceOf } from '../../domain/network/source.ts';
import type { SourcePolicy } from '../../domain/network/source-throttle.ts';
import { ManualClock } from '../../kernel/clock.ts';
import { attachSourceThrottle, createSharedSources } from './shared-source-table.ts';

const START_MS = 1_790_000_000_000;
const SEED = Buffer.from('0123456789abcdef');
const POLICY: SourcePolicy = {
	failures: 10,
	certifiedFailures: 50,
	windowSeconds: 60,
	blockSecondsMin: 10,
	blockSecondsMax: 900,
	requests: undefined,
};

function open(changes: Partial<SourcePolicy> = {}, slotsMax = 1024) {
	const clock = new ManualClock(START_MS);
	const shared = createSharedSources({ ...POLICY, ...changes }, slotsMax, clock, SEED);
	const throttle = attachSourceThrottle(shared);
	const fail = (source: Source, times: number) => {
		for (let count = 0; count < times; count++) throttle.failed(source, 'token_missing', clock.nowMs());
	};
	return { clock, shared, throttle, fail, admit: (source: Source) => throttle.admit(source, clock.nowMs()) };
}

const at = (text: string, thumbprint?: string): Source => sourceOf(parseIpAddress(text), thumbprint);

test('refuses a source that fails too often, tells for how long, and lets it pass afterwards', () => {
	const { clock, fail, admit, throttle } = open();
	const source = at('203.0.113.7');
	fail(source, 10);
	assert.equal(admit(source), 0);
	fail(source, 1);
	assert.equal(admit(source), 10);
	clock.advance(4000);
	assert.equal(admit(source), 6);
	assert.deepEqual(throttle.counts(clock.nowMs()), {
		failures: 11,
		blocks: 1,
		uncounted: 0,
		blockedNow: 1,
		refusedConnections: { address: 0, 'proxy-header': 0, 'source-connections': 0, handshakes: 0 },
	});
	clock.advance(6000);
	assert.equal(admit(source), 0);
	assert.equal(throttle.counts(clock.nowMs()).blockedNow, 0);
	fail(source, 11);
	assert.equal(admit(source), 20);
});

test('a stranger cannot lock out a partner behind the same address, nor a partner another one', () => {
	const { fail, admit } = open();
	fail(at('203.0.113.7'), 500);
	assert.ok(admit(at('203.0.113.7')) > 0);
	assert.equal(admit(at('203.0.113.7', 'good partner')), 0);
	fail(at('203.0.113.7', 'bad partner'), 51);
	assert.ok(admit(at('203.0.113.7', 'bad partner')) > 0);
	assert.ok(admit(at('198.51.100.1', 'bad partner')) > 0, 'a certificate is known wherever it comes from');
	assert.equal(admit(at('203.0.113.7', 'good partner')), 0);
	assert.equal(admit(at('198.51.100.1')), 0);
});

test('counts all addresses of a /64 together, and those of a /48 with more patience', () => {
	const { fail, admit } = open();
	for (let host = 0; host < 11; host++) fail(at(`2001:db8:1:2::${host.toString(16)}`), 1);
	assert.ok(admit(at('2001:db8:1:2:ffff::1')) > 0);
	assert.equal(admit(at('2001:db8:1:3::1')), 0);
	for (let network = 0; network < 80; network++) fail(at(`2001:db8:1:${(network + 16).toString(16)}::1`), 1);
	assert.ok(admit(at('2001:db8:1:abcd::1')) > 0, 'the whole /48 is refused');
	assert.equal(admit(at('2001:db8:2::1')), 0);
});

test('nobody frees himself by filling the table, and nobody else is refused for it', () => {
	const { fail, admit, shared, throttle, clock } = open({}, 64);
	const attacker = at('203.0.113.7');
	fail(attacker, 11);
	assert.ok(admit(attacker) > 0);
	// 20,000 sources in a table of 64, each with a failure or a few.
	for (let index = 0; index < 20_000; index++) {
		fail(at(`10.${index >> 16}.${(index >> 8) & 255}.${index & 255}`), 1 + (index % 5));
	}
	assert.ok(admit(attacker) > 0, 'who is refused stays refused');
	assert.equal(admit(at('198.51.100.1')), 0);
	assert.equal(admit(at('198.51.100.1', 'partner')), 0);
	assert.equal(shared.table.byteLength, 96 + 64 * 32);
	assert.equal(throttle.counts(clock.nowMs()).uncounted, 0);
});

test('a source that has nearly used up its patience is not forgotten for sources with less on their account', () => {
	const { fail, admit } = open({}, 8);
	const slow = at('203.0.113.7');
	fail(slow, 10);
	for (let index = 0; index < 1000; index++) fail(at(`10.0.${index >> 8}.${index & 255}`), 1);
	fail(slow, 1);
	assert.ok(admit(slow) > 0);
});

test('when all sources of a full table are refused, a further one is passed over and counted as such', () => {
	const { fail, admit, throttle, clock } = open({}, 8);
	for (let index = 0; index < 8; index++) fail(at(`203.0.113.${index}`), 11);
	const late = at('198.51.100.1');
	fail(late, 50);
	assert.equal(admit(late), 0);
	assert.equal(throttle.counts(clock.nowMs()).uncounted, 50);
	for (let index = 0; index < 8; index++) assert.ok(admit(at(`203.0.113.${index}`)) > 0);
});

test('bounds the requests of a source where that is configured', () => {
	const { clock, admit } = open({ requests: { count: 5, windowSeconds: 1 } });
	const source = at('203.0.113.7');
	const answers = Array.from({ length: 7 }, () => admit(source));
	assert.deepEqual(answers, [0, 0, 0, 0, 0, 1, 1]);
	assert.equal(admit(at('203.0.113.8')), 0);
	clock.advance(200);
	assert.deepEqual([admit(source), admit(source)], [0, 1]);
});

const WORKER = `
const { parentPort, workerData } = require('node:worker_threads');
(async () => {
	const { attachSourceThrottle } = await import(workerData.module);
	const throttle = attachSourceThrottle(workerData.shared);
	const gate = new Int32Array(workerData.gate);
	Atomics.add(gate, 1, 1);
	Atomics.notify(gate, 1);
	Atomics.wait(gate, 0, 0);
	for (let turn = 0; turn < workerData.turns; turn++) throttle.failed(workerData.source, 'token_missing', workerData.nowMs);
	parentPort.postMessage('done');
})();
`;

test('counts exactly over several threads', async () => {
	const threads = 3;
	const turns = 400;
	// One failure more than fits, so that exactness shows: refused with it, not without it.
	for (const [failures, isRefused] of [
		[threads * turns, false],
		[threads * turns - 1, true],
	] as const) {
		const { shared, throttle, clock } = open({ failures });
		const gate = new Int32Array(new SharedArrayBuffer(8));
		const module = new URL('./shared-source-table.ts', import.meta.url).href;
		const source = at('203.0.113.7');
		const workerData = { shared, gate: gate.buffer, module, source, turns, nowMs: START_MS };
		const workers = Array.from({ length: threads }, () => new Worker(WORKER, { eval: true, workerData }));
		const done = workers.map((worker) => new Promise((resolve) => worker.once('message', resolve)));
		while (Atomics.load(gate, 1) < threads) await new Promise((resolve) => setTimeout(resolve, 2));
		Atomics.store(gate, 0, 1);
		Atomics.notify(gate, 0);
		await Promise.all(done);
		await Promise.all(workers.map((worker) => worker.terminate()));
		assert.equal(throttle.admit(source, clock.nowMs()) > 0, isRefused);
		assert.equal(throttle.counts(clock.nowMs()).failures, threads * turns);
		assert.equal(throttle.counts(clock.nowMs()).uncounted, 0);
	}
});

test('refuses a size without bounds', () => {
	for (const size of [0, 7, 1.5, Number.NaN, 2 ** 30]) {
		assert.throws(() => createSharedSources(POLICY, size, new ManualClock(START_MS), SEED), RangeError);
	}
});
