import assert from 'node:assert/strict';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { SqlError, type SqlErrorKind } from '../sql/sql-connection.ts';
import { connectInProcess } from './in-process-connection.ts';
import { temporaryFolder } from './sqlite-fixture.ts';

async function openQueue(context: TestContext, more: { transactionIdleMsMax?: number; pendingMax?: number } = {}) {
	const connection = connectInProcess({ file: join(temporaryFolder(context), 'queue.db'), ...more });
	context.after(() => connection.stop());
	await connection.execute('CREATE TABLE lines (text TEXT NOT NULL UNIQUE) STRICT', []);
	const lines = async () =>
		(await connection.execute('SELECT text FROM lines ORDER BY rowid', [])).rows.map((row) => row['text']);
	return { connection, lines };
}

const INSERT = 'INSERT INTO lines (text) VALUES (?)';

async function rejectsWithKind(promise: Promise<unknown>, kind: SqlErrorKind): Promise<void> {
	await assert.rejects(promise, (error) => error instanceof SqlError && error.kind === kind);
}

test('nothing runs between the statements of a transaction, and the rest follows in the order of arrival', async (context) => {
	const { connection, lines } = await openQueue(context);
	const first = await connection.begin();
	const alone = connection.execute(INSERT, ['alone']);
	const second = connection.begin();
	const last = connection.execute(INSERT, ['last']);
	await first.execute(INSERT, ['first 1']);
	await first.execute(INSERT, ['first 2']);
	await first.commit();
	const transaction = await second;
	await transaction.execute(INSERT, ['second']);
	await transaction.commit();
	await Promise.all([alone, last]);
	assert.deepEqual(await lines(), ['first 1', 'first 2', 'alone', 'second', 'last']);
});

test('a silent transaction is rolled back, and everybody else is served', async (context) => {
	const { connection, lines } = await openQueue(context, { transactionIdleMsMax: 30 });
	const silent = await connection.begin();
	await silent.execute(INSERT, ['lost']);
	await connection.execute(INSERT, ['served']);
	await rejectsWithKind(silent.execute(INSERT, ['late']), 'transaction-ended');
	await rejectsWithKind(silent.commit(), 'transaction-ended');
	await silent.rollback();
	assert.deepEqual(await lines(), ['served']);
});

test('a statement after commit or rollback is refused and does not run by itself', async (context) => {
	const { connection, lines } = await openQueue(context);
	const committed = await connection.begin();
	await committed.commit();
	await rejectsWithKind(committed.execute(INSERT, ['a']), 'transaction-ended');
	const rolledBack = await connection.begin();
	await rolledBack.rollback();
	await rejectsWithKind(rolledBack.execute(INSERT, ['b']), 'transaction-ended');
	assert.deepEqual(await lines(), []);
});

test('a transaction that SQLite has rolled back by itself runs no further statement', async (context) => {
	const { connection, lines } = await openQueue(context);
	await connection.execute(INSERT, ['taken']);
	const transaction = await connection.begin();
	await transaction.execute(INSERT, ['lost']);
	// OR ROLLBACK does what a full disk does: the statement fails and takes the whole transaction with it.
	await rejectsWithKind(transaction.execute("INSERT OR ROLLBACK INTO lines (text) VALUES ('taken')", []), 'unique');
	await rejectsWithKind(transaction.execute(INSERT, ['stray']), 'transaction-ended');
	await rejectsWithKind(transaction.commit(), 'transaction-ended');
	assert.deepEqual(await lines(), ['taken']);
});

test('a failed statement leaves the transaction as it was', async (context) => {
	const { connection, lines } = await openQueue(context);
	const transaction = await connection.begin();
	await transaction.execute(INSERT, ['a']);
	await rejectsWithKind(transaction.execute(INSERT, ['a']), 'unique');
	await rejectsWithKind(transaction.execute('SELECT nothing FROM nowhere', []), 'other');
	await transaction.execute(INSERT, ['b']);
	await transaction.commit();
	assert.deepEqual(await lines(), ['a', 'b']);
});

test('more waiting statements than the bound are refused at once, and the running transaction is not', async (context) => {
	const { connection, lines } = await openQueue(context, { pendingMax: 3 });
	const transaction = await connection.begin();
	const waiting = ['x', 'y', 'z'].map((text) => connection.execute(INSERT, [text]));
	await rejectsWithKind(connection.execute(INSERT, ['too many']), 'overloaded');
	await rejectsWithKind(connection.begin(), 'overloaded');
	await transaction.execute(INSERT, ['inside']);
	await transaction.commit();
	await Promise.all(waiting);
	assert.deepEqual(await lines(), ['inside', 'x', 'y', 'z']);
});

test('bytes, null, numbers and text are read back as what they were', async (context) => {
	const { connection } = await openQueue(context);
	const bytes = Uint8Array.of(0, 255, 10);
	const values = [null, 2 ** 53 - 1, -1.5, 'ü\u0000"', bytes] as const;
	const { rows } = await connection.execute('SELECT ? AS a, ? AS b, ? AS c, ? AS d, ? AS e', [...values]);
	assert.deepEqual(Object.values(rows[0] ?? {}), [null, 2 ** 53 - 1, -1.5, 'ü\u0000"', bytes]);
});
