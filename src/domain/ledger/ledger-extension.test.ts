import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { JournalRecord } from './journal.ts';
import { compareWithEarlier, type LedgerTree } from './ledger-extension.ts';
import { CompactRange, hashLeaf, rootOf } from './merkle-tree.ts';
import { hashCount, TILE_WIDTH, type Tile } from './tile.ts';

const SIZE_MAX = 65_700;
const entryOf = (n: number, fork: number): Uint8Array => Buffer.from(`${n}${n < fork ? '' : ' forked'}`);

/** A ledger of `published` entries and of one commit per number in `commits`; from entry `fork` on it is another one. */
function treeOf(published: number, commits: readonly number[], fork = Number.POSITIVE_INFINITY): LedgerTree {
	const levels: Uint8Array[][] = [[], [], []];
	const range = new CompactRange();
	for (let n = 0; n < published; n++) {
		const hash = Buffer.from(hashLeaf(entryOf(n, fork))).toString('latin1');
		range.appendBinary(hash, (level, one) => levels[level]?.push(Buffer.from(one, 'latin1')));
	}
	let size = published;
	const records = commits.map((count): JournalRecord => {
		const entries = Array.from({ length: count }, (_, at) => entryOf(size + at, fork));
		const nothing = new Uint8Array();
		const record = { offset: 0, firstIndex: size, entries, payload: nothing, root: nothing, signature: nothing };
		size += count;
		return { ...record, canBeTorn: false };
	});
	const hashesOf = async ({ level, index, width }: Tile): Promise<readonly Uint8Array[]> => {
		assert.equal(width, Math.min(TILE_WIDTH, hashCount(published, level) - index * TILE_WIDTH));
		return levels[level]?.slice(index * TILE_WIDTH, index * TILE_WIDTH + width) ?? [];
	};
	return { published: range, records, size, hashesOf };
}

function rootAt(size: number): Uint8Array {
	return rootOf(Array.from({ length: size }, (_, n) => hashLeaf(entryOf(n, Number.POSITIVE_INFINITY))));
}

test('a ledger extends every state that it had, also within its commits, and none that it did not have', async () => {
	const sizes = fc.tuple(fc.nat(700), fc.array(fc.integer({ min: 1, max: 9 }), { maxLength: 4 }), fc.nat(800));
	await fc.assert(
		fc.asyncProperty(sizes, fc.nat(800), async ([published, commits, earlier], fork) => {
			const tree = treeOf(published, commits);
			const root = rootAt(earlier);
			const expected = earlier > tree.size ? 'is smaller' : 'extends';
			assert.equal(await compareWithEarlier(tree, { size: earlier, root }), expected);
			const forked = await compareWithEarlier(treeOf(published, commits, fork), { size: earlier, root });
			assert.equal(forked, expected === 'extends' && fork < earlier ? 'differs' : expected);
		}),
		{ numRuns: 60 },
	);
});

test('a tree of three levels is compared from a few of its tiles', async () => {
	const tree = treeOf(SIZE_MAX, []);
	const range = new CompactRange();
	const roots = new Map<number, Uint8Array>();
	const sizes = new Set([1, 255, 256, 257, 65_535, 65_536, 65_537, SIZE_MAX]);
	for (let n = 0; n < SIZE_MAX; n++) {
		range.append(hashLeaf(entryOf(n, Number.POSITIVE_INFINITY)));
		if (sizes.has(range.size)) roots.set(range.size, range.root());
	}
	for (const [size, root] of roots) {
		let reads = 0;
		const hashesOf = (tile: Tile) => {
			reads += 1;
			return tree.hashesOf(tile);
		};
		assert.equal(await compareWithEarlier({ ...tree, hashesOf }, { size, root }), 'extends', `${size}`);
		assert.equal(await compareWithEarlier({ ...tree, hashesOf }, { size, root: hashLeaf(root) }), 'differs');
		assert.ok(reads <= 2 * 6, `${reads} tiles for ${size}`);
	}
});

test('nothing is believed because a tile says so: tiles of the earlier ledger under another root, or none', async () => {
	const [earlier, forked] = [treeOf(700, []), treeOf(700, [], 300)];
	const head = { size: 600, root: rootAt(600) };
	assert.equal(await compareWithEarlier(earlier, head), 'extends');
	assert.equal(await compareWithEarlier({ ...forked, hashesOf: earlier.hashesOf }, head), 'differs');
	assert.equal(await compareWithEarlier({ ...earlier, hashesOf: async () => undefined }, head), 'differs');
});
