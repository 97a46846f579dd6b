// Keeps a second writer out of a ledger. The lock is SQLite's on an empty file: held by the kernel for this process,
// the same on every platform, seen also by a second opener within this process, and gone the moment the process
// dies, so that nothing stale is ever left to clean up. (A file with a process id can name a process that was started since;
// a Unix socket is Linux's alone.)
import { DatabaseSync } from 'node:sqlite';

const SQLITE_BUSY = 5;

/** Thrown when another process, or another part of this one, has the ledger open for writing. */
export class LedgerInUseError extends Error {
	override readonly name = 'LedgerInUseError';

	constructor(path: string) {
		super(`the ledger is in use: another process holds ${path}`);
	}
}

/** A held lock. */
export interface LedgerLock {
	release(): void;
}

/** Takes the lock at `path`, or throws `LedgerInUseError` at once. */
export function lockLedger(path: string): LedgerLock {
	const database = new DatabaseSync(path, { timeout: 0 });
	try {
		// Nothing is ever written: with its rollback journal in memory, the lock leaves no second file behind.
		database.exec('PRAGMA journal_mode = MEMORY');
		database.exec('BEGIN EXCLUSIVE');
	} catch (error) {
		database.close();
		if (error instanceof Error && 'errcode' in error && error.errcode === SQLITE_BUSY) throw new LedgerInUseError(path);
		throw error;
	}
	return { release: () => database.close() };
}
