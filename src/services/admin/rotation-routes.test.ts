import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createPartnerKey } from '../../../demo/partner-key.ts';
import { makeAuthority, makeCertificate } from '../../../test/fixture/partner-ca.ts';
import { createTestAdmin, type TestAdmin } from '../../../test/fixture/test-admin.ts';

async function oneClient(admin: TestAdmin, authenticationMethod: string) {
	const partnerId = (await admin.call('POST', '/partners', { body: { name: 'Acme' } })).body.id;
	const body = { name: 'app', environment: 'production', authenticationMethod };
	return (await admin.call('POST', `/partners/${partnerId}/clients`, { body })).body.id as string;
}

test('a certificate is rotated by a new request, shown with the last use of both, and completed early', async () => {
	const admin = await createTestAdmin();
	const clientId = await oneClient(admin, 'tls_client_auth');
	const csr = () => createPartnerKey('x').csrPem;
	const first = (await admin.call('POST', `/clients/${clientId}/certificates`, { body: { csr: csr() } })).body
		.credential;
	const started = await admin.call('POST', `/credentials/${first.id}/rotate`, {
		body: { csr: csr(), overlapSeconds: 86_400 },
	});
	assert.equal(started.status, 201);
	const { rotation, credential, chain } = started.body;
	assert.match(chain, /^-----BEGIN CERTIFICATE-----/);
	assert.equal(credential.kind, 'certificate');
	assert.equal(started.headers.get('location'), `/admin/v1/rotations/${rotation.id}`);
	const lastUsedAtMs = admin.clock.nowMs();
	await admin.store.registry.credentialUses.record([{ credentialId: first.id, lastUsedAtMs }]);
	const shown = (await admin.call('GET', `/rotations/${rotation.id}`)).body;
	assert.equal(Date.parse(shown.oldLastUsedAt), lastUsedAtMs);
	assert.equal(shown.newLastUsedAt, undefined);
	const open = (await admin.call('GET', `/rotations?status=overlapping&clientId=${clientId}`)).body.items;
	assert.equal(open.length, 1);
	const ending = `/credentials?endsBefore=${new Date(lastUsedAtMs + 86_400_001).toISOString()}`;
	assert.deepEqual(
		(await admin.call('GET', ending)).body.items.map((one: { id: string }) => one.id),
		[first.id],
	);
	const completed = await admin.call('POST', `/rotations/${rotation.id}/complete`);
	assert.equal(completed.body.status, 'completed');
	assert.equal((await admin.call('GET', `/credentials/${first.id}`)).body.status, 'revoked');
	assert.equal((await admin.call('POST', `/rotations/${rotation.id}/cancel`)).status, 409);
	const types = new Set(admin.ledger.durable.map(({ type }) => type));
	assert.ok(types.has('credential.rotation-started') && types.has('credential.rotation-completed'));
});

test('revoking the certificate of the new credential gives the old one its life back, and that of the old one ends it', async () => {
	const admin = await createTestAdmin();
	const clientId = await oneClient(admin, 'tls_client_auth');
	const csr = () => createPartnerKey('x').csrPem;
	const first = (await admin.call('POST', `/clients/${clientId}/certificates`, { body: { csr: csr() } })).body
		.credential;
	const rotate = async () =>
		(await admin.call('POST', `/credentials/${first.id}/rotate`, { body: { csr: csr() } })).body;
	const revoke = (certificateId: string) =>
		admin.call('POST', `/certificates/${certificateId}/revoke`, { body: { reason: 'superseded' } });
	const lost = await rotate();
	assert.equal((await revoke(lost.credential.certificateId)).status, 200);
	assert.equal((await admin.call('GET', `/rotations/${lost.rotation.id}`)).body.status, 'cancelled');
	assert.equal((await admin.call('GET', `/credentials/${first.id}`)).body.retiresAt, undefined);
	const done = await rotate();
	assert.equal((await revoke(first.certificateId)).status, 200);
	assert.equal((await admin.call('GET', `/rotations/${done.rotation.id}`)).body.status, 'completed');
});

test('a secret is rotated and shown once; in an emergency the old one is dead in the same answer', async () => {
	const admin = await createTestAdmin();
	const clientId = await oneClient(admin, 'client_secret_basic');
	const first = (await admin.call('POST', `/clients/${clientId}/secrets`, { body: {} })).body.credential;
	const request = {
		body: { overlapSeconds: 0, reason: 'key-compromise' },
		headers: { 'idempotency-key': 'emergency-1' },
	};
	const started = await admin.call('POST', `/credentials/${first.id}/rotate`, request);
	assert.equal(started.status, 201);
	assert.ok(started.body.secret.length > 40);
	assert.equal(started.body.rotation.status, 'completed');
	const old = (await admin.call('GET', `/credentials/${first.id}`)).body;
	assert.deepEqual([old.status, old.revocationReason], ['revoked', 'key-compromise']);
	const repeated = await admin.call('POST', `/credentials/${first.id}/rotate`, request);
	assert.equal(repeated.body.rotation.id, started.body.rotation.id);
	assert.equal(repeated.body.secret, undefined);
	assert.ok(
		!JSON.stringify([admin.ledger.durable, await admin.store.registry.events.after(0, 100)]).includes(
			started.body.secret,
		),
	);
});

test('refuses what does not belong to the kind, and a ledger that does not write leaves both as they were', async () => {
	const admin = await createTestAdmin();
	const clientId = await oneClient(admin, 'client_secret_basic');
	const first = (await admin.call('POST', `/clients/${clientId}/secrets`, { body: {} })).body.credential;
	const rotate = (body: object) => admin.call('POST', `/credentials/${first.id}/rotate`, { body });
	for (const body of [
		{ csr: createPartnerKey('x').csrPem },
		{ jwk: {} },
		{ overlapSeconds: -1 },
		{ reason: 'superseded' },
	]) {
		assert.equal((await rotate(body)).status, 400, JSON.stringify(body));
	}
	admin.ledger.durableLeft = 0;
	assert.equal((await rotate({})).status, 503);
	admin.ledger.durableLeft = 10;
	assert.equal((await admin.call('GET', `/credentials/${first.id}`)).body.retiresAt, undefined);
	assert.deepEqual((await admin.call('GET', '/rotations')).body.items, []);
	assert.deepEqual(await admin.store.registry.events.after(0, 10), []);
	assert.equal((await rotate({})).status, 201);
	assert.equal((await rotate({})).status, 409);
	assert.equal((await admin.call('GET', '/rotations/rot_00000000000000000000000000')).status, 404);
});

test('an API key is rotated within the same fence, and shown once', async () => {
	const admin = await createTestAdmin();
	const clientId = await oneClient(admin, 'tls_client_auth');
	const subscription = { productId: 'accounts-read', planId: 'gold', stage: 'live', grants: {} };
	const subscribed = await admin.call('POST', `/clients/${clientId}/subscriptions`, { body: subscription });
	assert.equal(subscribed.status, 201, JSON.stringify(subscribed.body));
	const limits = [{ name: 'sustained', requests: 60, windowSeconds: 60 }];
	const body = { allowedAddresses: ['192.0.2.0/24'], limits };
	const made = await admin.call('POST', `/clients/${clientId}/api-keys`, { body });
	assert.equal(made.status, 201, JSON.stringify(made.body));
	const first = made.body.credential;
	assert.equal((await admin.call('POST', `/credentials/${first.id}/rotate`, { body: { csr: 'x' } })).status, 400);
	const started = await admin.call('POST', `/credentials/${first.id}/rotate`, { body: { overlapSeconds: 3600 } });
	assert.equal(started.status, 201, JSON.stringify(started.body));
	assert.notEqual(started.body.secret, made.body.secret);
	assert.deepEqual(
		[started.body.credential.allowedAddresses, started.body.credential.limits],
		[['192.0.2.0/24'], limits],
	);
	// Both alive, the old one with an end.
	const old = (await admin.call('GET', `/credentials/${first.id}`)).body;
	assert.deepEqual([old.status, Date.parse(old.retiresAt) - admin.clock.nowMs()], ['active', 3_600_000]);
	const emergency = { body: { overlapSeconds: 0, reason: 'key-compromise' } };
	const third = await admin.call('POST', `/credentials/${started.body.credential.id}/rotate`, emergency);
	assert.equal(third.status, 201);
	// The first got its life back when its successor was revoked: a rotation leaves nobody with nothing.
	assert.equal((await admin.call('GET', `/credentials/${first.id}`)).body.retiresAt, undefined);
	assert.ok(!JSON.stringify(admin.ledger.durable).includes(third.body.secret));
});

test('a certificate that the client made itself is rotated by another one', async () => {
	const admin = await createTestAdmin();
	admin.clock.advance(Date.now() - admin.clock.nowMs());
	const clientId = await oneClient(admin, 'self_signed_tls_client_auth');
	const [own, next] = [makeCertificate({ subject: 'own' }), makeCertificate({ subject: 'own' })];
	const path = `/clients/${clientId}/self-signed-certificates`;
	const first = (await admin.call('POST', path, { body: { certificate: own.pem } })).body;
	const rotate = (body: object) => admin.call('POST', `/credentials/${first.id}/rotate`, { body });
	for (const body of [{}, { jwk: {} }]) assert.equal((await rotate(body)).status, 400);
	assert.equal((await rotate({ certificate: 'x' })).status, 422);
	assert.equal((await rotate({ certificate: own.pem })).status, 409, 'the same one is no successor');
	const started = await rotate({ certificate: next.pem, overlapSeconds: 60 });
	assert.equal(started.body.credential.thumbprint, next.thumbprint);
	const completed = await admin.call('POST', `/rotations/${started.body.rotation.id}/complete`);
	assert.equal(completed.body.status, 'completed');
	assert.equal((await admin.call('GET', `/credentials/${first.id}`)).body.status, 'revoked');
	// With a key that is known to others, the old key does not come back in another certificate.
	const again = makeCertificate({ subject: 'again', key: next.privateKey });
	const emergency = { certificate: again.pem, overlapSeconds: 0, reason: 'key-compromise' };
	const refused = await admin.call('POST', `/credentials/${started.body.credential.id}/rotate`, { body: emergency });
	assert.equal(refused.status, 422);
});

test('a name below a trust anchor is rotated to the next authority of the partner', async () => {
	const admin = await createTestAdmin();
	admin.clock.advance(Date.now() - admin.clock.nowMs());
	const clientId = await oneClient(admin, 'tls_client_auth');
	const { partnerId } = (await admin.call('GET', `/clients/${clientId}`)).body;
	const trust = async (name: string): Promise<string> => {
		const body = { name, certificate: makeAuthority(name).pem, revocation: 'none' };
		return (await admin.call('POST', `/partners/${partnerId}/trust-anchors`, { body })).body.id;
	};
	const [old, next] = [await trust('2026'), await trust('2028')];
	const body = { trustAnchorId: old, attribute: 'san_dns', value: 'app.acme.example' };
	const first = (await admin.call('POST', `/clients/${clientId}/anchored-certificates`, { body })).body;
	const rotate = (subject?: object) =>
		admin.call('POST', `/credentials/${first.id}/rotate`, { body: subject === undefined ? {} : { subject } });
	assert.equal((await rotate()).status, 400);
	assert.equal((await rotate({})).status, 409, 'nothing is new');
	const started = await rotate({ trustAnchorId: next });
	assert.equal(started.status, 201, JSON.stringify(started.body));
	const { trustAnchorId, subjectAttribute, subjectValue } = started.body.credential;
	assert.deepEqual([trustAnchorId, subjectAttribute, subjectValue], [next, 'san_dns', 'app.acme.example']);
});
