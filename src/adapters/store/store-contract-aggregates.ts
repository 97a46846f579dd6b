// The part of the store contract about the aggregates of the registry: reading back, unique keys, revisions, paging.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Enrolment } from '../../domain/certificate/enrolment-store.ts';
import type { RegistryStore } from '../../domain/registry/registry.ts';
import { protectionKeyRecord } from '../../domain/token/protection-key-fixture.ts';
import { signingKeyFixture } from '../../domain/token/signing-key-fixture.ts';
import { type OpenStore, rejectsWithConflict } from './store-contract-support.ts';
import {
	certificateFixture,
	clientFixture,
	credentialFixture,
	fixtureId,
	insertFixtures,
	operatorFixture,
	partnerFixture,
	publicKeyFixture,
	subscriptionFixture,
} from './store-fixture.ts';

/** Inserts fixtures in one transaction. */
function fill(registry: RegistryStore, count: number): Promise<void> {
	return registry.transaction(async (inside) => {
		for (let index = 1; index <= count; index++) await insertFixtures(inside, index);
	});
}

/** Defines the tests of the aggregates. */
export function checkAggregates(openStore: OpenStore): void {
	test('certificates are found by serial number, counted by age and end, and listed by status', async (context) => {
		const { registry } = await openStore(context);
		await fill(registry, 4);
		const at = { revokedAtMs: 5, revocationReason: 'superseded', revision: 2 };
		await registry.certificates.update(certificateFixture(2, { status: 'revoked', ...at }), 1);
		await registry.certificates.update(certificateFixture(3, { status: 'held', ...at }), 1);
		const { certificates } = registry;
		assert.equal((await certificates.findBySerial('partner-issuing', 'a2'))?.id, fixtureId('crt', 2));
		assert.equal(await certificates.findBySerial('platform-issuing', 'a2'), undefined);
		const { createdAtMs } = certificateFixture(1);
		assert.equal(await certificates.countCreatedSince(fixtureId('cli', 1), createdAtMs), 1);
		assert.equal(await certificates.countCreatedSince(fixtureId('cli', 1), createdAtMs + 1), 0);
		const first = certificateFixture(1).notAfterMs;
		assert.deepEqual(await certificates.countExpiring([first, first + 1, first + 100]), [0, 1, 2]);
		assert.deepEqual(idsOf(await certificates.list({ limit: 9 }, { status: 'held' })), ['3']);
		assert.deepEqual(idsOf(await certificates.list({ limit: 9 }, { serial: 'a4' })), ['4']);
		assert.deepEqual(idsOf(await certificates.list({ limit: 9 }, { subject: certificateFixture(4).subject })), ['4']);
		const window = { expiresFromMs: first + 1, expiresBeforeMs: first + 3 };
		assert.deepEqual(idsOf(await certificates.list({ limit: 9 }, window)), ['2', '3']);
		const page = await certificates.listRevoked('partner-issuing', { limit: 1 });
		assert.deepEqual(page, {
			items: [{ id: fixtureId('crt', 2), serial: 'a2', revokedAtMs: 5, reason: 'superseded', notAfterMs: first + 1 }],
			next: fixtureId('crt', 2),
		});
		const rest = await certificates.listRevoked('partner-issuing', { limit: 1, after: page.next ?? '' });
		assert.deepEqual([idsOf(rest), rest.next], [['3'], undefined]);
		assert.deepEqual((await certificates.listRevoked('platform-issuing', { limit: 9 })).items, []);
	});

	test('enrolments are found by the hash of their code, and open ones are counted', async (context) => {
		const { registry } = await openStore(context);
		await fill(registry, 2);
		const { id: clientId, partnerId, createdAtMs, updatedAtMs } = clientFixture(1);
		const enrolment = (index: number, more: Partial<Enrolment> = {}): Enrolment => ({
			id: fixtureId('enr', index),
			clientId,
			partnerId,
			codeHash: `h${index}`,
			status: 'open',
			expiresAtMs: 50,
			createdAtMs,
			updatedAtMs,
			revision: 1,
			...more,
		});
		await registry.enrolments.insert(enrolment(1));
		await registry.enrolments.insert(enrolment(2, { expiresAtMs: 40 }));
		await rejectsWithConflict(registry.enrolments.insert(enrolment(3, { codeHash: 'h1' })), 'unique');
		assert.deepEqual(await registry.enrolments.findByCodeHash('h2'), enrolment(2, { expiresAtMs: 40 }));
		assert.equal(await registry.enrolments.findByCodeHash('h9'), undefined);
		assert.equal(await registry.enrolments.countOpen(clientId, 39), 2);
		assert.equal(await registry.enrolments.countOpen(clientId, 40), 1);
		await registry.enrolments.update(enrolment(1, { status: 'used', revision: 2 }), 1);
		assert.equal(await registry.enrolments.countOpen(clientId, 39), 1);
		assert.deepEqual(idsOf(await registry.enrolments.list({ limit: 1 }, { clientId })), ['1']);
		assert.deepEqual((await registry.enrolments.list({ limit: 9 }, { clientId: fixtureId('cli', 2) })).items, []);
	});

	test('certificates whose successor has taken over are found, until they are revoked', async (context) => {
		const { registry } = await openStore(context);
		await fill(registry, 3);
		const { certificates } = registry;
		await certificates.update(certificateFixture(1, { supersededAtMs: 100, revision: 2 }), 1);
		await certificates.update(certificateFixture(2, { supersededAtMs: 90, revision: 2, status: 'revoked' }), 1);
		assert.deepEqual(await certificates.listSuperseded(99, 9), []);
		assert.deepEqual(idsOf({ items: await certificates.listSuperseded(100, 9) }), ['1']);
	});

	test('compromised keys are added once, and found by hash', async (context) => {
		const { registry } = await openStore(context);
		const key = { publicKeyHash: 'k1', source: 'a list', addedAtMs: 7 };
		assert.equal(await registry.compromisedKeys.add([key, { ...key, publicKeyHash: 'k2' }]), 2);
		assert.equal(await registry.compromisedKeys.add([{ ...key, source: 'another' }]), 0);
		assert.deepEqual(await registry.compromisedKeys.find('k1'), key);
		assert.equal(await registry.compromisedKeys.find('k3'), undefined);
		assert.equal(await registry.compromisedKeys.count(), 2);
	});

	test('every record is read back as it was written, and an unknown id gives undefined', async (context) => {
		const { registry } = await openStore(context);
		await fill(registry, 2);
		await registry.operators.insert(operatorFixture(1));
		assert.deepEqual(await registry.partners.get(partnerFixture(1).id), partnerFixture(1));
		assert.deepEqual(await registry.clients.get(clientFixture(1).id), clientFixture(1));
		assert.deepEqual(await registry.certificates.get(certificateFixture(1).id), certificateFixture(1));
		assert.deepEqual(await registry.credentials.get(credentialFixture(1).id), credentialFixture(1));
		assert.deepEqual(await registry.subscriptions.get(subscriptionFixture(1).id), subscriptionFixture(1));
		assert.deepEqual(await registry.operators.get(operatorFixture(1).id), operatorFixture(1));
		assert.equal(await registry.partners.get(fixtureId('prt', 9)), undefined);
		assert.equal(await registry.clients.get(fixtureId('cli', 9)), undefined);
		assert.equal(await registry.certificates.get(fixtureId('crt', 9)), undefined);
		assert.equal(await registry.credentials.get(fixtureId('crd', 9)), undefined);
		assert.equal(await registry.subscriptions.get(fixtureId('sub', 9)), undefined);
		assert.equal(await registry.operators.get(fixtureId('opr', 9)), undefined);
	});

	test('signing keys are listed by purpose, and updated at their revision', async (context) => {
		const { registry } = await openStore(context);
		const tokens = signingKeyFixture('token-signing').record;
		const assertions = signingKeyFixture('assertion-signing').record;
		await registry.signingKeys.insert(tokens);
		await registry.signingKeys.insert(assertions);
		await rejectsWithConflict(registry.signingKeys.insert(tokens), 'unique');
		assert.deepEqual(await registry.signingKeys.list('token-signing'), [tokens]);
		const revoked = { ...tokens, revokedAtMs: 5, revision: 2 };
		await registry.signingKeys.update(revoked, 1);
		await rejectsWithConflict(registry.signingKeys.update(revoked, 1), 'revision');
		assert.deepEqual(await registry.signingKeys.get(tokens.id), revoked);
		assert.deepEqual(await registry.signingKeys.list('assertion-signing'), [assertions]);
		assert.equal(await registry.signingKeys.get('nobody'), undefined);
	});

	test('keys that hide tokens are listed by purpose, and updated at their revision', async (context) => {
		const { registry } = await openStore(context);
		const sealing = protectionKeyRecord('token-sealing');
		const encryption = protectionKeyRecord('token-encryption');
		await registry.protectionKeys.insert(sealing);
		await registry.protectionKeys.insert(encryption);
		await rejectsWithConflict(registry.protectionKeys.insert(sealing), 'unique');
		const revoked = { ...sealing, revokedAtMs: 5, revision: 2 };
		await registry.protectionKeys.update(revoked, 1);
		await rejectsWithConflict(registry.protectionKeys.update(revoked, 1), 'revision');
		assert.deepEqual(await registry.protectionKeys.get(sealing.id), revoked);
		assert.deepEqual(await registry.protectionKeys.list('token-sealing'), [revoked]);
		assert.deepEqual(await registry.protectionKeys.list('token-encryption'), [encryption]);
		assert.equal(await registry.protectionKeys.get('nobody'), undefined);
	});

	test('what is stored does not change when the caller changes its own object', async (context) => {
		const { registry } = await openStore(context);
		const account = ['A-1'];
		await fill(registry, 1);
		const given = subscriptionFixture(2, {
			clientId: fixtureId('cli', 1),
			partnerId: fixtureId('prt', 1),
			productId: 'other',
			grants: { account },
		});
		await registry.subscriptions.insert(given);
		account.push('A-2');
		assert.deepEqual((await registry.subscriptions.get(given.id))?.grants, { account: ['A-1'] });
	});

	test('an id is taken once', async (context) => {
		const { registry } = await openStore(context);
		await fill(registry, 1);
		await registry.operators.insert(operatorFixture(1));
		await rejectsWithConflict(registry.partners.insert(partnerFixture(1)), 'unique');
		await rejectsWithConflict(registry.clients.insert(clientFixture(1)), 'unique');
		await rejectsWithConflict(
			registry.certificates.insert(certificateFixture(1, { thumbprint: 'x', serial: 'x' })),
			'unique',
		);
		await rejectsWithConflict(registry.credentials.insert(credentialFixture(1, { thumbprint: 'x' })), 'unique');
		await rejectsWithConflict(registry.subscriptions.insert(subscriptionFixture(1, { productId: 'x' })), 'unique');
		await rejectsWithConflict(registry.operators.insert(operatorFixture(1, { thumbprint: 'x' })), 'unique');
	});

	test('a thumbprint, and a serial of one issuer, is taken once', async (context) => {
		const { registry } = await openStore(context);
		await fill(registry, 1);
		await registry.operators.insert(operatorFixture(1));
		const ours = { partnerId: fixtureId('prt', 1), clientId: fixtureId('cli', 1), certificateId: fixtureId('crt', 1) };
		await rejectsWithConflict(
			registry.credentials.insert(credentialFixture(2, { ...ours, thumbprint: 'thumbprint-1' })),
			'unique',
		);
		await rejectsWithConflict(registry.operators.insert(operatorFixture(2, { thumbprint: 'operator-1' })), 'unique');
		const { partnerId, clientId } = ours;
		const certificate = certificateFixture(2, { partnerId, clientId });
		await rejectsWithConflict(registry.certificates.insert({ ...certificate, thumbprint: 'thumbprint-1' }), 'unique');
		await rejectsWithConflict(registry.certificates.insert({ ...certificate, serial: 'a1' }), 'unique');
		await registry.certificates.insert({ ...certificate, serial: 'a1', issuer: 'platform-issuing' });
	});

	test('an update that would take the unique key of another record is refused', async (context) => {
		const { registry } = await openStore(context);
		await fill(registry, 2);
		const stolen = credentialFixture(2, { thumbprint: 'thumbprint-1', revision: 2 });
		await rejectsWithConflict(registry.credentials.update(stolen, 1), 'unique');
		assert.deepEqual(await registry.credentials.get(stolen.id), credentialFixture(2));
	});

	test("a public key needs no certificate, its kid is taken once among the active ones, and a secret is nobody else's", async (context) => {
		const { registry } = await openStore(context);
		await fill(registry, 2);
		await registry.credentials.insert(publicKeyFixture(1));
		const twin = publicKeyFixture(9, { clientId: fixtureId('cli', 1), partnerId: fixtureId('prt', 1), keyId: 'key-1' });
		await rejectsWithConflict(registry.credentials.insert(twin), 'unique');
		await registry.credentials.insert(publicKeyFixture(2, { keyId: 'key-1' }));
		await registry.credentials.update(publicKeyFixture(1, { status: 'revoked', revision: 2 }), 1);
		await registry.credentials.insert(twin);
		await rejectsWithConflict(registry.credentials.update(publicKeyFixture(1, { revision: 3 }), 2), 'unique');
		const secret = { kind: 'client-secret', secretHash: 'hash' } as const;
		const { kind: _, thumbprint: __, certificateId: ___, ...common } = credentialFixture(1);
		await registry.credentials.insert({ ...common, ...secret, id: fixtureId('crd', 50) });
		await rejectsWithConflict(
			registry.credentials.insert({ ...common, ...secret, id: fixtureId('crd', 51) }),
			'unique',
		);
		assert.deepEqual(await registry.credentials.listByPublicKey('own-key-2'), [
			publicKeyFixture(2, { keyId: 'key-1' }),
		]);
		assert.equal(await registry.credentials.findByThumbprint('hash'), undefined);
	});

	test('active credentials of a client are those that are neither revoked nor past their end', async (context) => {
		const { registry } = await openStore(context);
		await fill(registry, 2);
		const endMs = publicKeyFixture(1).notAfterMs;
		const ours = { clientId: fixtureId('cli', 1), partnerId: fixtureId('prt', 1) };
		const early = publicKeyFixture(3, { ...ours, notAfterMs: endMs - 10 });
		for (const one of [publicKeyFixture(1), publicKeyFixture(2), early]) await registry.credentials.insert(one);
		await registry.credentials.update(credentialFixture(1, { status: 'revoked', revision: 2 }), 1);
		assert.deepEqual(await registry.credentials.listActive(ours.clientId, endMs - 11), [publicKeyFixture(1), early]);
		assert.deepEqual(await registry.credentials.listActive(ours.clientId, endMs - 10), [publicKeyFixture(1)]);
		assert.deepEqual(await registry.credentials.listActive(ours.clientId, endMs), []);
	});

	test('the last use of a credential only ever gets later', async (context) => {
		const { registry } = await openStore(context);
		const [first, second] = [fixtureId('crd', 1), fixtureId('crd', 2)];
		await registry.credentialUses.record([]);
		const many = Array.from({ length: 450 }, (_, index) => ({
			credentialId: fixtureId('crd', index + 1),
			lastUsedAtMs: 100 + index,
		}));
		await registry.credentialUses.record(many);
		await registry.credentialUses.record([
			{ credentialId: first, lastUsedAtMs: 99 },
			{ credentialId: second, lastUsedAtMs: 900 },
		]);
		assert.deepEqual(
			(await registry.credentialUses.find([second, first, fixtureId('crd', 999)])).toSorted(
				(a, b) => a.lastUsedAtMs - b.lastUsedAtMs,
			),
			[
				{ credentialId: first, lastUsedAtMs: 100 },
				{ credentialId: second, lastUsedAtMs: 900 },
			],
		);
		assert.deepEqual(await registry.credentialUses.find([]), []);
		assert.equal((await registry.credentialUses.find([fixtureId('crd', 450)]))[0]?.lastUsedAtMs, 549);
	});

	test('a client has at most one active subscription of a product', async (context) => {
		const { registry } = await openStore(context);
		await fill(registry, 2);
		const ours = { partnerId: fixtureId('prt', 1), clientId: fixtureId('cli', 1) };
		await rejectsWithConflict(registry.subscriptions.insert(subscriptionFixture(3, ours)), 'unique');
		await registry.subscriptions.insert(subscriptionFixture(3, { ...ours, productId: 'payments' }));
		await registry.subscriptions.update(subscriptionFixture(1, { status: 'ended', revision: 2 }), 1);
		await registry.subscriptions.insert(subscriptionFixture(4, ours));
		const revived = subscriptionFixture(1, { status: 'active', revision: 3 });
		await rejectsWithConflict(registry.subscriptions.update(revived, 2), 'unique');
		await registry.subscriptions.insert(subscriptionFixture(5, { ...ours, status: 'ended' }));
	});

	test('an update needs the stored revision, and raises it', async (context) => {
		const { registry } = await openStore(context);
		await fill(registry, 1);
		const renamed = partnerFixture(1, { name: 'Renamed', revision: 2 });
		await registry.partners.update(renamed, 1);
		assert.deepEqual(await registry.partners.get(renamed.id), renamed);
		await rejectsWithConflict(registry.partners.update(renamed, 1), 'revision');
		await rejectsWithConflict(registry.partners.update(partnerFixture(9, { revision: 2 }), 1), 'revision');
		await assert.rejects(registry.partners.update(renamed, 2), RangeError);
		await rejectsWithConflict(registry.clients.update(clientFixture(1, { revision: 3 }), 2), 'revision');
		await rejectsWithConflict(registry.credentials.update(credentialFixture(1, { revision: 3 }), 2), 'revision');
		await rejectsWithConflict(registry.certificates.update(certificateFixture(1, { revision: 3 }), 2), 'revision');
		await rejectsWithConflict(registry.subscriptions.update(subscriptionFixture(1, { revision: 3 }), 2), 'revision');
		await rejectsWithConflict(registry.operators.update(operatorFixture(1, { revision: 2 }), 1), 'revision');
	});

	test('of many updates from one revision at once exactly one wins', async (context) => {
		const { registry } = await openStore(context);
		await registry.partners.insert(partnerFixture(1));
		const outcomes = await Promise.allSettled(
			Array.from({ length: 20 }, (_, index) =>
				registry.partners.update(partnerFixture(1, { name: `Writer ${index}`, revision: 2 }), 1),
			),
		);
		const winners = outcomes.flatMap((outcome, index) => (outcome.status === 'fulfilled' ? [index] : []));
		assert.equal(winners.length, 1);
		assert.equal((await registry.partners.get(partnerFixture(1).id))?.name, `Writer ${winners[0]}`);
	});

	test('a member that an update leaves out is gone', async (context) => {
		const { registry } = await openStore(context);
		await fill(registry, 1);
		const revoked = { status: 'revoked', revokedAtMs: 5, revocationReason: 'keyCompromise' } as const;
		await registry.credentials.update(credentialFixture(1, { ...revoked, revision: 2 }), 1);
		assert.equal((await registry.credentials.get(credentialFixture(1).id))?.revocationReason, 'keyCompromise');
		await registry.credentials.update(credentialFixture(1, { revision: 3 }), 2);
		const stored = await registry.credentials.get(credentialFixture(1).id);
		assert.equal(stored !== undefined && 'revokedAtMs' in stored, false);
	});

	test('records are found by thumbprint and by public key, also after an update, and never under the old one', async (context) => {
		const { registry } = await openStore(context);
		await fill(registry, 2);
		await registry.operators.insert(operatorFixture(1));
		assert.deepEqual(await registry.credentials.findByThumbprint('thumbprint-2'), credentialFixture(2));
		assert.deepEqual(await registry.certificates.findByThumbprint('thumbprint-2'), certificateFixture(2));
		assert.deepEqual(await registry.operators.findByThumbprint('operator-1'), operatorFixture(1));
		assert.equal(await registry.credentials.findByThumbprint('THUMBPRINT-2'), undefined);
		const renewed = operatorFixture(1, { thumbprint: 'operator-new', revision: 2 });
		await registry.operators.update(renewed, 1);
		assert.deepEqual(await registry.operators.findByThumbprint('operator-new'), renewed);
		assert.equal(await registry.operators.findByThumbprint('operator-1'), undefined);
		const server = certificateFixture(3, { profile: 'server', publicKeyHash: 'public-key-1' });
		const { partnerId: _partner, clientId: _client, ...unowned } = server;
		await registry.certificates.insert(unowned);
		assert.deepEqual(await registry.certificates.listByPublicKey('public-key-1'), [certificateFixture(1), unowned]);
		assert.deepEqual(await registry.certificates.listByPublicKey('public-key-9'), []);
	});

	test('pages follow the ids without gap or repetition, and the last one says so', async (context) => {
		const { registry } = await openStore(context);
		// Written in another order than the one of the ids.
		for (const index of [3, 1, 5, 2, 4]) await registry.partners.insert(partnerFixture(index));
		const first = await registry.partners.list({ limit: 2 });
		assert.deepEqual(first, { items: [partnerFixture(1), partnerFixture(2)], next: partnerFixture(2).id });
		const second = await registry.partners.list({ limit: 3, after: partnerFixture(2).id });
		assert.deepEqual(second, { items: [partnerFixture(3), partnerFixture(4), partnerFixture(5)] });
		assert.deepEqual(await registry.partners.list({ limit: 3, after: partnerFixture(5).id }), { items: [] });
		for (const limit of [0, 201, 1.5, Number.NaN]) await assert.rejects(registry.partners.list({ limit }), RangeError);
		for (const index of [2, 1]) await registry.operators.insert(operatorFixture(index));
		assert.deepEqual(await registry.operators.list(), [operatorFixture(1), operatorFixture(2)]);
	});

	test('lists are filtered by partner, client and expiry, page by page', async (context) => {
		const { registry } = await openStore(context);
		await fill(registry, 3);
		const ours = { partnerId: fixtureId('prt', 1), clientId: fixtureId('cli', 1) };
		await registry.clients.insert(clientFixture(4, { partnerId: ours.partnerId }));
		await registry.certificates.insert(certificateFixture(4, ours));
		await registry.credentials.insert(credentialFixture(4, ours));
		await registry.subscriptions.insert(subscriptionFixture(4, { ...ours, productId: 'payments' }));
		const page = { limit: 10 };
		const { partnerId, clientId } = ours;
		assert.deepEqual(idsOf(await registry.clients.list(page, { partnerId })), ['1', '4']);
		assert.deepEqual(idsOf(await registry.credentials.list(page, { clientId })), ['1', '4']);
		assert.deepEqual(idsOf(await registry.certificates.list(page, { partnerId })), ['1', '4']);
		assert.deepEqual(idsOf(await registry.certificates.list(page, { clientId })), ['1', '4']);
		const expiresBeforeMs = certificateFixture(3).notAfterMs;
		assert.deepEqual(idsOf(await registry.certificates.list(page, { expiresBeforeMs })), ['1', '2']);
		assert.deepEqual(idsOf(await registry.certificates.list(page, { partnerId, expiresBeforeMs })), ['1']);
		assert.deepEqual(idsOf(await registry.subscriptions.list(page, { partnerId })), ['1', '4']);
		assert.deepEqual(idsOf(await registry.subscriptions.list(page, { clientId })), ['1', '4']);
		assert.deepEqual(idsOf(await registry.clients.list({ limit: 1, after: fixtureId('cli', 1) }, { partnerId })), [
			'4',
		]);
		// An empty id is the id of nobody, and never the absence of a filter.
		assert.deepEqual(idsOf(await registry.clients.list(page, { partnerId: '' as typeof partnerId })), []);
	});

	test('nothing belongs to a client under the name of another partner', async (context) => {
		const { registry } = await openStore(context);
		await fill(registry, 2);
		const mixed = { partnerId: fixtureId('prt', 1), clientId: fixtureId('cli', 2) };
		await assert.rejects(registry.subscriptions.insert(subscriptionFixture(3, { ...mixed, productId: 'payments' })));
		await assert.rejects(registry.certificates.insert(certificateFixture(3, mixed)));
		const certificateId = fixtureId('crt', 1);
		await assert.rejects(registry.credentials.insert(credentialFixture(3, { ...mixed, certificateId })));
		await assert.rejects(registry.credentials.update(credentialFixture(1, { ...mixed, revision: 2 }), 1));
		await assert.rejects(
			registry.credentials.insert(
				credentialFixture(3, { partnerId: fixtureId('prt', 1), clientId: fixtureId('cli', 1) }),
			),
			'a credential whose certificate does not exist',
		);
		assert.equal(await registry.subscriptions.get(fixtureId('sub', 3)), undefined);
		assert.deepEqual(await registry.credentials.get(fixtureId('crd', 1)), credentialFixture(1));
	});
}

function idsOf(page: { readonly items: readonly { readonly id: string }[] }): string[] {
	return page.items.map((item) => item.id.replace(/^[a-z]+_0*/, ''));
}
