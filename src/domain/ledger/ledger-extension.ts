// Decides whether a ledger continues an earlier state of itself: the state that the store remembers, or a checkpoint that
// an auditor kept. It trusts the root of the published tree and the commits after it, which were verified before; the
// tiles it reads are proven against both roots (RFC 9162 §2.1.4), and nothing is believed because a tile says so.
import type { JournalRecord } from './journal.ts';
import {
	type CompactRange,
	EMPTY_ROOT,
	equalBytes,
	HASH_BYTES,
	hashLeaf,
	type NodeReader,
	proveConsistency,
	verifyConsistency,
} from './merkle-tree.ts';
import { hashCount, nodesFromTiles, TILE_WIDTH, type Tile } from './tile.ts';

/** Reads the hashes of one tile of a published tree; undefined when it is missing or has another length. */
export type TileHashes = (tile: Tile) => Promise<readonly Uint8Array[] | undefined>;

/** The tree of a ledger: what is published, and the verified commits after it. */
export interface LedgerTree {
	readonly published: CompactRange;
	/** Commits that continue the published tree without a gap. */
	readonly records: readonly JournalRecord[];
	/** Entries with those of the commits. */
	readonly size: number;
	readonly hashesOf: TileHashes;
}

/** How a ledger stands to an earlier state: it has lost entries, or its first entries are others. */
export type Extension = 'extends' | 'is smaller' | 'differs';

/** Compares a ledger with an earlier state of `size` entries under `root`. A tile that is missing counts as a difference. */
export async function compareWithEarlier(
	tree: LedgerTree,
	earlier: { readonly size: number; readonly root: Uint8Array },
): Promise<Extension> {
	const { published, records, hashesOf } = tree;
	const { size, root } = earlier;
	if (size > tree.size) return 'is smaller';
	if (size === 0) return equalBytes(root, EMPTY_ROOT) ? 'extends' : 'differs';
	if (size > published.size) return equalBytes(rootWithin(published, records, size), root) ? 'extends' : 'differs';
	const proof = await proveFromTiles(published.size, (node) => proveConsistency(size, published.size, node), hashesOf);
	const claim = { oldSize: size, oldRoot: root, size: published.size, root: published.root(), proof };
	return verifyConsistency(claim) ? 'extends' : 'differs';
}

/** Root of the first `size` entries, of which some are in the commits after the published tree. */
function rootWithin(published: CompactRange, records: readonly JournalRecord[], size: number): Uint8Array {
	const range = published.clone();
	for (const entry of records.flatMap((record) => record.entries)) {
		if (range.size === size) break;
		range.append(hashLeaf(entry));
	}
	return range.root();
}

/**
 * Makes a proof about the published tree of `size` entries from its tiles: a first run of `prove` tells which it needs, a
 * second one uses them. Where a tile is missing, the proof does not verify.
 */
export async function proveFromTiles(
	size: number,
	prove: (node: NodeReader) => readonly Uint8Array[],
	hashesOf: TileHashes,
): Promise<readonly Uint8Array[]> {
	const tiles = new Map<string, { readonly tile: Tile; hashes: readonly Uint8Array[] }>();
	const placeholder = Array.from({ length: TILE_WIDTH }, () => new Uint8Array(HASH_BYTES));
	prove(
		nodesFromTiles(size, (level, index) => {
			const width = Math.min(TILE_WIDTH, hashCount(size, level) - index * TILE_WIDTH);
			tiles.set(`${level}/${index}`, { tile: { kind: 'hashes', level, index, width }, hashes: placeholder });
			return placeholder;
		}),
	);
	for (const needed of tiles.values()) needed.hashes = (await hashesOf(needed.tile)) ?? placeholder;
	return prove(nodesFromTiles(size, (level, index) => tiles.get(`${level}/${index}`)?.hashes ?? placeholder));
}
