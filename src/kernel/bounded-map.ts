// A map that cannot grow past its bound: what was used longest ago goes first. Every cache on the
// request path is one of these, so that no flood of distinct keys can fill the memory.

interface Entry<K, V> {
	readonly key: K;
	value: V;
	older: Entry<K, V> | undefined;
	newer: Entry<K, V> | undefined;
}

/**
 * A least-recently-used map with at most `entriesMax` entries. All operations take constant time, also when it is full and
 * everything that comes is new: the order is a list of its own. (That of a Map would not do: its iterator walks over every
 * entry that was deleted since the table was last rebuilt.)
 */
export class BoundedMap<K, V> {
	readonly #entries = new Map<K, Entry<K, V>>();
	readonly #entriesMax: number;
	#oldest: Entry<K, V> | undefined = undefined;
	#newest: Entry<K, V> | undefined = undefined;

	constructor(entriesMax: number) {
		if (!Number.isInteger(entriesMax) || entriesMax < 1) throw new RangeError('entriesMax must be a positive integer');
		this.#entriesMax = entriesMax;
	}

	get size(): number {
		return this.#entries.size;
	}

	/** Gives the value of `key` and marks it as used just now. */
	get(key: K): V | undefined {
		const entry = this.#entries.get(key);
		if (entry === undefined) return undefined;
		this.#renew(entry);
		return entry.value;
	}

	/** Gives the value of `key` without marking it as used. */
	peek(key: K): V | undefined {
		return this.#entries.get(key)?.value;
	}

	/** Sets a value as used just now; drops the entry that was used longest ago when the bound is passed. */
	set(key: K, value: V): void {
		const known = this.#entries.get(key);
		if (known !== undefined) {
			known.value = value;
			this.#renew(known);
			return;
		}
		const entry: Entry<K, V> = { key, value, older: undefined, newer: undefined };
		this.#entries.set(key, entry);
		this.#append(entry);
		if (this.#entries.size > this.#entriesMax && this.#oldest !== undefined) this.delete(this.#oldest.key);
	}

	delete(key: K): boolean {
		const entry = this.#entries.get(key);
		if (entry === undefined) return false;
		this.#takeOut(entry);
		return this.#entries.delete(key);
	}

	clear(): void {
		this.#entries.clear();
		this.#oldest = undefined;
		this.#newest = undefined;
	}

	#renew(entry: Entry<K, V>): void {
		if (entry === this.#newest) return;
		this.#takeOut(entry);
		this.#append(entry);
	}

	#append(entry: Entry<K, V>): void {
		entry.older = this.#newest;
		entry.newer = undefined;
		if (this.#newest === undefined) this.#oldest = entry;
		else this.#newest.newer = entry;
		this.#newest = entry;
	}

	#takeOut({ older, newer }: Entry<K, V>): void {
		if (older === undefined) this.#oldest = newer;
		else older.newer = newer;
		if (newer === undefined) this.#newest = older;
		else newer.older = older;
	}
}
