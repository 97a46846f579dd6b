// How the stores in memory do their work: in steps of a transaction.
import type { MemoryTransaction } from './memory-transaction.ts';

/** Runs one step in the transaction that is running already, or in one of its own. */
export type Enter = <T>(step: (transaction: MemoryTransaction) => T) => Promise<T>;
