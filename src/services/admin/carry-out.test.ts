import assert from 'node:assert/strict';
import { test } from 'node:test';
import { newId } from '../../kernel/ids.ts';
import { systemRandom } from '../../kernel/random.ts';
import { createTestAdmin, operatorConnection, type TestAdmin } from '../../../test/fixture/test-admin.ts';

const partnersOf = async (admin: TestAdmin) => (await admin.store.registry.partners.list({ limit: 200 })).items;

test('records a command durably before it is committed, and publishes it before it is answered', async () => {
	const events: string[] = [];
	const admin = await createTestAdmin((store) => ({
		...store,
		transaction: async (work) => {
			const value = await store.transaction(async (registry) => {
				const result = await work(registry);
				events.push(`recorded ${admin.ledger.durable.length}`);
				return result;
			});
			events.push(`committed, published ${admin.publisher.published.length}`);
			return value;
		},
	}));
	await admin.call('POST', '/partners', { body: { name: 'Acme' } });
	assert.deepEqual(events, ['recorded 1', 'committed, published 0']);
	assert.deepEqual(admin.publisher.published, [1]);
});

test('changes nothing when the ledger refuses the entry', async () => {
	const admin = await createTestAdmin();
	admin.ledger.durableLeft = 0;
	const headers = { 'idempotency-key': 'k1' };
	const answer = await admin.call('POST', '/partners', { body: { name: 'Acme' }, headers });
	assert.deepEqual([answer.status, answer.body.type], [503, 'urn:sallyport:problem:audit_unavailable']);
	assert.deepEqual(await partnersOf(admin), []);
	assert.equal(await admin.store.registry.changes.latest(), 0);
	assert.deepEqual(admin.publisher.published, []);
	assert.equal(admin.ledger.buffered.at(-1)?.reason, 'audit_unavailable');
	// The refusal was not kept: the same command goes through once the ledger works again.
	admin.ledger.durableLeft = 1;
	assert.equal((await admin.call('POST', '/partners', { body: { name: 'Acme' }, headers })).status, 201);
});

test('says in the ledger that a recorded command did not come true when the commit fails', async () => {
	const admin = await createTestAdmin((store) => ({
		...store,
		transaction: async (work) => {
			await store.transaction(async (registry) => {
				await work(registry);
				throw new Error('the disk is full');
			});
			throw new Error('not reached');
		},
	}));
	const answer = await admin.call('POST', '/partners', { body: { name: 'Acme' } });
	assert.equal(answer.status, 500);
	assert.deepEqual(await partnersOf(admin), []);
	const [recorded, failed] = admin.ledger.durable;
	assert.deepEqual([recorded?.type, recorded?.decision], ['partner.registered', 'permit']);
	assert.deepEqual(
		[failed?.type, failed?.decision, failed?.requestId],
		['admin.commit_failed', 'deny', recorded?.requestId],
	);
	assert.deepEqual([failed?.facts?.['entry'], failed?.facts?.['command']], [0, 'partner.registered']);
});

test('answers 503 when a change was not confirmed everywhere, and a repeat waits for it again', async () => {
	const admin = await createTestAdmin();
	admin.publisher.failing = true;
	const command = { body: { name: 'Acme' }, headers: { 'idempotency-key': 'k1' } };
	const first = await admin.call('POST', '/partners', command);
	assert.deepEqual([first.status, first.body.committed], [503, true]);
	assert.equal(first.headers.get('retry-after'), '1');
	assert.equal((await partnersOf(admin)).length, 1);
	assert.deepEqual(
		[...admin.ledger.durable, ...admin.ledger.buffered].map((entry) => [entry.decision, entry.reason]),
		[
			['permit', undefined],
			['deny', 'change_unconfirmed'],
		],
	);
	assert.equal((await admin.call('POST', '/partners', command)).status, 503);
	admin.publisher.failing = false;
	const repeated = await admin.call('POST', '/partners', command);
	assert.equal(repeated.status, 201);
	assert.deepEqual(admin.publisher.published, [1]);
	assert.equal((await partnersOf(admin)).length, 1);
});

test('a command without effect still waits until the effect it repeats is in force', async () => {
	const admin = await createTestAdmin();
	const { body: partner } = await admin.call('POST', '/partners', { body: { name: 'Acme' } });
	admin.publisher.failing = true;
	assert.equal((await admin.call('POST', `/partners/${partner.id}/suspend`)).status, 503);
	assert.equal((await admin.call('POST', `/partners/${partner.id}/suspend`)).status, 503);
	admin.publisher.failing = false;
	const again = await admin.call('POST', `/partners/${partner.id}/suspend`);
	assert.deepEqual([again.status, again.body.status, again.body.revision], [200, 'suspended', 2]);
	assert.deepEqual(admin.publisher.published, [1, 2]);
	assert.equal(admin.ledger.durable.at(-1)?.facts?.['changed'], false);
});

test('carries a command out once, however often it is repeated in parallel', async () => {
	const admin = await createTestAdmin();
	const command = { body: { name: 'Acme' }, headers: { 'idempotency-key': '"once"' } };
	const answers = await Promise.all(Array.from({ length: 20 }, () => admin.call('POST', '/partners', command)));
	const statuses = answers.map((answer) => answer.status);
	const waiting = answers.find((answer) => answer.status === 409);
	assert.equal(waiting?.body.type, 'urn:sallyport:problem:idempotency_in_progress');
	assert.equal(statuses.filter((status) => status === 201).length, 1);
	assert.equal(statuses.filter((status) => status === 409).length, 19);
	assert.ok(
		answers.filter((answer) => answer.status === 409).every((answer) => answer.headers.get('retry-after') === '1'),
	);
	const created = answers.find((answer) => answer.status === 201);
	// Afterwards the quoted and the bare form of the key give the stored answer.
	const repeated = await admin.call('POST', '/partners', { ...command, headers: { 'idempotency-key': 'once' } });
	assert.deepEqual(repeated.body, created?.body);
	assert.equal(repeated.status, 201);
	assert.equal(repeated.headers.get('etag'), created?.headers.get('etag'));
	assert.equal(repeated.headers.get('location'), created?.headers.get('location'));
	assert.equal(repeated.headers.get('idempotency-replayed'), 'true');
	assert.equal((await partnersOf(admin)).length, 1);
	assert.equal(admin.ledger.durable.length, 1);
});

test('refuses a command above the bound of those that run, and takes it once there is room', async () => {
	const admin = await createTestAdmin();
	const register = (key: number) =>
		admin.call('POST', '/partners', { body: { name: 'Acme' }, headers: { 'idempotency-key': `k${key}` } });
	const answers = await Promise.all(Array.from({ length: 1001 }, (_, key) => register(key)));
	const refused = answers.filter((answer) => answer.status === 503);
	assert.equal(refused.length, 1);
	assert.equal(refused[0]?.body.type, 'urn:sallyport:problem:too_many_commands');
	assert.equal((await register(5000)).status, 201);
});

test('carries a command out once also when two programs share the store', async () => {
	const admin = await createTestAdmin();
	const command = { body: { name: 'Acme' }, headers: { 'idempotency-key': 'once' } };
	await admin.call('POST', '/partners', command);
	// What the other program stored meets this one only in the transaction.
	const answers = await Promise.all([1, 2, 3].map(() => admin.call('POST', '/partners', command)));
	assert.ok(answers.some((answer) => answer.status === 201));
	assert.equal((await partnersOf(admin)).length, 1);
});

test('refuses another payload, path or condition under a used key', async () => {
	const admin = await createTestAdmin();
	const headers = { 'idempotency-key': 'k1' };
	const { body: partner } = await admin.call('POST', '/partners', { body: { name: 'Acme' }, headers });
	const attempts = [
		await admin.call('POST', '/partners', { body: { name: 'Acme Inc' }, headers }),
		await admin.call('POST', `/partners/${partner.id}/suspend`, { headers }),
	];
	for (const answer of attempts) {
		assert.deepEqual([answer.status, answer.body.type], [422, 'urn:sallyport:problem:idempotency_mismatch']);
	}
	// White space and the order of members are no other payload.
	const reordered = await admin.call('POST', '/partners', { text: ' { "name" : "Acme" } ', headers });
	assert.equal(reordered.status, 201);
	assert.equal((await partnersOf(admin)).length, 1);
});

test('keeps keys of two operators apart, and forgets a key after its time', async () => {
	const admin = await createTestAdmin();
	const command = { body: { name: 'Acme' }, headers: { 'idempotency-key': 'k1' } };
	const first = await admin.call('POST', '/partners', command);
	const other = {
		...admin.operator,
		id: newId('opr', admin.clock, systemRandom),
		thumbprint: 'other',
	};
	await admin.store.registry.operators.insert(other);
	const second = await admin.call('POST', '/partners', { ...command, connection: operatorConnection(other) });
	assert.notEqual(second.body.id, first.body.id);
	admin.clock.advance(24 * 3_600_000);
	const third = await admin.call('POST', '/partners', command);
	assert.equal(third.status, 201);
	assert.notEqual(third.body.id, first.body.id);
});

test('keeps no refusal: a command that failed can succeed under the same key', async () => {
	const admin = await createTestAdmin();
	const { body: partner } = await admin.call('POST', '/partners', { body: { name: 'Acme' } });
	await admin.call('POST', `/partners/${partner.id}/suspend`);
	const command = { body: { name: 'app', environment: 'production' }, headers: { 'idempotency-key': 'k1' } };
	assert.equal((await admin.call('POST', `/partners/${partner.id}/clients`, command)).status, 409);
	await admin.call('POST', `/partners/${partner.id}/resume`);
	assert.equal((await admin.call('POST', `/partners/${partner.id}/clients`, command)).status, 201);
});

test('lets one of many changes of the same revision through', async () => {
	const admin = await createTestAdmin();
	const { body: partner } = await admin.call('POST', '/partners', { body: { name: 'Acme' } });
	const client = await admin.call('POST', `/partners/${partner.id}/clients`, {
		body: { name: 'app', environment: 'production' },
	});
	const subscription = await admin.call('POST', `/clients/${client.body.id}/subscriptions`, {
		body: { productId: 'accounts-read', planId: 'standard', stage: 'canary' },
	});
	const etag = subscription.headers.get('etag') ?? '';
	const answers = await Promise.all(
		['sandbox', 'canary', 'live', 'sandbox', 'live'].map((stage) =>
			admin.call('PATCH', `/subscriptions/${subscription.body.id}`, { body: { stage }, headers: { 'if-match': etag } }),
		),
	);
	assert.deepEqual(
		answers.map((answer) => answer.status).sort((a, b) => a - b),
		[200, 412, 412, 412, 412],
	);
	const stored = await admin.call('GET', `/subscriptions/${subscription.body.id}`);
	assert.deepEqual(stored.body, answers.find((answer) => answer.status === 200)?.body);
	assert.equal(stored.body.revision, 2);
});
