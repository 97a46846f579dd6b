import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { UsedProofsOverloaded } from '../../../domain/token/used-proofs.ts';
import { SqlError } from '../sql/sql-connection.ts';
import { checkUsedProofsContract, proofFixture } from '../used-proofs-contract.ts';
import { connectInProcess } from './in-process-connection.ts';
import { temporaryFolder } from './sqlite-fixture.ts';
import { openSqliteUsedProofs } from './sqlite-used-proofs.ts';

checkUsedProofsContract('used proofs in SQLite', async (context, proofs = 1_000_000) => {
	const connection = connectInProcess({ file: join(temporaryFolder(context), 'proofs.db'), use: 'shared' });
	context.after(() => connection.stop());
	return openSqliteUsedProofs(connection, { waiting: 1000, proofs });
});

test('check 110: two connections to one file agree on which use was the first', async (context) => {
	const file = join(temporaryFolder(context), 'proofs.db');
	const connections = [connectInProcess({ file, use: 'shared' }), connectInProcess({ file, use: 'shared' })];
	const stores = await Promise.all(connections.map((connection) => openSqliteUsedProofs(connection)));
	for (let round = 0; round < 10; round++) {
		const uses = stores.flatMap((store) => Array.from({ length: 25 }, () => store.use(proofFixture(`round ${round}`))));
		assert.equal((await Promise.all(uses)).filter(Boolean).length, 1);
	}
	await Promise.all(connections.map((connection) => connection.stop()));
});

test('a proof is remembered by whoever opens the file next', async (context) => {
	const file = join(temporaryFolder(context), 'proofs.db');
	for (const isNew of [true, false, false]) {
		const connection = connectInProcess({ file, use: 'shared' });
		const proofs = await openSqliteUsedProofs(connection);
		assert.equal(await proofs.use(proofFixture('a')), isNew);
		await connection.stop();
	}
});

test("proofs that come together share one statement, and a failed one is nobody's success", async (context) => {
	const connection = connectInProcess({ file: join(temporaryFolder(context), 'proofs.db'), use: 'shared' });
	let statements = 0;
	let isFailing = false;
	const proofs = await openSqliteUsedProofs({
		begin: () => connection.begin(),
		stop: () => connection.stop(),
		execute: (sql, parameters) => {
			if (!sql.startsWith('INSERT')) return connection.execute(sql, parameters);
			statements++;
			return isFailing ? Promise.reject(new SqlError('storage', 'no space left')) : connection.execute(sql, parameters);
		},
	});
	await Promise.all(Array.from({ length: 400 }, (_, index) => proofs.use(proofFixture(`${index}`))));
	assert.ok(statements <= 2, `${statements} statements`);
	isFailing = true;
	const outcomes = await Promise.allSettled([proofs.use(proofFixture('x')), proofs.use(proofFixture('x'))]);
	assert.deepEqual(
		outcomes.map((outcome) => outcome.status),
		['rejected', 'rejected'],
	);
	isFailing = false;
	assert.equal(await proofs.use(proofFixture('x')), true);
	await connection.stop();
	await assert.rejects(proofs.use(proofFixture('y')), SqlError);
});

test('proofs wait a moment for company where the last ones had it, and a lone one does not', async (context) => {
	const connection = connectInProcess({ file: join(temporaryFolder(context), 'proofs.db'), use: 'shared' });
	const batches: number[] = [];
	const execute: typeof connection.execute = (sql, parameters) => {
		if (sql.startsWith('INSERT')) batches.push((JSON.parse(String(parameters[0])) as unknown[]).length);
		return connection.execute(sql, parameters);
	};
	const counted = { begin: () => connection.begin(), stop: () => connection.stop(), execute };
	const proofs = await openSqliteUsedProofs(counted, { companyMs: 1000 });
	const startedMs = performance.now();
	await proofs.use(proofFixture('alone'));
	await Promise.all([proofs.use(proofFixture('a')), proofs.use(proofFixture('b'))]);
	assert.ok(performance.now() - startedMs < 1000, 'nothing waited before there was company');
	const early = proofs.use(proofFixture('c'));
	await sleep(20);
	assert.deepEqual(await Promise.all([early, proofs.use(proofFixture('d'))]), [true, true]);
	assert.deepEqual(batches, [1, 2, 2]);
	await connection.stop();
});

test('refuses more proofs than may wait, and a file of another version', async (context) => {
	const file = join(temporaryFolder(context), 'proofs.db');
	const connection = connectInProcess({ file, use: 'shared' });
	const proofs = await openSqliteUsedProofs(connection, { waiting: 10, proofs: 1000 });
	const outcomes = await Promise.allSettled(Array.from({ length: 30 }, (_, n) => proofs.use(proofFixture(`${n}`))));
	const refused = outcomes.filter((outcome) => outcome.status === 'rejected');
	assert.equal(refused.length, 20);
	for (const { reason } of refused) assert.ok(reason instanceof UsedProofsOverloaded);
	await connection.execute('PRAGMA user_version = 2', []);
	await assert.rejects(
		openSqliteUsedProofs(connection),
		(error) => error instanceof SqlError && error.kind === 'schema',
	);
	await connection.stop();
});
