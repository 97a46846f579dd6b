// Names SQLite's failures by kind, from its result codes (https://www.sqlite.org/rescode.html), never from its texts.
import { SqlError, type SqlErrorKind } from '../sql/sql-connection.ts';

const EXTENDED: Readonly<Record<number, SqlErrorKind>> = {
	787: 'reference', // SQLITE_CONSTRAINT_FOREIGNKEY
	1555: 'unique', // SQLITE_CONSTRAINT_PRIMARYKEY
	2067: 'unique', // SQLITE_CONSTRAINT_UNIQUE
	2579: 'unique', // SQLITE_CONSTRAINT_ROWID
};

const PRIMARY: Readonly<Record<number, SqlErrorKind>> = {
	5: 'locked', // SQLITE_BUSY
	6: 'locked', // SQLITE_LOCKED
	8: 'storage', // SQLITE_READONLY
	10: 'storage', // SQLITE_IOERR
	11: 'corrupt', // SQLITE_CORRUPT
	13: 'storage', // SQLITE_FULL
	14: 'storage', // SQLITE_CANTOPEN
	26: 'corrupt', // SQLITE_NOTADB
};

/** Turns what node:sqlite threw into an SqlError; gives other errors the kind `other`. */
export function toSqlError(error: unknown): SqlError {
	if (error instanceof SqlError) return error;
	if (!(error instanceof Error)) return new SqlError('other', 'the database failed', error);
	const code = 'errcode' in error && typeof error.errcode === 'number' ? error.errcode : 0;
	// SQLite's messages name tables, columns and constraints, never values.
	return new SqlError(EXTENDED[code] ?? PRIMARY[code & 0xff] ?? 'other', error.message, error);
}
