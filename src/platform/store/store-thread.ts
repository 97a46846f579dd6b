// Entry of the store thread: owns the database connection, and nothing else. It runs what it is sent in the order of
// arrival, so that a slow disk stops no request of another thread.
import { parentPort, workerData } from 'node:worker_threads';
import { openDatabaseFile } from '../../adapters/store/sqlite/database-file.ts';
import { toSqlError } from '../../adapters/store/sqlite/sqlite-error.ts';
import { StatementQueue, type StoreRequest } from '../../adapters/store/sqlite/statement-queue.ts';
import type { StoreThreadMessage, StoreThreadOptions } from './store-thread-message.ts';

const options = workerData as StoreThreadOptions;
const port = parentPort;
if (port === null) throw new Error('the store thread must be started as a worker thread');

try {
	const queue = new StatementQueue({
		database: openDatabaseFile(options.file, undefined, options.use),
		transactionIdleMsMax: options.transactionIdleMsMax,
		reply: (reply) => port.postMessage(reply),
	});
	port.on('message', (request: StoreRequest) => {
		queue.receive(request);
	});
	port.postMessage({ kind: 'opened' } satisfies StoreThreadMessage);
} catch (error) {
	const { kind, message } = toSqlError(error);
	port.postMessage({ kind: 'refused', error: { kind, message } } satisfies StoreThreadMessage);
}
