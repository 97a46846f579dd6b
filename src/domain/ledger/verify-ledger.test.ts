import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { test } from 'node:test';
import fc from 'fast-check';
import { testPayload } from '../../../test/fixture/temporary-ledger.ts';
import { signCheckpoint } from './checkpoint.ts';
import { Frontier } from './frontier.ts';
import { frameRecord } from './journal.ts';
import { describeDamage } from './ledger-damage.ts';
import { createNoteSigner, formatVerifierKey, parseVerifierKey } from './signed-note.ts';
import { parseTilePath, splitEntries, TILE_WIDTH } from './tile.ts';
import { verifyLedger, type VerifyOptions } from './verify-ledger.ts';

const signer = createNoteSigner('bank.example/ledger', generateKeyPairSync('ed25519').privateKey);
type Files = Map<string, Buffer>;

/** A ledger in memory: `published` entries under a checkpoint, and commits of so many entries each after it. */
function ledgerOf(published: number, commits: readonly number[] = [], isCleanlyStopped = false): Files {
	const frontier = Frontier.empty();
	if (published > 0) frontier.append(testPayload(0, published));
	const files: Files = new Map();
	for (const { path, parts } of frontier.filesToPublish()) files.set(path, Buffer.concat(parts));
	const { name: origin } = signer;
	const checkpoint = Buffer.from(signCheckpoint({ origin, size: published, root: frontier.root() }, signer));
	files.set('checkpoint', checkpoint);
	if (isCleanlyStopped) files.set('clean-stop', Buffer.from(checkpoint));
	files.set('ledger.pub', Buffer.from(`${formatVerifierKey(signer)}\n`));
	files.set('lock', Buffer.alloc(0));
	const records: Uint8Array[] = [];
	for (const count of commits) {
		const firstIndex = frontier.size;
		const payload = testPayload(firstIndex, firstIndex + count);
		frontier.append(Buffer.from(payload));
		const root = frontier.root();
		const { header, trailer } = frameRecord(signer, { payloadBytes: payload.length, count, firstIndex, root });
		records.push(header, payload, trailer);
	}
	files.set('journal', Buffer.concat(records));
	return files;
}

function verify(files: Files, options?: VerifyOptions) {
	return verifyLedger(
		{
			read: (path) => Promise.resolve(files.get(path)),
			list: async function* () {
				yield* files.keys();
			},
		},
		options,
	);
}

function flip(files: Files, file: string, bit: number): Files {
	const copy = new Map(files);
	const bytes = Buffer.from(files.get(file) as Buffer);
	bytes[bit >> 3] = (bytes[bit >> 3] as number) ^ (1 << (bit & 7));
	return copy.set(file, bytes);
}

/** The entry of a bundle that a byte belongs to, with its length. */
function entryAt(file: string, bytes: Buffer, byte: number): number | undefined {
	const tile = parseTilePath(file);
	if (tile?.kind !== 'entries') return undefined;
	let end = 0;
	const at = splitEntries(bytes).entries.findIndex((entry) => {
		end += 2 + entry.length;
		return byte < end;
	});
	return tile.index * TILE_WIDTH + at;
}

test('a ledger that nobody touched is whole, at every size around a tile', async () => {
	for (const size of [0, 1, 255, 256, 257, 511, 512, 700]) {
		const report = await verify(ledgerOf(size, [1, 2]));
		assert.deepEqual(report.damage, [], `size ${size}`);
		assert.deepEqual([report.publishedSize, report.size], [size, size + 3]);
		assert.deepEqual((await verify(ledgerOf(size, [], true))).notes, []);
	}
});

test('any changed bit of any file is found and named, with its entry or hash', async () => {
	for (const files of [ledgerOf(600, [], true), ledgerOf(600, [1, 3])]) {
		for (const [file, bytes] of files) {
			if (bytes.length === 0) continue;
			await fc.assert(
				fc.asyncProperty(fc.nat(bytes.length * 8 - 1), async (bit) => {
					const { damage } = await verify(flip(files, file, bit));
					const named = damage.filter((one) => one.file === file);
					assert.ok(named.length > 0, `${file} bit ${bit}: ${damage.map(describeDamage).join('; ')}`);
					// Nothing that is whole is blamed: only the mark that repeats the checkpoint differs from it, too.
					const others = damage.filter((one) => one.file !== file && one.file !== 'clean-stop');
					assert.deepEqual(others, [], `${file} bit ${bit}`);
					const entry = entryAt(file, bytes, bit >> 3);
					if (entry !== undefined) assert.equal(named[0]?.entry, entry, `${file} bit ${bit}`);
					if (file.startsWith('tile/') && entry === undefined) assert.equal(named[0]?.hash, bit >> 8);
				}),
				{ numRuns: 12 },
			);
		}
	}
});

test('damage in several places at once is told apart, on a tree of three levels', async () => {
	const files = ledgerOf(66_000);
	const damageOf = async (places: readonly (readonly [file: string, hash: number])[]): Promise<string[]> => {
		let changed = files;
		for (const [file, hash] of places) changed = flip(changed, file, hash * 256 + 24);
		return (await verify(changed)).damage.map(describeDamage).sort();
	};
	assert.deepEqual(
		await damageOf([
			['tile/0/007', 5],
			['tile/0/257.p/208', 1],
			['tile/1/001.p/1', 0],
			['tile/entries/130', 0],
		]),
		[
			'tile/0/007: hash 5: the hash was changed',
			'tile/0/257.p/208: hash 1: the hash was changed',
			'tile/1/001.p/1: hash 0: the hash was changed',
			`tile/entries/130: entry ${130 * 256}: the entry was changed`,
		],
	);
	assert.deepEqual(
		await damageOf([
			['tile/1/000', 9],
			['tile/entries/257.p/208', 0],
		]),
		['tile/1/000: hash 9: the hash was changed', `tile/entries/257.p/208: entry ${257 * 256}: the entry was changed`],
	);
	// One above the other: each is named, even where nothing is left that says which of two is right.
	const nested = await damageOf([
		['tile/2/000.p/1', 0],
		['tile/1/000', 9],
		['tile/0/009', 3],
	]);
	for (const place of ['tile/2/000.p/1: hash 0', 'tile/1/000: hash 9', 'tile/0/009: hash 3']) {
		assert.ok(
			nested.some((line) => line.startsWith(`${place}: `)),
			place,
		);
	}
});

test('files that are missing, cut, or too many are named', async () => {
	const whole = ledgerOf(600, [2]);
	for (const file of whole.keys()) {
		if (file === 'lock') continue;
		const files = new Map(whole);
		files.delete(file);
		assert.ok(
			(await verify(files)).damage.some((one) => one.file === file),
			`without ${file}`,
		);
		if (file === 'journal') continue;
		const cut = new Map(whole).set(file, (whole.get(file) as Buffer).subarray(0, -1));
		assert.ok(
			(await verify(cut)).damage.some((one) => one.file === file),
			`cut ${file}`,
		);
	}
	for (const file of ['notes.txt', 'tile/0/0', 'tile/x']) {
		const files = new Map(whole).set(file, Buffer.from('x'));
		assert.deepEqual(
			(await verify(files)).damage.map((one) => one.file),
			[file],
		);
	}
	const bundle = Buffer.concat([whole.get('tile/entries/000') as Buffer, Buffer.from([0, 0])]);
	const longer = new Map(whole).set('tile/entries/000', bundle);
	assert.deepEqual(
		(await verify(longer)).damage.map((one) => one.file),
		['tile/entries/000'],
	);
});

test('an entry that was rewritten with its tiles up to the top does not lead to the signed root', async () => {
	const forged = ledgerOf(600);
	const other = Frontier.empty();
	other.append(Buffer.concat([testPayload(0, 300), testPayload(9, 10), testPayload(301, 600)]));
	for (const { path, parts } of other.filesToPublish()) forged.set(path, Buffer.concat(parts));
	const { damage } = await verify(forged);
	assert.equal(damage[0]?.problem, 'neither tiles nor entries lead to the signed root');
});

test('a ledger re-signed by another key is told by the key that the auditor holds', async () => {
	const files = ledgerOf(10);
	const held = parseVerifierKey(
		formatVerifierKey(createNoteSigner(signer.name, generateKeyPairSync('ed25519').privateKey)),
	);
	assert.ok(held !== undefined);
	assert.deepEqual(
		(await verify(files, { verifier: held })).damage.map((one) => one.file),
		['ledger.pub', 'checkpoint'],
	);
	assert.deepEqual((await verify(files, { verifier: signer })).damage, []);
});

test('tells how far it is, and stops when it is told to', async () => {
	const told: number[] = [];
	await verify(ledgerOf(700), { onProgress: (checked) => told.push(checked) });
	assert.deepEqual(told, [256, 512, 700]);
	const stop = new AbortController();
	const report = await verify(ledgerOf(1_000), { signal: stop.signal, onProgress: () => stop.abort() });
	assert.ok(report.isInterrupted);
});

test('damage is counted to the end, and reported up to a bound', async () => {
	const files = ledgerOf(600);
	const scrambled = Buffer.from(files.get('tile/0/000') as Buffer).fill(1);
	const report = await verify(new Map(files).set('tile/0/000', scrambled));
	assert.deepEqual([report.damage.length, report.damageCount], [100, 256]);
});
