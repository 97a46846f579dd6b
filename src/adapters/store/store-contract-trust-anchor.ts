// What every store owes to trust anchors of partners, their lists, and the credentials below them, as tests.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { AnchoredCertificateCredential } from '../../domain/client/credential.ts';
import { type AnchorList, anchorListId, type TrustAnchor } from '../../domain/trust-anchor/trust-anchor.ts';
import { type OpenStore, rejectsWithConflict } from './store-contract-support.ts';
import { clientFixture, fixtureId, partnerFixture } from './store-fixture.ts';

function anchorFixture(index: number, more: Partial<TrustAnchor> = {}): TrustAnchor {
	return {
		id: fixtureId('anc', index),
		partnerId: fixtureId('prt', 1),
		name: `Authority ${index}`,
		certificate: 'MA==',
		publicKeyHash: `key-${index}`,
		subject: `CN=${index}`,
		intermediates: [],
		revocation: 'required',
		listUrls: ['http://a.example/'],
		status: 'active',
		notBeforeMs: 1,
		notAfterMs: 2,
		addedBy: fixtureId('opr', 1),
		createdAtMs: 1,
		updatedAtMs: 1,
		revision: 1,
		...more,
	};
}

function credentialBelow(index: number, anchoredName: string): AnchoredCertificateCredential {
	return {
		id: fixtureId('crd', index),
		kind: 'anchored-certificate',
		clientId: fixtureId('cli', 1),
		partnerId: fixtureId('prt', 1),
		status: 'active',
		trustAnchorId: fixtureId('anc', 1),
		subjectAttribute: 'san_uri',
		subjectValue: 'x',
		anchoredName,
		notBeforeMs: 1,
		notAfterMs: 2,
		createdAtMs: 1,
		updatedAtMs: 1,
		revision: 1,
	};
}

/** Defines the tests for the adapter that `openStore` opens. */
export function checkTrustAnchors(openStore: OpenStore): void {
	test('the key of a trust anchor is there once among the active ones of all partners', async (context) => {
		const { registry } = await openStore(context);
		for (const index of [1, 2]) await registry.partners.insert(partnerFixture(index));
		const first = anchorFixture(1);
		await registry.trustAnchors.insert(first);
		await registry.trustAnchors.insert(anchorFixture(3, { partnerId: fixtureId('prt', 2) }));
		const same = anchorFixture(2, { publicKeyHash: 'key-1', partnerId: fixtureId('prt', 2) });
		await rejectsWithConflict(registry.trustAnchors.insert(same), 'unique');
		assert.deepEqual(await registry.trustAnchors.findActiveByKey('key-1'), first);
		const revoked = anchorFixture(1, { status: 'revoked', revision: 2 });
		await registry.trustAnchors.update(revoked, 1);
		await rejectsWithConflict(registry.trustAnchors.update(revoked, 1), 'revision');
		assert.equal(await registry.trustAnchors.findActiveByKey('key-1'), undefined);
		await registry.trustAnchors.insert(same);
		assert.deepEqual(await registry.trustAnchors.get(first.id), revoked);
		const { items } = await registry.trustAnchors.list({ limit: 10 }, { partnerId: fixtureId('prt', 1) });
		assert.deepEqual(items, [revoked]);
		assert.equal((await registry.trustAnchors.list({ limit: 10 })).items.length, 3);
	});

	test('the latest list of each key of an anchor is kept', async (context) => {
		const { registry } = await openStore(context);
		await registry.partners.insert(partnerFixture(1));
		await registry.trustAnchors.insert(anchorFixture(1));
		const list: AnchorList = {
			id: anchorListId(fixtureId('anc', 1), 'key-1'),
			anchorId: fixtureId('anc', 1),
			partnerId: fixtureId('prt', 1),
			issuerKeyHash: 'key-1',
			number: 'ff',
			thisUpdateMs: 1,
			nextUpdateMs: 2,
			entries: 0,
			revoked: '',
			digest: 'd',
			takenAtMs: 1,
			revision: 1,
		};
		await registry.anchorLists.insert(list);
		await rejectsWithConflict(registry.anchorLists.insert(list), 'unique');
		const next = { ...list, number: '100', revision: 2 };
		await registry.anchorLists.update(next, 1);
		await rejectsWithConflict(registry.anchorLists.update(next, 1), 'revision');
		assert.deepEqual(await registry.anchorLists.get(list.id), next);
		assert.deepEqual(await registry.anchorLists.listByAnchor(fixtureId('anc', 1)), [next]);
		assert.deepEqual(await registry.anchorLists.listByAnchor(fixtureId('anc', 2)), []);
	});

	test('a name below an anchor is that of one active credential', async (context) => {
		const { registry } = await openStore(context);
		await registry.partners.insert(partnerFixture(1));
		await registry.clients.insert(clientFixture(1));
		await registry.credentials.insert(credentialBelow(1, 'a'));
		await rejectsWithConflict(registry.credentials.insert(credentialBelow(2, 'a')), 'unique');
		await registry.credentials.insert(credentialBelow(2, 'b'));
		assert.equal(await registry.credentials.countByTrustAnchor(fixtureId('anc', 1)), 2);
		await registry.credentials.update({ ...credentialBelow(1, 'a'), status: 'revoked', revision: 2 }, 1);
		await registry.credentials.insert(credentialBelow(3, 'a'));
		assert.equal(await registry.credentials.countByTrustAnchor(fixtureId('anc', 1)), 2);
		assert.equal(await registry.credentials.countByTrustAnchor(fixtureId('anc', 2)), 0);
	});
}
