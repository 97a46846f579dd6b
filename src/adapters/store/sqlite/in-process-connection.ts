// A connection to a statement queue in the same thread, for tests: the same queue and the same client as the store
// thread has, with a structured clone of each message in between, but without a thread.
import { type FileUse, openDatabaseFile } from './database-file.ts';
import { StatementClient } from './statement-client.ts';
import { StatementQueue, type StoreRequest } from './statement-queue.ts';

/** Opens the database file in this thread. Throws SqlError. */
export function connectInProcess(options: {
	readonly file: string;
	readonly transactionIdleMsMax?: number;
	readonly pendingMax?: number;
	readonly use?: FileUse;
}): StatementClient {
	const queue = new StatementQueue({
		database: openDatabaseFile(options.file, options.use === 'shared' ? 5000 : 100, options.use),
		transactionIdleMsMax: options.transactionIdleMsMax ?? 10_000,
		reply: (reply) => setImmediate(() => client.settle(structuredClone(reply))),
	});
	const client = new StatementClient((request) => {
		const message: StoreRequest = structuredClone(request);
		setImmediate(() => queue.receive(message));
	}, options.pendingMax ?? 1000);
	return client;
}
