// The asking end of a statement queue: numbers requests, bounds how many wait, and settles each exactly once. Whatever
// is pending when the queue ends is rejected: nobody waits for an answer that cannot come, or takes silence for success.
import {
	type SqlConnection,
	SqlError,
	type SqlResult,
	type SqlTransaction,
	type SqlValue,
} from '../sql/sql-connection.ts';
import type { StoreReply, StoreRequest } from './statement-queue.ts';

/** A connection over messages. Its owner feeds it the replies, and tells it when there will be no more. */
export class StatementClient implements SqlConnection {
	readonly #send: (request: StoreRequest) => void;
	readonly #pendingMax: number;
	readonly #pending = new Map<number, Pick<PromiseWithResolvers<SqlResult>, 'resolve' | 'reject'>>();
	#nextId = 1;
	#stopped: Promise<void> | undefined;
	#end: SqlError | undefined;

	/** Sends requests by `send`; above `pendingMax` unanswered ones more are refused with SqlError('overloaded'). */
	constructor(send: (request: StoreRequest) => void, pendingMax: number) {
		this.#send = send;
		this.#pendingMax = pendingMax;
	}

	/** Takes a reply of the queue. */
	settle(reply: StoreReply): void {
		const waiter = this.#pending.get(reply.id);
		this.#pending.delete(reply.id);
		if (reply.ok) waiter?.resolve(reply.result);
		else waiter?.reject(new SqlError(reply.error.kind, reply.error.message));
	}

	/** Rejects what is pending and whatever comes: the queue has ended. */
	end(reason: SqlError): void {
		this.#end ??= reason;
		for (const waiter of this.#pending.values()) waiter.reject(reason);
		this.#pending.clear();
	}

	execute(sql: string, parameters: readonly SqlValue[]): Promise<SqlResult> {
		return this.#askFirst((id) => ({ id, kind: 'execute', sql, parameters }));
	}

	async begin(): Promise<SqlTransaction> {
		let transaction = 0;
		await this.#askFirst((id) => {
			transaction = id;
			return { id, kind: 'begin' };
		});
		// A running transaction is served whatever else waits, because nothing else gets its turn before it has ended.
		return {
			execute: (sql, parameters) => this.#ask((id) => ({ id, kind: 'execute', transaction, sql, parameters })),
			commit: async () => {
				await this.#ask((id) => ({ id, kind: 'commit', transaction }));
			},
			rollback: async () => {
				await this.#ask((id) => ({ id, kind: 'rollback', transaction }));
			},
		};
	}

	stop(): Promise<void> {
		this.#stopped ??= this.#end === undefined ? this.#stop() : Promise.resolve();
		return this.#stopped;
	}

	async #stop(): Promise<void> {
		await this.#ask((id) => ({ id, kind: 'stop' }));
		this.end(new SqlError('closed', 'the store is closed'));
	}

	/** Asks for something that starts outside of a transaction: refused while stopping, and above the bound. */
	#askFirst(make: (id: number) => StoreRequest): Promise<SqlResult> {
		if (this.#stopped !== undefined) return Promise.reject(new SqlError('closed', 'the store is closed'));
		if (this.#pending.size >= this.#pendingMax) {
			return Promise.reject(new SqlError('overloaded', 'too many statements wait for the store'));
		}
		return this.#ask(make);
	}

	#ask(make: (id: number) => StoreRequest): Promise<SqlResult> {
		if (this.#end !== undefined) return Promise.reject(this.#end);
		const id = this.#nextId++;
		const { promise, resolve, reject } = Promise.withResolvers<SqlResult>();
		this.#pending.set(id, { resolve, reject });
		this.#send(make(id));
		return promise;
	}
}
