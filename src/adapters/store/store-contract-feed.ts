// The part of the store contract about what is not an aggregate: the change feed, remembered answers, revocations,
// keys, configurations and the mark of the ledger.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { RegistryChange } from '../../domain/registry/change-feed.ts';
import { Secret } from '../../kernel/secret.ts';
import { type OpenStore, rejectsWithConflict } from './store-contract-support.ts';
import { clientFixture, credentialFixture, keyFixture, partnerFixture, subscriptionFixture } from './store-fixture.ts';

/** Defines the tests of everything that is not an aggregate. */
export function checkFeedAndExpiry(openStore: OpenStore): void {
	test('the feed gives every kind of change back whole and in order', async (context) => {
		const { registry } = await openStore(context);
		assert.equal(await registry.changes.latest(), 0);
		const changes: RegistryChange[] = [
			{ kind: 'partner', record: partnerFixture(1) },
			{ kind: 'client', record: clientFixture(1) },
			{ kind: 'credential', record: credentialFixture(1) },
			{ kind: 'subscription', record: subscriptionFixture(1) },
			{ kind: 'token-revocation', record: { jti: 'j', expiresAtSeconds: 5, revokedAtMs: 1 } },
		];
		const sequences = [];
		for (const change of changes) sequences.push(await registry.changes.append(change));
		const read = await registry.changes.after(0, 100);
		assert.deepEqual(
			read.map(({ change }) => change),
			changes,
		);
		assert.deepEqual(
			read.map(({ sequence }) => sequence),
			sequences,
		);
		assert.deepEqual(await registry.changes.after(sequences[1] ?? 0, 2), read.slice(2, 4));
		assert.equal(await registry.changes.latest(), sequences.at(-1));
		await assert.rejects(registry.changes.after(0, 0), RangeError);
	});

	test('sequences rise in commit order, also when many transactions append at once and some roll back', async (context) => {
		const { registry } = await openStore(context);
		const committed: { sequence: number; name: string }[] = [];
		await Promise.allSettled(
			Array.from({ length: 30 }, (_, index) =>
				registry
					.transaction(async (inside) => {
						const name = `${index}`;
						const sequence = await inside.changes.append({ kind: 'partner', record: partnerFixture(index, { name }) });
						await new Promise((resolve) => setImmediate(resolve));
						if (index % 3 === 0) throw new Error('rolled back');
						return { sequence, name };
					})
					// What is acknowledged first was committed first.
					.then((change) => committed.push(change)),
			),
		);
		assert.equal(committed.length, 20);
		const read = await registry.changes.after(0, 100);
		assert.deepEqual(
			read.map(({ sequence, change }) => ({ sequence, name: change.kind === 'partner' ? change.record.name : '' })),
			committed,
		);
		for (const [index, { sequence }] of read.entries())
			assert.ok(index === 0 || sequence > (read[index - 1]?.sequence ?? 0));
	});

	test('a reader that follows the feed misses nothing, also when changes are appended outside of transactions', async (context) => {
		const { registry } = await openStore(context);
		const seen: number[] = [];
		const follow = async (): Promise<void> => {
			const next = await registry.changes.after(seen.at(-1) ?? 0, 100);
			seen.push(...next.map(({ sequence }) => sequence));
		};
		const appends = Array.from({ length: 30 }, async (_, index) => {
			for (let turn = 0; turn < index; turn++) await new Promise((resolve) => setImmediate(resolve));
			return registry.changes.append({ kind: 'partner', record: partnerFixture(1) });
		});
		const writers = { areBusy: true };
		const done = Promise.all(appends).finally(() => {
			writers.areBusy = false;
		});
		while (writers.areBusy) {
			await follow();
			await new Promise((resolve) => setImmediate(resolve));
		}
		await follow();
		assert.deepEqual(seen, await done);
	});

	test('pruning forgets old changes, and sequences go on where they were', async (context) => {
		const { registry } = await openStore(context);
		const change: RegistryChange = { kind: 'partner', record: partnerFixture(1) };
		const first = await registry.changes.append(change);
		const second = await registry.changes.append(change);
		await registry.changes.prune(first);
		assert.deepEqual(
			(await registry.changes.after(0, 10)).map(({ sequence }) => sequence),
			[second],
		);
		await registry.changes.prune(second);
		assert.deepEqual(await registry.changes.after(0, 10), []);
		assert.equal(await registry.changes.latest(), second);
		assert.ok((await registry.changes.append(change)) > second);
	});

	test('a revocation is live up to its last second, and the later expiry stays', async (context) => {
		const { registry } = await openStore(context);
		await registry.revocations.insert({ jti: 'a', expiresAtSeconds: 100, revokedAtMs: 1 });
		await registry.revocations.insert({ jti: 'b', expiresAtSeconds: 200, revokedAtMs: 2 });
		await registry.revocations.insert({ jti: 'b', expiresAtSeconds: 150, revokedAtMs: 3 });
		await registry.revocations.insert({ jti: 'a', expiresAtSeconds: 120, revokedAtMs: 4 });
		const a = { jti: 'a', expiresAtSeconds: 120, revokedAtMs: 1 };
		const b = { jti: 'b', expiresAtSeconds: 200, revokedAtMs: 2 };
		assert.deepEqual(await registry.revocations.listLive(120), [a, b]);
		assert.deepEqual(await registry.revocations.listLive(121), [b]);
		await registry.revocations.deleteExpired(120);
		assert.deepEqual(await registry.revocations.listLive(0), [a, b]);
		await registry.revocations.deleteExpired(121);
		assert.deepEqual(await registry.revocations.listLive(0), [b]);
	});

	test('an answer is kept under its key until it has expired', async (context) => {
		const { registry } = await openStore(context);
		const headers = { etag: '"1"', location: '/admin/v1/partners/x' };
		const answer = { key: 'o k', fingerprint: 'f', status: 201, body: '{"a":"ü"}', headers, expiresAtMs: 1000 };
		assert.equal(await registry.idempotency.get('o k'), undefined);
		await registry.idempotency.insert(answer);
		assert.deepEqual(await registry.idempotency.get('o k'), answer);
		await rejectsWithConflict(registry.idempotency.insert({ ...answer, fingerprint: 'g' }), 'unique');
		await registry.idempotency.deleteExpired(999);
		assert.deepEqual(await registry.idempotency.get('o k'), answer);
		await registry.idempotency.deleteExpired(1000);
		assert.equal(await registry.idempotency.get('o k'), undefined);
		await registry.idempotency.insert({ ...answer, fingerprint: 'g' });
	});

	test('of many answers under one key at once exactly one is kept', async (context) => {
		const { registry } = await openStore(context);
		const outcomes = await Promise.allSettled(
			Array.from({ length: 20 }, (_, status) =>
				registry.idempotency.insert({ key: 'k', fingerprint: 'f', status, body: '', headers: {}, expiresAtMs: 9 }),
			),
		);
		const winners = outcomes.flatMap((outcome, status) => (outcome.status === 'fulfilled' ? [status] : []));
		assert.equal(winners.length, 1);
		assert.equal((await registry.idempotency.get('k'))?.status, winners[0]);
	});

	test('a key is read back under its name and purpose, and replaced only by put', async (context) => {
		const { keys } = await openStore(context);
		const root = keyFixture('ca/root', { purpose: 'certificate-authority', certificatePem: 'root certificate' });
		await keys.insert(root);
		await keys.put(keyFixture('server/b'));
		await keys.put(keyFixture('server/a'));
		const read = await keys.get('ca/root');
		assert.equal(read?.privateKeyPem.reveal(), root.privateKeyPem.reveal());
		assert.deepEqual({ ...read, privateKeyPem: undefined }, { ...root, privateKeyPem: undefined });
		await rejectsWithConflict(keys.insert(keyFixture('ca/root')), 'unique');
		await keys.put({ ...root, privateKeyPem: new Secret('another key'), certificatePem: 'another certificate' });
		assert.equal((await keys.get('ca/root'))?.privateKeyPem.reveal(), 'another key');
		assert.equal((await keys.get('ca/root'))?.certificatePem, 'another certificate');
		assert.deepEqual(
			(await keys.list('server')).map((key) => key.name),
			['server/a', 'server/b'],
		);
		assert.equal((await keys.list('server'))[0]?.privateKeyPem.reveal(), keyFixture('server/a').privateKeyPem.reveal());
		assert.deepEqual(await keys.list('token-signing'), []);
		assert.equal(await keys.get('ca/other'), undefined);
		await keys.delete('server/a');
		await keys.delete('server/a');
		assert.equal(await keys.get('server/a'), undefined);
		assert.notEqual(await keys.get('server/b'), undefined);
	});

	test('a configuration gets a number unless it is the one that runs already', async (context) => {
		const { revisions } = await openStore(context);
		assert.equal(await revisions.latest(), undefined);
		const first = { digest: 'a', source: 'listeners: {}\n', loadedAtMs: 1 };
		assert.equal(await revisions.record(first), 1);
		assert.equal(await revisions.record({ ...first, loadedAtMs: 2 }), 1);
		assert.equal(await revisions.record({ ...first, digest: 'b', loadedAtMs: 3 }), 2);
		assert.equal(await revisions.record({ ...first, loadedAtMs: 4 }), 3);
		assert.deepEqual(await revisions.latest(), { number: 3, ...first, loadedAtMs: 4 });
		const numbers = await Promise.all(Array.from({ length: 5 }, () => revisions.record({ ...first, digest: 'c' })));
		assert.deepEqual(numbers, [4, 4, 4, 4, 4]);
	});

	test('the mark of the ledger grows and never shrinks, whatever comes in whatever order', async (context) => {
		const { ledgerMarks } = await openStore(context);
		const mark = (size: number, rootHash: string) => ({ size, rootHash, recordedAtMs: size - 1 });
		assert.equal(await ledgerMarks.get(), undefined);
		await ledgerMarks.put(mark(3, 'AAA='));
		assert.deepEqual(await ledgerMarks.get(), mark(3, 'AAA='));
		await ledgerMarks.put(mark(2, 'BBB='));
		await ledgerMarks.put({ ...mark(3, 'CCC='), recordedAtMs: 99 });
		assert.deepEqual(await ledgerMarks.get(), mark(3, 'AAA='));
		await Promise.all([5, 9_007_199_254_740_991, 4, 7].map((size) => ledgerMarks.put(mark(size, 'DDD='))));
		assert.deepEqual(await ledgerMarks.get(), mark(9_007_199_254_740_991, 'DDD='));
	});
}
