import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { after, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import {
	openTestLedger,
	TEST_KEY_PEM,
	TEST_ORIGIN,
	temporaryFolder,
	testEntry,
} from '../../../test/fixture/temporary-ledger.ts';
import { openLedgerFiles } from '../../adapters/ledger/directory-files.ts';
import { openLedgerReader } from '../../adapters/ledger/ledger-reader.ts';
import { createMessageAuditSink } from '../../adapters/ledger/message-audit-sink.ts';
import { verifyLedger } from '../../domain/ledger/verify-ledger.ts';
import { Secret } from '../../kernel/secret.ts';
import { LedgerRefusedError, startLedger } from './start-ledger.ts';

const APPENDER = fileURLToPath(new URL('../../../test/fixture/ledger-appender.ts', import.meta.url));
const KEY = Buffer.from(TEST_KEY_PEM).toString('base64');
const ROUNDS = 12;

let folder: Awaited<ReturnType<typeof temporaryFolder>>;

before(async () => {
	folder = await temporaryFolder();
});
after(() => folder.remove());

const start = (name: string) =>
	startLedger({ directory: join(folder.path, name), origin: TEST_ORIGIN, privateKeyPem: new Secret(TEST_KEY_PEM) });

test('sinks of several threads share one ledger, in one order', async () => {
	const ledger = await start('shared');
	const sinks = [createMessageAuditSink(ledger.connect()), createMessageAuditSink(ledger.connect())];
	const indexes = await Promise.all(
		Array.from({ length: 400 }, (_, n) => (sinks[n % 2] ?? assert.fail()).recordDurable(testEntry(n))),
	);
	assert.deepEqual(
		[...new Set(indexes)].sort((a, b) => a - b),
		Array.from({ length: 400 }, (_, n) => n),
	);
	const head = await ledger.head();
	assert.equal(head.size, 400);
	const entries = await openLedgerReader(join(folder.path, 'shared')).entries(-1, 400);
	for (const [n, index] of indexes.entries()) assert.deepEqual(entries[index]?.entry, testEntry(n));
	for (const sink of sinks) await sink.close();
	await ledger.stop();
	await ledger.stop();
	await assert.rejects(ledger.head(), /has ended/);
	const report = await verifyLedger(openLedgerFiles(join(folder.path, 'shared')));
	assert.deepEqual([report.damage, report.notes, report.size, report.root], [[], [], 400, head.rootHash]);
});

test('a second start on the same folder is refused, in this process and in another', async () => {
	const ledger = await start('locked');
	const isInUse = (error: unknown): boolean =>
		error instanceof LedgerRefusedError && error.reason === 'LedgerInUseError';
	await assert.rejects(start('locked'), isInUse);
	const child = spawn(process.execPath, [APPENDER, join(folder.path, 'locked'), KEY], {
		stdio: ['ignore', 'pipe', 'pipe'],
	});
	const [[code], text] = await Promise.all([once(child, 'exit'), textOf(child)]);
	assert.notEqual(code, 0);
	assert.match(text, /LedgerInUseError|the ledger is in use/);
	await ledger.stop();
	await (await start('locked')).stop();
});

test('a damaged ledger is refused with the name of the file', async () => {
	const ledger = await start('damaged');
	const sink = createMessageAuditSink(ledger.connect());
	await sink.recordDurable(testEntry(0));
	await sink.close();
	await ledger.stop();
	const path = join(folder.path, 'damaged', 'tile/entries/000.p/1');
	writeFileSync(path, readFileSync(path, 'latin1').replace('cli_1', 'cli_2'), 'latin1');
	await assert.rejects(start('damaged'), (error) => {
		assert.ok(error instanceof LedgerRefusedError);
		assert.equal(error.reason, 'LedgerDamagedError');
		assert.match(error.message, /tile\/entries\/000\.p\/1: entry 0/);
		return true;
	});
});

test('when the folder goes away, the platform is told and nothing is accepted', async () => {
	const directory = join(folder.path, 'gone');
	const ledger = await startLedger({
		directory,
		origin: TEST_ORIGIN,
		privateKeyPem: new Secret(TEST_KEY_PEM),
		publishIntervalMs: 5,
	});
	const failed = new Promise<Error>((resolve) => ledger.onFailure(resolve));
	const sink = createMessageAuditSink(ledger.connect());
	rmSync(directory, { recursive: true });
	await sink.recordDurable(testEntry(0)).catch(() => undefined);
	assert.match((await failed).message, /the ledger has failed/);
	// The ports of sinks and of the thread are two: the news can take two ways.
	while (sink.isAccepting()) await sleep(1);
	await assert.rejects(ledger.head(), /the ledger has failed/);
	await assert.rejects(sink.recordDurable(testEntry(1)));
	await sink.close();
	await ledger.stop();
	const late = createMessageAuditSink(ledger.connect());
	await assert.rejects(late.recordDurable(testEntry(2)));
});

test('a thread that fails to load is an error, not a wait', async () => {
	const worker = new Worker(new URL('./ledger-thread.ts', import.meta.url), { workerData: {} });
	// Both can happen in one turn, so both are awaited from the start.
	const [[message]] = await Promise.all([once(worker, 'message'), once(worker, 'exit')]);
	assert.equal(message.kind, 'refused');
});

test(`kill -9, ${ROUNDS} times: every confirmed entry is there, the ledger verifies, and each crash left a gap entry`, async (t) => {
	const directory = join(folder.path, 'killed');
	const confirmed = new Map<number, number>();
	const delays: number[] = [];
	for (let round = 0; round < ROUNDS; round++) {
		const child = spawn(process.execPath, [APPENDER, directory, KEY], { stdio: ['ignore', 'pipe', 'inherit'] });
		const lines = createInterface({ input: child.stdout });
		lines.on('line', (line) => {
			const [index, n] = line.split(' ').map(Number);
			assert.ok(index !== undefined && n !== undefined && !confirmed.has(index), line);
			confirmed.set(index, n);
		});
		await once(lines, 'line');
		const delay = Math.random() * 120;
		delays.push(delay);
		await sleep(delay);
		child.kill('SIGKILL');
		await once(lines, 'close');
		const report = await verifyLedger(openLedgerFiles(directory));
		assert.deepEqual(report.damage, [], `killed after ${delays.join(', ')} ms`);
	}
	(await openTestLedger(directory)).close();
	const report = await verifyLedger(openLedgerFiles(directory));
	assert.deepEqual([report.damage, report.notes], [[], []]);
	const entries = await openLedgerReader(directory).entries(-1, 10_000_000);
	for (const [index, n] of confirmed) assert.equal(entries[index]?.entry.facts?.n, n, `entry ${index}`);
	assert.equal(entries.filter(({ entry }) => entry.type === 'ledger.gap').length, ROUNDS);
	t.diagnostic(
		`${confirmed.size} confirmed entries of ${entries.length}; killed after ${delays.map(Math.round).join(', ')} ms`,
	);
});

test('a full disk: durable entries are refused, nothing is accepted, and what was confirmed is there', async () => {
	const directory = join(folder.path, 'full');
	// A limit on the size of files makes writes fail as a full disk does.
	const command = `ulimit -f 128 && exec "${process.execPath}" "${APPENDER}" "${directory}" "${KEY}"`;
	const child = spawn('/bin/sh', ['-c', command], { stdio: ['ignore', 'pipe', 'inherit'] });
	const [text] = await Promise.all([textOf(child), once(child, 'exit')]);
	const lines = text.trim().split('\n');
	assert.ok(lines.includes('failed'));
	assert.ok(lines.includes('rejected not accepting'));
	const confirmed = lines.filter((line) => /^\d+ \d+$/.test(line)).map((line) => line.split(' ').map(Number));
	assert.ok(confirmed.length > 0);
	(await openTestLedger(directory)).close();
	assert.deepEqual((await verifyLedger(openLedgerFiles(directory))).damage, []);
	const entries = await openLedgerReader(directory).entries(-1, 1_000_000);
	for (const [index = -1, n] of confirmed) assert.equal(entries[index]?.entry.facts?.n, n);
	assert.equal(entries.at(-1)?.entry.type, 'ledger.gap');
});

async function textOf(child: ChildProcess): Promise<string> {
	let text = '';
	for (const stream of [child.stdout, child.stderr]) {
		stream?.on('data', (chunk: Buffer) => {
			text += chunk.toString('utf8');
		});
	}
	await once(child, 'close');
	return text;
}
