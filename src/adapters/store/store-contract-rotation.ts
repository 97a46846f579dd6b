// What every store owes to rotations of credentials and to events, as tests.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Rotation } from '../../domain/client/rotation.ts';
import type { PlatformEvent } from '../../domain/event/event.ts';
import { type OpenStore, rejectsWithConflict } from './store-contract-support.ts';
import { credentialFixture, fixtureId, insertFixtures } from './store-fixture.ts';

const AT_MS = 1_790_000_000_000;

function rotationFixture(index: number, more: Partial<Rotation> = {}): Rotation {
	return {
		id: fixtureId('rot', index),
		clientId: fixtureId('cli', 1),
		partnerId: fixtureId('prt', 1),
		kind: 'certificate',
		oldCredentialId: fixtureId('crd', index),
		newCredentialId: fixtureId('crd', index + 100),
		status: 'overlapping',
		endsAtMs: AT_MS + index,
		createdAtMs: AT_MS,
		updatedAtMs: AT_MS,
		revision: 1,
		...more,
	};
}

function eventFixture(index: number, more: Partial<PlatformEvent> = {}): PlatformEvent {
	return {
		key: `key/${index}`,
		kind: 'credential.expiring',
		atMs: AT_MS + index,
		partnerId: fixtureId('prt', 1),
		clientId: fixtureId('cli', 1),
		credentialId: fixtureId('crd', 1),
		facts: { days: 30, has_successor: false },
		...more,
	};
}

/** Defines the tests for the adapter that `openStore` opens. */
export function checkRotationsAndEvents(openStore: OpenStore): void {
	test('rotations are found by either credential while they are open, and listed when they are due', async (context) => {
		const { registry } = await openStore(context);
		for (const index of [3, 1, 2]) await registry.rotations.insert(rotationFixture(index));
		await rejectsWithConflict(registry.rotations.insert(rotationFixture(1)), 'unique');
		const second = rotationFixture(2);
		assert.deepEqual(await registry.rotations.get(second.id), second);
		assert.deepEqual(await registry.rotations.findOpen(second.oldCredentialId), second);
		assert.deepEqual(await registry.rotations.findOpen(second.newCredentialId), second);
		assert.deepEqual(await registry.rotations.listDue(AT_MS + 2, 10), [rotationFixture(1), second]);
		assert.deepEqual(await registry.rotations.listDue(AT_MS + 2, 1), [rotationFixture(1)]);
		const done = rotationFixture(2, { status: 'completed', endedAtMs: AT_MS + 9, revision: 2 });
		await registry.rotations.update(done, 1);
		await rejectsWithConflict(registry.rotations.update(done, 1), 'revision');
		assert.equal(await registry.rotations.findOpen(second.oldCredentialId), undefined);
		assert.deepEqual(await registry.rotations.listDue(AT_MS + 2, 10), [rotationFixture(1)]);
		const clientId = fixtureId('cli', 1);
		const { items } = await registry.rotations.list({ limit: 10 }, { clientId, status: 'overlapping' });
		assert.deepEqual(items, [rotationFixture(1), rotationFixture(3)]);
		assert.deepEqual(await registry.rotations.list({ limit: 10 }, { clientId: fixtureId('cli', 2) }), { items: [] });
	});

	test('a credential is in one open rotation only, on each side', async (context) => {
		const { registry } = await openStore(context);
		await registry.rotations.insert(rotationFixture(1));
		const { oldCredentialId, newCredentialId } = rotationFixture(1);
		await rejectsWithConflict(registry.rotations.insert(rotationFixture(2, { oldCredentialId })), 'unique');
		await rejectsWithConflict(registry.rotations.insert(rotationFixture(2, { newCredentialId })), 'unique');
		await registry.rotations.update(rotationFixture(1, { status: 'cancelled', revision: 2 }), 1);
		await registry.rotations.insert(rotationFixture(2, { oldCredentialId, newCredentialId }));
	});

	test('an event is written once, in order, and what is rolled back was never there', async (context) => {
		const { registry } = await openStore(context);
		assert.equal(await registry.events.append(eventFixture(1)), true);
		assert.equal(await registry.events.append(eventFixture(1, { atMs: AT_MS + 50 })), false);
		const failure = new Error('rolled back');
		const work = registry.transaction(async (inside) => {
			assert.equal(await inside.events.append(eventFixture(2)), true);
			assert.equal(await inside.events.append(eventFixture(2)), false);
			throw failure;
		});
		await assert.rejects(work, (error) => error === failure);
		assert.equal(await registry.events.append(eventFixture(2)), true);
		const events = await registry.events.after(0, 10);
		assert.deepEqual(
			events.map(({ event }) => event),
			[eventFixture(1), eventFixture(2)],
		);
		const [first, second] = events;
		assert.ok(first !== undefined && second !== undefined && first.sequence < second.sequence);
		assert.deepEqual(await registry.events.after(first.sequence, 10), [second]);
		assert.deepEqual((await registry.events.findKeys(['key/1', 'key/2', 'key/3'])).toSorted(), ['key/1', 'key/2']);
		await registry.events.prune(AT_MS + 2);
		assert.deepEqual(await registry.events.after(0, 10), [second]);
		assert.equal(await registry.events.append(eventFixture(3)), true);
		const [, third] = await registry.events.after(0, 10);
		assert.ok(third !== undefined && third.sequence > second.sequence, 'numbers are not used again');
	});

	test('credentials are listed by their end, whichever comes first', async (context) => {
		const { registry } = await openStore(context);
		for (const index of [1, 2, 3]) await insertFixtures(registry, index);
		const { notAfterMs } = credentialFixture(1);
		const retired = { ...credentialFixture(2), retiresAtMs: notAfterMs - 1000, revision: 2 };
		await registry.credentials.update(retired, 1);
		await registry.credentials.update({ ...credentialFixture(3), status: 'revoked', revision: 2 }, 1);
		const ends = async (endsBeforeMs: number) =>
			(await registry.credentials.list({ limit: 10 }, { endsBeforeMs })).items.map(({ id }) => id);
		assert.deepEqual(await ends(notAfterMs - 1000), []);
		assert.deepEqual(await ends(notAfterMs - 999), [retired.id]);
		assert.deepEqual(await ends(notAfterMs + 1), [credentialFixture(1).id, retired.id]);
	});
}
