// Runs statements on the one connection: transactions one after the other, nothing in between the statements of one.
// Lives in the store thread, and is told what to do by messages; it decides their order and nothing about their sense.
import type { DatabaseSync, StatementSync } from 'node:sqlite';
import { BoundedMap } from '../../../kernel/bounded-map.ts';
import { SqlError, type SqlErrorKind, type SqlResult, type SqlValue } from '../sql/sql-connection.ts';
import { toSqlError } from './sqlite-error.ts';

/** What the store thread is asked. `id` is answered once. The id of a `begin` is the number of its transaction. */
export type StoreRequest =
	| {
			readonly id: number;
			readonly kind: 'execute';
			/** Absent for a statement that is a transaction of its own. */
			readonly transaction?: number;
			readonly sql: string;
			readonly parameters: readonly SqlValue[];
	  }
	| { readonly id: number; readonly kind: 'begin' }
	| { readonly id: number; readonly kind: 'commit' | 'rollback'; readonly transaction: number }
	| { readonly id: number; readonly kind: 'stop' };

/** What the store thread answers. */
export type StoreReply =
	| { readonly id: number; readonly ok: true; readonly result: SqlResult }
	| {
			readonly id: number;
			readonly ok: false;
			readonly error: { readonly kind: SqlErrorKind; readonly message: string };
	  };

interface PreparedStatement {
	readonly statement: StatementSync;
	readonly hasRows: boolean;
}

const NOTHING: SqlResult = { rows: [], changes: 0 };
const PREPARED_MAX = 256;

/** Takes requests in the order of their arrival and answers each of them exactly once. */
export class StatementQueue {
	readonly #database: DatabaseSync;
	readonly #transactionIdleMsMax: number;
	readonly #reply: (reply: StoreReply) => void;
	readonly #prepared = new BoundedMap<string, PreparedStatement>(PREPARED_MAX);
	/** Requests that wait for the running transaction to end. The sender bounds how many there are. */
	readonly #waiting: StoreRequest[] = [];
	#running: { readonly id: number; readonly idle: NodeJS.Timeout } | undefined;

	constructor(options: {
		readonly database: DatabaseSync;
		/** A transaction that is silent for longer is rolled back, because everything else waits for it. */
		readonly transactionIdleMsMax: number;
		readonly reply: (reply: StoreReply) => void;
	}) {
		this.#database = options.database;
		this.#transactionIdleMsMax = options.transactionIdleMsMax;
		this.#reply = options.reply;
	}

	receive(request: StoreRequest): void {
		if ('transaction' in request && request.transaction !== undefined) {
			this.#answer(request, () => this.#inTransaction(request, request.transaction));
			this.#runWaiting();
		} else if (this.#running === undefined) {
			this.#answer(request, () => this.#alone(request));
		} else {
			this.#waiting.push(request);
		}
	}

	#runWaiting(): void {
		while (this.#running === undefined) {
			const next = this.#waiting.shift();
			if (next === undefined) return;
			this.#answer(next, () => this.#alone(next));
		}
	}

	#answer(request: StoreRequest, run: () => SqlResult): void {
		let reply: StoreReply;
		try {
			reply = { id: request.id, ok: true, result: run() };
		} catch (error) {
			const { kind, message } = toSqlError(error);
			reply = { id: request.id, ok: false, error: { kind, message } };
		}
		this.#reply(reply);
	}

	#alone(request: StoreRequest): SqlResult {
		switch (request.kind) {
			case 'begin':
				this.#database.exec('BEGIN IMMEDIATE');
				this.#running = {
					id: request.id,
					idle: setTimeout(() => this.#expire(), this.#transactionIdleMsMax),
				};
				return NOTHING;
			case 'execute':
				return this.#execute(request.sql, request.parameters);
			case 'stop':
				this.#database.close();
				return NOTHING;
			default:
				throw new SqlError('other', `a request of kind ${request.kind} names no transaction`);
		}
	}

	#inTransaction(request: StoreRequest, transaction: number | undefined): SqlResult {
		if (this.#running?.id !== transaction) {
			// What is rolled back already may be rolled back again: the outcome is the one that was asked for.
			if (request.kind === 'rollback') return NOTHING;
			throw new SqlError('transaction-ended', 'the transaction has ended');
		}
		this.#running?.idle.refresh();
		switch (request.kind) {
			case 'execute':
				return this.#executeInTransaction(request.sql, request.parameters);
			case 'commit':
				return this.#commit();
			default:
				this.#rollback();
				return NOTHING;
		}
	}

	#executeInTransaction(sql: string, parameters: readonly SqlValue[]): SqlResult {
		try {
			return this.#execute(sql, parameters);
		} finally {
			// INVARIANT: after a full disk or an i/o error SQLite may have rolled back by itself. Then nothing more of
			// this transaction may run, because it would run as a transaction of its own.
			if (!this.#database.isTransaction) this.#end();
		}
	}

	#commit(): SqlResult {
		try {
			this.#database.exec('COMMIT');
			this.#end();
			return NOTHING;
		} catch (error) {
			this.#rollback();
			throw error;
		}
	}

	#rollback(): void {
		this.#end();
		if (this.#database.isTransaction) this.#database.exec('ROLLBACK');
	}

	#expire(): void {
		this.#rollback();
		this.#runWaiting();
	}

	#end(): void {
		clearTimeout(this.#running?.idle);
		this.#running = undefined;
	}

	#execute(sql: string, parameters: readonly SqlValue[]): SqlResult {
		let prepared = this.#prepared.get(sql);
		if (prepared === undefined) {
			const statement = this.#database.prepare(sql);
			prepared = { statement, hasRows: statement.columns().length > 0 };
			this.#prepared.set(sql, prepared);
		}
		if (prepared.hasRows) {
			const rows = prepared.statement.all(...parameters) as Record<string, SqlValue>[];
			return { rows, changes: rows.length };
		}
		return { rows: [], changes: Number(prepared.statement.run(...parameters).changes) };
	}
}
