// Commands that issue certificates with a key elsewhere: a token that hangs holds up nobody but who waits for its signature.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createPartnerKey } from '../../../demo/partner-key.ts';
import { type DistantSigner, distantSigner, gate, takenOut } from '../../../test/fixture/distant-signer.ts';
import { createTestAdmin } from '../../../test/fixture/test-admin.ts';
import { openLocalSigner } from '../../adapters/keys/local-signer.ts';

async function world() {
	const distants: DistantSigner[] = [];
	const admin = await createTestAdmin(undefined, (stored) => {
		const distant = distantSigner(openLocalSigner(stored));
		distants.push(distant);
		return distant.signer;
	});
	const before = distants.reduce((sum, { asked }) => sum + asked(), 0);
	const partner = (await admin.call('POST', '/partners', { body: { name: 'Acme' } })).body.id;
	const client = (
		await admin.call('POST', `/partners/${partner}/clients`, { body: { name: 'Acme', environment: 'production' } })
	).body.id;
	const csr = () => createPartnerKey('x').csrPem;
	return {
		admin,
		asked: () => distants.reduce((sum, { asked }) => sum + asked(), 0) - before,
		let: (happen: () => Promise<void>) => {
			for (const distant of distants) distant.before = happen;
		},
		issue: (headers = {}, body: object = { csr: csr() }) =>
			admin.call('POST', `/clients/${client}/certificates`, { body, headers }),
		issueServer: () =>
			admin.call('POST', '/certificates', { body: { profile: 'server', csr: csr(), dnsNames: ['a.example'] } }),
		csr,
	};
}

test('while the token hangs a credential is revoked at once, and what waited is issued when it is back', async () => {
	const { admin, asked, let: when, issue, issueServer, csr } = await world();
	const { credential } = (await issue()).body;
	const hanging = gate();
	when(hanging.closed);
	const rotation = { body: { csr: csr(), overlapSeconds: 60 } };
	const waiting = [issue(), issueServer(), admin.call('POST', `/credentials/${credential.id}/rotate`, rotation)];
	while (asked() < 4) await new Promise((resolve) => setImmediate(resolve));
	const other = await admin.call('POST', '/partners', { body: { name: 'Another' } });
	assert.equal(other.status, 201);
	const reason = { body: { reason: 'key-compromise' } };
	assert.equal((await admin.call('POST', `/credentials/${credential.id}/revoke`, reason)).status, 200);
	hanging.open();
	const [issued, server, rotated] = await Promise.all(waiting);
	assert.equal(issued?.status, 201);
	assert.equal(server?.status, 201);
	assert.equal(rotated?.status, 409, 'the credential was revoked meanwhile');
});

test('while the key of the root hangs a rollover keeps nobody waiting, and only one is prepared', async () => {
	const { admin, asked, let: when } = await world();
	const hanging = gate();
	when(hanging.closed);
	const headers = { 'idempotency-key': 'rollover' };
	const rotate = () => admin.call('POST', '/authorities/partner-issuing/rotate', { headers });
	const rotating = rotate();
	while (asked() < 1) await new Promise((resolve) => setImmediate(resolve));
	assert.equal((await admin.call('POST', '/partners', { body: { name: 'Another' } })).status, 201);
	const second = await admin.call('POST', '/authorities/platform-issuing/rotate');
	assert.equal(second.status, 409, 'another rollover is under way');
	hanging.open();
	const rotated = await rotating;
	assert.equal(rotated.status, 201);
	assert.equal(rotated.body.id, 'partner-issuing-2');
	const before = asked();
	const again = await rotate();
	assert.deepEqual([again.status, again.body.id], [201, 'partner-issuing-2']);
	assert.equal(asked(), before, 'a repeated command signs nothing');
});

test('a root that was taken out is 503 with Retry-After, and the next rollover goes through', async () => {
	const { admin, let: when } = await world();
	when(takenOut);
	const refused = await admin.call('POST', '/authorities/partner-issuing/rotate');
	assert.equal(refused.status, 503);
	assert.match(refused.body.type, /authority_unavailable/);
	assert.equal(refused.headers.get('retry-after'), '7');
	when(() => Promise.resolve());
	assert.equal((await admin.call('POST', '/authorities/partner-issuing/rotate')).status, 201);
});

test('a repeated command with an Idempotency-Key is answered as it was, and signs nothing', async () => {
	const { asked, let: when, issue, csr } = await world();
	const headers = { 'idempotency-key': 'once' };
	const body = { csr: csr() };
	const first = await issue(headers, body);
	assert.equal(first.status, 201);
	assert.equal(asked(), 1);
	when(takenOut);
	const again = await issue(headers, body);
	assert.equal(again.status, 201);
	assert.equal(again.body.chain, first.body.chain);
	assert.equal(asked(), 1);
});

test('a token that was taken out is 503 with Retry-After, one entry, and no record', async () => {
	const { admin, let: when, issue } = await world();
	when(takenOut);
	const told = admin.ledger.buffered.length + admin.ledger.durable.length;
	const refused = await issue();
	assert.equal(refused.status, 503);
	assert.match(refused.body.type, /authority_unavailable/);
	assert.equal(refused.headers.get('retry-after'), '7');
	assert.equal(admin.ledger.buffered.length + admin.ledger.durable.length, told + 1);
	assert.equal(admin.ledger.buffered.at(-1)?.reason, 'authority_unavailable');
	assert.deepEqual((await admin.store.registry.credentials.list({ limit: 10 })).items, []);
});
