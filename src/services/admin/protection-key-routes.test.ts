import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createTestAdmin, type TestAdmin } from '../../../test/fixture/test-admin.ts';
import { provideFirstProtectionKeys } from '../../domain/token/protection-key-keeper.ts';
import { systemRandom } from '../../kernel/random.ts';

async function startAdmin(): Promise<TestAdmin> {
	const admin = await createTestAdmin();
	const { keys, registry } = admin.store;
	await provideFirstProtectionKeys({ keys, registry, clock: admin.clock, random: systemRandom });
	return admin;
}

interface KeyOnWire {
	readonly kid: string;
	readonly state: string;
}

async function list(admin: TestAdmin, purpose: string): Promise<readonly KeyOnWire[]> {
	const answer = await admin.call('GET', `/protection-keys?purpose=${purpose}`);
	assert.equal(answer.status, 200);
	return answer.body.items;
}

const statesOf = async (admin: TestAdmin, purpose: string): Promise<readonly string[]> =>
	(await list(admin, purpose)).map(({ state }) => state);

for (const [purpose, algorithm] of [
	['token-sealing', 'A256GCM'],
	['token-encryption', 'ECDH-ES'],
] as const) {
	test(`rotates the key of ${purpose} by command: known two seconds before it is used, recorded before the answer`, async () => {
		const admin = await startAdmin();
		const answer = await admin.call('POST', '/protection-keys/rotations', { body: { purpose } });
		assert.deepEqual([answer.status, answer.body.state, answer.body.algorithm], [201, 'next', algorithm]);
		assert.equal(Date.parse(answer.body.activeFrom), admin.clock.nowMs() + 2000);
		assert.deepEqual(await statesOf(admin, purpose), ['next', 'active']);
		assert.equal(admin.publisher.published.length, 1);
		const [entry] = admin.ledger.durable;
		assert.deepEqual([entry?.type, entry?.facts?.['kid']], ['key.rotated', answer.body.kid]);
		const stored = await admin.store.keys.list(purpose);
		const secrets = stored.map(({ privateKeyPem }) => privateKeyPem.reveal());
		const shown = JSON.stringify([admin.ledger.durable, answer.body, await list(admin, purpose)]);
		assert.ok(secrets.length === 2 && secrets.every((secret) => !shown.includes(secret)), 'no key leaves');
		admin.clock.advance(2000);
		assert.deepEqual(await statesOf(admin, purpose), ['active', 'retiring']);
	});

	test(`revokes the key of ${purpose} for another one, and refuses what is no key`, async () => {
		const admin = await startAdmin();
		const [active] = await list(admin, purpose);
		const answer = await admin.call('POST', `/protection-keys/${active?.kid}/revoke`);
		assert.deepEqual([answer.status, answer.body.state], [200, 'revoked']);
		assert.deepEqual((await statesOf(admin, purpose)).toSorted(), ['active', 'revoked']);
		const [entry] = admin.ledger.durable;
		assert.equal(entry?.type, 'key.revoked');
		assert.equal(typeof entry?.facts?.['successor'], 'string');
		for (const unknown of ['A'.repeat(11), 'A'.repeat(43)]) {
			assert.equal((await admin.call('POST', `/protection-keys/${unknown}/revoke`)).status, 404);
		}
		const signing = await admin.call('POST', '/protection-keys/rotations', { body: { purpose: 'token-signing' } });
		assert.equal(signing.status, 400);
	});
}

test('when the ledger refuses, no key that hides tokens changes', async () => {
	const admin = await startAdmin();
	admin.ledger.accepting = false;
	const body = { purpose: 'token-sealing' };
	assert.equal((await admin.call('POST', '/protection-keys/rotations', { body })).status, 503);
	admin.ledger.accepting = true;
	assert.deepEqual(await statesOf(admin, 'token-sealing'), ['active']);
});
