// A replay guard that is exact over all gateway threads: one table in a SharedArrayBuffer, made by the control thread and
// attached by every gateway thread. No lock: a thread that dies, or sleeps, at any instruction holds nobody up and lets
// nothing through twice.
//
// The table has a segment for each slice of 32 seconds of `untilSeconds`, used in rotation. A segment is a hash table with
// linear probing. A slot is one 64-bit word: number of the slice (27 bits), and 36 bits of the hash of the key. A word of an earlier
// slice counts as empty, so that nothing is ever cleared.
//
// INVARIANT: within one slice a slot goes from empty to taken and never back. Two threads with one key probe the same
// slots in the same order, and take one by compare-and-swap: so one of them takes it, and the other one finds it taken.
// Words of a later slice (the clock was set back) count as taken by somebody else, for the same reason.
import { hash } from 'node:crypto';
import { REPLAY_SECONDS_MAX, type ReplayGuard, type ReplayVerdict } from '../../domain/token/replay-guard.ts';
import { type Clock, nowSeconds } from '../../kernel/clock.ts';

const SLICE_SECONDS = 32;
/**
 * A slice is taken over by the one that ends 256 seconds later. What is admitted into that one ends 224 seconds from then
 * at the earliest, and so comes when the earlier slice is over.
 */
const SEGMENTS = 8;
const PROBES_MAX = 64;
const SEED_BYTES = 32;
const HASH_BITS = 36n;
const HASH_MASK = (1n << HASH_BITS) - 1n;

/**
 * Creates the table: 64 bytes and eight segments with room for `keysMax` keys each, a power of two. `seed` (32 random
 * bytes) keeps the places of keys unpredictable. Hand the buffer to every thread.
 */
export function createReplayTable(keysMax: number, seed: Buffer): SharedArrayBuffer {
	if (!Number.isInteger(Math.log2(keysMax)) || keysMax < PROBES_MAX || keysMax > 2 ** 24) {
		throw new RangeError('keysMax must be a power of two from 64 to 16,777,216');
	}
	if (seed.length !== SEED_BYTES) throw new RangeError('the seed has 32 bytes');
	// Twice the room: probing stays short to the last key.
	const table = new SharedArrayBuffer(SEED_BYTES + SEGMENTS * keysMax * 2 * 8);
	new Uint8Array(table, 0, SEED_BYTES).set(seed);
	return table;
}

/** Attaches this thread to a table. */
export function attachReplayGuard(table: SharedArrayBuffer, clock: Clock): ReplayGuard {
	const seed = Buffer.from(new Uint8Array(table, 0, SEED_BYTES)).toString('latin1');
	const words = new BigInt64Array(table, SEED_BYTES);
	const segmentSlots = words.length / SEGMENTS;
	return {
		admit(key, untilSeconds) {
			const now = nowSeconds(clock);
			if (!(untilSeconds > now && untilSeconds <= now + REPLAY_SECONDS_MAX)) return 'unavailable';
			const slice = Math.floor(untilSeconds / SLICE_SECONDS);
			const digest = hash('sha256', seed + key, 'buffer');
			const word = (BigInt(slice) << HASH_BITS) | (digest.readBigUInt64LE(0) & HASH_MASK);
			const segment = (slice % SEGMENTS) * segmentSlots;
			return take(words, segment, segmentSlots, digest.readUInt32LE(8), word);
		},
	};
}

function take(words: BigInt64Array, segment: number, slots: number, start: number, word: bigint): ReplayVerdict {
	const slice = word >> HASH_BITS;
	for (let probe = 0; probe < PROBES_MAX; probe++) {
		const index = segment + ((start + probe) & (slots - 1));
		let held = Atomics.load(words, index);
		while (held >> HASH_BITS < slice) {
			const before = Atomics.compareExchange(words, index, held, word);
			if (before === held) return 'first';
			held = before;
		}
		if (held === word) return 'replayed';
	}
	return 'unavailable';
}
