// Opens a database file: private to the owner, locked against a second process unless it is to be shared, and durable. What this file
// returned is a database that can be written; every reason why it cannot is an SqlError that names file and remedy.
import { chmodSync, closeSync, lstatSync, openSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
import { SqlError } from '../sql/sql-connection.ts';
import { toSqlError } from './sqlite-error.ts';

/** How long an open waits for a process that is just ending to let go of the file, in milliseconds. */
const LOCK_WAIT_MS = 1000;

/** Up to this size the whole file is checked at each start; a check reads about 500 MiB/s. */
const CHECK_BYTES_MAX = 32 * 1024 ** 2;

// Durable means synchronous=FULL: the write-ahead log is flushed to the disk before a commit returns.
const PRAGMAS = [
	'journal_mode = WAL',
	'synchronous = FULL',
	// macOS flushes the drive's own cache only when told so; elsewhere this does nothing.
	'fullfsync = ON',
	'foreign_keys = ON',
	'trusted_schema = OFF',
	'cell_size_check = ON',
	`journal_size_limit = ${64 * 1024 ** 2}`,
];

// Before the first access, so that the lock is taken for good and no shared-memory file is needed. The lock is a
// POSIX one: whoever opens and closes the file in this process by other means than SQLite gives it away.
const EXCLUSIVE = 'locking_mode = EXCLUSIVE';

/** Whether one process has the file for itself, or several write by turns, each waiting for the others' transactions. */
export type FileUse = 'exclusive' | 'shared';

/** Opens `file`, which is made (mode 0600) when it is absent. Its folder must exist. Throws SqlError. */
export function openDatabaseFile(file: string, lockWaitMs = LOCK_WAIT_MS, use: FileUse = 'exclusive'): DatabaseSync {
	makePrivate(file);
	let database: DatabaseSync | undefined;
	try {
		database = new DatabaseSync(file, {
			enableForeignKeyConstraints: true,
			enableDoubleQuotedStringLiterals: false,
			defensive: true,
			timeout: lockWaitMs,
		});
		for (const pragma of use === 'exclusive' ? [EXCLUSIVE, ...PRAGMAS] : PRAGMAS) database.exec(`PRAGMA ${pragma}`);
		// A lock is taken by writing; whoever cannot write learns it here and not at the first commit.
		database.exec('BEGIN EXCLUSIVE; COMMIT');
		checkHealth(database, file);
		return database;
	} catch (error) {
		database?.close();
		throw explain(toSqlError(error), file);
	}
}

/** Makes the file before SQLite does, because SQLite would let other users read it; its log takes the same mode. */
function makePrivate(file: string): void {
	try {
		closeSync(openSync(file, 'wx', 0o600));
	} catch (error) {
		if (!(error instanceof Error && 'code' in error && error.code === 'EEXIST')) {
			throw new SqlError(
				'storage',
				`The store ${file} cannot be made. Check that its folder exists and can be written.`,
				error,
			);
		}
		const state = lstatSync(file);
		if (!state.isFile())
			throw new SqlError('storage', `The store ${file} is not a plain file. Put the file itself there.`);
		if ((state.mode & 0o077) !== 0) chmodSync(file, 0o600);
	}
}

function checkHealth(database: DatabaseSync, file: string): void {
	const size = lstatSync(file).size;
	if (size > CHECK_BYTES_MAX) return;
	const row = database.prepare('PRAGMA quick_check(1)').get();
	if (row?.['quick_check'] !== 'ok') throw new SqlError('corrupt', 'the check of the file failed');
}

function explain(error: SqlError, file: string): SqlError {
	switch (error.kind) {
		case 'locked':
			return new SqlError('locked', `The store ${file} is in use by another process. Stop that one first.`, error);
		case 'corrupt':
			return new SqlError(
				'corrupt',
				`The store ${file} is damaged, or is not a database. Move it away with its -wal file and restore a backup.`,
				error,
			);
		case 'storage':
			return new SqlError('storage', `The store ${file} cannot be read or written. Check disk and permissions.`, error);
		default:
			return error;
	}
}
