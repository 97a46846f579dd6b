// Where a tiled log keeps what (C2SP tlog-tiles): paths, widths and contents of hash tiles and entry bundles.
// A tile holds up to 256 hashes; a bundle up to 256 entries, each after its length in two bytes.
import { HASH_BYTES, type NodeReader, rootOf } from './merkle-tree.ts';

/** Hashes of a full tile, and entries of a full bundle. */
export const TILE_WIDTH = 256;

/** Bound of one entry by the two bytes of its length. */
export const BUNDLE_ENTRY_BYTES_MAX = 65_535;

/** Levels that a tree whose size is a safe integer can have: 256^7 > 2^53. */
export const TILE_LEVELS_MAX = 7;

/** One file of the log: a hash tile of some level, or an entry bundle. */
export interface Tile {
	readonly kind: 'hashes' | 'entries';
	/** Level of a hash tile; 0 for an entry bundle. */
	readonly level: number;
	readonly index: number;
	/** Hashes or entries in it: 256 when full. */
	readonly width: number;
}

/** Path of a tile relative to the log: `tile/<L>/<N>`, `tile/entries/<N>`, and `.p/<W>` where it is partial. */
export function tilePath(tile: Tile): string {
	const folder = tile.kind === 'entries' ? 'entries' : String(tile.level);
	return `tile/${folder}/${indexPath(tile.index)}${tile.width === TILE_WIDTH ? '' : `.p/${tile.width}`}`;
}

function indexPath(index: number): string {
	let path = String(index % 1000).padStart(3, '0');
	for (let rest = Math.floor(index / 1000); rest > 0; rest = Math.floor(rest / 1000)) {
		path = `x${String(rest % 1000).padStart(3, '0')}/${path}`;
	}
	return path;
}

const TILE_PATH = /^tile\/(entries|0|[1-9]\d?)\/((?:x\d{3}\/){0,5}\d{3})(?:\.p\/([1-9]\d{0,2}))?$/;

/** Reads a path that `tilePath` could have written; undefined for every other one. */
export function parseTilePath(path: string): Tile | undefined {
	const match = TILE_PATH.exec(path);
	if (match === null) return undefined;
	const [, folder = '', digits = '', partial] = match;
	const tile: Tile = {
		kind: folder === 'entries' ? 'entries' : 'hashes',
		level: folder === 'entries' ? 0 : Number(folder),
		index: Number(digits.replaceAll(/[x/]/g, '')),
		width: partial === undefined ? TILE_WIDTH : Number(partial),
	};
	// Writing it again rejects needless leading groups, `.p/256` and more.
	return tile.level < TILE_LEVELS_MAX && tilePath(tile) === path ? tile : undefined;
}

/** Hashes at `level` in a tree of `size` entries: its complete subtrees of 256^level leaves. */
export function hashCount(size: number, level: number): number {
	return Math.floor(size / TILE_WIDTH ** level);
}

/** Levels that have at least one hash in a tree of `size` entries. */
export function levelCount(size: number): number {
	let levels = 0;
	while (hashCount(size, levels) > 0) levels += 1;
	return levels;
}

/** The partial tiles at the right edge of a tree, lowest level first; levels that end in a full tile have none. */
export function edgeTiles(size: number): readonly Tile[] {
	const tiles: Tile[] = [];
	for (let level = 0; level < levelCount(size); level++) {
		const count = hashCount(size, level);
		const width = count % TILE_WIDTH;
		if (width > 0) tiles.push({ kind: 'hashes', level, index: Math.floor(count / TILE_WIDTH), width });
	}
	return tiles;
}

/** The partial entry bundle at the right edge of a tree, if there is one. */
export function edgeBundle(size: number): Tile | undefined {
	const width = size % TILE_WIDTH;
	if (width === 0) return undefined;
	return { kind: 'entries', level: 0, index: Math.floor(size / TILE_WIDTH), width };
}

/** Cuts the bytes of a hash tile into its hashes; undefined when their number is not `width`. */
export function splitHashes(bytes: Uint8Array, width: number): readonly Uint8Array[] | undefined {
	if (bytes.length !== width * HASH_BYTES) return undefined;
	return Array.from({ length: width }, (_, at) => bytes.subarray(at * HASH_BYTES, (at + 1) * HASH_BYTES));
}

/** Cuts framed entries apart as far as the framing holds. `isWhole` tells whether it held to the last byte. */
export function splitEntries(bytes: Uint8Array): {
	readonly entries: readonly Uint8Array[];
	readonly isWhole: boolean;
} {
	const entries: Uint8Array[] = [];
	let at = 0;
	while (at + 2 <= bytes.length) {
		const end = at + 2 + (((bytes[at] as number) << 8) | (bytes[at + 1] as number));
		if (end > bytes.length) break;
		entries.push(bytes.subarray(at + 2, end));
		at = end;
	}
	return { entries, isWhole: at === bytes.length };
}

/** Puts one entry into the framing of bundles. */
export function frameEntry(entry: Uint8Array): Uint8Array {
	if (entry.length > BUNDLE_ENTRY_BYTES_MAX) throw new RangeError('an entry has at most 65,535 bytes');
	const framed = new Uint8Array(entry.length + 2);
	framed[0] = entry.length >> 8;
	framed[1] = entry.length & 0xff;
	framed.set(entry, 2);
	return framed;
}

/** Reads inner nodes from hash tiles: what proofs are made from. `hashesOf` gives the first `width` hashes of a tile. */
export function nodesFromTiles(
	size: number,
	hashesOf: (level: number, index: number, width: number) => readonly Uint8Array[],
): NodeReader {
	return (height, index) => {
		const level = Math.floor(height / 8);
		const width = 2 ** (height % 8);
		const first = index * width;
		const tileIndex = Math.floor(first / TILE_WIDTH);
		const tileWidth = Math.min(TILE_WIDTH, hashCount(size, level) - tileIndex * TILE_WIDTH);
		const start = first % TILE_WIDTH;
		return rootOf(hashesOf(level, tileIndex, tileWidth).slice(start, start + width));
	};
}
