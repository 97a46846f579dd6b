import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { Worker } from 'node:worker_threads';
import { SqlError } from '../../adapters/store/sql/sql-connection.ts';
import { connectStoreThread, startStoreThread } from './start-store-thread.ts';

const isClosed = (error: unknown) => error instanceof SqlError && error.kind === 'closed';

function startDoomedThread(onRequest: string): Worker {
	const source = `const { parentPort } = require('node:worker_threads');
		parentPort.on('message', () => { ${onRequest} });
		parentPort.postMessage({ kind: 'opened' });`;
	return new Worker(source, { eval: true });
}

test('statements run in the thread, and their errors come back by kind', async (context) => {
	const folder = mkdtempSync(join(tmpdir(), 'sallyport-store-thread-'));
	context.after(() => rmSync(folder, { recursive: true, force: true }));
	const thread = await startStoreThread({ file: join(folder, 'store.db') });
	await thread.execute('CREATE TABLE lines (text TEXT UNIQUE) STRICT', []);
	const transaction = await thread.begin();
	assert.equal((await transaction.execute('INSERT INTO lines VALUES (?)', ['a'])).changes, 1);
	await transaction.commit();
	await assert.rejects(
		thread.execute('INSERT INTO lines VALUES (?)', ['a']),
		(error) => error instanceof SqlError && error.kind === 'unique',
	);
	assert.deepEqual((await thread.execute('SELECT text FROM lines', [])).rows, [{ text: 'a' }]);
	await thread.stop();
	await thread.stop();
	assert.equal(await thread.ended, undefined);
	await assert.rejects(thread.execute('SELECT 1', []), isClosed);
});

test('the death of the thread rejects everything that waits and everything that comes, and is told', async () => {
	const thread = await connectStoreThread(startDoomedThread("throw new Error('out of luck')"));
	const outcomes = await Promise.allSettled([
		thread.execute('SELECT 1', []),
		thread.begin(),
		thread.execute('SELECT 2', []),
	]);
	for (const outcome of outcomes) assert.ok(outcome.status === 'rejected' && isClosed(outcome.reason));
	await assert.rejects(thread.execute('SELECT 3', []), isClosed);
	const reason = await thread.ended;
	assert.ok(isClosed(reason));
	assert.ok(reason?.cause instanceof Error && reason.cause.message === 'out of luck');
	await thread.stop();
});

test('a thread that ends while it is being stopped is a death, not a stop', async () => {
	const thread = await connectStoreThread(startDoomedThread('process.exit(0)'));
	await assert.rejects(thread.stop(), isClosed);
	assert.ok(isClosed(await thread.ended));
});

test('a thread that cannot open its file rejects with the reason', async () => {
	await assert.rejects(
		startStoreThread({ file: join(tmpdir(), 'sallyport-absent', 'folder', 'store.db') }),
		(error) => error instanceof SqlError && error.kind === 'storage' && error.message.includes('sallyport-absent'),
	);
});
