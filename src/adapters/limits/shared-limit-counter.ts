// Limits that are exact over all gateway threads: one table in a SharedArrayBuffer, made by the control thread and
// attached by every gateway thread.
//
// A counter is one 64-bit word, its TAT (domain/limit/gcra.ts), moved by compare-and-swap: no lock is held while
// spending, so a thread that dies at any instruction leaves nothing locked. Keys live in buckets of 16 slots. A
// look-up takes no lock either; only a key that is new to the table does (see `insert`). A full bucket gives up a
// counter that is idle (full again: forgetting it changes nothing); when none is idle the caller fails closed.
//
// A slot number carries the generation of its slot, so a number that was given out before the slot changed hands
// can never spend from the new owner's counter.
import type { Clock } from '../../kernel/clock.ts';
import { BoundedMap } from '../../kernel/bounded-map.ts';
import {
	nextArrival,
	REFUSED,
	remainingRequests,
	secondsUntilAllowed,
	secondsUntilFull,
	withoutClockStep,
} from '../../domain/limit/gcra.ts';
import type { GcraRate } from '../../domain/limit/gcra.ts';
import type { LimitCounter, LimitOutcome } from '../../domain/limit/limit-counter.ts';
import { createRateCache } from './rate-cache.ts';
import { createTableLock } from './table-lock.ts';

const BUCKET_SLOTS = 16;
/** Slot number = generation × SLOTS_MAX + index, so the two share 53 bits. */
const SLOTS_MAX = 2 ** 24;
const GENERATION_MASK = 0x0fff_ffff;

// The table: a head of 16 words, then four words for each slot, then one 64-bit TAT for each slot.
const HEAD_WORDS = 16;
const HEAD_SLOTS = 0;
const HEAD_LOCK = 1;
const HEAD_TICKET = 2;
const HEAD_SEED = 3;
const HEAD_EPOCH_BYTE = 32;
const SLOT_WORDS = 4;
const KEY_LOW = 0;
const KEY_HIGH = 1;
const GENERATION = 2;
const UNITS_PER_MS = 3;

const EPOCH_BEFORE_START_MS = 30 * 86_400_000;

/** Every failed swap means that another thread succeeded; with 64 threads this bound is out of reach. */
const SWAPS_MAX = 10_000;
const KEYS_CACHED_MAX = 65_536;

/** The answer for a slot number that has gone stale: refused, and a retry finds the right counter. */
const STALE: LimitOutcome = { allowed: false, remaining: 0, resetSeconds: 1, retryAfterSeconds: 1 };

/**
 * Creates the table for at least `slotsMax` counters of 24 bytes each. `seed` (32 random bits) keeps the spread of
 * keys over buckets unpredictable. Hand the buffer to every thread that counts.
 */
export function createLimitTable(slotsMax: number, clock: Clock, seed: number): SharedArrayBuffer {
	if (!Number.isInteger(slotsMax) || slotsMax < 1 || slotsMax > SLOTS_MAX) {
		throw new RangeError('slotsMax must be a whole number from 1 to 16,777,216');
	}
	const slots = BUCKET_SLOTS * 2 ** Math.ceil(Math.log2(Math.max(1, slotsMax / BUCKET_SLOTS)));
	const table = new SharedArrayBuffer(HEAD_WORDS * 4 + slots * SLOT_WORDS * 4 + slots * 8);
	const head = new Int32Array(table, 0, HEAD_WORDS);
	head[HEAD_SLOTS] = slots;
	head[HEAD_SEED] = seed | 0;
	// Some time before now: a clock that is set back by less than that still counts in positive time.
	new Float64Array(table, HEAD_EPOCH_BYTE, 1)[0] = Math.floor(clock.nowMs()) - EPOCH_BEFORE_START_MS;
	return table;
}

/** Attaches this thread to a table. `clock` decides which counters are idle; it must be the clock of `nowMs`. */
export function attachLimitCounter(table: SharedArrayBuffer, clock: Clock): LimitCounter {
	return new SharedLimitCounter(table, clock);
}

interface KeyHash {
	readonly low: number;
	readonly high: number;
	readonly bucket: number;
}

interface CachedKey extends KeyHash {
	index: number;
}

class SharedLimitCounter implements LimitCounter {
	readonly #words: Int32Array;
	readonly #arrivals: BigInt64Array;
	readonly #buckets: number;
	readonly #seed: number;
	readonly #epochMs: number;
	readonly #clock: Clock;
	readonly #lock: ReturnType<typeof createTableLock>;
	readonly #rateOf = createRateCache();
	readonly #keys = new BoundedMap<string, CachedKey>(KEYS_CACHED_MAX);

	constructor(table: SharedArrayBuffer, clock: Clock) {
		const head = new Int32Array(table, 0, HEAD_WORDS);
		const slots = head[HEAD_SLOTS] ?? 0;
		this.#words = new Int32Array(table, HEAD_WORDS * 4, slots * SLOT_WORDS);
		this.#arrivals = new BigInt64Array(table, HEAD_WORDS * 4 + slots * SLOT_WORDS * 4, slots);
		this.#buckets = slots / BUCKET_SLOTS;
		this.#seed = head[HEAD_SEED] ?? 0;
		this.#epochMs = new Float64Array(table, HEAD_EPOCH_BYTE, 1)[0] ?? 0;
		this.#clock = clock;
		this.#lock = createTableLock(head, HEAD_LOCK, HEAD_TICKET);
	}

	slotOf(key: string): number | undefined {
		let cached = this.#keys.peek(key);
		if (cached === undefined) {
			cached = { ...hashKey(key, this.#seed, this.#buckets), index: -1 };
			this.#keys.set(key, cached);
		}
		if (cached.index >= 0) {
			const slot = this.#match(cached.index, cached);
			if (slot !== undefined) return slot;
		}
		const found = this.#find(cached) ?? this.#lock.run(() => this.#find(cached) ?? this.#insert(cached));
		if (found !== undefined) cached.index = found % SLOTS_MAX;
		return found;
	}

	spend(slot: number, requests: number, windowSeconds: number, nowMs: number): LimitOutcome {
		// Not `%`, which is slow for numbers beyond 32 bits.
		const generation = Math.floor(slot / SLOTS_MAX);
		const index = slot - generation * SLOTS_MAX;
		const word = index * SLOT_WORDS;
		const rate = this.#rateOf(requests, windowSeconds);
		const now = Math.max(1, Math.floor((nowMs - this.#epochMs) * rate.unitsPerMs));
		for (let swap = 0; swap < SWAPS_MAX; swap++) {
			const held = Atomics.load(this.#arrivals, index);
			// INVARIANT: the generation is read after the TAT. An eviction changes the generation first and the TAT
			// to a value that it never had, so a swap that succeeds has charged the counter that was meant.
			if (Atomics.load(this.#words, word + GENERATION) !== generation) return STALE;
			// Tells `isIdle` the unit of this counter's TAT; before the swap, so that it is never older than the TAT.
			if (this.#words[word + UNITS_PER_MS] !== rate.unitsPerMs) {
				Atomics.store(this.#words, word + UNITS_PER_MS, rate.unitsPerMs);
			}
			const stored = Number(held);
			const tat = withoutClockStep(rate, stored, now);
			const next = nextArrival(rate, tat, now);
			if (next === REFUSED && tat === stored) return refused(rate, tat, now);
			const left = next === REFUSED ? tat : next;
			if (Atomics.compareExchange(this.#arrivals, index, held, BigInt(left)) !== held) continue;
			return next === REFUSED ? refused(rate, tat, now) : allowed(rate, next, now);
		}
		return STALE;
	}

	refund(slot: number, requests: number, windowSeconds: number): void {
		const generation = Math.floor(slot / SLOTS_MAX);
		const index = slot - generation * SLOTS_MAX;
		const emission = BigInt(this.#rateOf(requests, windowSeconds).emission);
		for (let swap = 0; swap < SWAPS_MAX; swap++) {
			const held = Atomics.load(this.#arrivals, index);
			if (Atomics.load(this.#words, index * SLOT_WORDS + GENERATION) !== generation || held <= 0n) return;
			if (Atomics.compareExchange(this.#arrivals, index, held, held - emission) === held) return;
		}
	}

	/** The slot number of `index` when it holds this key. The generation is read before the key, see `#evict`. */
	#match(index: number, hash: KeyHash): number | undefined {
		const word = index * SLOT_WORDS;
		const generation = Atomics.load(this.#words, word + GENERATION);
		if (Atomics.load(this.#words, word + KEY_LOW) !== hash.low) return undefined;
		if (Atomics.load(this.#words, word + KEY_HIGH) !== hash.high) return undefined;
		return generation * SLOTS_MAX + index;
	}

	#find(hash: KeyHash): number | undefined {
		const first = hash.bucket * BUCKET_SLOTS;
		for (let index = first; index < first + BUCKET_SLOTS; index++) {
			const slot = this.#match(index, hash);
			if (slot !== undefined) return slot;
		}
		return undefined;
	}

	/** Puts a key into its bucket. Runs under the table's lock, after the key was not found under it. */
	#insert(hash: KeyHash): number | undefined {
		const first = hash.bucket * BUCKET_SLOTS;
		const end = first + BUCKET_SLOTS;
		for (let index = first; index < end; index++) {
			if (this.#isEmpty(index)) return this.#take(index, hash);
		}
		const elapsedMs = this.#clock.nowMs() - this.#epochMs;
		for (let index = first; index < end; index++) {
			if (this.#isIdle(index, elapsedMs) && this.#evict(index, elapsedMs)) return this.#take(index, hash);
		}
		return undefined;
	}

	#isEmpty(index: number): boolean {
		const word = index * SLOT_WORDS;
		return this.#words[word + KEY_LOW] === 0 && this.#words[word + KEY_HIGH] === 0;
	}

	#isIdle(index: number, elapsedMs: number): boolean {
		const units = Atomics.load(this.#words, index * SLOT_WORDS + UNITS_PER_MS);
		return Number(Atomics.load(this.#arrivals, index)) <= Math.floor(elapsedMs * units);
	}

	/**
	 * Empties a slot; false when its counter was spent from meanwhile, and then it keeps its key. A crash after any
	 * line leaves an empty slot, or an idle one without a reachable key, which is evicted again later.
	 */
	#evict(index: number, elapsedMs: number): boolean {
		const word = index * SLOT_WORDS;
		const low = this.#words[word + KEY_LOW] ?? 0;
		const high = this.#words[word + KEY_HIGH] ?? 0;
		// Step 1: nobody finds the key any more without the lock.
		Atomics.store(this.#words, word + KEY_LOW, 0);
		Atomics.store(this.#words, word + KEY_HIGH, 0);
		// Step 2: slot numbers that were given out are stale.
		const generation = ((this.#words[word + GENERATION] ?? 0) + 1) & GENERATION_MASK;
		Atomics.store(this.#words, word + GENERATION, generation);
		// Step 3: a swap that began before step 2 fails, because this TAT is new to the slot.
		const held = Atomics.load(this.#arrivals, index);
		const units = this.#words[word + UNITS_PER_MS] ?? 0;
		const isIdle = Number(held) <= Math.floor(elapsedMs * units);
		if (isIdle && Atomics.compareExchange(this.#arrivals, index, held, BigInt(-generation)) === held) return true;
		Atomics.store(this.#words, word + KEY_HIGH, high);
		Atomics.store(this.#words, word + KEY_LOW, low);
		return false;
	}

	#take(index: number, hash: KeyHash): number {
		const word = index * SLOT_WORDS;
		Atomics.store(this.#words, word + KEY_HIGH, hash.high);
		Atomics.store(this.#words, word + KEY_LOW, hash.low);
		return Atomics.load(this.#words, word + GENERATION) * SLOTS_MAX + index;
	}
}

function allowed(rate: GcraRate, tat: number, now: number): LimitOutcome {
	return {
		allowed: true,
		remaining: remainingRequests(rate, tat, now),
		resetSeconds: secondsUntilFull(rate, tat, now),
		retryAfterSeconds: 0,
	};
}

function refused(rate: GcraRate, tat: number, now: number): LimitOutcome {
	return {
		allowed: false,
		remaining: 0,
		resetSeconds: secondsUntilFull(rate, tat, now),
		retryAfterSeconds: Math.max(1, secondsUntilAllowed(rate, tat, now)),
	};
}

/** Two independent 32-bit hashes of a key (multiply and rotate, as MurmurHash3 finishes), never both zero. */
function hashKey(key: string, seed: number, buckets: number): KeyHash {
	let low = seed;
	let high = ~seed;
	for (let index = 0; index < key.length; index++) {
		const unit = key.charCodeAt(index);
		low = Math.imul(low ^ unit, 0x5bd1_e995);
		low ^= low >>> 13;
		high = Math.imul(high ^ unit, 0x9e37_79b1);
		high = (high << 15) | (high >>> 17);
	}
	low = mix(low ^ key.length);
	high = mix(high + low) | 1;
	return { low, high, bucket: (mix(low ^ high) >>> 0) % buckets };
}

function mix(word: number): number {
	let mixed = word ^ (word >>> 16);
	mixed = Math.imul(mixed, 0x85eb_ca6b);
	mixed ^= mixed >>> 13;
	mixed = Math.imul(mixed, 0xc2b2_ae35);
	return mixed ^ (mixed >>> 16);
}
