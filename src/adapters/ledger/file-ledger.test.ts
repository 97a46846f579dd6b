import assert from 'node:assert/strict';
import { cpSync, existsSync, readdirSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, beforeEach, test } from 'node:test';
import {
	openTestLedger,
	publishAll,
	TEST_LEDGER_KEY,
	TEST_ORIGIN,
	temporaryFolder,
	testEntry,
	testPayload,
} from '../../../test/fixture/temporary-ledger.ts';
import { LedgerDamagedError, LedgerRolledBackError } from '../../domain/ledger/ledger-damage.ts';
import type { LedgerMark } from '../../domain/ledger/ledger-mark-store.ts';
import { verifyLedger } from '../../domain/ledger/verify-ledger.ts';
import { openLedgerFiles } from './directory-files.ts';
import type { FileLedger } from './file-ledger.ts';
import { LedgerInUseError } from './ledger-lock.ts';
import { openLedgerReader } from './ledger-reader.ts';

let folder: Awaited<ReturnType<typeof temporaryFolder>>;
let directory: string;
let count = 0;

before(async () => {
	folder = await temporaryFolder();
});
beforeEach(() => {
	count += 1;
	directory = join(folder.path, String(count));
});
after(() => folder.remove());

const files = (of = directory): string[] =>
	readdirSync(of, { recursive: true, withFileTypes: true })
		.filter((entry) => entry.isFile())
		.map((entry) => join(entry.parentPath, entry.name).slice(of.length + 1))
		.sort();

async function assertWhole(size: number): Promise<readonly string[]> {
	const report = await verifyLedger(openLedgerFiles(directory));
	assert.deepEqual(report.damage, []);
	assert.equal(report.size, size);
	return report.notes;
}

/** Every entry below `size` is the one that was appended there; gap entries are passed over. */
async function assertEntries(size: number, gapsAt: readonly number[] = []): Promise<void> {
	const entries = await openLedgerReader(directory).entries(-1, 1_000_000);
	assert.equal(entries.length, size);
	let n = 0;
	for (const { index, entry } of entries) {
		if (gapsAt.includes(index)) assert.equal(entry.type, 'ledger.gap');
		else assert.deepEqual(entry, testEntry(n++));
	}
}

test('a new ledger is whole, empty, and says whose it is', async () => {
	const ledger = await openTestLedger(directory);
	assert.equal(ledger.size, 0);
	assert.equal(readFileSync(join(directory, 'ledger.pub'), 'utf8'), `${TEST_LEDGER_KEY}\n`);
	ledger.close();
	assert.deepEqual(files(), ['checkpoint', 'clean-stop', 'journal', 'ledger.pub', 'lock']);
	assert.equal(statSync(join(directory, 'lock')).size, 0);
	assert.deepEqual(await assertWhole(0), []);
});

test('each payload gets the index of its first entry, and is on disk before the answer', async () => {
	const ledger = await openTestLedger(directory);
	assert.deepEqual(ledger.commit([testPayload(0, 3), testPayload(3, 4)]), [0, 3]);
	assert.deepEqual(ledger.commit([testPayload(4, 9)]), [4]);
	assert.equal(ledger.size, 9);
	await assertEntries(9);
	await assertWhole(9);
	ledger.abandon();
});

test('a published ledger has the files of C2SP tlog-tiles and no others', async () => {
	const ledger = await openTestLedger(directory);
	ledger.commit([testPayload(0, 300)]);
	publishAll(ledger);
	ledger.commit([testPayload(300, 700)]);
	ledger.close();
	assert.deepEqual(files(), [
		'checkpoint',
		'clean-stop',
		'journal',
		'ledger.pub',
		'lock',
		'tile/0/000',
		'tile/0/001',
		'tile/0/002.p/188',
		'tile/1/000.p/2',
		'tile/entries/000',
		'tile/entries/001',
		'tile/entries/002.p/188',
	]);
	assert.equal(statSync(join(directory, 'journal')).size, 0);
	await assertEntries(700);
	await assertWhole(700);
});

test('a tree of three levels is published tile by tile, and resumes', async () => {
	let ledger = await openTestLedger(directory);
	for (let n = 0; n < 70_000; n += 10_000) ledger.commit([testPayload(n, n + 10_000)]);
	ledger.close();
	assert.deepEqual(
		files().filter((path) => /\.p\//.test(path)),
		['tile/0/273.p/112', 'tile/1/001.p/17', 'tile/2/000.p/1', 'tile/entries/273.p/112'],
	);
	ledger = await openTestLedger(directory);
	ledger.commit([testPayload(70_000, 70_500)]);
	ledger.close();
	await assertWhole(70_500);
	await assertEntries(70_500);
});

test('commits go on while a publication is under way', async () => {
	const ledger = await openTestLedger(directory);
	ledger.commit([testPayload(0, 600)]);
	let n = 600;
	for (const _step of ledger.publish()) {
		ledger.commit([testPayload(n, n + 1)]);
		n += 1;
		await assertEntries(n);
		await assertWhole(n);
	}
	ledger.close();
	await assertEntries(n);
	await assertWhole(n);
});

test('full tiles are never written again', async () => {
	const ledger = await openTestLedger(directory);
	ledger.commit([testPayload(0, 512)]);
	publishAll(ledger);
	const written = ['tile/0/000', 'tile/0/001', 'tile/entries/000'].map((path) => statSync(join(directory, path)).ino);
	ledger.commit([testPayload(512, 1_024)]);
	ledger.close();
	assert.deepEqual(
		['tile/0/000', 'tile/0/001', 'tile/entries/000'].map((path) => statSync(join(directory, path)).ino),
		written,
	);
});

test('a clean stop leaves no gap, an unclean one leaves exactly one', async () => {
	let ledger = await openTestLedger(directory);
	ledger.commit([testPayload(0, 5)]);
	ledger.close();
	ledger = await openTestLedger(directory);
	assert.equal(ledger.size, 5);
	ledger.commit([testPayload(5, 7)]);
	ledger.abandon();
	ledger = await openTestLedger(directory);
	assert.equal(ledger.size, 8);
	const [gap] = await openLedgerReader(directory).entries(6, 1);
	assert.deepEqual(gap?.entry, {
		time: '2026-11-23T12:00:00.000Z',
		type: 'ledger.gap',
		actor: { system: 'ledger' },
		decision: 'permit',
		facts: { buffered_entries_at_risk_max: 512, cause: 'unclean_stop', dropped_journal_bytes: 0, previous_size: 7 },
	});
	ledger.close();
	await assertEntries(8, [7]);
	await assertWhole(8);
});

test('a crash at any step of a publication loses nothing', async () => {
	const original = await openTestLedger(directory);
	original.commit([testPayload(0, 250)]);
	publishAll(original);
	original.commit([testPayload(250, 600)]);
	let step = 0;
	for (const _step of original.publish()) {
		original.commit([testPayload(600 + step, 601 + step)]);
		step += 1;
		const copy = `${directory}-crash-${step}`;
		cpSync(directory, copy, { recursive: true });
		const recovered = await openTestLedger(copy);
		assert.equal(recovered.size, 601 + step, `after step ${step}`);
		recovered.close();
		const report = await verifyLedger(openLedgerFiles(copy));
		assert.deepEqual([report.damage, report.notes, report.size], [[], [], 601 + step], `after step ${step}`);
		rmSync(copy, { recursive: true });
	}
	assert.ok(step >= 5);
	original.abandon();
});

test('a torn commit is dropped and counted, and everything before it stays', async () => {
	let ledger = await openTestLedger(directory);
	ledger.commit([testPayload(0, 5)]);
	const whole = statSync(join(directory, 'journal')).size;
	ledger.commit([testPayload(5, 9)]);
	ledger.abandon();
	truncateSync(join(directory, 'journal'), whole + 100);
	assert.match((await assertWhole(5)).join(), /100 bytes of a commit that is not complete/);
	ledger = await openTestLedger(directory);
	assert.equal(ledger.size, 6);
	const [gap] = await openLedgerReader(directory).entries(4, 1);
	assert.equal(gap?.entry.facts?.dropped_journal_bytes, 100);
	ledger.close();
	await assertWhole(6);
});

test('a damaged ledger is not opened, and the error names file and entry', async () => {
	const ledger = await openTestLedger(directory);
	ledger.commit([testPayload(0, 300)]);
	publishAll(ledger);
	ledger.commit([testPayload(300, 310)]);
	ledger.commit([testPayload(310, 320)]);
	ledger.abandon();
	const cases: [file: string, at: number, message: RegExp][] = [
		['journal', 200, /journal: entries 300–309: /],
		['checkpoint', 25, /checkpoint: a signature does not verify/],
		['tile/0/001.p/44', 40, /tile\/0\/001\.p\/44: hash 1: the hash was changed/],
		['tile/entries/001.p/44', 10, /tile\/entries\/001\.p\/44: entry 256: the entry was changed/],
		['ledger.pub', 30, /ledger\.pub: this is no public key/],
	];
	for (const [file, at, message] of cases) {
		const path = join(directory, file);
		const bytes = readFileSync(path);
		const damaged = Buffer.from(bytes);
		damaged[at] = (damaged[at] as number) ^ 1;
		writeFileSync(path, damaged);
		await assert.rejects(openTestLedger(directory), (error) => {
			assert.ok(error instanceof LedgerDamagedError);
			assert.match(error.message, message);
			return true;
		});
		writeFileSync(path, bytes);
	}
	(await openTestLedger(directory)).close();
	await assertEntries(321, [320]);
});

test('a ledger that lost files is not taken for a new or a shorter one', async () => {
	const ledger = await openTestLedger(directory);
	ledger.commit([testPayload(0, 10)]);
	publishAll(ledger);
	ledger.commit([testPayload(10, 20)]);
	const publication = ledger.publish();
	publication.next();
	ledger.abandon();
	for (const file of ['checkpoint', 'journal.previous', 'tile/0/000.p/10']) {
		const copy = `${directory}-without`;
		cpSync(directory, copy, { recursive: true });
		rmSync(join(copy, file));
		await assert.rejects(openTestLedger(copy), LedgerDamagedError, file);
		rmSync(copy, { recursive: true });
	}
});

test('a ledger that does not continue what is remembered of it is not opened, and not changed', async () => {
	const isRolledBack = (error: unknown): boolean => error instanceof LedgerRolledBackError;
	const markOf = (ledger: FileLedger): LedgerMark => ({ ...(ledger.head ?? assert.fail()), recordedAtMs: 1 });
	const contents = () => files().map((file) => [file, readFileSync(join(directory, file), 'base64')]);
	const ledger = await openTestLedger(directory);
	ledger.commit([testPayload(0, 300)]);
	publishAll(ledger);
	ledger.commit([testPayload(300, 310)]);
	const older = `${directory}-older`;
	cpSync(directory, older, { recursive: true });
	const atCopy = markOf(ledger);
	ledger.commit([testPayload(310, 311)]);
	const mark = markOf(ledger);
	ledger.close();
	assert.equal(ledger.head, undefined);

	// The older copy is that of an open ledger: whoever recovered it would append a gap entry.
	rmSync(directory, { recursive: true });
	await assert.rejects(openTestLedger(directory, TEST_ORIGIN, mark), isRolledBack);
	assert.equal(existsSync(directory), false);
	cpSync(older, directory, { recursive: true });
	const before = contents();
	await assert.rejects(openTestLedger(directory, TEST_ORIGIN, mark), isRolledBack);
	assert.deepEqual(contents(), before);

	// Grown on its own the copy is large enough, and still another one: in its journal, and once that is published.
	const forked = await openTestLedger(directory, TEST_ORIGIN, atCopy);
	forked.commit([testPayload(400, 700)]);
	forked.abandon();
	await assert.rejects(openTestLedger(directory, TEST_ORIGIN, mark), isRolledBack);
	(await openTestLedger(directory, TEST_ORIGIN, atCopy)).close();
	await assert.rejects(openTestLedger(directory, TEST_ORIGIN, mark), isRolledBack);
	(await openTestLedger(directory, TEST_ORIGIN, atCopy)).close();
});

test('after a crash in the middle of a commit, what was remembered before it is continued', async () => {
	const ledger = await openTestLedger(directory);
	ledger.commit([testPayload(0, 5)]);
	const mark = { ...(ledger.head ?? assert.fail()), recordedAtMs: 1 };
	ledger.commit([testPayload(5, 9)]);
	ledger.abandon();
	const journal = join(directory, 'journal');
	truncateSync(journal, statSync(journal).size - 1);
	const recovered = await openTestLedger(directory, TEST_ORIGIN, mark);
	assert.equal(recovered.size, 6);
	recovered.close();
});

test('a ledger is not opened under another key or name', async () => {
	(await openTestLedger(directory)).close();
	await assert.rejects(openTestLedger(directory, 'other.example/ledger'), LedgerDamagedError);
});

test('a second writer is refused, until the first lets go', async () => {
	const first = await openTestLedger(directory);
	await assert.rejects(openTestLedger(directory), LedgerInUseError);
	first.commit([testPayload(0, 1)]);
	first.close();
	const second = await openTestLedger(directory);
	assert.equal(second.size, 1);
	second.close();
	assert.ok(existsSync(join(directory, 'clean-stop')));
});

test('a ledger that is closed takes nothing', async () => {
	const ledger = await openTestLedger(directory);
	ledger.close();
	assert.throws(() => ledger.commit([testPayload(0, 1)]), /broken or closed/);
});
