// Checks a published tree against its signed root, from the top down: each tile is believed because the hash above it
// says so, each entry because its leaf hash does. Where a tile is wrong, what lies below it tells which of its hashes
// are, so that the very file and entry can be named. Damaged files are read further as far as that helps to name them.
import type { LedgerDamage } from './ledger-damage.ts';
import { CompactRange, equalBytes, hashLeaf, rootOf, subtreeRoots } from './merkle-tree.ts';
import {
	edgeBundle,
	hashCount,
	levelCount,
	splitEntries,
	splitHashes,
	TILE_WIDTH,
	type Tile,
	tilePath,
} from './tile.ts';

/** Reads a file of the tree that is checked: from the snapshot where it is partial, from the ledger where it is full. */
export type TileReader = (path: string) => Promise<Uint8Array | undefined>;

/** Told of each damage, and of each entry bundle that was checked. */
export interface TileCheckListener {
	onDamage(damage: LedgerDamage): void;
	onBundle(entries: number): void;
	/** Whether to stop early; the result is then incomplete. */
	isStopped(): boolean;
}

/** A hash that is believed; undefined where the damage leaves it open. */
type Believed = Uint8Array | undefined;

const DISAGREES = 'this hash and what lies below it disagree, and the damage above leaves open which is right';

export class TileCheck {
	readonly #size: number;
	readonly #root: Uint8Array;
	readonly #read: TileReader;
	readonly #listener: TileCheckListener;

	constructor(size: number, root: Uint8Array, read: TileReader, listener: TileCheckListener) {
		this.#size = size;
		this.#root = root;
		this.#read = read;
		this.#listener = listener;
	}

	/**
	 * Step 1: finds the hashes of the edge that lead to the signed root, lowest level first. Gives the tree's compact
	 * range when it found them. `believed` is what the tiles below are checked against, also where it did not.
	 */
	async checkEdge(): Promise<{ readonly range?: CompactRange; readonly believed: readonly (readonly Believed[])[] }> {
		const stored: (readonly Uint8Array[] | undefined)[] = [];
		for (let level = 0; level < levelCount(this.#size); level++) stored.push(await this.hashesOf(this.#edgeOf(level)));
		const direct = this.#rangeOf(stored);
		if (direct !== undefined) return { range: direct, believed: stored.map((hashes) => hashes ?? []) };

		// One or more tiles of the edge are damaged. What lies below each gives a second version of it: the
		// combination that leads to the signed root tells which are.
		const below: (readonly Believed[])[] = [];
		for (const level of stored.keys()) below.push(await this.#hashesBelow(this.#edgeOf(level)));
		for (let choice = 1; choice < 2 ** stored.length; choice++) {
			const chosen = stored.map((hashes, level) => ((choice >> level) % 2 === 1 ? allOf(below[level]) : hashes));
			const range = this.#rangeOf(chosen);
			if (range === undefined) continue;
			const believed = chosen.map((hashes) => hashes ?? []);
			for (const [level, hashes] of believed.entries()) this.#reportTile(this.#edgeOf(level), stored[level], hashes);
			return { range, believed };
		}
		this.#listener.onDamage({ file: 'checkpoint', problem: 'neither tiles nor entries lead to the signed root' });
		const believed = stored.map((hashes, level) => this.#reconcile(this.#edgeOf(level), hashes, below[level] ?? []));
		return { believed };
	}

	/** Step 2: checks everything below the edge, in the order of the entries. */
	async checkBelow(edge: readonly (readonly Believed[])[]): Promise<void> {
		for (let level = edge.length - 1; level >= 0; level--) {
			const tile = this.#edgeOf(level);
			if (tile.width > 0) await this.#checkChildren(tile, edge[level] ?? []);
		}
	}

	/** Leaf hash of a published entry, as its tile has it. */
	async leaf(index: number): Promise<Uint8Array | undefined> {
		const tileIndex = Math.floor(index / TILE_WIDTH);
		const width = Math.min(TILE_WIDTH, this.#size - tileIndex * TILE_WIDTH);
		return (await this.hashesOf({ kind: 'hashes', level: 0, index: tileIndex, width }))?.[index % TILE_WIDTH];
	}

	/** Hashes of a tile as they are stored; undefined when it is missing or has the wrong length. */
	async hashesOf(tile: Tile): Promise<readonly Uint8Array[] | undefined> {
		if (tile.width === 0) return [];
		const bytes = await this.#read(tilePath(tile));
		return bytes && splitHashes(bytes, tile.width);
	}

	async #checkTile(tile: Tile, above: Believed): Promise<void> {
		const stored = await this.hashesOf(tile);
		if (stored !== undefined && above !== undefined && equalBytes(rootOf(stored), above)) {
			await this.#checkChildren(tile, stored);
			return;
		}
		const below = await this.#hashesBelow(tile);
		const complete = allOf(below);
		if (complete !== undefined && above !== undefined && equalBytes(rootOf(complete), above)) {
			this.#reportTile(tile, stored, complete);
			await this.#checkChildren(tile, complete);
			return;
		}
		await this.#checkChildren(tile, this.#reconcile(tile, stored, below));
	}

	async #checkChildren(tile: Tile, believed: readonly Believed[]): Promise<void> {
		if (tile.level === 0) {
			await this.#checkBundle(tile, believed);
			return;
		}
		for (let at = 0; at < tile.width && !this.#listener.isStopped(); at++) {
			await this.#checkTile(childOf(tile, at), believed[at]);
		}
	}

	async #checkBundle(tile: Tile, believed: readonly Believed[]): Promise<void> {
		const bundle: Tile = { ...tile, kind: 'entries' };
		const file = tilePath(bundle);
		const first = tile.index * TILE_WIDTH;
		const bytes = await this.#read(file);
		this.#listener.onBundle(tile.width);
		if (bytes === undefined) {
			this.#listener.onDamage({
				file,
				entry: first,
				lastEntry: first + tile.width - 1,
				problem: 'the file is missing',
			});
			return;
		}
		const { entries, isWhole } = splitEntries(bytes);
		const isFramed = isWhole && entries.length === tile.width;
		for (let at = 0; at < tile.width; at++) {
			const entry = entries[at];
			const hash = believed[at];
			const isRight = entry !== undefined && hash !== undefined && equalBytes(hashLeaf(entry), hash);
			if (isRight) continue;
			if (!isFramed) {
				const problem = 'the lengths between the entries are damaged from here on';
				this.#listener.onDamage({ file, entry: first + at, lastEntry: first + tile.width - 1, problem });
				return;
			}
			// An open hash is reported with its tile.
			if (hash !== undefined) this.#listener.onDamage({ file, entry: first + at, problem: 'the entry was changed' });
		}
		if (!isFramed) this.#listener.onDamage({ file, problem: 'there are bytes after the last entry' });
	}

	/** Tells which hashes of a tile are wrong, once it is known what they should be. */
	#reportTile(tile: Tile, stored: readonly Uint8Array[] | undefined, right: readonly Believed[]): void {
		const file = tilePath(tile);
		if (tile.width === 0) return;
		if (stored === undefined) {
			this.#listener.onDamage({ file, problem: 'the tile is missing or has the wrong length' });
			return;
		}
		for (const [hash, value] of stored.entries()) {
			const known = right[hash];
			if (known !== undefined && !equalBytes(value, known)) {
				this.#listener.onDamage({ file, hash, problem: 'the hash was changed' });
			}
		}
	}

	/** Where nothing above decides: believes what tile and content agree on, and reports the rest. */
	#reconcile(tile: Tile, stored: readonly Uint8Array[] | undefined, below: readonly Believed[]): readonly Believed[] {
		if (stored === undefined) {
			this.#reportTile(tile, stored, below);
			return below;
		}
		return stored.map((hash, at) => {
			const other = below[at];
			if (other !== undefined && equalBytes(hash, other)) return hash;
			this.#listener.onDamage({ file: tilePath(tile), hash: at, problem: DISAGREES });
			return undefined;
		});
	}

	/** What the hashes of a tile are according to the files below it: roots of tiles, or leaf hashes of entries. */
	async #hashesBelow(tile: Tile): Promise<readonly Believed[]> {
		if (tile.width === 0) return [];
		if (tile.level === 0) {
			const bytes = await this.#read(tilePath({ ...tile, kind: 'entries' }));
			const { entries } = splitEntries(bytes ?? new Uint8Array());
			return Array.from({ length: tile.width }, (_, at) => entries[at] && hashLeaf(entries[at]));
		}
		const hashes: Believed[] = [];
		for (let at = 0; at < tile.width; at++) {
			const child = await this.hashesOf(childOf(tile, at));
			hashes.push(child && rootOf(child));
		}
		return hashes;
	}

	/** The edge tile of a level, of width 0 where the level ends in a full tile. */
	#edgeOf(level: number): Tile {
		const count = hashCount(this.#size, level);
		return { kind: 'hashes', level, index: Math.floor(count / TILE_WIDTH), width: count % TILE_WIDTH };
	}

	/** The compact range of an edge, if it leads to the signed root. */
	#rangeOf(edge: readonly (readonly Uint8Array[] | undefined)[]): CompactRange | undefined {
		const tiles = allOf(edge);
		if (tiles === undefined) return undefined;
		const range = new CompactRange(this.#size, tiles.toReversed().flatMap(subtreeRoots));
		return equalBytes(range.root(), this.#root) ? range : undefined;
	}
}

/** Checks the partial bundle of a tree against believed leaf hashes; undefined when it holds exactly those entries. */
export function edgeBundleDamage(
	size: number,
	bytes: Uint8Array | undefined,
	leaves: readonly Uint8Array[],
): LedgerDamage | undefined {
	const bundle = edgeBundle(size);
	if (bundle === undefined) return undefined;
	const file = tilePath(bundle);
	if (bytes === undefined) return { file, problem: 'the file is missing' };
	const { entries, isWhole } = splitEntries(bytes);
	const at = leaves.findIndex((leaf, index) => {
		const entry = entries[index];
		return entry === undefined || !equalBytes(hashLeaf(entry), leaf);
	});
	if (at >= 0) return { file, entry: bundle.index * TILE_WIDTH + at, problem: 'the entry was changed' };
	return isWhole && entries.length === bundle.width
		? undefined
		: { file, problem: 'there are bytes after the last entry' };
}

function childOf(tile: Tile, at: number): Tile {
	return { kind: 'hashes', level: tile.level - 1, index: tile.index * TILE_WIDTH + at, width: TILE_WIDTH };
}

function allOf<T>(values: readonly (T | undefined)[] | undefined): readonly T[] | undefined {
	return values?.every((value) => value !== undefined) ? values : undefined;
}
