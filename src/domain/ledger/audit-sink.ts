// Port: where decisions are written down. Its adapter talks to the ledger thread; domain code cannot tell.
import type { AuditEntry } from './audit-entry.ts';

/**
 * Takes audit entries.
 * - `recordDurable` resolves with the entry's index in the ledger once the entry is on disk and flushed; it rejects
 *   when the entry could not be written. What it resolved survives `kill -9` and a power cut.
 * - `recordBuffered` returns at once. The entry is written within 20 ms or 256 entries. Throws nothing.
 * - `isAccepting` is false when the ledger is broken or too far behind; then callers must refuse work
 *   (`audit_unavailable`) before they do it. Entries handed over while it is false are still taken up to the hard bound.
 */
export interface AuditSink {
	recordDurable(entry: AuditEntry): Promise<number>;
	recordBuffered(entry: AuditEntry): void;
	isAccepting(): boolean;
}
