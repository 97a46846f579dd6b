// Starts the store thread and connects to it. What is pending when the thread dies is rejected, and the platform is told.
import { Worker } from 'node:worker_threads';
import { type SqlConnection, SqlError } from '../../adapters/store/sql/sql-connection.ts';
import type { FileUse } from '../../adapters/store/sqlite/database-file.ts';
import { StatementClient } from '../../adapters/store/sqlite/statement-client.ts';
import type { StoreThreadMessage, StoreThreadOptions } from './store-thread-message.ts';

/** Requests that may wait for an answer at once; more are refused with SqlError('overloaded'). */
const PENDING_MAX = 10_000;

/** A transaction that says nothing for this long is rolled back, because everything else waits for it. */
const TRANSACTION_IDLE_MS_MAX = 10_000;

/** The connection to the store thread. */
export interface StoreThread extends SqlConnection {
	/** Resolves when the thread has ended: with undefined after `stop`, with the reason when it died. Never rejects. */
	readonly ended: Promise<Error | undefined>;
}

/** Opens the database file in a thread of its own. Rejects with SqlError when it cannot be opened for writing. */
export function startStoreThread(options: {
	readonly file: string;
	readonly transactionIdleMsMax?: number;
	/** `exclusive` when absent. */
	readonly use?: FileUse;
}): Promise<StoreThread> {
	const workerData: StoreThreadOptions = {
		file: options.file,
		use: options.use ?? 'exclusive',
		transactionIdleMsMax: options.transactionIdleMsMax ?? TRANSACTION_IDLE_MS_MAX,
	};
	return connectStoreThread(new Worker(new URL('./store-thread.ts', import.meta.url), { workerData, name: 'store' }));
}

/** Waits until the worker says that it has opened the database, and gives the connection to it. */
export async function connectStoreThread(worker: Worker): Promise<StoreThread> {
	const client = new StatementClient((request) => worker.postMessage(request), PENDING_MAX);
	const opened = Promise.withResolvers<void>();
	const ended = Promise.withResolvers<Error | undefined>();
	let cause: unknown;
	let isStopped = false;
	worker.on('message', (message: StoreThreadMessage) => {
		if (message.kind === 'opened') opened.resolve();
		else if (message.kind === 'refused') opened.reject(new SqlError(message.error.kind, message.error.message));
		else client.settle(message);
	});
	worker.on('error', (error) => {
		cause = error;
	});
	worker.on('exit', (code) => {
		const reason = new SqlError('closed', `the store thread ended with code ${code}`, cause);
		opened.reject(reason);
		client.end(reason);
		ended.resolve(isStopped ? undefined : reason);
	});
	try {
		await opened.promise;
	} catch (error) {
		await worker.terminate();
		throw error;
	}
	return {
		execute: (sql, parameters) => client.execute(sql, parameters),
		begin: () => client.begin(),
		stop: async () => {
			await client.stop();
			isStopped = true;
			await worker.terminate();
		},
		ended: ended.promise,
	};
}
