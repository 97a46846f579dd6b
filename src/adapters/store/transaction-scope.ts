// Finds a mistake that would otherwise hang the platform: work inside a transaction that asks the store itself,
// instead of the registry that it was given, waits for the transaction that waits for it.
import { AsyncLocalStorage } from 'node:async_hooks';

/** Knows which asynchronous work belongs to a transaction of one store that is still running. */
export class TransactionScope {
	readonly #storage = new AsyncLocalStorage<{ isRunning: boolean }>();

	/** Runs the work of one transaction. */
	async run<T>(work: () => Promise<T>): Promise<T> {
		const mark = { isRunning: true };
		try {
			return await this.#storage.run(mark, work);
		} finally {
			mark.isRunning = false;
		}
	}

	/** Throws when the caller is inside a running transaction of this store. */
	checkOutside(): void {
		if (this.#storage.getStore()?.isRunning === true) {
			throw new Error('the work of a transaction must use the registry that it was given, not the store');
		}
	}
}
