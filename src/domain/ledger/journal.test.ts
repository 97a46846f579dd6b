import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { test } from 'node:test';
import fc from 'fast-check';
import { frameRecord, isRecordSigned, parseJournal } from './journal.ts';
import { CompactRange, hashLeaf } from './merkle-tree.ts';
import { replayJournals } from './replay-journal.ts';
import { createNoteSigner } from './signed-note.ts';
import { frameEntry } from './tile.ts';

const signer = createNoteSigner('bank.example/ledger', generateKeyPairSync('ed25519').privateKey);

/** A journal of commits of so many entries each, and where each record ends. */
function journalOf(commits: readonly number[], entryBytes = 40): { bytes: Buffer; ends: number[] } {
	const range = new CompactRange();
	const parts: Uint8Array[] = [];
	const ends: number[] = [];
	for (const count of commits) {
		const firstIndex = range.size;
		const entries = Array.from({ length: count }, (_, n) => Buffer.from(`{"n":${firstIndex + n}}`.padEnd(entryBytes)));
		for (const entry of entries) range.append(hashLeaf(entry));
		const payload = Buffer.concat(entries.map(frameEntry));
		const { header, trailer } = frameRecord(signer, {
			payloadBytes: payload.length,
			count,
			firstIndex,
			root: range.root(),
		});
		parts.push(header, payload, trailer);
		ends.push((ends.at(-1) ?? 0) + header.length + payload.length + trailer.length);
	}
	return { bytes: Buffer.concat(parts), ends };
}

const replay = (journal: Uint8Array) =>
	replayJournals({ previousJournal: undefined, journal }, new CompactRange(), signer, () => Promise.resolve(undefined));

test('a journal is read back commit by commit, each signed', async () => {
	const { bytes, ends } = journalOf([1, 3, 2]);
	const { records, tornBytes, damage } = parseJournal(bytes);
	assert.deepEqual(
		records.map((record) => [record.firstIndex, record.entries.length]),
		[
			[0, 1],
			[1, 3],
			[4, 2],
		],
	);
	assert.deepEqual(
		records.map((record) => record.offset),
		[0, ...ends.slice(0, 2)],
	);
	assert.ok(records.every((record) => isRecordSigned(record, signer)));
	assert.deepEqual([tornBytes, damage], [0, undefined]);
	assert.equal((await replay(bytes)).size, 6);
});

test('a journal that was cut anywhere loses the commit that was cut, and nothing before it', async () => {
	const { bytes, ends } = journalOf([2, 1, 3]);
	for (let cut = 0; cut <= bytes.length; cut++) {
		const result = await replay(bytes.subarray(0, cut));
		const whole = ends.filter((end) => end <= cut);
		assert.deepEqual(result.damage, [], `cut at ${cut}`);
		assert.equal(result.records.length, whole.length, `cut at ${cut}`);
		assert.equal(result.tornBytes, cut - (whole.at(-1) ?? 0), `cut at ${cut}`);
	}
});

test('a sector of the last commit that was never written is a torn commit, in an earlier one it is damage', async () => {
	const { bytes, ends } = journalOf([40, 40, 40]);
	const [first = 0, second = 0, third = 0] = ends;
	for (let sector = Math.ceil(second / 512) * 512; sector < third; sector += 512) {
		const torn = Buffer.from(bytes).fill(0, sector, Math.min(sector + 512, third));
		const result = await replay(torn);
		assert.deepEqual([result.damage, result.records.length], [[], 2], `sector at ${sector}`);
	}
	const header = Buffer.from(bytes).fill(0, second, second + 512);
	assert.deepEqual([(await replay(header)).damage, (await replay(header)).records.length], [[], 2]);
	for (const start of [0, first + 20]) {
		const damaged = Buffer.from(bytes).fill(0, start, start + 600);
		assert.equal((await replay(damaged)).damage.length, 1, `from ${start}`);
	}
});

test('no single bit can change unseen, and the commit is named', async () => {
	const { bytes, ends } = journalOf([1, 2, 1]);
	await fc.assert(
		fc.asyncProperty(fc.nat(bytes.length * 8 - 1), async (bit) => {
			const copy = Buffer.from(bytes);
			copy[bit >> 3] = (copy[bit >> 3] as number) ^ (1 << (bit & 7));
			const result = await replay(copy);
			const at = ends.findIndex((end) => bit >> 3 < end);
			assert.equal(result.damage.length, 1);
			assert.equal(result.damage[0]?.file, 'journal');
			assert.equal(result.damage[0]?.entry, [0, 1, 3][at]);
			assert.equal(result.records.length, at);
		}),
		{ numRuns: 400 },
	);
});

test('a commit of another key, place or ledger does not continue a ledger', async () => {
	const { bytes, ends } = journalOf([1, 2]);
	const other = createNoteSigner(signer.name, generateKeyPairSync('ed25519').privateKey);
	const elsewhere = createNoteSigner('other.example/ledger', signer.privateKey);
	for (const verifier of [other, elsewhere]) {
		const journals = { previousJournal: undefined, journal: bytes };
		const result = await replayJournals(journals, new CompactRange(), verifier, () => Promise.resolve(undefined));
		assert.equal(result.damage[0]?.problem, 'the signature of this commit does not verify');
	}
	const second = bytes.subarray(ends[0]);
	assert.equal((await replay(second)).damage[0]?.problem, 'the commits before this one are missing');
	const twice = Buffer.concat([bytes.subarray(0, ends[0]), bytes.subarray(0, ends[0])]);
	assert.equal((await replay(twice)).damage.length, 1);
});

test('whatever the bytes are, the journal is read to an end', () => {
	fc.assert(
		fc.property(fc.uint8Array({ maxLength: 400 }), fc.boolean(), (noise, isAfterCommit) => {
			const bytes = isAfterCommit ? Buffer.concat([journalOf([1]).bytes, noise]) : noise;
			const { records, tornBytes, damage } = parseJournal(bytes);
			assert.equal(records.length, isAfterCommit ? 1 : 0);
			assert.ok(noise.length === 0 || tornBytes > 0 || damage !== undefined);
		}),
	);
});
