// Port of the SQL adapters: a database that takes one statement at a time. What is behind it is a thread, a socket
// or, in a test, the same process.

/** What a statement takes and gives. Booleans, dates and large integers are mapped by whoever writes the statement. */
export type SqlValue = null | number | string | Uint8Array;

/** What one statement gave. */
export interface SqlResult {
	readonly rows: readonly Readonly<Record<string, SqlValue>>[];
	/** How many rows an insert, update or delete touched. */
	readonly changes: number;
}

/** One running transaction. After `commit` or `rollback` every call rejects with SqlError('transaction-ended'). */
export interface SqlTransaction {
	execute(sql: string, parameters: readonly SqlValue[]): Promise<SqlResult>;
	/** Resolves once the transaction is durable. When it rejects, the transaction was rolled back, or the store is lost. */
	commit(): Promise<void>;
	rollback(): Promise<void>;
}

/**
 * A database with one writer.
 * - Transactions run one after the other. Nothing else runs between the statements of one.
 * - `execute` is a transaction of its own: durable when it resolves.
 * - All calls reject with SqlError.
 */
export interface SqlConnection {
	execute(sql: string, parameters: readonly SqlValue[]): Promise<SqlResult>;
	begin(): Promise<SqlTransaction>;
	/** Finishes what was asked before and closes the database. Safe to call twice. */
	stop(): Promise<void>;
}

/** Why a statement failed, independent of the database's own numbers. */
export type SqlErrorKind =
	/** A unique key is taken. */
	| 'unique'
	/** A record refers to another one that does not exist. */
	| 'reference'
	/** Another process holds the database. */
	| 'locked'
	/** The file is no database, a foreign one, or damaged. */
	| 'corrupt'
	/** The disk is full, or the file cannot be read or written. */
	| 'storage'
	/** The database was written by a newer version of this program, or its schema was changed by somebody else. */
	| 'schema'
	/** Too many statements wait already. */
	| 'overloaded'
	| 'transaction-ended'
	/** The connection was stopped, or its thread died. */
	| 'closed'
	| 'other';

/** The one error that an SQL connection rejects with. Its message holds no values of a statement. */
export class SqlError extends Error {
	readonly kind: SqlErrorKind;
	constructor(kind: SqlErrorKind, message: string, cause?: unknown) {
		super(message, cause === undefined ? undefined : { cause });
		this.name = 'SqlError';
		this.kind = kind;
	}
}
