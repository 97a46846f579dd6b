// The right edge of a growing ledger: all that must be in memory to append to it, sign it and publish it. Full tiles
// and bundles that are published leave memory, so that it holds at most one partial tile per level, one partial
// bundle, and what was appended since the last publication.
import { CompactRange, equalBytes, HASH_BYTES, hashPrefixedLeaf, subtreeRoots } from './merkle-tree.ts';
import { edgeBundle, edgeTiles, hashCount, TILE_LEVELS_MAX, TILE_WIDTH, type Tile, tilePath } from './tile.ts';

/** One file of a publication. */
export interface TileFile {
	readonly tile: Tile;
	readonly path: string;
	/** The file's bytes, in pieces that are written one after the other. */
	readonly parts: readonly Uint8Array[];
}

/** The edge of a published tree, as read back from its partial tiles and its partial bundle. */
export interface PublishedEdge {
	readonly size: number;
	/** Hashes of the partial tile of each level; empty where the level ends in a full tile. */
	readonly tiles: readonly (readonly Uint8Array[])[];
	/** Framed entries of the partial bundle. */
	readonly bundle: Uint8Array;
}

/** Hashes of one level that are not yet in a published full tile. */
interface LevelTail {
	/** Index of the first hash in `bytes`; a multiple of 256. */
	first: number;
	count: number;
	bytes: Buffer;
}

export class Frontier {
	readonly #range: CompactRange;
	readonly #levels: LevelTail[];
	/** Framed entries by bundle, as they came: published bundles are dropped. */
	readonly #bundles = new Map<number, Uint8Array[]>();
	#publishedSize: number;
	#unpublishedBytes = 0;
	readonly #onTileHash = (level: number, hash: string): void => this.#keepHash(level, hash);

	private constructor(edge: PublishedEdge, range: CompactRange) {
		this.#range = range;
		this.#publishedSize = edge.size;
		this.#levels = Array.from({ length: TILE_LEVELS_MAX }, (_, level) => {
			const hashes = edge.tiles[level] ?? [];
			const bytes = Buffer.alloc(TILE_WIDTH * HASH_BYTES);
			bytes.set(Buffer.concat(hashes));
			return { first: hashCount(edge.size, level) - hashes.length, count: hashes.length, bytes };
		});
		if (edge.bundle.length > 0) this.#bundles.set(Math.floor(edge.size / TILE_WIDTH), [edge.bundle]);
	}

	/** The frontier of a ledger without entries. */
	static empty(): Frontier {
		return new Frontier({ size: 0, tiles: [], bundle: new Uint8Array() }, new CompactRange());
	}

	/** The frontier of a published tree; undefined when its edge does not lead to the root that was signed. */
	static resume(edge: PublishedEdge, root: Uint8Array): Frontier | undefined {
		const roots = edge.tiles.toReversed().flatMap(subtreeRoots);
		const range = new CompactRange(edge.size, roots);
		return equalBytes(range.root(), root) ? new Frontier(edge, range) : undefined;
	}

	/** Entries in the tree. */
	get size(): number {
		return this.#range.size;
	}

	/** Entries in the tree when it was last published. */
	get publishedSize(): number {
		return this.#publishedSize;
	}

	/** Bytes of entries that await publication: the memory that grows between publications. */
	get unpublishedBytes(): number {
		return this.#unpublishedBytes;
	}

	root(): Uint8Array {
		return this.#range.root();
	}

	/**
	 * Appends framed entries (two bytes of length before each) and gives their number. Keeps `payload` and writes to it
	 * while it hashes: hand over bytes that nobody else uses.
	 */
	append(payload: Buffer): number {
		const sizeBefore = this.size;
		let chunkStart = 0;
		let at = 0;
		while (at < payload.length) {
			const entryStart = at + 2;
			const entryEnd = entryStart + payload.readUInt16BE(at);
			if (entryEnd > payload.length) throw new RangeError('entries are handed over whole');
			this.#range.appendBinary(hashFramed(payload, entryStart, entryEnd), this.#onTileHash);
			at = entryEnd;
			if (this.size % TILE_WIDTH === 0) {
				this.#keepEntries(this.size / TILE_WIDTH - 1, payload.subarray(chunkStart, at));
				chunkStart = at;
			}
		}
		if (chunkStart < at) this.#keepEntries(Math.floor(this.size / TILE_WIDTH), payload.subarray(chunkStart, at));
		this.#unpublishedBytes += payload.length;
		return this.size - sizeBefore;
	}

	/** Everything that has to be on disk before a checkpoint of the present size: bundles first, then tiles. */
	filesToPublish(): readonly TileFile[] {
		const { size } = this;
		const files: TileFile[] = [];
		for (const [index, chunks] of this.#bundles) {
			const width = Math.min(TILE_WIDTH, size - index * TILE_WIDTH);
			// The partial bundle is also kept when nothing was appended to it.
			if (index * TILE_WIDTH + width <= this.#publishedSize) continue;
			// A copy of the list: the bundle grows while it is being published.
			files.push(tileFile({ kind: 'entries', level: 0, index, width }, [...chunks]));
		}
		for (const [level, tail] of this.#levels.entries()) {
			const published = hashCount(this.#publishedSize, level);
			for (let done = 0; done < tail.count; done += TILE_WIDTH) {
				const width = Math.min(TILE_WIDTH, tail.count - done);
				if (tail.first + done + width <= published) continue;
				const bytes = Buffer.from(tail.bytes.subarray(done * HASH_BYTES, (done + width) * HASH_BYTES));
				const index = (tail.first + done) / TILE_WIDTH;
				files.push(tileFile({ kind: 'hashes', level, index, width }, [bytes]));
			}
		}
		return files;
	}

	/**
	 * Notes that the tree of `size` entries is published with its checkpoint: full tiles leave memory. Gives the partial
	 * tiles of the tree before that are no longer needed.
	 */
	published(size: number): readonly Tile[] {
		const before = this.#publishedSize;
		this.#publishedSize = size;
		for (const index of this.#bundles.keys()) if ((index + 1) * TILE_WIDTH <= size) this.#bundles.delete(index);
		for (const [level, tail] of this.#levels.entries()) {
			const dropped = Math.floor(hashCount(size, level) / TILE_WIDTH) * TILE_WIDTH - tail.first;
			if (dropped <= 0) continue;
			tail.bytes.copyWithin(0, dropped * HASH_BYTES, tail.count * HASH_BYTES);
			tail.first += dropped;
			tail.count -= dropped;
		}
		let kept = 0;
		for (const chunks of this.#bundles.values()) for (const chunk of chunks) kept += chunk.length;
		this.#unpublishedBytes = kept;
		const needed = new Set(partialTiles(size).map(tilePath));
		return partialTiles(before).filter((tile) => !needed.has(tilePath(tile)));
	}

	#keepHash(level: number, hash: string): void {
		const tail = this.#levels[level];
		if (tail === undefined) throw new RangeError('the tree is larger than any size that can be written down');
		const end = tail.count * HASH_BYTES;
		if (end === tail.bytes.length) {
			const larger = Buffer.alloc(end * 2);
			larger.set(tail.bytes);
			tail.bytes = larger;
		}
		tail.bytes.write(hash, end, 'latin1');
		tail.count += 1;
	}

	#keepEntries(index: number, chunk: Uint8Array): void {
		const chunks = this.#bundles.get(index);
		if (chunks === undefined) this.#bundles.set(index, [chunk]);
		else chunks.push(chunk);
	}
}

/** The partial tiles and the partial bundle of a tree. */
export function partialTiles(size: number): readonly Tile[] {
	const bundle = edgeBundle(size);
	return bundle === undefined ? edgeTiles(size) : [bundle, ...edgeTiles(size)];
}

function tileFile(tile: Tile, parts: readonly Uint8Array[]): TileFile {
	return { tile, path: tilePath(tile), parts };
}

/** Leaf hash of an entry within its framing: the byte before it serves as the prefix 0x00 while it is hashed. */
function hashFramed(payload: Buffer, start: number, end: number): string {
	const lengthLow = payload[start - 1] as number;
	payload[start - 1] = 0;
	const leaf = hashPrefixedLeaf(payload.subarray(start - 1, end));
	payload[start - 1] = lengthLow;
	return leaf;
}
