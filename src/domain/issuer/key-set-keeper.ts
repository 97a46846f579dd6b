// Keeps key sets of others fresh: each is fetched again before it is too old, and at once, but not again and again, when
// somebody meets a key that is not in it. What was fetched last holds through an outage, until a limit; then nothing of it
// counts. One fetch for each set at a time, a bounded number in all, never on the way of a request.
import type { Clock } from '../../kernel/clock.ts';
import type { Result } from '../../kernel/result.ts';
import { KEY_PAUSE_MS } from './issuer-keys.ts';
import type { FetchedKey, ReadKeySet } from './key-set.ts';
import type { KeySetStore } from './key-set-store.ts';

/** What a fetch gave. */
export interface RetrievedKeySet extends ReadKeySet {
	/** How long the server says that it may be kept. */
	readonly maxAgeSeconds: number | undefined;
}

/** A set that is kept. */
export interface KeySource {
	/** Whose it is: `issuer:` and the issuer, or the id of a credential. */
	readonly owner: string;
	/** Where it is fetched from; a set that was stored from elsewhere is not used. */
	readonly source: string;
	/** Who answers for its server: nobody has more than a few of the fetches that run at once. */
	readonly group: string;
	/** How long its keys count after they were last fetched. */
	readonly keptMs: number;
	/** Fetches it, within a bounded time. The failure is for the log. */
	retrieve(): Promise<Result<RetrievedKeySet, string>>;
	/** Which of the keys that were stored would be taken today. */
	accept(stored: readonly FetchedKey[]): readonly FetchedKey[] | Promise<readonly FetchedKey[]>;
}

/** How a set stands. */
export interface KeySetState {
	readonly owner: string;
	readonly keys: readonly FetchedKey[];
	/** When it was last fetched; 0 = never. */
	readonly fetchedAtMs: number;
	/** From then on its keys do not count; 0 when there never were any. */
	readonly goodUntilMs: number;
	/** When fetching was last tried; 0 = never. */
	readonly triedAtMs: number;
	/** Failures since the last success, and the reason of the last one. */
	readonly failures: number;
	readonly failure: string | undefined;
}

/** What the keeper needs, and tells. */
export interface KeySetKeeperDeps {
	readonly store: KeySetStore;
	readonly clock: Clock;
	/** Called after each try, when a stored set was taken up, and when keys were given up: `before` is how the set stood. */
	readonly onChange: (state: KeySetState, before: KeySetState, leftOut: readonly string[]) => void;
	/** Called once when the keys of a set have become too old to count. */
	readonly onLapse: (state: KeySetState) => void;
	/** Called when what was fetched could not be stored: it counts, but not over a restart. */
	readonly onStoreFailure: (owner: string, thrown: unknown) => void;
}

const FRESH_SECONDS = { default: 900, min: 60, max: 3600 } as const;
/** A set is fetched again when so much of its time is over, so that a slow server makes no gap. */
const REFRESH_PART = 0.8;
const RETRY_MS = { min: 5000, max: 300_000 } as const;
/** Fetches that run at once, of all sets together. */
export const FETCHES_MAX = 8;
/** The same of one group, so that somebody whose servers never answer keeps nobody else's keys from being fetched. */
export const GROUP_FETCHES_MAX = 2;

interface Entry {
	readonly source: KeySource;
	state: KeySetState;
	dueAtMs: number;
	hasLapsed: boolean;
	running: Promise<void> | undefined;
}

export class KeySetKeeper {
	readonly #entries = new Map<string, Entry>();
	readonly #deps: KeySetKeeperDeps;
	#running = 0;
	readonly #runningOf = new Map<string, number>();

	constructor(deps: KeySetKeeperDeps) {
		this.#deps = deps;
	}

	/** Takes up a set, with what the store has of it. It is fetched at the next `run`. */
	async add(source: KeySource): Promise<void> {
		const stored = await this.#deps.store.get(source.owner);
		const nowMs = this.#deps.clock.nowMs();
		const before = emptyState(source.owner);
		// A time in the future is from before the clock was set back: how old the set is cannot be known then.
		const isUsable = stored !== undefined && stored.source === source.source && stored.fetchedAtMs <= nowMs;
		const state = isUsable
			? {
					...before,
					keys: await source.accept(stored.keys),
					fetchedAtMs: stored.fetchedAtMs,
					goodUntilMs: stored.fetchedAtMs + source.keptMs,
				}
			: before;
		this.#entries.set(source.owner, { source, state, dueAtMs: 0, hasLapsed: false, running: undefined });
		if (isUsable) this.#deps.onChange(state, before, []);
	}

	/**
	 * Judges the keys of all sets again, by what is known now, and gives those up that would not be taken today. Nothing is
	 * fetched. Rejects where what is known cannot be read.
	 */
	async judgeAgain(): Promise<void> {
		for (const entry of this.#entries.values()) {
			const { source, state: before } = entry;
			const keys = await source.accept(before.keys);
			// What was fetched meanwhile was judged then.
			if (entry.state !== before || keys.length === before.keys.length) continue;
			entry.state = { ...before, keys };
			this.#deps.onChange(entry.state, before, []);
		}
	}

	/** Gives a set up. What was stored of it stays: whose a key was is part of its history. */
	remove(owner: string): void {
		this.#entries.delete(owner);
	}

	state(owner: string): KeySetState | undefined {
		return this.#entries.get(owner)?.state;
	}

	/** How all sets stand, in the order in which they were taken up. */
	states(): readonly KeySetState[] {
		return [...this.#entries.values()].map(({ state }) => state);
	}

	/** Starts what is due, as far as there is room; resolves when that has ended. Call it every second. Never rejects. */
	async run(): Promise<void> {
		const nowMs = this.#deps.clock.nowMs();
		const started: Promise<void>[] = [];
		for (const entry of this.#entries.values()) {
			this.#noteLapse(entry, nowMs);
			if (entry.running !== undefined || !isDue(entry, nowMs)) continue;
			if (this.#hasRoom(entry)) started.push(this.#start(entry));
		}
		await Promise.all(started);
	}

	/**
	 * Fetches a set because a key is missing in it; resolves when that has ended. Undefined when it is not fetched: it was
	 * tried only just now, nobody keeps it, or too much is being fetched. Who comes meanwhile waits for the same fetch.
	 */
	want(owner: string): Promise<void> | undefined {
		const entry = this.#entries.get(owner);
		if (entry === undefined) return undefined;
		if (entry.running !== undefined) return entry.running;
		const sinceMs = this.#deps.clock.nowMs() - entry.state.triedAtMs;
		if ((sinceMs >= 0 && sinceMs < KEY_PAUSE_MS) || !this.#hasRoom(entry)) return undefined;
		return this.#start(entry);
	}

	#start(entry: Entry): Promise<void> {
		const { group } = entry.source;
		this.#running++;
		this.#runningOf.set(group, (this.#runningOf.get(group) ?? 0) + 1);
		entry.running = this.#fetch(entry).finally(() => {
			this.#running--;
			const left = (this.#runningOf.get(group) ?? 1) - 1;
			if (left === 0) this.#runningOf.delete(group);
			else this.#runningOf.set(group, left);
			entry.running = undefined;
		});
		return entry.running;
	}

	#hasRoom({ source: { group } }: Entry): boolean {
		return this.#running < FETCHES_MAX && (this.#runningOf.get(group) ?? 0) < GROUP_FETCHES_MAX;
	}

	async #fetch(entry: Entry): Promise<void> {
		const { source, state: before } = entry;
		let result: Result<RetrievedKeySet, string>;
		try {
			result = await source.retrieve();
		} catch (thrown) {
			result = { ok: false, fault: thrown instanceof Error ? thrown.message : 'unknown' };
		}
		// Given up, or taken up anew, in the meantime: what came is nobody's.
		if (this.#entries.get(source.owner) !== entry) return;
		const nowMs = this.#deps.clock.nowMs();
		if (!result.ok) {
			const failures = before.failures + 1;
			entry.state = { ...before, triedAtMs: nowMs, failures, failure: result.fault };
			entry.dueAtMs = nowMs + Math.min(RETRY_MS.max, RETRY_MS.min * 2 ** Math.min(failures - 1, 10));
			this.#deps.onChange(entry.state, before, []);
			return;
		}
		const { keys, leftOut, maxAgeSeconds } = result.value;
		const freshSeconds = Math.min(
			FRESH_SECONDS.max,
			Math.max(FRESH_SECONDS.min, maxAgeSeconds ?? FRESH_SECONDS.default),
		);
		entry.dueAtMs = nowMs + freshSeconds * 1000 * REFRESH_PART;
		entry.hasLapsed = false;
		entry.state = {
			owner: source.owner,
			keys,
			fetchedAtMs: nowMs,
			goodUntilMs: nowMs + source.keptMs,
			triedAtMs: nowMs,
			failures: 0,
			failure: undefined,
		};
		// In force first: a key that was withdrawn must not count for as long as the store is slow.
		this.#deps.onChange(entry.state, before, leftOut);
		try {
			await this.#deps.store.put({ owner: source.owner, source: source.source, keys, fetchedAtMs: nowMs });
		} catch (thrown) {
			this.#deps.onStoreFailure(source.owner, thrown);
		}
	}

	#noteLapse(entry: Entry, nowMs: number): void {
		if (entry.hasLapsed || entry.state.fetchedAtMs === 0 || nowMs < entry.state.goodUntilMs) return;
		entry.hasLapsed = true;
		this.#deps.onLapse(entry.state);
	}
}

/** A due time that lies further ahead than any can is from before the clock was set back. */
function isDue({ dueAtMs }: Entry, nowMs: number): boolean {
	return nowMs >= dueAtMs || dueAtMs - nowMs > FRESH_SECONDS.max * 1000;
}

function emptyState(owner: string): KeySetState {
	return { owner, keys: [], fetchedAtMs: 0, goodUntilMs: 0, triedAtMs: 0, failures: 0, failure: undefined };
}
