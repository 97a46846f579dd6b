// A map that cannot grow past its bound: what was used longest ago goes first. Every cache on the
// request path is one of these, so that no flood of distinct keys can fill the memory.

/** A least-recently-used map with at most `entriesMax` entries. All operations take constant time. */
export class BoundedMap<K, V> {
	readonly #entries = new Map<K, V>();
	readonly #entriesMax: number;

	constructor(entriesMax: number) {
		if (!Number.isInteger(entriesMax) || entriesMax < 1) throw new RangeError('entriesMax must be a positive integer');
		this.#entriesMax = entriesMax;
	}

	get size(): number {
		return this.#entries.size;
	}

	/** Gives the value of `key` and marks it as used just now. */
	get(key: K): V | undefined {
		const value = this.#entries.get(key);
		if (value === undefined) return undefined;
		this.#entries.delete(key);
		this.#entries.set(key, value);
		return value;
	}

	/** Gives the value of `key` without marking it as used. */
	peek(key: K): V | undefined {
		return this.#entries.get(key);
	}

	/** Sets a value as used just now; drops the entry that was used longest ago when the bound is passed. */
	set(key: K, value: V): void {
		this.#entries.delete(key);
		this.#entries.set(key, value);
		if (this.#entries.size > this.#entriesMax) {
			const oldest = this.#entries.keys().next();
			if (!oldest.done) this.#entries.delete(oldest.value);
		}
	}

	delete(key: K): boolean {
		return this.#entries.delete(key);
	}

	clear(): void {
		this.#entries.clear();
	}
}
