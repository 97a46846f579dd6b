// Random bytes drawn in blocks: a call of the operating system's generator costs the same for 16 bytes as for a thousand.
// For identifiers that must not repeat. Not for keys or secrets: the bytes lie in memory before and after they are used.
import type { Random } from './random.ts';

const BLOCK_BYTES = 4096;

/** Gives out the bytes of `source` in small pieces, each byte once. A piece is never written over later. */
export function createPooledRandom(source: Random): Random {
	let block: Buffer = Buffer.alloc(0);
	let used = 0;
	return {
		bytes(length) {
			if (length > BLOCK_BYTES / 8) return source.bytes(length);
			if (used + length > block.length) {
				block = source.bytes(BLOCK_BYTES);
				used = 0;
			}
			const start = used;
			used += length;
			return block.subarray(start, used);
		},
	};
}
