// Writes into the store what state the ledger has, so that the next start notices an older ledger in its place.
import type { LedgerMarkStore } from '../../domain/ledger/ledger-mark-store.ts';
import type { Clock } from '../../kernel/clock.ts';
import { describeError, type Log } from '../../kernel/log.ts';
import type { Ledger } from '../ledger/start-ledger.ts';

/**
 * Remembers the ledger as it is on disk now. Never rejects: an older mark is still true, it only notices less, and nothing
 * of what the platform permits depends on it.
 */
export async function rememberLedger(ledger: Ledger, marks: LedgerMarkStore, clock: Clock, log: Log): Promise<void> {
	try {
		// SECURITY: never a size that is not on disk: after a crash, the true ledger would be refused for an older one.
		const head = await ledger.head();
		await marks.put({ ...head, recordedAtMs: clock.nowMs() });
	} catch (thrown) {
		log.error('the store could not note the size of the ledger', describeError(thrown));
	}
}
