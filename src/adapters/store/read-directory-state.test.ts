// Here and not beside the function, because the domain knows no adapter.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Directory } from '../../domain/registry/directory.ts';
import { readDirectoryState } from '../../domain/registry/read-directory-state.ts';
import { ManualClock } from '../../kernel/clock.ts';
import { openMemoryStore } from './memory/open-memory-store.ts';
import { openTemporaryStore } from './sqlite/sqlite-fixture.ts';
import {
	clientFixture,
	credentialFixture,
	insertFixtures,
	partnerFixture,
	subscriptionFixture,
} from './store-fixture.ts';

const clock = new ManualClock(100_000);

test('a directory starts from all records, however many pages they fill, and from the sequence they belong to', async () => {
	const { registry } = openMemoryStore();
	await registry.transaction(async (inside) => {
		for (let index = 1; index <= 401; index++) await insertFixtures(inside, index);
		await inside.subscriptions.update(subscriptionFixture(7, { status: 'ended', revision: 2 }), 1);
		await inside.revocations.insert({ jti: 'live', expiresAtSeconds: 100, revokedAtMs: 1 });
		await inside.revocations.insert({ jti: 'expired', expiresAtSeconds: 99, revokedAtMs: 1 });
		await inside.changes.append({ kind: 'partner', record: partnerFixture(1) });
	});
	const state = await readDirectoryState(registry, clock);
	assert.equal(state.sequence, 1);
	for (const part of [state.partners, state.clients, state.credentials]) assert.equal(part.length, 401);
	assert.equal(state.subscriptions.length, 400);
	assert.deepEqual(
		state.tokenRevocations.map(({ jti }) => jti),
		['live'],
	);
	const directory = new Directory(state);
	assert.deepEqual(directory.client(clientFixture(401).id), clientFixture(401));
	assert.deepEqual(directory.credentialByThumbprint('thumbprint-200'), credentialFixture(200));
	assert.deepEqual([...directory.subscriptions(clientFixture(7).id)], []);
});

test('no change is lost between the state and the feed, while others keep writing', async (context) => {
	const { registry } = await openTemporaryStore(context);
	await registry.partners.insert(partnerFixture(1));
	const write = async (): Promise<void> => {
		for (let revision = 2; revision <= 40; revision++) {
			await registry.transaction(async (inside) => {
				const record = partnerFixture(1, { name: `${revision}`, revision });
				await inside.partners.update(record, revision - 1);
				await inside.changes.append({ kind: 'partner', record });
			});
		}
	};
	const writing = write();
	const directories: Directory[] = [];
	for (let round = 0; round < 8; round++) directories.push(new Directory(await readDirectoryState(registry, clock)));
	await writing;
	for (const directory of directories) {
		for (const change of await registry.changes.after(directory.sequence, 100)) directory.apply(change);
		assert.equal(directory.partner(partnerFixture(1).id)?.revision, 40);
	}
});
