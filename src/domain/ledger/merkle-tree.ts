// The Merkle tree of RFC 6962 §2.1 (RFC 9162 §2.1): hashing, appending with only the roots of complete subtrees in
// memory, proofs, and their verification. Proofs and roots given to `verify…` are hostile input: they answer false,
// and never throw.
import { hash } from 'node:crypto';

/** Bytes of one hash. */
export const HASH_BYTES = 32;

/** Root of the tree without entries: SHA-256 of nothing. */
export const EMPTY_ROOT: Uint8Array = hash('sha256', '', 'buffer');

// Longest proof of a tree whose size is a safe integer: one hash for each of 53 levels, and one for the old root.
const PROOF_HASHES_MAX = 54;

/** Hashes one entry: SHA-256(0x00 ‖ entry). */
export function hashLeaf(entry: Uint8Array): Uint8Array {
	const prefixed = new Uint8Array(entry.length + 1);
	prefixed.set(entry, 1);
	return hash('sha256', prefixed, 'buffer');
}

/**
 * Hashes one entry that already has the byte 0x00 before it: spares a copy where the caller has room for that byte.
 * Gives a binary string, one character per byte: Node makes those three times as fast as buffers.
 */
export function hashPrefixedLeaf(prefixed: Uint8Array): string {
	return hash('sha256', prefixed, 'latin1');
}

// One scratch buffer for all calls: nothing here waits, so no two calls overlap within a thread.
const nodeInput = Buffer.alloc(1 + 2 * HASH_BYTES);
nodeInput[0] = 1;

/** Hashes an inner node: SHA-256(0x01 ‖ left ‖ right). Both must be 32 bytes. */
export function hashNode(left: Uint8Array, right: Uint8Array): Uint8Array {
	nodeInput.set(left, 1);
	nodeInput.set(right, 1 + HASH_BYTES);
	return hash('sha256', nodeInput, 'buffer');
}

/** Whether two byte strings are equal. Hashes in a public tree are no secrets: no constant time is needed. */
export function equalBytes(a: Uint8Array, b: Uint8Array): boolean {
	return a.length === b.length && Buffer.compare(a, b) === 0;
}

function hashBinaryNode(left: string, right: string): string {
	nodeInput.write(left, 1, 'latin1');
	nodeInput.write(right, 1 + HASH_BYTES, 'latin1');
	return hash('sha256', nodeInput, 'latin1');
}

/** Is told of each complete subtree of 256^level leaves (as a binary string), in the order in which tiles list them. */
export type TileHashListener = (level: number, hash: string) => void;

/** A tree that grows at its right edge, kept as the roots of its complete subtrees: memory O(log size). */
export class CompactRange {
	/** Roots of complete subtrees from left to right, as binary strings: one per set bit of the size, the largest first. */
	readonly #roots: string[];
	#size: number;

	constructor(size = 0, roots: readonly Uint8Array[] = []) {
		if (roots.length !== countBits(size)) throw new RangeError('a compact range has one root per set bit of its size');
		this.#size = size;
		this.#roots = roots.map(toBinary);
	}

	get size(): number {
		return this.#size;
	}

	/** Appends one leaf hash, in amortized one node hash. */
	append(leafHash: Uint8Array): void {
		this.appendBinary(toBinary(leafHash));
	}

	/** Appends one leaf hash that is a binary string, and tells of the subtrees that it completes. */
	appendBinary(leafHash: string, onTileHash?: TileHashListener): void {
		onTileHash?.(0, leafHash);
		let subtree = leafHash;
		let height = 0;
		for (let rest = this.#size; rest % 2 === 1; rest = (rest - 1) / 2) {
			const left = this.#roots.pop();
			if (left === undefined) throw new Error('a compact range lost a root');
			subtree = hashBinaryNode(left, subtree);
			height += 1;
			if (height % 8 === 0) onTileHash?.(height / 8, subtree);
		}
		this.#roots.push(subtree);
		this.#size += 1;
	}

	/** A second range that grows on its own. */
	clone(): CompactRange {
		return new CompactRange(
			this.#size,
			this.#roots.map((root) => Buffer.from(root, 'latin1')),
		);
	}

	/** Root of the whole tree as it is now. */
	root(): Uint8Array {
		const last = this.#roots.at(-1);
		if (last === undefined) return EMPTY_ROOT;
		const root = this.#roots.slice(0, -1).reduceRight((right, left) => hashBinaryNode(left, right), last);
		return Buffer.from(root, 'latin1');
	}
}

function toBinary(bytes: Uint8Array): string {
	return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('latin1');
}

/** Roots of the complete subtrees of a run of hashes, largest first: what a partial tile adds to a compact range. */
export function subtreeRoots(hashes: readonly Uint8Array[]): readonly Uint8Array[] {
	const roots: Uint8Array[] = [];
	let start = 0;
	while (start < hashes.length) {
		const width = largestPowerOfTwo(hashes.length - start);
		roots.push(completeRoot(hashes, start, width));
		start += width;
	}
	return roots;
}

/** Root over a run of hashes, as RFC 6962 defines it for a tree of any size. */
export function rootOf(hashes: readonly Uint8Array[]): Uint8Array {
	const range = new CompactRange();
	for (const one of hashes) range.append(one);
	return range.root();
}

function completeRoot(hashes: readonly Uint8Array[], start: number, width: number): Uint8Array {
	if (width === 1) return hashes[start] as Uint8Array;
	const half = width / 2;
	return hashNode(completeRoot(hashes, start, half), completeRoot(hashes, start + half, half));
}

/** Gives the hash of the complete subtree that holds the leaves `index · 2^height` up to `(index + 1) · 2^height`. */
export type NodeReader = (height: number, index: number) => Uint8Array;

/** Proves that the leaf `index` is in the tree of `size` leaves: sibling hashes from the leaf to the root. */
export function proveInclusion(index: number, size: number, node: NodeReader): readonly Uint8Array[] {
	if (!isSize(size) || !isSize(index) || index >= size) throw new RangeError('the leaf is not in this tree');
	const proof: Uint8Array[] = [];
	let start = 0;
	let end = size;
	while (end - start > 1) {
		const middle = start + splitPoint(end - start);
		if (index < middle) {
			proof.push(rangeRoot(middle, end, node));
			end = middle;
		} else {
			proof.push(rangeRoot(start, middle, node));
			start = middle;
		}
	}
	return proof.reverse();
}

/** Proves that the tree of `oldSize` leaves is a prefix of the tree of `size` leaves (RFC 9162 §2.1.4). */
export function proveConsistency(oldSize: number, size: number, node: NodeReader): readonly Uint8Array[] {
	if (!isSize(oldSize) || !isSize(size) || oldSize < 1 || oldSize > size) throw new RangeError('not an older size');
	if (oldSize === size) return [];
	const proof: Uint8Array[] = [];
	let start = 0;
	let end = size;
	let isOldRoot = true;
	while (end !== oldSize) {
		const middle = start + splitPoint(end - start);
		if (oldSize <= middle) {
			proof.push(rangeRoot(middle, end, node));
			end = middle;
		} else {
			proof.push(rangeRoot(start, middle, node));
			start = middle;
			isOldRoot = false;
		}
	}
	// The verifier holds the old root already; it is left out where the old tree is one complete subtree.
	if (!isOldRoot) proof.push(rangeRoot(start, end, node));
	return proof.reverse();
}

/** What an inclusion proof claims. */
export interface InclusionClaim {
	readonly index: number;
	readonly size: number;
	readonly leafHash: Uint8Array;
	readonly proof: readonly Uint8Array[];
	readonly root: Uint8Array;
}

/** Whether the proof shows that the leaf is at `index` of the tree with that size and root (RFC 9162 §2.1.3.2). */
export function verifyInclusion(claim: InclusionClaim): boolean {
	const { index, size, leafHash, proof, root } = claim;
	if (!isSize(index) || !isSize(size) || index >= size || !areHashes([leafHash, root], proof)) return false;
	let position = index;
	let last = size - 1;
	let computed = leafHash;
	for (const sibling of proof) {
		if (last === 0) return false;
		if (position % 2 === 1 || position === last) {
			computed = hashNode(sibling, computed);
			while (position % 2 === 0 && position !== 0) {
				position = half(position);
				last = half(last);
			}
		} else {
			computed = hashNode(computed, sibling);
		}
		position = half(position);
		last = half(last);
	}
	return last === 0 && equalBytes(computed, root);
}

/** What a consistency proof claims. */
export interface ConsistencyClaim {
	readonly oldSize: number;
	readonly oldRoot: Uint8Array;
	readonly size: number;
	readonly root: Uint8Array;
	readonly proof: readonly Uint8Array[];
}

/** Whether the proof shows that the old tree is a prefix of the new one (RFC 9162 §2.1.4.2). */
export function verifyConsistency(claim: ConsistencyClaim): boolean {
	const { oldSize, oldRoot, size, root, proof } = claim;
	// Everything is consistent with the empty tree, so a proof of that would mean nothing.
	if (!isSize(oldSize) || !isSize(size) || oldSize > size || oldSize === 0) return false;
	if (oldSize === size) return proof.length === 0 && equalBytes(oldRoot, root);
	if (proof.length === 0 || !areHashes([oldRoot, root], proof)) return false;

	const path = isPowerOfTwo(oldSize) ? [oldRoot, ...proof] : [...proof];
	let position = oldSize - 1;
	let last = size - 1;
	while (position % 2 === 1) {
		position = half(position);
		last = half(last);
	}
	const [first, ...rest] = path;
	if (first === undefined) return false;
	let oldComputed = first;
	let computed = first;
	for (const sibling of rest) {
		if (last === 0) return false;
		if (position % 2 === 1 || position === last) {
			oldComputed = hashNode(sibling, oldComputed);
			computed = hashNode(sibling, computed);
			while (position % 2 === 0 && position !== 0) {
				position = half(position);
				last = half(last);
			}
		} else {
			computed = hashNode(computed, sibling);
		}
		position = half(position);
		last = half(last);
	}
	return last === 0 && equalBytes(oldComputed, oldRoot) && equalBytes(computed, root);
}

function rangeRoot(start: number, end: number, node: NodeReader): Uint8Array {
	const width = end - start;
	if (isPowerOfTwo(width)) return node(Math.log2(width), start / width);
	const middle = start + splitPoint(width);
	return hashNode(rangeRoot(start, middle, node), rangeRoot(middle, end, node));
}

/** The largest power of two below `width`: where RFC 6962 cuts a tree in two. */
function splitPoint(width: number): number {
	return largestPowerOfTwo(width - 1);
}

// Sizes go up to 2^53, so that bit operators (32 bits) cannot be used on them.
function largestPowerOfTwo(value: number): number {
	let power = 1;
	while (power * 2 <= value) power *= 2;
	return power;
}

function half(value: number): number {
	return Math.floor(value / 2);
}

function countBits(value: number): number {
	let bits = 0;
	for (let rest = value; rest > 0; rest = half(rest)) bits += rest % 2;
	return bits;
}

function isPowerOfTwo(value: number): boolean {
	return countBits(value) === 1;
}

function isSize(value: number): boolean {
	return Number.isSafeInteger(value) && value >= 0;
}

function areHashes(ends: readonly Uint8Array[], proof: readonly Uint8Array[]): boolean {
	if (proof.length > PROOF_HASHES_MAX) return false;
	return ends.every((one) => one.length === HASH_BYTES) && proof.every((one) => one.length === HASH_BYTES);
}
