import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { test } from 'node:test';
import fc from 'fast-check';
import {
	CompactRange,
	EMPTY_ROOT,
	equalBytes,
	hashLeaf,
	hashNode,
	proveConsistency,
	proveInclusion,
	rootOf,
	subtreeRoots,
	verifyConsistency,
	verifyInclusion,
} from './merkle-tree.ts';

const VECTORS = new URL('../../../../shared/vectors/merkle/', import.meta.url);
const isMissing =
	!existsSync(VECTORS) && 'the vectors of transparency-dev/merkle are not here (../shared/vectors/merkle)';

interface InclusionVector {
	case: string;
	leafIdx: number;
	treeSize: number;
	root: string;
	leafHash: string;
	proof: string[] | null;
	wantErr: boolean;
}

interface ConsistencyVector {
	case: string;
	size1: number;
	size2: number;
	root1: string;
	root2: string;
	proof: string[] | null;
	wantErr: boolean;
}

const decode = (text: string): Buffer => Buffer.from(text, 'base64');
const leaves = (count: number): Uint8Array[] =>
	Array.from({ length: count }, (_, n) => hashLeaf(Buffer.from(`entry ${n}`)));

/** RFC 6962 §2.1, word for word: the oracle. */
function slowRoot(hashes: readonly Uint8Array[]): Uint8Array {
	if (hashes.length === 0) return EMPTY_ROOT;
	if (hashes.length === 1) return hashes[0] as Uint8Array;
	let split = 1;
	while (split * 2 < hashes.length) split *= 2;
	return hashNode(slowRoot(hashes.slice(0, split)), slowRoot(hashes.slice(split)));
}

const nodeOf = (hashes: readonly Uint8Array[]) => (height: number, index: number) =>
	slowRoot(hashes.slice(index * 2 ** height, (index + 1) * 2 ** height));

test('verifies inclusion as transparency-dev/merkle does, vector by vector', { skip: isMissing }, () => {
	const vectors: InclusionVector[] = JSON.parse(readFileSync(new URL('inclusion.json', VECTORS), 'utf8'));
	assert.equal(vectors.length, 98);
	for (const vector of vectors) {
		const isProven = verifyInclusion({
			index: vector.leafIdx,
			size: vector.treeSize,
			leafHash: decode(vector.leafHash),
			proof: (vector.proof ?? []).map(decode),
			root: decode(vector.root),
		});
		assert.equal(isProven, !vector.wantErr, vector.case);
	}
});

test('verifies consistency as transparency-dev/merkle does, vector by vector', { skip: isMissing }, () => {
	const vectors: ConsistencyVector[] = JSON.parse(readFileSync(new URL('consistency.json', VECTORS), 'utf8'));
	assert.equal(vectors.length, 98);
	for (const vector of vectors) {
		const isProven = verifyConsistency({
			oldSize: vector.size1,
			oldRoot: decode(vector.root1),
			size: vector.size2,
			root: decode(vector.root2),
			proof: (vector.proof ?? []).map(decode),
		});
		assert.equal(isProven, !vector.wantErr, vector.case);
	}
});

test('hashes as RFC 6962 says: empty tree, empty leaf', () => {
	const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');
	assert.equal(hex(EMPTY_ROOT), 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855');
	assert.equal(hex(hashLeaf(new Uint8Array())), '6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d');
});

test('an appended tree has the root of a recomputed one, at every size', () => {
	const hashes = leaves(300);
	const range = new CompactRange();
	for (const [size, hash] of hashes.entries()) {
		assert.ok(equalBytes(range.root(), slowRoot(hashes.slice(0, size))), `size ${size}`);
		range.append(hash);
	}
	assert.ok(equalBytes(rootOf(hashes), slowRoot(hashes)));
});

test('a range resumes from the roots of complete subtrees, and a clone grows on its own', () => {
	fc.assert(
		fc.property(fc.nat(200), fc.nat(60), (size, more) => {
			const hashes = leaves(size + more);
			const range = new CompactRange(size, subtreeRoots(hashes.slice(0, size)));
			const clone = range.clone();
			for (const hash of hashes.slice(size)) range.append(hash);
			assert.ok(equalBytes(range.root(), slowRoot(hashes)));
			assert.ok(equalBytes(clone.root(), slowRoot(hashes.slice(0, size))));
		}),
		{ numRuns: 50 },
	);
	assert.throws(() => new CompactRange(3, []), RangeError);
});

test('every proof that is made verifies, and none verifies for another leaf, place or root', () => {
	fc.assert(
		fc.property(fc.integer({ min: 1, max: 150 }), fc.nat(), fc.nat(), fc.nat(255), (size, at, flip, bit) => {
			const hashes = leaves(size);
			const index = at % size;
			const root = slowRoot(hashes);
			const claim = {
				index,
				size,
				leafHash: hashes[index] as Uint8Array,
				proof: proveInclusion(index, size, nodeOf(hashes)),
				root,
			};
			assert.ok(verifyInclusion(claim));
			assert.ok(!verifyInclusion({ ...claim, index: (index + 1) % (size + 1) }));
			assert.ok(!verifyInclusion({ ...claim, proof: [...claim.proof, root] }));
			assert.ok(!verifyInclusion({ ...claim, leafHash: flipBit(claim.leafHash, bit) }));
			assert.ok(!verifyInclusion({ ...claim, root: flipBit(root, bit) }));
			if (claim.proof.length === 0) return;
			const proof = [...claim.proof];
			proof[flip % proof.length] = flipBit(proof[flip % proof.length] as Uint8Array, bit);
			assert.ok(!verifyInclusion({ ...claim, proof }));
			assert.ok(!verifyInclusion({ ...claim, proof: claim.proof.slice(1) }));
		}),
		{ numRuns: 100 },
	);
});

test('every older tree is proven to be a prefix, and no other tree is', () => {
	fc.assert(
		fc.property(fc.integer({ min: 2, max: 150 }), fc.nat(), fc.nat(255), (size, at, bit) => {
			const hashes = leaves(size);
			const oldSize = 1 + (at % (size - 1));
			const claim = {
				oldSize,
				oldRoot: slowRoot(hashes.slice(0, oldSize)),
				size,
				root: slowRoot(hashes),
				proof: proveConsistency(oldSize, size, nodeOf(hashes)),
			};
			assert.ok(verifyConsistency(claim));
			assert.ok(!verifyConsistency({ ...claim, oldRoot: flipBit(claim.oldRoot, bit) }));
			assert.ok(!verifyConsistency({ ...claim, root: flipBit(claim.root, bit) }));
			assert.ok(!verifyConsistency({ ...claim, proof: claim.proof.slice(1) }));
			assert.ok(!verifyConsistency({ ...claim, proof: [...claim.proof, claim.root] }));
		}),
		{ numRuns: 100 },
	);
});

test('answers no to sizes and hashes that cannot be', () => {
	const hash = hashLeaf(new Uint8Array());
	for (const index of [-1, 0.5, Number.NaN, 2 ** 53]) {
		assert.ok(!verifyInclusion({ index, size: 2 ** 53 - 1, leafHash: hash, proof: [], root: hash }));
	}
	assert.ok(!verifyInclusion({ index: 0, size: 2, leafHash: hash, proof: [hash.subarray(1)], root: hash }));
	assert.ok(
		!verifyInclusion({ index: 0, size: 2 ** 53 - 1, leafHash: hash, proof: Array(10_000).fill(hash), root: hash }),
	);
	assert.throws(() => proveInclusion(3, 3, () => hash), RangeError);
	assert.throws(() => proveConsistency(0, 3, () => hash), RangeError);
});

function flipBit(bytes: Uint8Array, bit: number): Uint8Array {
	const copy = Uint8Array.from(bytes);
	copy[bit >> 3] = (copy[bit >> 3] as number) ^ (1 << (bit & 7));
	return copy;
}
