// What every store owes to the platform, as tests: the same suite runs against all adapters.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Registry } from '../../domain/registry/registry.ts';
import { StoreConflict } from '../../domain/registry/store-conflict.ts';
import { checkAggregates } from './store-contract-aggregates.ts';
import { checkFeedAndExpiry } from './store-contract-feed.ts';
import { checkKeySetsAndLinks } from './store-contract-key-sets.ts';
import { checkRotationsAndEvents } from './store-contract-rotation.ts';
import { checkTrustAnchors } from './store-contract-trust-anchor.ts';
import { type OpenStore, rejectsWithConflict } from './store-contract-support.ts';
import { clientFixture, insertFixtures, partnerFixture } from './store-fixture.ts';

/** Defines the suite for the adapter that `openStore` opens. */
export function checkStoreContract(name: string, openStore: OpenStore): void {
	describe(`${name}: aggregates`, () => checkAggregates(openStore));
	describe(`${name}: change feed, answers, revocations, keys, configurations and marks`, () =>
		checkFeedAndExpiry(openStore));
	describe(`${name}: rotations and events`, () => checkRotationsAndEvents(openStore));
	describe(`${name}: trust anchors of partners`, () => checkTrustAnchors(openStore));
	describe(`${name}: key sets and links`, () => checkKeySetsAndLinks(openStore));
	describe(`${name}: transactions`, () => checkTransactions(openStore));
}

function checkTransactions(openStore: OpenStore): void {
	test('a transaction gives the value of its work', async (context) => {
		const { registry } = await openStore(context);
		const value = await registry.transaction(async (inside) => {
			await inside.partners.insert(partnerFixture(1));
			return (await inside.partners.get(partnerFixture(1).id))?.name;
		});
		assert.equal(value, 'Partner 1');
	});

	test('a transaction whose work throws leaves no trace in any aggregate and throws the same error', async (context) => {
		const store = await openStore(context);
		await store.registry.transaction((inside) => insertFixtures(inside, 1));
		await store.registry.changes.append({ kind: 'partner', record: partnerFixture(1) });
		const before = await snapshot(store.registry);
		const failure = new Error('the work changed its mind');
		const work = store.registry.transaction(async (inside) => {
			await insertFixtures(inside, 2);
			await inside.partners.update(partnerFixture(1, { name: 'Renamed', revision: 2 }), 1);
			await inside.changes.append({ kind: 'partner', record: partnerFixture(2) });
			await inside.changes.prune(1);
			await inside.revocations.insert({ jti: 'j', expiresAtSeconds: 9, revokedAtMs: 1 });
			await inside.idempotency.insert(answer('k'));
			throw failure;
		});
		await assert.rejects(work, (error) => error === failure);
		assert.deepEqual(await snapshot(store.registry), before);
		// The unique keys are free again, too.
		await store.registry.transaction((inside) => insertFixtures(inside, 2));
	});

	test('a conflict inside a transaction does not end it', async (context) => {
		const { registry } = await openStore(context);
		await registry.transaction(async (inside) => {
			await inside.partners.insert(partnerFixture(1));
			await rejectsWithConflict(inside.partners.insert(partnerFixture(1, { name: 'Twice' })), 'unique');
			await rejectsWithConflict(inside.partners.update(partnerFixture(1, { revision: 8 }), 7), 'revision');
			await inside.partners.insert(partnerFixture(2));
		});
		const { items } = await registry.partners.list({ limit: 10 });
		assert.deepEqual(items, [partnerFixture(1), partnerFixture(2)]);
	});

	test('transactions that run at once are as if they ran one after the other', async (context) => {
		const { registry } = await openStore(context);
		await registry.partners.insert(partnerFixture(1, { name: '0' }));
		const raise = () =>
			registry.transaction(async (inside) => {
				const partner = await inside.partners.get(partnerFixture(1).id);
				assert.ok(partner);
				await new Promise((resolve) => setImmediate(resolve));
				const name = String(Number(partner.name) + 1);
				await inside.partners.update({ ...partner, name, revision: partner.revision + 1 }, partner.revision);
			});
		await Promise.all(Array.from({ length: 25 }, raise));
		assert.equal((await registry.partners.get(partnerFixture(1).id))?.name, '25');
	});

	test('nobody outside of a transaction sees what it has not committed', async (context) => {
		const { registry } = await openStore(context);
		const seen = Promise.withResolvers<void>();
		const running = registry.transaction(async (inside) => {
			await inside.partners.insert(partnerFixture(1));
			seen.resolve();
			await new Promise((resolve) => setTimeout(resolve, 20));
			throw new Error('rolled back');
		});
		await seen.promise;
		const read = registry.partners.get(partnerFixture(1).id);
		await assert.rejects(running);
		assert.equal(await read, undefined);
	});

	test('of many inserts of one unique key at once exactly one wins', async (context) => {
		const { registry } = await openStore(context);
		const outcomes = await Promise.allSettled(
			Array.from({ length: 20 }, (_, index) =>
				registry.transaction((inside) =>
					index % 2 === 0 ? inside.partners.insert(partnerFixture(1, { name: `${index}` })) : insertFixtures(inside, 1),
				),
			),
		);
		assert.equal(outcomes.filter((outcome) => outcome.status === 'fulfilled').length, 1);
		for (const outcome of outcomes)
			if (outcome.status === 'rejected') assert.ok(outcome.reason instanceof StoreConflict);
	});

	test('the registry of a transaction is refused after its end', async (context) => {
		const { registry } = await openStore(context);
		let kept: Registry | undefined;
		await registry.transaction(async (inside) => {
			kept = inside;
		});
		await assert.rejects(async () => kept?.partners.insert(partnerFixture(1)));
		assert.equal(await registry.partners.get(partnerFixture(1).id), undefined);
	});

	test('work that uses the store inside its own transaction is refused instead of hanging', async (context) => {
		const { registry, keys } = await openStore(context);
		await assert.rejects(registry.transaction(() => registry.partners.get(partnerFixture(1).id)));
		await assert.rejects(registry.transaction(() => registry.transaction(async () => undefined)));
		await assert.rejects(registry.transaction(() => keys.get('ca/root')));
		await registry.partners.insert(partnerFixture(1));
	});

	test('a reference to a missing record prevents the commit, in whatever order the records were written', async (context) => {
		const { registry } = await openStore(context);
		await assert.rejects(registry.clients.insert(clientFixture(1)));
		await assert.rejects(registry.transaction((inside) => inside.clients.insert(clientFixture(1))));
		assert.equal(await registry.clients.get(clientFixture(1).id), undefined);
		await registry.transaction(async (inside) => {
			await inside.clients.insert(clientFixture(1));
			await inside.partners.insert(partnerFixture(1));
		});
	});

	test('closing lets the running transaction commit, and refuses what comes later', async (context) => {
		const store = await openStore(context);
		const begun = Promise.withResolvers<void>();
		const running = store.registry.transaction(async (inside) => {
			await inside.partners.insert(partnerFixture(1));
			begun.resolve();
			await new Promise((resolve) => setTimeout(resolve, 10));
			await inside.partners.insert(partnerFixture(2));
			return 'committed';
		});
		await begun.promise;
		const closing = store.close();
		const late = store.registry.partners.get(partnerFixture(1).id);
		await assert.rejects(late);
		assert.equal(await running, 'committed');
		await closing;
		await assert.rejects(store.registry.transaction(async () => undefined));
		await store.close();
	});
}

async function snapshot(registry: Registry): Promise<unknown> {
	const page = { limit: 200 };
	return {
		partners: await registry.partners.list(page),
		clients: await registry.clients.list(page),
		credentials: await registry.credentials.list(page),
		certificates: await registry.certificates.list(page),
		subscriptions: await registry.subscriptions.list(page),
		signingKeys: await registry.signingKeys.list('token-signing'),
		revocations: await registry.revocations.listLive(0),
		answer: await registry.idempotency.get('k'),
		changes: await registry.changes.after(0, 100),
		latest: await registry.changes.latest(),
	};
}

function answer(key: string) {
	return { key, fingerprint: 'f', status: 201, body: '{}', headers: {}, expiresAtMs: 9 };
}
