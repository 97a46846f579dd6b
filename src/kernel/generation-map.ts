// A bounded memory for floods: two generations of entries, of which the older one is dropped whole when the younger one is
// full. Each step takes constant time, also while everything that comes is new: there is no entry to look for and delete.

/** Keeps at least the last `entriesMax` keys that were set, and at most twice as many. */
export class GenerationMap<K, V> {
	readonly #entriesMax: number;
	#young = new Map<K, V>();
	#old = new Map<K, V>();

	constructor(entriesMax: number) {
		if (!Number.isInteger(entriesMax) || entriesMax < 1) throw new RangeError('entriesMax must be a positive integer');
		this.#entriesMax = entriesMax;
	}

	/** Entries that are held; a key that was set again may count twice. */
	get size(): number {
		return this.#young.size + this.#old.size;
	}

	get(key: K): V | undefined {
		return this.#young.get(key) ?? this.#old.get(key);
	}

	set(key: K, value: V): void {
		this.#young.set(key, value);
		if (this.#young.size < this.#entriesMax) return;
		this.#old = this.#young;
		this.#young = new Map();
	}
}
