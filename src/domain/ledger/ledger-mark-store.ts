// Port: what the store remembers of the ledger, which lies in a folder of its own. Each alone can be put back to an older
// copy of itself that is whole; compared at the next start, the two give that away.

/** The state of a ledger, as it is told across threads and stored. */
export interface LedgerHead {
	/** Number of entries. */
	readonly size: number;
	/** Root of the Merkle tree over them, base64. */
	readonly rootHash: string;
}

/** A state that the ledger had at some moment, with every entry on disk. */
export interface LedgerMark extends LedgerHead {
	readonly recordedAtMs: number;
}

/**
 * Remembers the largest state of the one ledger.
 * - `put` keeps the mark that is stored unless the given one has more entries: a mark never gets smaller, and never
 *   another root at the same size. It is durable when `put` resolves.
 */
export interface LedgerMarkStore {
	get(): Promise<LedgerMark | undefined>;
	put(mark: LedgerMark): Promise<void>;
}
