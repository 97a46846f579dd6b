import assert from 'node:assert/strict';
import { generateKeyPairSync, sign } from 'node:crypto';
import { test } from 'node:test';
import { createTestAdmin, type TestAdmin, testSigningKeyPolicies } from '../../../test/fixture/test-admin.ts';
import type { RemoteSigningKeys } from '../../domain/token/remote-signing-key.ts';
import { provideFirstSigningKeys } from '../../domain/token/signing-key-keeper.ts';
import { Secret } from '../../kernel/secret.ts';

async function startAdmin(): Promise<TestAdmin> {
	const admin = await createTestAdmin();
	const keeping = { keys: admin.store.keys, registry: admin.store.registry, clock: admin.clock };
	await provideFirstSigningKeys(keeping, testSigningKeyPolicies);
	return admin;
}

interface KeyOnWire {
	readonly kid: string;
	readonly state: string;
	readonly algorithm: string;
	readonly activeFrom: string;
}

async function list(admin: TestAdmin, purpose = 'token-signing'): Promise<readonly KeyOnWire[]> {
	const answer = await admin.call('GET', `/signing-keys?purpose=${purpose}`);
	assert.equal(answer.status, 200);
	return answer.body.items;
}

const statesOf = async (admin: TestAdmin): Promise<readonly string[]> => (await list(admin)).map(({ state }) => state);

test('rotates by command: the next key is published, in force, and recorded before the answer', async () => {
	const admin = await startAdmin();
	const answer = await admin.call('POST', '/signing-keys/rotations', { body: { purpose: 'token-signing' } });
	assert.deepEqual([answer.status, answer.body.state, answer.body.algorithm], [201, 'next', 'ES256']);
	assert.equal(Date.parse(answer.body.activeFrom), admin.clock.nowMs() + 3_600_000);
	assert.deepEqual(await statesOf(admin), ['next', 'active']);
	assert.equal(admin.publisher.published.length, 1);
	const [entry] = admin.ledger.durable;
	assert.deepEqual([entry?.type, entry?.facts?.['kid']], ['key.rotated', answer.body.kid]);
	assert.equal(JSON.stringify(admin.ledger.durable).includes('PRIVATE KEY'), false);
	const again = await admin.call('POST', '/signing-keys/rotations', { body: { purpose: 'token-signing' } });
	assert.deepEqual([again.status, again.body.type], [409, 'urn:sallyport:problem:conflict']);
	admin.clock.advance(3_600_000);
	assert.deepEqual(await statesOf(admin), ['active', 'retiring']);
});

test('rotates now to another algorithm, two seconds ahead, and only the purpose that was asked for', async () => {
	const admin = await startAdmin();
	const body = { purpose: 'assertion-signing', algorithm: 'ML-DSA-65', publishAheadSeconds: 0 };
	const answer = await admin.call('POST', '/signing-keys/rotations', { body });
	assert.deepEqual([answer.status, answer.body.algorithm], [201, 'ML-DSA-65']);
	assert.equal(Date.parse(answer.body.activeFrom), admin.clock.nowMs() + 2000);
	assert.deepEqual(await statesOf(admin), ['active']);
});

test('a repeat of a rotation with its key is the same rotation', async () => {
	const admin = await startAdmin();
	const options = { body: { purpose: 'token-signing' }, headers: { 'idempotency-key': 'k1' } };
	const first = await admin.call('POST', '/signing-keys/rotations', options);
	const again = await admin.call('POST', '/signing-keys/rotations', options);
	assert.deepEqual([again.status, again.body], [201, first.body]);
	assert.equal((await list(admin)).length, 2);
});

test('revokes the active key for another one, and refuses what is no key', async () => {
	const admin = await startAdmin();
	const [active] = await list(admin);
	const answer = await admin.call('POST', `/signing-keys/${active?.kid}/revoke`);
	assert.deepEqual([answer.status, answer.body.state], [200, 'revoked']);
	assert.deepEqual((await statesOf(admin)).toSorted(), ['active', 'revoked']);
	const [entry] = admin.ledger.durable;
	assert.equal(entry?.type, 'key.revoked');
	assert.equal(typeof entry?.facts?.['successor'], 'string');
	const unknown = await admin.call('POST', `/signing-keys/${'A'.repeat(43)}/revoke`);
	assert.deepEqual([unknown.status, unknown.body.type], [404, 'urn:sallyport:problem:not_found']);
	assert.equal((await admin.call('POST', '/signing-keys/__proto__/revoke')).status, 404);
	assert.equal((await admin.call('POST', '/signing-keys/rotations', { body: { purpose: 'server' } })).status, 400);
});

test('a key elsewhere that has no spare is revoked by force, never by accident, and without a body as before', async () => {
	const pairs = [generateKeyPairSync('ec', { namedCurve: 'P-256' })];
	const remote: RemoteSigningKeys = {
		isRemote: (purpose) => purpose === 'token-signing',
		offers: () =>
			pairs.map(({ publicKey, privateKey }, place) => async () => ({
				place: `place ${place}`,
				reference: new Secret(`reference ${place}`),
				signer: {
					algorithm: 'ecdsa-with-SHA256',
					publicKey,
					sign: async (data) => sign('sha256', data, privateKey),
					isAvailable: () => true,
					close: async () => undefined,
				},
			})),
		open: () => undefined,
	};
	const admin = await createTestAdmin(undefined, undefined, { remoteSigningKeys: remote });
	const keeping = { keys: admin.store.keys, registry: admin.store.registry, remote, clock: admin.clock };
	await provideFirstSigningKeys(keeping, testSigningKeyPolicies);
	const [active] = await list(admin);
	const revoke = (options = {}) => admin.call('POST', `/signing-keys/${active?.kid}/revoke`, options);
	for (const options of [{}, { body: {} }, { body: { force: false } }]) {
		const refused = await revoke(options);
		assert.deepEqual([refused.status, refused.body.type], [409, 'urn:sallyport:problem:conflict']);
		assert.match(refused.body.detail, /use force/);
	}
	assert.deepEqual(await statesOf(admin), ['active']);
	assert.equal((await revoke({ body: { force: 'yes' } })).status, 400);
	const revoked = await revoke({ body: { force: true } });
	assert.deepEqual([revoked.status, revoked.body.state], [200, 'revoked']);
	assert.deepEqual(await statesOf(admin), ['revoked']);
	const { facts, type } = admin.ledger.durable.at(-1) ?? {};
	assert.deepEqual([type, facts?.['forced'], facts?.['successor']], ['key.revoked', true, undefined]);
	pairs.push(generateKeyPairSync('ec', { namedCurve: 'P-256' }));
	const body = { purpose: 'token-signing', publishAheadSeconds: 0 };
	assert.equal((await admin.call('POST', '/signing-keys/rotations', { body })).status, 201);
	admin.clock.advance(2000);
	assert.deepEqual(await statesOf(admin), ['active', 'revoked']);
});

test('when the ledger refuses, no key changes', async () => {
	const admin = await startAdmin();
	admin.ledger.accepting = false;
	const answer = await admin.call('POST', '/signing-keys/rotations', { body: { purpose: 'token-signing' } });
	assert.equal(answer.status, 503);
	assert.deepEqual(await statesOf(await startAdmin()), ['active']);
	admin.ledger.accepting = true;
	assert.deepEqual(await statesOf(admin), ['active']);
});
