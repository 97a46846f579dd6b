// Transactions in memory: one at a time, undone step by step when they fail. The steps of a transaction register how to
// undo themselves, and what has to hold at its end.
import type { TransactionScope } from '../transaction-scope.ts';

/** One running transaction. */
export class MemoryTransaction {
	readonly #undoSteps: (() => void)[] = [];
	readonly #finalChecks: (() => void)[] = [];
	#hasEnded = false;

	/** Registers how to undo the change that was just made. */
	onRollback(undo: () => void): void {
		this.#undoSteps.push(undo);
	}

	/** Registers a check of the state at the end of the transaction; it throws to prevent the commit. */
	onCommit(check: () => void): void {
		this.#finalChecks.push(check);
	}

	/** Throws when the transaction has ended: its registry must not be used any longer. */
	checkRunning(): void {
		if (this.#hasEnded) throw new Error('a statement came after the end of its transaction');
	}

	commit(): void {
		for (const check of this.#finalChecks) check();
		this.#hasEnded = true;
	}

	rollback(): void {
		this.#hasEnded = true;
		for (const undo of this.#undoSteps.reverse()) undo();
	}
}

/** Runs transactions one after the other. */
export class TransactionQueue {
	readonly #scope: TransactionScope;
	#last: Promise<unknown> = Promise.resolve();
	#isClosed = false;

	constructor(scope: TransactionScope) {
		this.#scope = scope;
	}

	/** Runs `work` once all earlier work has ended. Whatever it changed is undone when it throws. */
	async run<T>(work: (transaction: MemoryTransaction) => T | Promise<T>): Promise<T> {
		this.#scope.checkOutside();
		if (this.#isClosed) throw new Error('the store is closed');
		const turn = this.#last.then(() => this.#runNow(work));
		// A failure is for the caller of that work only; the next one takes its turn all the same.
		this.#last = turn.catch(() => undefined);
		return turn;
	}

	/** Waits for the work that was given before, and refuses all work from now on. */
	async close(): Promise<void> {
		this.#isClosed = true;
		await this.#last;
	}

	async #runNow<T>(work: (transaction: MemoryTransaction) => T | Promise<T>): Promise<T> {
		const transaction = new MemoryTransaction();
		try {
			const value = await this.#scope.run(async () => work(transaction));
			transaction.commit();
			return value;
		} catch (error) {
			transaction.rollback();
			throw error;
		}
	}
}
