import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { chmodSync, readFileSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { test } from 'node:test';
import { ManualClock } from '../../../kernel/clock.ts';
import { Secret } from '../../../kernel/secret.ts';
import { EnvelopeError } from '../../keys/envelope.ts';
import { SqlError, type SqlErrorKind } from '../sql/sql-connection.ts';
import { checkStoreContract } from '../store-contract.ts';
import { clientFixture, credentialFixture, insertFixtures, keyFixture, partnerFixture } from '../store-fixture.ts';
import { connectInProcess } from './in-process-connection.ts';
import { SQLITE_MIGRATIONS } from './migrations.ts';
import { openSqliteStore } from './open-sqlite-store.ts';
import { envelopeFixture, openStoreFile, openTemporaryStore, temporaryFolder } from './sqlite-fixture.ts';

checkStoreContract('sqlite store', openTemporaryStore);

async function rejectsWithSqlError(promise: Promise<unknown>, kind: SqlErrorKind, mentions: string): Promise<void> {
	await assert.rejects(promise, (error) => {
		assert.ok(error instanceof SqlError, String(error));
		assert.equal(error.kind, kind);
		assert.ok(error.message.includes(mentions), `"${error.message}" mentions ${mentions}`);
		return true;
	});
}

/** Opens asynchronously, so that what the opening throws at once is a rejection too. */
async function open(file: string): Promise<void> {
	const store = await openStoreFile(file);
	await store.close();
}

test('everything is there after reopening, and sequences and numbers go on', async (context) => {
	const file = join(temporaryFolder(context), 'store.db');
	const before = await openStoreFile(file);
	await before.registry.transaction((inside) => insertFixtures(inside, 1));
	const sequence = await before.registry.changes.append({ kind: 'partner', record: partnerFixture(1) });
	await before.registry.changes.prune(sequence);
	await before.keys.insert(keyFixture('ca/root'));
	await before.revisions.record({ digest: 'a', source: 's', loadedAtMs: 1 });
	await before.close();

	const after = await openStoreFile(file);
	context.after(() => after.close());
	assert.deepEqual(await after.registry.partners.get(partnerFixture(1).id), partnerFixture(1));
	assert.equal((await after.registry.subscriptions.list({ limit: 10 })).items.length, 1);
	assert.equal(await after.registry.changes.latest(), sequence);
	assert.ok((await after.registry.changes.append({ kind: 'partner', record: partnerFixture(1) })) > sequence);
	assert.equal((await after.keys.get('ca/root'))?.privateKeyPem.reveal(), keyFixture('ca/root').privateKeyPem.reveal());
	assert.equal(await after.revisions.record({ digest: 'b', source: 's', loadedAtMs: 2 }), 2);
});

test('credentials and clients from before there were several kinds are kept, and get what they always were', async (context) => {
	const file = join(temporaryFolder(context), 'store.db');
	const old = await openSqliteStore({
		connection: connectInProcess({ file }),
		envelope: envelopeFixture(),
		clock: new ManualClock(1),
		migrations: SQLITE_MIGRATIONS.slice(0, 2),
	});
	await old.registry.transaction((inside) => insertFixtures(inside, 1));
	await old.close();
	const database = new DatabaseSync(file);
	database.exec("UPDATE clients SET body = json_remove(body, '$.authenticationMethod', '$.senderConstraint')");
	database.close();
	const store = await openStoreFile(file);
	context.after(() => store.close());
	assert.deepEqual(await store.registry.credentials.get(credentialFixture(1).id), credentialFixture(1));
	assert.deepEqual(await store.registry.credentials.findByThumbprint('thumbprint-1'), credentialFixture(1));
	assert.deepEqual(await store.registry.clients.get(clientFixture(1).id), clientFixture(1));
});

test('the files of the store are for their owner only, also when they were not before', async (context) => {
	const file = join(temporaryFolder(context), 'store.db');
	await open(file);
	chmodSync(file, 0o644);
	const store = await openStoreFile(file);
	context.after(() => store.close());
	await store.registry.partners.insert(partnerFixture(1));
	for (const path of [file, `${file}-wal`]) assert.equal(statSync(path).mode & 0o777, 0o600, path);
});

test('private keys never reach the disk in the clear', async (context) => {
	const file = join(temporaryFolder(context), 'store.db');
	const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
	const pem = privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
	const der = privateKey.export({ type: 'pkcs8', format: 'der' });
	const scalar = Buffer.from(privateKey.export({ format: 'jwk' }).d ?? '', 'base64url');
	const store = await openStoreFile(file);
	await store.keys.insert(keyFixture('token/1', { privateKeyPem: new Secret(pem), certificatePem: 'a marker' }));
	const look = (bytes: Buffer): void => {
		assert.ok(bytes.includes('a marker'), 'the row was written, so that its absence of a key means something');
		for (const secret of ['PRIVATE KEY', pem.split('\n')[1] ?? pem, der, scalar])
			assert.equal(bytes.includes(secret), false);
	};
	look(readFileSync(`${file}-wal`));
	await store.close();
	look(readFileSync(file));
});

test('a sealed key that was moved to another name, or given another purpose, does not open', async (context) => {
	const file = join(temporaryFolder(context), 'store.db');
	const store = await openStoreFile(file);
	await store.keys.insert(keyFixture('server/gateway'));
	await store.keys.insert(keyFixture('server/admin'));
	await store.keys.insert(keyFixture('service/gateway', { purpose: 'service' }));
	await store.close();
	const raw = new DatabaseSync(file);
	raw.exec(`UPDATE keys SET private_key = (SELECT private_key FROM keys WHERE name = 'server/admin') WHERE name = 'server/gateway';
		UPDATE keys SET purpose = 'token-signing' WHERE name = 'service/gateway'`);
	raw.close();
	const tampered = await openStoreFile(file);
	context.after(() => tampered.close());
	const isNotAuthentic = (error: unknown) => error instanceof EnvelopeError && error.reason === 'not-authentic';
	await assert.rejects(tampered.keys.get('server/gateway'), isNotAuthentic);
	await assert.rejects(tampered.keys.list('server'), isNotAuthentic);
	await assert.rejects(tampered.keys.list('token-signing'), isNotAuthentic);
	assert.ok(await tampered.keys.get('server/admin'));
});

test('another key-encryption key is refused at the start, and is of no matter while nothing is sealed', async (context) => {
	const file = join(temporaryFolder(context), 'store.db');
	await open(file);
	const store = await openStoreFile(file, envelopeFixture(2));
	await store.keys.insert(keyFixture('ca/root'));
	await store.close();
	await assert.rejects(openStoreFile(file, envelopeFixture(3)), (error) => {
		assert.ok(error instanceof EnvelopeError);
		assert.equal(error.reason, 'unknown-key');
		assert.ok(error.message.includes(envelopeFixture(2).keyVersion));
		return true;
	});
	// The refusal has let go of the file.
	await (await openStoreFile(file, envelopeFixture(2))).close();
});

test('a second opener of the same file is refused while the first one has it', async (context) => {
	const file = join(temporaryFolder(context), 'store.db');
	const store = await openStoreFile(file);
	await rejectsWithSqlError(open(file), 'locked', file);
	await store.registry.partners.insert(partnerFixture(1));
	await store.close();
	await open(file);
});

test('a file that is no database, was cut off or was overwritten is refused by name', async (context) => {
	const folder = temporaryFolder(context);
	const garbage = join(folder, 'garbage.db');
	writeFileSync(garbage, 'This is not a database. '.repeat(1000));
	await rejectsWithSqlError(open(garbage), 'corrupt', garbage);

	const cut = join(folder, 'cut.db');
	await open(cut);
	truncateSync(cut, 10_000);
	await rejectsWithSqlError(open(cut), 'corrupt', cut);

	const overwritten = join(folder, 'overwritten.db');
	await open(overwritten);
	const bytes = readFileSync(overwritten);
	bytes.fill(0xff, 3 * 4096, 6 * 4096);
	writeFileSync(overwritten, bytes);
	await rejectsWithSqlError(open(overwritten), 'corrupt', overwritten);

	await rejectsWithSqlError(open(folder), 'storage', folder);
	await rejectsWithSqlError(open(join(folder, 'absent', 'store.db')), 'storage', join(folder, 'absent', 'store.db'));
});

test('the database of another program is refused and left as it is', async (context) => {
	const file = join(temporaryFolder(context), 'other.db');
	const other = new DatabaseSync(file);
	other.exec('CREATE TABLE bookmarks (url TEXT)');
	other.close();
	await rejectsWithSqlError(open(file), 'schema', 'another program');
	const again = new DatabaseSync(file);
	assert.equal(again.prepare('SELECT count(*) AS count FROM sqlite_schema').get()?.['count'], 1);
	again.close();
});

test('a newer schema, and one that was edited, is refused', async (context) => {
	const file = join(temporaryFolder(context), 'store.db');
	const openWith = async (migrations: typeof SQLITE_MIGRATIONS) => {
		const options = { connection: connectInProcess({ file }), envelope: envelopeFixture(), clock: new ManualClock(1) };
		const store = await openSqliteStore({ ...options, migrations });
		await store.close();
	};
	const next = { name: 'next', statements: ['CREATE TABLE next (id TEXT) STRICT'] };
	await openWith([...SQLITE_MIGRATIONS, next]);
	await rejectsWithSqlError(open(file), 'schema', 'newer version');
	await rejectsWithSqlError(openWith([...SQLITE_MIGRATIONS, { ...next, statements: ['SELECT 1'] }]), 'schema', 'next');
	await openWith([...SQLITE_MIGRATIONS, next]);
});

test('a step of the schema that fails leaves no trace and can be repeated', async (context) => {
	const file = join(temporaryFolder(context), 'store.db');
	const openWith = (statements: readonly string[]) =>
		openSqliteStore({
			connection: connectInProcess({ file }),
			envelope: envelopeFixture(),
			clock: new ManualClock(1),
			migrations: [...SQLITE_MIGRATIONS, { name: 'next', statements }],
		});
	const made = 'CREATE TABLE next (id TEXT) STRICT';
	await assert.rejects(openWith([made, 'INSERT INTO missing VALUES (1)']), SqlError);
	await (await openWith([made])).close();
});

test('what is looked up on a change is found by an index, never by scanning', async (context) => {
	const file = join(temporaryFolder(context), 'store.db');
	await open(file);
	const raw = new DatabaseSync(file);
	context.after(() => raw.close());
	for (const query of [
		"SELECT body FROM credentials WHERE thumbprint = 'x' ORDER BY id LIMIT 1",
		"SELECT body FROM credentials WHERE client_id = 'x' AND id > 'y' ORDER BY id LIMIT 9",
		"SELECT body FROM certificates WHERE public_key_hash = 'x' ORDER BY id",
		"SELECT body FROM certificates WHERE partner_id = 'x' AND id > 'y' ORDER BY id LIMIT 9",
		"SELECT body FROM clients WHERE partner_id = 'x' AND id > 'y' ORDER BY id LIMIT 9",
		"SELECT body FROM subscriptions WHERE client_id = 'x' AND id > 'y' ORDER BY id LIMIT 9",
		"SELECT body FROM operators WHERE thumbprint = 'x' ORDER BY id LIMIT 1",
		'DELETE FROM token_revocations WHERE expires_at_seconds < 1',
		'DELETE FROM idempotent_answers WHERE expires_at_ms <= 1',
	]) {
		const plan = raw
			.prepare(`EXPLAIN QUERY PLAN ${query}`)
			.all()
			.map((row) => String(row['detail']));
		assert.ok(
			plan.every((step) => step.startsWith('SEARCH')),
			`${query}: ${plan.join('; ')}`,
		);
	}
});
