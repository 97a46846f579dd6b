import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { equalBytes, hashLeaf, proveInclusion, rootOf, verifyInclusion } from './merkle-tree.ts';
import {
	edgeBundle,
	edgeTiles,
	frameEntry,
	hashCount,
	levelCount,
	nodesFromTiles,
	parseTilePath,
	splitEntries,
	splitHashes,
	tilePath,
} from './tile.ts';

test('paths are those of C2SP tlog-tiles', () => {
	assert.equal(tilePath({ kind: 'hashes', level: 0, index: 1_234_067, width: 256 }), 'tile/0/x001/x234/067');
	assert.equal(tilePath({ kind: 'hashes', level: 2, index: 0, width: 1 }), 'tile/2/000.p/1');
	assert.equal(tilePath({ kind: 'entries', level: 0, index: 273, width: 112 }), 'tile/entries/273.p/112');
});

test('a path is read back as it was written, and every other spelling is refused', () => {
	fc.assert(
		fc.property(
			fc.constantFrom('hashes' as const, 'entries' as const),
			fc.nat(6),
			fc.nat(2 ** 40),
			fc.integer({ min: 1, max: 256 }),
			(kind, level, index, width) => {
				const tile = { kind, level: kind === 'entries' ? 0 : level, index, width };
				assert.deepEqual(parseTilePath(tilePath(tile)), tile);
			},
		),
	);
	for (const path of [
		'tile/0/x000/001',
		'tile/0/1',
		'tile/00/001',
		'tile/0/001.p/0',
		'tile/0/001.p/256',
		'tile/0/001.p/01',
		'tile/7/000',
		'tile/0/001/',
		'/tile/0/001',
		'tile/0/../0/001',
		'tile/0/001.p/12.tmp',
	]) {
		assert.equal(parseTilePath(path), undefined, path);
	}
});

test('a tree of 70,000 entries has the tiles of the specification', () => {
	assert.deepEqual(edgeTiles(70_000).map(tilePath), ['tile/0/273.p/112', 'tile/1/001.p/17', 'tile/2/000.p/1']);
	assert.equal(levelCount(70_000), 3);
	assert.equal(hashCount(70_000, 1), 273);
	assert.deepEqual(edgeTiles(256).map(tilePath), ['tile/1/000.p/1']);
	assert.equal(edgeBundle(256), undefined);
	assert.deepEqual(edgeTiles(0), []);
});

test('entries come out of a bundle as they went in, and a cut bundle is known for one', () => {
	fc.assert(
		fc.property(fc.array(fc.uint8Array({ maxLength: 600 }), { maxLength: 20 }), fc.nat(), (entries, cut) => {
			const bundle = Buffer.concat(entries.map(frameEntry));
			const whole = splitEntries(bundle);
			assert.ok(whole.isWhole);
			assert.deepEqual(
				whole.entries.map((entry) => Uint8Array.from(entry)),
				entries,
			);
			const part = splitEntries(bundle.subarray(0, cut % (bundle.length + 1)));
			assert.ok(part.entries.length <= entries.length);
			for (const [at, entry] of part.entries.entries()) assert.ok(equalBytes(entry, entries[at] as Uint8Array));
		}),
	);
	assert.throws(() => frameEntry(new Uint8Array(65_536)), RangeError);
	assert.equal(splitHashes(new Uint8Array(63), 2), undefined);
});

test('proofs made from tiles verify', () => {
	const size = 1_000;
	const leaves = Array.from({ length: size }, (_, n) => hashLeaf(Buffer.from(String(n))));
	const levelOne = Array.from({ length: 3 }, (_, n) => rootOf(leaves.slice(n * 256, (n + 1) * 256)));
	const node = nodesFromTiles(size, (level, index, width) =>
		(level === 0 ? leaves : levelOne).slice(index * 256, index * 256 + width),
	);
	const root = rootOf(leaves);
	for (const index of [0, 1, 255, 256, 700, 767, 768, 999]) {
		const leafHash = leaves[index] as Uint8Array;
		assert.ok(
			verifyInclusion({ index, size, leafHash, proof: proveInclusion(index, size, node), root }),
			`leaf ${index}`,
		);
	}
});
