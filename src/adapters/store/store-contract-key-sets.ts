// What every store owes to key sets that are fetched, and to credentials that stand for somebody elsewhere, as tests.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ExternalClientCredential, KeySetCredential } from '../../domain/client/credential.ts';
import type { StoredKeySet } from '../../domain/issuer/key-set-store.ts';
import { type OpenStore, rejectsWithConflict } from './store-contract-support.ts';
import { credentialFixture, fixtureId, insertFixtures } from './store-fixture.ts';

const ISSUER = 'https://as.example/';

function setOf(owner: string, ...hashes: readonly string[]): StoredKeySet {
	const keys = hashes.map((publicKeyHash, index) => ({
		kid: `kid ${index}`,
		algorithm: 'ES256' as const,
		jwk: { kty: 'EC', crv: 'P-256', x: 'x', y: 'y' },
		publicKeyHash,
	}));
	return { owner, source: 'https://as.example/jwks', keys, fetchedAtMs: 1_790_000_000_000 };
}

function common(index: number) {
	const { certificateId: _, thumbprint: __, kind: ___, ...rest } = credentialFixture(1);
	return { ...rest, id: fixtureId('crd', 500 + index) };
}

function linkFixture(index: number, more: Partial<ExternalClientCredential> = {}): ExternalClientCredential {
	return { ...common(index), kind: 'external-client', issuer: ISSUER, externalClientId: 'app', ...more };
}

function keySetFixture(index: number, more: Partial<KeySetCredential> = {}): KeySetCredential {
	return { ...common(index), kind: 'key-set', algorithm: 'ES256', jwksUri: 'https://acme.example/jwks', ...more };
}

/** Defines the tests. */
export function checkKeySetsAndLinks(openStore: OpenStore): void {
	test('a key set replaces the one before of its owner, and its keys are found by their hash', async (context) => {
		const { keySets } = (await openStore(context)).registry;
		await keySets.put(setOf('crd_b', 'h1', 'h2'));
		await keySets.put(setOf('crd_a', 'h1', 'h1'));
		assert.deepEqual(await keySets.get('crd_b'), setOf('crd_b', 'h1', 'h2'));
		assert.deepEqual(await keySets.ownersOf('h1'), ['crd_a', 'crd_b']);
		await keySets.put({ ...setOf('crd_b', 'h3'), source: 'https://elsewhere.example', fetchedAtMs: 7 });
		assert.deepEqual(await keySets.get('crd_b'), {
			...setOf('crd_b', 'h3'),
			source: 'https://elsewhere.example',
			fetchedAtMs: 7,
		});
		assert.deepEqual([await keySets.ownersOf('h1'), await keySets.ownersOf('h2')], [['crd_a'], []]);
		await keySets.put(setOf('crd_b'));
		assert.deepEqual((await keySets.get('crd_b'))?.keys, []);
		assert.deepEqual(await keySets.ownersOf('h3'), []);
		assert.equal(await keySets.get('crd_unknown'), undefined);
	});

	test('a client of an issuer is linked once while the link is active, byte for byte', async (context) => {
		const { registry } = await openStore(context);
		await registry.transaction((inside) => insertFixtures(inside, 1));
		const { credentials } = registry;
		await credentials.insert(linkFixture(1));
		assert.deepEqual(await credentials.findExternalClient(ISSUER, 'app'), linkFixture(1));
		await rejectsWithConflict(credentials.insert(linkFixture(2)), 'unique');
		for (const [index, other] of [{ externalClientId: 'App' }, { issuer: 'https://as.example' }].entries()) {
			await credentials.insert(linkFixture(10 + index, other));
		}
		for (const [issuer, id] of [
			[ISSUER, 'ap'],
			[ISSUER, 'app '],
			[ISSUER.toUpperCase(), 'app'],
		] as const) {
			assert.equal(await credentials.findExternalClient(issuer, id), undefined);
		}
		await credentials.update(linkFixture(1, { status: 'revoked', revision: 2 }), 1);
		assert.equal(await credentials.findExternalClient(ISSUER, 'app'), undefined);
		await credentials.insert(linkFixture(2));
		await credentials.insert(linkFixture(3, { status: 'revoked' }));
		assert.equal((await credentials.findExternalClient(ISSUER, 'app'))?.id, linkFixture(2).id);
	});

	test('a URL of keys stands once among the active credentials of its client', async (context) => {
		const { registry } = await openStore(context);
		await registry.transaction((inside) => insertFixtures(inside, 1));
		const { credentials } = registry;
		await credentials.insert(keySetFixture(1));
		await rejectsWithConflict(credentials.insert(keySetFixture(2, { algorithm: 'PS256' })), 'unique');
		await credentials.insert(keySetFixture(2, { jwksUri: 'https://acme.example/other' }));
		await credentials.update(keySetFixture(1, { status: 'revoked', revision: 2 }), 1);
		await credentials.insert(keySetFixture(3));
	});
}
