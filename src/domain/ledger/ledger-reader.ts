// Port: reads the ledger that is being written, for operators who look at it. Whoever wants proof reads the files
// and verifies them; this port only shows.
import type { AuditEntry } from './audit-entry.ts';

/** One entry and its place in the ledger. */
export interface LedgerEntry {
	readonly index: number;
	readonly entry: AuditEntry;
}

/**
 * Reads the ledger.
 * - `checkpoint` gives the text of the newest signed checkpoint (C2SP tlog-checkpoint); '' before the first one.
 * - `entries` gives at most `limit` entries with an index above `after` (-1 = from the first), in order and without
 *   gaps. Entries that were acknowledged before the call are among them. An empty list means that there are no more yet.
 */
export interface LedgerReader {
	checkpoint(): Promise<string>;
	entries(after: number, limit: number): Promise<readonly LedgerEntry[]>;
}
