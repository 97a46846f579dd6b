import assert from 'node:assert/strict';
import { test } from 'node:test';
import { checkStoreContract } from '../store-contract.ts';
import { partnerFixture } from '../store-fixture.ts';
import { openMemoryStore } from './open-memory-store.ts';

checkStoreContract('memory store', async () => openMemoryStore());

test('a record that was read cannot be changed by its reader', async () => {
	const { registry } = openMemoryStore();
	await registry.partners.insert(partnerFixture(1));
	const read = await registry.partners.get(partnerFixture(1).id);
	assert.ok(read !== undefined && Object.isFrozen(read));
});
