import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createTestIssuer, fetchedKeys, makeIssuerKey } from '../../../test/fixture/external-issuer.ts';
import { createTestAdmin, type TestAdmin } from '../../../test/fixture/test-admin.ts';
import { issuerOwner } from '../../domain/issuer/external-issuer.ts';
import type { KeySetState } from '../../domain/issuer/key-set-keeper.ts';
import { externalTokenName } from '../../domain/issuer/verify-external-token.ts';

const issuer = createTestIssuer('auth0', 'api://bank').settings;
const keys = fetchedKeys([makeIssuerKey('k1')]);

async function adminWith(states: Map<string, KeySetState> = new Map()): Promise<TestAdmin> {
	return createTestAdmin(undefined, undefined, { issuers: [issuer], keySetOf: (owner) => states.get(owner) });
}

async function onboard(admin: TestAdmin, authenticationMethod = 'private_key_jwt'): Promise<string> {
	const partner = await admin.call('POST', '/partners', { body: { name: 'Acme' } });
	const body = { name: 'app', environment: 'sandbox', authenticationMethod, senderConstraint: 'dpop' };
	return (await admin.call('POST', `/partners/${partner.body.id}/clients`, { body })).body.id;
}

test('links a client of an issuer, by its name or its iss, once; what is linked elsewhere is a conflict', async () => {
	const admin = await adminWith();
	const [clientId, other] = [await onboard(admin), await onboard(admin)];
	const link = (to: string, body: object) => admin.call('POST', `/clients/${to}/external-clients`, { body });
	const linked = await link(clientId, { issuer: 'auth0', externalClientId: 'abc' });
	assert.equal(linked.status, 201);
	assert.deepEqual(
		[linked.body.kind, linked.body.issuer, linked.body.externalClientId, linked.body.clientId],
		['external-client', issuer.issuer, 'abc', clientId],
	);
	const entry = admin.ledger.durable.at(-1);
	assert.deepEqual(
		[entry?.type, entry?.facts?.['issuer'], entry?.facts?.['external_client'], entry?.facts?.['client']],
		['credential.added', issuer.issuer, 'abc', clientId],
	);
	assert.equal((await link(other, { issuer: issuer.issuer, externalClientId: 'abc' })).status, 409);
	assert.equal((await link(other, { issuer: 'auth0', externalClientId: 'ABC' })).status, 201, 'another client there');
	for (const body of [
		{ issuer: 'unknown', externalClientId: 'x' },
		{ issuer: issuer.issuer.slice(0, -1), externalClientId: 'x' },
		{ issuer: 'auth0', externalClientId: 'with space' },
		{ issuer: 'auth0', externalClientId: '' },
		{ issuer: 'auth0', externalClientId: 'x', lifetimeSeconds: 4_000_000_000 },
	]) {
		assert.equal((await link(other, body)).status, 400, JSON.stringify(body));
	}
});

test('the same link again begins anew and takes the place of the one before; one that was revoked makes room', async () => {
	const admin = await adminWith();
	const [clientId, other] = [await onboard(admin), await onboard(admin)];
	const body = { issuer: 'auth0', externalClientId: 'abc' };
	const first = await admin.call('POST', `/clients/${clientId}/external-clients`, { body });
	const second = await admin.call('POST', `/clients/${clientId}/external-clients`, { body });
	assert.equal(second.status, 201);
	const before = await admin.call('GET', `/credentials/${first.body.id}`);
	assert.deepEqual([before.body.status, before.body.revocationReason], ['revoked', 'superseded']);
	await admin.call('POST', `/credentials/${second.body.id}/revoke`, { body: { reason: 'unspecified' } });
	assert.equal((await admin.call('POST', `/clients/${other}/external-clients`, { body })).status, 201);
});

test('registers a URL of keys for private_key_jwt, and shows how the keys stand', async () => {
	const states = new Map<string, KeySetState>();
	const admin = await adminWith(states);
	const clientId = await onboard(admin);
	const add = (body: object, to = clientId) => admin.call('POST', `/clients/${to}/key-sets`, { body });
	const jwksUri = 'https://login.acme.example/jwks.json';
	const added = await add({ jwksUri, algorithm: 'ES256' });
	assert.equal(added.status, 201);
	assert.deepEqual([added.body.kind, added.body.jwksUri, added.body.algorithm], ['key-set', jwksUri, 'ES256']);
	assert.equal(admin.ledger.durable.at(-1)?.facts?.['jwks_uri'], jwksUri);
	const shown = async () => (await admin.call('GET', `/credentials/${added.body.id}`)).body.keySet;
	assert.deepEqual(await shown(), { state: 'waiting', keys: [] });
	const nowMs = admin.clock.nowMs();
	const state = { owner: added.body.id, keys, fetchedAtMs: nowMs, goodUntilMs: nowMs + 1000, triedAtMs: nowMs };
	states.set(added.body.id, { ...state, failures: 0, failure: undefined });
	assert.deepEqual((await shown()).state, 'current');
	assert.deepEqual((await shown()).keys, [{ keyId: 'k1', algorithm: 'ES256' }]);
	states.set(added.body.id, { ...state, failures: 2, failure: 'key set: timeout' });
	assert.deepEqual([(await shown()).state, (await shown()).failure], ['failing', 'key set: timeout']);
	states.set(added.body.id, { ...state, goodUntilMs: nowMs, failures: 2, failure: 'key set: timeout' });
	assert.deepEqual([(await shown()).state, (await shown()).keys], ['lapsed', []]);
	assert.equal((await admin.call('GET', '/credentials')).body.items[0].keySet.state, 'lapsed');

	assert.equal((await add({ jwksUri, algorithm: 'PS256' })).status, 409, 'the same URL again');
	for (const url of [
		'http://login.acme.example/jwks',
		'https://user@login.acme.example/jwks',
		'https://login.acme.example/jwks#x',
		'https://LOGIN.acme.example/jwks',
		'file:///etc/passwd',
		'text',
	]) {
		assert.equal((await add({ jwksUri: url, algorithm: 'ES256' })).status, 400, url);
	}
	assert.equal((await add({ jwksUri: 'https://a.example/k', algorithm: 'RS256' })).status, 400);
	assert.equal((await add({ jwksUri, algorithm: 'ES256' }, await onboard(admin, 'tls_client_auth'))).status, 409);
});

test('lists the issuers, and how their keys stand', async () => {
	const states = new Map<string, KeySetState>();
	const admin = await adminWith(states);
	const listed = async () => (await admin.call('GET', '/issuers')).body.items;
	assert.deepEqual(await listed(), [
		{
			name: 'auth0',
			issuer: issuer.issuer,
			kind: 'auth0',
			senderConstraint: 'none',
			keysFrom: 'https://unused.example/jwks',
			keySet: { state: 'waiting', keys: [] },
		},
	]);
	const nowMs = admin.clock.nowMs();
	const state = { keys, fetchedAtMs: nowMs, goodUntilMs: nowMs + 1, triedAtMs: nowMs, failures: 0, failure: undefined };
	states.set(issuerOwner(issuer.issuer), { owner: '', ...state });
	assert.equal((await listed())[0].keySet.state, 'current');
});

test('revokes a token of an issuer by what the issuer calls it', async () => {
	const admin = await adminWith();
	const jti = 'trrtcc:3f1d8bb6-b5c9-4b0e-a2c2-1f0a1d4c0e77';
	const revoked = await admin.call('POST', '/token-revocations', { body: { issuer: 'auth0', jti } });
	assert.equal(revoked.status, 201);
	assert.equal(revoked.body.jti, externalTokenName(issuer.issuer, jti));
	assert.equal((await admin.call('POST', '/token-revocations', { body: { issuer: 'other', jti } })).status, 400);
	assert.equal((await admin.call('POST', '/token-revocations', { body: { jti } })).status, 400, 'no jti of ours');
});
