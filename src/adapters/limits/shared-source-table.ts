// How sources stand (domain/network/source-throttle.ts), shared by all threads: one table of fixed size in a
// SharedArrayBuffer. Asking whether a source is refused takes no lock, and no look-up while nobody is refused at all; only a
// failure takes the lock, for about a microsecond.
//
// Keys are spread over buckets of eight by SHA-256 with a random seed, so that nobody can choose whose bucket to fill, or be
// taken for another. A full bucket gives up the entry that matters least long, and never one that is refused now. To push out a source with many
// failures, each other source of its bucket would need as many: it would have been cheaper to fail from those at once.
import { hash } from 'node:crypto';
import {
	addFailure,
	failureWeight,
	matteringUntilMs,
	patienceFor,
	remainingBlockMs,
	type SourcePolicy,
	type SourceThrottle,
	type Standing,
} from '../../domain/network/source-throttle.ts';
import { CONNECTION_REFUSALS, type ConnectionRefusal } from '../../domain/network/listener-protection.ts';
import type { Source } from '../../domain/network/source.ts';
import type { Clock } from '../../kernel/clock.ts';
import type { FaultCode } from '../../kernel/faults.ts';
import { createTableLock } from './table-lock.ts';

const BUCKET_SLOTS = 8;
const SLOTS_MAX = 2 ** 22;

const HEAD_WORDS = 24;
const HEAD_SLOTS = 0;
const HEAD_LOCK = 1;
const HEAD_TICKET = 2;
/** Second at which the last of all blocks ends. */
const HEAD_LAST_BLOCK_END = 3;
const HEAD_FAILURES = 4;
const HEAD_BLOCKS = 5;
const HEAD_UNCOUNTED = 6;
/** The first of the counts of connections that were closed before a request, by reason. */
const HEAD_REFUSALS = 7;
const HEAD_EPOCH_BYTE = 64;
const HEAD_SEED_BYTE = 72;
const SEED_BYTES = 16;

const SLOT_WORDS = 4;
const KEY_LOW = 0;
const KEY_HIGH = 1;
/** Whole second, rounded up, counted from the table's epoch; 0 = never blocked. */
const BLOCKED_UNTIL = 2;
const RELAPSES = 3;

const SLOT_TIMES = 2;
const REFILLED_AT = 0;
const REQUESTS_UNTIL = 1;

/** The table; hand it to every thread. */
export interface SharedSources {
	readonly table: SharedArrayBuffer;
	readonly policy: SourcePolicy;
}

/** Creates the table for at least `slotsMax` sources of 32 bytes each. `seed`: 16 random bytes. */
export function createSharedSources(
	policy: SourcePolicy,
	slotsMax: number,
	clock: Clock,
	seed: Uint8Array,
): SharedSources {
	if (!Number.isInteger(slotsMax) || slotsMax < BUCKET_SLOTS || slotsMax > SLOTS_MAX) {
		throw new RangeError('slotsMax must be a whole number from 8 to 4,194,304');
	}
	const slots = BUCKET_SLOTS * 2 ** Math.ceil(Math.log2(slotsMax / BUCKET_SLOTS));
	const table = new SharedArrayBuffer(HEAD_WORDS * 4 + slots * SLOT_WORDS * 4 + slots * SLOT_TIMES * 8);
	const head = new Int32Array(table, 0, HEAD_WORDS);
	head[HEAD_SLOTS] = slots;
	new Uint8Array(table, HEAD_SEED_BYTE, SEED_BYTES).set(seed.subarray(0, SEED_BYTES));
	new Float64Array(table, HEAD_EPOCH_BYTE, 1)[0] = Math.floor(clock.nowMs() / 1000) * 1000 - 86_400_000;
	return { table, policy };
}

/** What operators see of the table. */
export interface SourceCounts {
	readonly failures: number;
	readonly blocks: number;
	/** Failures of sources that found no room, because all of their bucket are refused. */
	readonly uncounted: number;
	readonly blockedNow: number;
	/** Connections that were closed before a request, by reason. */
	readonly refusedConnections: Readonly<Record<ConnectionRefusal, number>>;
}

/** The table as a thread has it. */
export interface SourceTable extends SourceThrottle {
	/** Counts a connection that was closed before a request. */
	connectionRefused(reason: ConnectionRefusal): void;
	counts(nowMs: number): SourceCounts;
}

/** Attaches this thread to the table. */
export function attachSourceThrottle(shared: SharedSources): SourceTable {
	return new SharedSourceTable(shared);
}

/** Where a key stands: its hash, and the first slot of its bucket. */
interface Place {
	readonly low: number;
	readonly high: number;
	readonly first: number;
}

interface Places {
	readonly own: Place;
	readonly site: Place | undefined;
}

class SharedSourceTable implements SourceTable {
	readonly #policy: SourcePolicy;
	readonly #head: Int32Array;
	readonly #words: Int32Array;
	readonly #times: Float64Array;
	readonly #buckets: number;
	readonly #seed: string;
	readonly #epochMs: number;
	readonly #lock: ReturnType<typeof createTableLock>;
	/** Hashes by source, which lives as long as its connection. */
	readonly #places = new WeakMap<Source, Places>();

	constructor({ table, policy }: SharedSources) {
		this.#policy = policy;
		this.#head = new Int32Array(table, 0, HEAD_WORDS);
		const slots = this.#head[HEAD_SLOTS] ?? 0;
		this.#words = new Int32Array(table, HEAD_WORDS * 4, slots * SLOT_WORDS);
		this.#times = new Float64Array(table, HEAD_WORDS * 4 + slots * SLOT_WORDS * 4, slots * SLOT_TIMES);
		this.#buckets = slots / BUCKET_SLOTS;
		this.#seed = Buffer.from(new Uint8Array(table, HEAD_SEED_BYTE, SEED_BYTES)).toString('hex');
		this.#epochMs = new Float64Array(table, HEAD_EPOCH_BYTE, 1)[0] ?? 0;
		this.#lock = createTableLock(this.#head, HEAD_LOCK, HEAD_TICKET);
	}

	admit(source: Source, nowMs: number): number {
		const nowSecond = (nowMs - this.#epochMs) / 1000;
		if (Atomics.load(this.#head, HEAD_LAST_BLOCK_END) > nowSecond) {
			const { own, site } = this.#placesOf(source);
			const left = this.#blockedFor(own, nowSecond);
			if (left > 0) return left;
			const ofSite = site === undefined ? 0 : this.#blockedFor(site, nowSecond);
			if (ofSite > 0) return ofSite;
		}
		const { requests } = this.#policy;
		if (requests === undefined) return 0;
		const { own } = this.#placesOf(source);
		return this.#lock.run(() => this.#spendRequest(own, requests, nowMs)) ?? 0;
	}

	failed(source: Source, code: FaultCode, nowMs: number): void {
		const weight = failureWeight(code);
		if (weight === 0) return;
		Atomics.add(this.#head, HEAD_FAILURES, 1);
		const { own, site } = this.#placesOf(source);
		const counted = this.#lock.run(() => {
			this.#fail(own, weight, patienceFor(source, false, this.#policy), nowMs);
			if (site !== undefined) this.#fail(site, weight, patienceFor(source, true, this.#policy), nowMs);
			return true;
		});
		if (counted === undefined) Atomics.add(this.#head, HEAD_UNCOUNTED, 1);
	}

	connectionRefused(reason: ConnectionRefusal): void {
		Atomics.add(this.#head, HEAD_REFUSALS + CONNECTION_REFUSALS.indexOf(reason), 1);
	}

	counts(nowMs: number): SourceCounts {
		const nowSecond = (nowMs - this.#epochMs) / 1000;
		let blockedNow = 0;
		for (let word = 0; word < this.#words.length; word += SLOT_WORDS) {
			if (this.#secondsLeft(word / SLOT_WORDS, nowSecond) > 0) blockedNow++;
		}
		return {
			failures: Atomics.load(this.#head, HEAD_FAILURES) >>> 0,
			blocks: Atomics.load(this.#head, HEAD_BLOCKS) >>> 0,
			uncounted: Atomics.load(this.#head, HEAD_UNCOUNTED) >>> 0,
			blockedNow,
			refusedConnections: Object.fromEntries(
				CONNECTION_REFUSALS.map((reason, index) => [reason, Atomics.load(this.#head, HEAD_REFUSALS + index) >>> 0]),
			) as SourceCounts['refusedConnections'],
		};
	}

	#blockedFor(place: Place, nowSecond: number): number {
		const slot = this.#find(place);
		return slot === undefined ? 0 : this.#secondsLeft(slot, nowSecond);
	}

	/** Whole seconds, at least one while the source is refused. */
	#secondsLeft(slot: number, nowSecond: number): number {
		const until = Atomics.load(this.#words, slot * SLOT_WORDS + BLOCKED_UNTIL);
		const left = until - nowSecond;
		return left > 0 && left <= this.#policy.blockSecondsMax + 1 ? Math.ceil(left) : 0;
	}

	/** Runs under the lock. */
	#fail(place: Place, weight: number, patience: number, nowMs: number): void {
		const slot = this.#find(place) ?? this.#insert(place, nowMs);
		if (slot === undefined) {
			Atomics.add(this.#head, HEAD_UNCOUNTED, 1);
			return;
		}
		const before = this.#standing(slot);
		const after = addFailure(before, weight, patience, this.#policy, nowMs);
		if (after === before) return;
		this.#times[slot * SLOT_TIMES + REFILLED_AT] = after.refilledAtMs;
		if (after.blockedUntilMs === before.blockedUntilMs) return;
		const until = Math.ceil((after.blockedUntilMs - this.#epochMs) / 1000);
		Atomics.store(this.#words, slot * SLOT_WORDS + RELAPSES, after.relapses);
		Atomics.store(this.#words, slot * SLOT_WORDS + BLOCKED_UNTIL, until);
		Atomics.add(this.#head, HEAD_BLOCKS, 1);
		if (until > Atomics.load(this.#head, HEAD_LAST_BLOCK_END)) Atomics.store(this.#head, HEAD_LAST_BLOCK_END, until);
	}

	/** Runs under the lock. Gives the seconds to wait; 0 when the request is within the bound. */
	#spendRequest(place: Place, requests: { count: number; windowSeconds: number }, nowMs: number): number {
		const slot = this.#find(place) ?? this.#insert(place, nowMs);
		// Without room the request passes: plans have limits of their own, and a stranger is refused anyway.
		if (slot === undefined) return 0;
		const windowMs = requests.windowSeconds * 1000;
		const time = slot * SLOT_TIMES + REQUESTS_UNTIL;
		const from = Math.min(Math.max(this.#times[time] ?? 0, nowMs), nowMs + windowMs);
		const next = from + windowMs / requests.count;
		if (next - nowMs > windowMs) return Math.max(1, Math.ceil((next - nowMs - windowMs) / 1000));
		this.#times[time] = next;
		return 0;
	}

	#standing(slot: number): Standing {
		const until = this.#words[slot * SLOT_WORDS + BLOCKED_UNTIL] ?? 0;
		return {
			refilledAtMs: this.#times[slot * SLOT_TIMES + REFILLED_AT] ?? 0,
			blockedUntilMs: until === 0 ? 0 : until * 1000 + this.#epochMs,
			relapses: this.#words[slot * SLOT_WORDS + RELAPSES] ?? 0,
		};
	}

	#find({ low, high, first }: Place): number | undefined {
		for (let slot = first; slot < first + BUCKET_SLOTS; slot++) {
			const word = slot * SLOT_WORDS;
			if (Atomics.load(this.#words, word + KEY_LOW) !== low) continue;
			if (Atomics.load(this.#words, word + KEY_HIGH) === high) return slot;
		}
		return undefined;
	}

	/** Takes the slot of the bucket that matters least long; undefined when all are refused now. Runs under the lock. */
	#insert({ low, high, first }: Place, nowMs: number): number | undefined {
		let chosen: number | undefined;
		let chosenUntil = Number.POSITIVE_INFINITY;
		for (let slot = first; slot < first + BUCKET_SLOTS; slot++) {
			const standing = this.#standing(slot);
			// SECURITY: who is refused stays refused, however many others fail. shared-source-table.test.ts
			if (remainingBlockMs(standing, this.#policy, nowMs) > 0) continue;
			const until = Math.max(
				matteringUntilMs(standing, this.#policy),
				this.#times[slot * SLOT_TIMES + REQUESTS_UNTIL] ?? 0,
			);
			if (until < chosenUntil) {
				chosen = slot;
				chosenUntil = until;
			}
		}
		if (chosen === undefined) return undefined;
		const word = chosen * SLOT_WORDS;
		// The key goes first and comes last: whoever looks without the lock finds the old entry, the new one, or none.
		Atomics.store(this.#words, word + KEY_LOW, 0);
		Atomics.store(this.#words, word + KEY_HIGH, 0);
		Atomics.store(this.#words, word + BLOCKED_UNTIL, 0);
		Atomics.store(this.#words, word + RELAPSES, 0);
		this.#times[chosen * SLOT_TIMES + REFILLED_AT] = 0;
		this.#times[chosen * SLOT_TIMES + REQUESTS_UNTIL] = 0;
		Atomics.store(this.#words, word + KEY_HIGH, high);
		Atomics.store(this.#words, word + KEY_LOW, low);
		return chosen;
	}

	#placesOf(source: Source): Places {
		let places = this.#places.get(source);
		if (places === undefined) {
			const { key, widerKey } = source;
			places = { own: this.#placeOf(key), site: widerKey === undefined ? undefined : this.#placeOf(widerKey) };
			this.#places.set(source, places);
		}
		return places;
	}

	#placeOf(key: string): Place {
		const digest = hash('sha256', this.#seed + key, 'buffer');
		return {
			low: digest.readInt32LE(0),
			// Never both zero, which is an empty slot.
			high: digest.readInt32LE(4) | 1,
			first: (digest.readUInt32LE(8) % this.#buckets) * BUCKET_SLOTS,
		};
	}
}
