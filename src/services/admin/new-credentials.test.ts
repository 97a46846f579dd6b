import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { test } from 'node:test';
import { createTestAdmin, type TestAdmin } from '../../../test/fixture/test-admin.ts';

async function onboard(admin: TestAdmin, authenticationMethod: string): Promise<string> {
	const partner = await admin.call('POST', '/partners', { body: { name: 'Acme' } });
	const body = { name: 'app', environment: 'sandbox', authenticationMethod, senderConstraint: 'dpop' };
	const client = await admin.call('POST', `/partners/${partner.body.id}/clients`, { body });
	assert.deepEqual([client.body.authenticationMethod, client.body.senderConstraint], [authenticationMethod, 'dpop']);
	return client.body.id;
}

test('a client keeps the method that it was registered with, and gets the strongest by default', async () => {
	const admin = await createTestAdmin();
	const partner = await admin.call('POST', '/partners', { body: { name: 'Acme' } });
	const path = `/partners/${partner.body.id}/clients`;
	const client = await admin.call('POST', path, { body: { name: 'app', environment: 'sandbox' } });
	assert.deepEqual([client.body.authenticationMethod, client.body.senderConstraint], ['tls_client_auth', 'mtls']);
	const body = { name: 'app', environment: 'sandbox', authenticationMethod: 'none' };
	assert.equal((await admin.call('POST', path, { body })).status, 400);
});

test('registers a public key, shows it, tells when it was last used, and revokes it', async () => {
	const admin = await createTestAdmin();
	const clientId = await onboard(admin, 'private_key_jwt');
	const jwk = { ...generateKeyPairSync('ed25519').publicKey.export({ format: 'jwk' }), kid: 'k1' };
	const added = await admin.call('POST', `/clients/${clientId}/keys`, { body: { jwk, algorithm: 'EdDSA' } });
	assert.equal(added.status, 201);
	const { id } = added.body;
	assert.equal(added.headers.get('location'), `/admin/v1/credentials/${id}`);
	assert.deepEqual([added.body.kind, added.body.algorithm, added.body.keyId], ['public-key', 'EdDSA', 'k1']);
	assert.equal(added.body.lastUsedAt, undefined);
	const entry = admin.ledger.durable.at(-1);
	assert.deepEqual(
		[entry?.type, entry?.facts?.['credential'], entry?.facts?.['kind']],
		['credential.added', id, 'public-key'],
	);
	await admin.store.registry.credentialUses.record([{ credentialId: id, lastUsedAtMs: admin.clock.nowMs() }]);
	assert.equal((await admin.call('GET', `/credentials/${id}`)).body.lastUsedAt, '2026-11-23T10:00:00.250Z');
	assert.equal((await admin.call('GET', '/credentials')).body.items[0].lastUsedAt, '2026-11-23T10:00:00.250Z');
	const revoked = await admin.call('POST', `/credentials/${id}/revoke`, { body: { reason: 'superseded' } });
	assert.equal(revoked.body.status, 'revoked');
	const refused = await admin.call('POST', `/clients/${clientId}/keys`, { body: { jwk: { ...jwk, alg: 'ES256' } } });
	assert.deepEqual([refused.status, refused.body.type], [422, 'urn:sallyport:problem:key_rejected']);
});

test('shows a secret once: never to a repeat of the command, in a list, in the ledger or in the store', async () => {
	const admin = await createTestAdmin();
	const clientId = await onboard(admin, 'client_secret_basic');
	const command = { body: { overlapSeconds: 60 }, headers: { 'idempotency-key': 'k1' } };
	const first = await admin.call('POST', `/clients/${clientId}/secrets`, command);
	const { secret, credential } = first.body;
	assert.match(secret, /^sps_sandbox_/);
	assert.equal(first.headers.get('cache-control'), 'no-store');
	const again = await admin.call('POST', `/clients/${clientId}/secrets`, command);
	assert.equal(again.headers.get('idempotency-replayed'), 'true');
	assert.deepEqual(again.body, { credential });
	const seen = JSON.stringify([
		(await admin.call('GET', '/credentials')).body,
		(await admin.call('GET', `/credentials/${credential.id}`)).body,
		admin.ledger.durable,
		admin.ledger.buffered,
		await admin.store.registry.changes.after(0, 100),
	]);
	assert.ok(!seen.includes(secret.slice(12, 60)));
	const { items } = (await admin.call('GET', `/credentials?clientId=${clientId}`)).body;
	assert.ok(!JSON.stringify(items).includes('ecretHash'), 'nor its hash');
});

test('makes an API key where a plan permits it, and shows it once', async () => {
	const admin = await createTestAdmin();
	const clientId = await onboard(admin, 'private_key_jwt');
	const limits = [{ name: 'sustained', requests: 10, windowSeconds: 60 }];
	const command = { body: { allowedAddresses: ['192.0.2.0/24'], limits }, headers: { 'idempotency-key': 'k1' } };
	const path = `/clients/${clientId}/api-keys`;
	assert.equal((await admin.call('POST', path, command)).status, 409, 'no plan permits it');
	const wish = { productId: 'rates', planId: 'gold', stage: 'live', grants: {} };
	assert.equal((await admin.call('POST', `/clients/${clientId}/subscriptions`, { body: wish })).status, 201);
	const made = await admin.call('POST', path, command);
	assert.equal(made.status, 201, JSON.stringify(made.body));
	assert.match(made.body.secret, /^spk_sandbox_/);
	assert.ok(made.body.secret.startsWith(made.body.credential.prefix));
	assert.deepEqual(made.body.credential.limits, limits);
	assert.deepEqual((await admin.call('POST', path, command)).body, { credential: made.body.credential });
	assert.equal(admin.ledger.durable.at(-1)?.facts?.['allowed_addresses'], '192.0.2.0/24');
	assert.ok(!JSON.stringify(admin.ledger.durable).includes(made.body.secret.slice(20, 60)));
	for (const body of [{ limits }, { allowedAddresses: ['0.0.0.0/0'], limits }, { ...command.body, limits: [] }]) {
		assert.equal((await admin.call('POST', path, { body })).status, 400);
	}
});

test('a rotation by the API ends the earlier secret after the overlap', async () => {
	const admin = await createTestAdmin();
	const clientId = await onboard(admin, 'client_secret_post');
	const path = `/clients/${clientId}/secrets`;
	const first = (await admin.call('POST', path, { body: {} })).body.credential;
	await admin.call('POST', path, { body: { overlapSeconds: 3600 } });
	assert.equal(admin.ledger.durable.at(-1)?.facts?.['retired'], 1);
	const shown = (await admin.call('GET', `/credentials/${first.id}`)).body;
	assert.equal(shown.retiresAt, '2026-11-23T11:00:00.250Z');
	assert.equal((await admin.call('POST', path, { body: { overlapSeconds: -1 } })).status, 400);
	assert.equal((await admin.call('POST', path, { body: { lifetimeSeconds: 1e9 } })).status, 400);
});
