import assert from 'node:assert/strict';
import { once } from 'node:events';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { MessageChannel } from 'node:worker_threads';
import { testAuditSink } from '../../../test/fixture/audit-sink-contract.ts';
import { openTestLedger, temporaryFolder, testEntry } from '../../../test/fixture/temporary-ledger.ts';
import { decodeEntry } from '../../domain/ledger/encode-entry.ts';
import { splitEntries } from '../../domain/ledger/tile.ts';
import { ManualClock } from '../../kernel/clock.ts';
import { openLedgerReader } from './ledger-reader.ts';
import { LedgerWriter } from './ledger-writer.ts';
import { createMessageAuditSink, type MessageAuditSinkOptions } from './message-audit-sink.ts';

let folder: Awaited<ReturnType<typeof temporaryFolder>>;
let count = 0;

before(async () => {
	folder = await temporaryFolder();
});
after(() => folder.remove());

/** A sink with its writer, in this thread. */
async function openSink(publishIntervalMs = 20) {
	count += 1;
	const directory = join(folder.path, String(count));
	const ledger = await openTestLedger(directory);
	const failures: unknown[] = [];
	const writer = new LedgerWriter({ ledger, publishIntervalMs, onFailure: (error) => failures.push(error) });
	const { port1, port2 } = new MessageChannel();
	writer.attach(port2);
	return { directory, ledger, failures, writer, sink: createMessageAuditSink(port1) };
}

testAuditSink('message', async () => {
	const { directory, ledger, sink, writer } = await openSink();
	return {
		sink,
		entries: async () => (await openLedgerReader(directory).entries(-1, 1_000_000)).map(({ entry }) => entry),
		fail: async () => {
			// The disk goes away under the ledger.
			ledger.abandon();
			await assert.rejects(sink.recordDurable(testEntry(0)));
		},
		close: async () => {
			await sink.close();
			if (ledger.failure === undefined) writer.stop();
		},
	};
});

/** A sink whose other end is the test: what it hands over, and the way to answer. */
function openBare(options: MessageAuditSinkOptions = {}) {
	const { port1, port2 } = new MessageChannel();
	const batches: number[][] = [];
	port2.on('message', (bytes: ArrayBuffer) => {
		batches.push(splitEntries(Buffer.from(bytes)).entries.map((entry) => Number(decodeEntry(entry)?.facts?.n)));
	});
	return { port: port2, batches, sink: createMessageAuditSink(port1, options) };
}

test('hands buffered entries over after 256, or after the batch time', async () => {
	const { port, batches, sink } = openBare({ batchMs: 30 });
	for (let n = 0; n < 260; n++) sink.recordBuffered(testEntry(n));
	await once(port, 'message');
	assert.equal(batches[0]?.length, 256);
	await once(port, 'message');
	assert.deepEqual(batches[1], [256, 257, 258, 259]);
	port.close();
});

test('durable entries of one turn leave at once and together, behind what was buffered', async () => {
	const { port, batches, sink } = openBare({ batchMs: 60_000 });
	sink.recordBuffered(testEntry(0));
	const both = Promise.all([sink.recordDurable(testEntry(1)), sink.recordDurable(testEntry(2))]);
	await once(port, 'message');
	assert.deepEqual(batches, [[0, 1, 2]]);
	port.postMessage({ kind: 'committed', firsts: [40] });
	assert.deepEqual(await both, [41, 42]);
	port.close();
});

test('stops accepting when too much is unconfirmed, and accepts again when it is confirmed', async () => {
	const { port, sink } = openBare({ entriesSoftMax: 10, entriesMax: 20 });
	for (let n = 0; n < 10; n++) {
		assert.ok(sink.isAccepting());
		sink.recordBuffered(testEntry(n));
	}
	assert.ok(!sink.isAccepting());
	const flushed = sink.flush();
	port.postMessage({ kind: 'committed', firsts: [0] });
	await flushed;
	assert.ok(sink.isAccepting());
	port.close();
});

test('bounds the bytes that wait, too', () => {
	const { port, sink } = openBare({ bytesSoftMax: 1_000 });
	for (let n = 0; n < 8; n++) sink.recordBuffered(testEntry(n));
	assert.ok(!sink.isAccepting());
	port.close();
});

test('beyond the hard bound entries are counted, and the count is recorded once there is room', async () => {
	const { port, sink } = openBare({ entriesSoftMax: 1, entriesMax: 3, clock: new ManualClock(0) });
	const received: unknown[] = [];
	port.on('message', (bytes: ArrayBuffer) => {
		received.push(...splitEntries(Buffer.from(bytes)).entries.map((entry) => decodeEntry(entry)));
	});
	for (let n = 0; n < 8; n++) sink.recordBuffered(testEntry(n));
	await assert.rejects(sink.recordDurable(testEntry(8)), /too far behind/);
	const flushed = sink.flush();
	port.postMessage({ kind: 'committed', firsts: [0] });
	await flushed;
	const last = sink.recordDurable(testEntry(9));
	await once(port, 'message');
	port.postMessage({ kind: 'committed', firsts: [3] });
	assert.equal(await last, 4);
	const gap = {
		time: '1970-01-01T00:00:00.000Z',
		type: 'ledger.gap',
		actor: { system: 'ledger' },
		decision: 'permit',
		facts: { cause: 'backlog', dropped_entries: 5 },
	};
	assert.deepEqual(received, [testEntry(0), testEntry(1), testEntry(2), gap, testEntry(9)]);
	port.close();
});

test('a flood of refusals leaves room for what was permitted, and is counted', async () => {
	const { port, sink } = openBare({ entriesSoftMax: 4, entriesMax: 8, clock: new ManualClock(0) });
	const received: { readonly decision: string; readonly facts?: object | undefined }[] = [];
	port.on('message', (bytes: ArrayBuffer) => {
		for (const entry of splitEntries(Buffer.from(bytes)).entries) {
			const { decision, facts } = decodeEntry(entry) ?? { decision: 'none' };
			received.push({ decision, facts });
		}
	});
	for (let n = 0; n < 20; n++) sink.recordBuffered({ ...testEntry(n), decision: 'deny' });
	assert.ok(!sink.isAccepting());
	// What was forwarded before the flood comes back now.
	sink.recordBuffered(testEntry(20));
	await Promise.all([
		sink.close(),
		once(port, 'message').then(() => port.postMessage({ kind: 'committed', firsts: [0] })),
	]);
	const denied = received.filter(({ decision }) => decision === 'deny').length;
	assert.equal(denied, 6);
	assert.deepEqual(received.slice(denied), [
		{ decision: 'permit', facts: { cause: 'backlog', dropped_entries: 14 } },
		{ decision: 'permit', facts: { n: 20 } },
	]);
});

test('closing says how many were dropped, also when nothing was recorded since', async () => {
	const { port, sink } = openBare({ entriesSoftMax: 1, entriesMax: 2, clock: new ManualClock(0) });
	const texts: string[] = [];
	port.on('message', (bytes: ArrayBuffer) => {
		for (const entry of splitEntries(Buffer.from(bytes)).entries) texts.push(decodeEntry(entry)?.type ?? '');
	});
	for (let n = 0; n < 3; n++) sink.recordBuffered(testEntry(n));
	await Promise.all([
		sink.close(),
		once(port, 'message').then(() => port.postMessage({ kind: 'committed', firsts: [0] })),
	]);
	assert.equal(texts.at(-1), 'ledger.gap');
});

test('when the ledger ends, everything that waits is refused', async () => {
	const { port, sink } = openBare();
	const waiting = [sink.recordDurable(testEntry(0)), sink.recordDurable(testEntry(1)), sink.flush()];
	port.close();
	for (const result of await Promise.allSettled(waiting)) assert.equal(result.status, 'rejected');
	assert.ok(!sink.isAccepting());
	await sink.close();
});

test('a failure that is told is passed on, and close does not throw over it', async () => {
	const { port, sink } = openBare();
	const waiting = sink.recordDurable(testEntry(0));
	port.postMessage({ kind: 'failed', reason: 'no space left' });
	await assert.rejects(waiting, /no space left/);
	await sink.close();
});

test('closing writes what is left; a closed sink takes nothing', async () => {
	const { directory, sink, writer } = await openSink();
	for (let n = 0; n < 10; n++) sink.recordBuffered(testEntry(n));
	await sink.close();
	await sink.close();
	assert.ok(!sink.isAccepting());
	await assert.rejects(sink.recordDurable(testEntry(10)), /closed/);
	assert.equal((await openLedgerReader(directory).entries(-1, 100)).length, 10);
	writer.stop();
});

test('entries are published while they come in, and the writer stops cleanly in the middle of it', async () => {
	const { directory, ledger, sink, writer } = await openSink(5);
	for (let n = 0; n < 3_000; n++) {
		sink.recordBuffered(testEntry(n));
		if (n % 500 === 0) await sleep(10);
	}
	await sink.close();
	writer.stop();
	assert.equal(ledger.size, 3_000);
	const again = await openTestLedger(directory);
	assert.equal(again.size, 3_000);
	again.close();
});

test('a disk that fails during publication breaks the ledger for everybody', async () => {
	const { directory, failures, sink } = await openSink(1);
	await sink.recordDurable(testEntry(0));
	rmSync(directory, { recursive: true });
	while (sink.isAccepting()) {
		await sink.recordDurable(testEntry(1)).catch(() => undefined);
		await sleep(2);
	}
	assert.equal(failures.length, 1);
	await assert.rejects(sink.recordDurable(testEntry(2)), /the ledger has failed/);
	await sink.close();
});
