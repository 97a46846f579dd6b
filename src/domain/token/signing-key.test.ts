import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { test } from 'node:test';
import { calculateJwkThumbprint } from 'jose';
import { ManualClock } from '../../kernel/clock.ts';
import { Secret } from '../../kernel/secret.ts';
import type { KeyStore, StoredKey } from '../registry/key-store.ts';
import { StoreConflict } from '../registry/registry.ts';
import { parseJwkSet } from './jws-verify.ts';
import { activeSigningKey, loadOrCreateSigningKeys, publicJwkSet } from './signing-key.ts';

const clock = new ManualClock(Date.UTC(2026, 10, 23));

function keyStore(): KeyStore {
	const stored = new Map<string, StoredKey>();
	return {
		insert: async (key) => {
			if (stored.has(key.name)) throw new StoreConflict('unique', key.name);
			stored.set(key.name, key);
		},
		get: async (name) => stored.get(name),
		list: async (purpose) => [...stored.values()].filter((key) => key.purpose === purpose),
		put: async (key) => void stored.set(key.name, key),
	};
}

test('makes one key for each purpose at the first start, and finds it again', async () => {
	const keys = keyStore();
	const tokens = await loadOrCreateSigningKeys(keys, 'token-signing', { clock });
	const assertions = await loadOrCreateSigningKeys(keys, 'assertion-signing', { clock });
	assert.equal(tokens.length, 1);
	assert.notEqual(tokens[0]?.kid, assertions[0]?.kid);
	const again = await loadOrCreateSigningKeys(keys, 'token-signing', { clock });
	assert.deepEqual(publicJwkSet(again), publicJwkSet(tokens));
});

test('two processes that start at once on one store end with the same key', async () => {
	const keys = keyStore();
	const starts = Array.from({ length: 4 }, () => loadOrCreateSigningKeys(keys, 'token-signing', { clock }));
	const kids = (await Promise.all(starts)).map((loaded) => loaded.map((key) => key.kid).join());
	assert.equal(new Set(kids).size, 1);
});

test('signs with the newest key and publishes the older ones', async () => {
	const keys = keyStore();
	const [first] = await loadOrCreateSigningKeys(keys, 'token-signing', { clock });
	const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
	const privateKeyPem = new Secret(privateKey.export({ type: 'pkcs8', format: 'pem' }).toString());
	const createdAtMs = clock.nowMs() + 1;
	await keys.insert({ name: 'token/2', purpose: 'token-signing', privateKeyPem, certificatePem: '', createdAtMs });
	const loaded = await loadOrCreateSigningKeys(keys, 'token-signing', { clock });
	assert.deepEqual(
		loaded.map((key) => key.state),
		['active', 'retired'],
	);
	assert.notEqual(activeSigningKey(loaded).kid, first?.kid);
	assert.equal(loaded[1]?.kid, first?.kid);
	assert.equal(parseJwkSet(publicJwkSet(loaded))?.size, 2);
});

test('check 9: publishes kid, use and alg, the RFC 7638 thumbprint, and no private member', async () => {
	const loaded = await loadOrCreateSigningKeys(keyStore(), 'token-signing', { clock });
	const [jwk] = publicJwkSet(loaded).keys;
	assert.ok(jwk !== undefined);
	assert.deepEqual(Object.keys(jwk).toSorted(), ['alg', 'crv', 'kid', 'kty', 'use', 'x', 'y']);
	assert.equal(jwk.kid, await calculateJwkThumbprint({ ...jwk }));
});

test('refuses to start with a stored key that is not a P-256 key', async () => {
	const keys = keyStore();
	for (const { privateKey } of [generateKeyPairSync('ed25519'), generateKeyPairSync('ec', { namedCurve: 'P-384' })]) {
		const privateKeyPem = new Secret(privateKey.export({ type: 'pkcs8', format: 'pem' }).toString());
		await keys.put({ name: 'token/1', purpose: 'token-signing', privateKeyPem, certificatePem: '', createdAtMs: 1 });
		await assert.rejects(loadOrCreateSigningKeys(keys, 'token-signing', { clock }), /token\/1 is not a P-256 key/);
	}
	assert.throws(() => activeSigningKey([]));
});
