// A map whose changes can be undone, for what has one key and no revisions.
import type { MemoryTransaction } from './memory-transaction.ts';

/** A map of frozen values. Everything that changes it takes the transaction that can undo it. */
export class MemoryMap<K, V> {
	readonly #values = new Map<K, V>();

	get(key: K): V | undefined {
		return this.#values.get(key);
	}

	/** Gives all entries, in no particular order. */
	entries(): IteratorObject<[K, V], undefined> {
		return this.#values.entries();
	}

	set(transaction: MemoryTransaction, key: K, value: V): void {
		this.#remember(transaction, key);
		this.#values.set(key, value);
	}

	/** Deletes every entry for which `matches` holds. */
	deleteWhere(transaction: MemoryTransaction, matches: (value: V, key: K) => boolean): void {
		for (const [key, value] of this.#values) {
			if (!matches(value, key)) continue;
			this.#remember(transaction, key);
			this.#values.delete(key);
		}
	}

	#remember(transaction: MemoryTransaction, key: K): void {
		const before = this.#values.get(key);
		transaction.onRollback(() => {
			if (before === undefined) this.#values.delete(key);
			else this.#values.set(key, before);
		});
	}
}
