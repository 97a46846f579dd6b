import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createTestAdmin, operatorConnection } from '../../../test/fixture/test-admin.ts';
import type { Connection } from '../../domain/certificate/connection.ts';
import { fault } from '../../kernel/faults.ts';
import { newId } from '../../kernel/ids.ts';
import { systemRandom } from '../../kernel/random.ts';
import { fail, ok, unwrap } from '../../kernel/result.ts';

test('gives every answer a request id, security headers and no CORS', async () => {
	const admin = await createTestAdmin();
	for (const path of ['/partners', '/nothing', '/openapi.json']) {
		const { headers } = await admin.call('GET', path);
		assert.match(headers.get('x-request-id') ?? '', /^req-\d+$/);
		assert.equal(headers.get('cache-control'), 'no-store');
		assert.equal(headers.get('x-content-type-options'), 'nosniff');
		assert.equal(headers.get('access-control-allow-origin'), null);
	}
});

test('admits nobody but the holder of the exact certificate of an active operator, and records who tried', async () => {
	const admin = await createTestAdmin();
	const own = unwrap(admin.connection.certificate ?? fail('none'));
	const with_ = (changes: object): Connection => ({ ...admin.connection, certificate: ok({ ...own, ...changes }) });
	const strangers: Connection[] = [
		{ ...admin.connection, certificate: undefined },
		{ ...admin.connection, certificate: fail(fault('certificate_invalid', 'No.')) },
		with_({ thumbprint: 'another' }),
		with_({ profile: 'partner-client' }),
		with_({ profile: 'service' }),
		with_({ operatorId: newId('opr', admin.clock, systemRandom) }),
		with_({ notAfterMs: admin.clock.nowMs() - 1 }),
		with_({ notBeforeMs: admin.clock.nowMs() + 1 }),
	];
	for (const connection of strangers) {
		for (const path of ['/partners', '/nothing', '/openapi.json']) {
			const answer = await admin.call('GET', path, { connection });
			assert.equal(answer.status, 401);
			assert.equal(answer.body.type, 'urn:sallyport:problem:operator_unauthenticated');
		}
	}
	const { buffered } = admin.ledger;
	assert.equal(buffered.length, strangers.length * 3);
	for (const entry of buffered) {
		assert.deepEqual([entry.decision, entry.reason, entry.status], ['deny', 'operator_unauthenticated', 401]);
		assert.deepEqual(entry.actor, { address: '127.0.0.1' });
	}
});

test('locks a disabled operator out on the next request of an open connection', async () => {
	const admin = await createTestAdmin();
	assert.equal((await admin.call('GET', '/partners')).status, 200);
	await admin.store.registry.operators.update({ ...admin.operator, status: 'disabled', revision: 2 }, 1);
	assert.equal((await admin.call('GET', '/partners')).status, 401);
});

test('T32: answers to its own host names only', async () => {
	const admin = await createTestAdmin();
	const statusOf = async (host: string): Promise<number> =>
		(await admin.call('GET', '/partners', { headers: { host } })).status;
	for (const host of [
		'evil.example',
		'localhost.evil.example',
		'localhost:8445, evil.example',
		'xlocalhost',
		'127.0.0.1',
	]) {
		assert.equal(await statusOf(host), 421, host);
	}
	for (const host of ['localhost', 'LOCALHOST:8445', 'localhost:1']) assert.equal(await statusOf(host), 200, host);
	const foreign = new Request('https://evil.example/admin/v1/partners');
	assert.equal((await admin.api.fetch(foreign, { connection: admin.connection })).status, 421);
});

test('T32: refuses web pages of other origins, and records them', async () => {
	const admin = await createTestAdmin();
	const statusOf = async (headers: { [name: string]: string }): Promise<number> =>
		(await admin.call('POST', '/partners', { body: { name: 'Acme' }, headers })).status;
	for (const origin of ['https://evil.example', 'null', 'https://localhost:8446', 'http://localhost:8445']) {
		assert.equal(await statusOf({ origin }), 403, origin);
	}
	assert.equal(await statusOf({ 'sec-fetch-site': 'cross-site' }), 403);
	assert.equal(await statusOf({ 'sec-fetch-site': 'same-site' }), 403);
	assert.equal((await admin.store.registry.partners.list({ limit: 10 })).items.length, 0);
	assert.equal(admin.ledger.buffered.filter((entry) => entry.reason === 'origin_refused').length, 6);
	assert.equal(await statusOf({ origin: 'https://localhost:8445', 'sec-fetch-site': 'same-origin' }), 201);
});

test('does nothing, not even reading, while the ledger takes no entries', async () => {
	const admin = await createTestAdmin();
	admin.ledger.accepting = false;
	for (const [method, path, options] of [
		['GET', '/partners', {}],
		['POST', '/partners', { body: { name: 'Acme' } }],
	] as const) {
		const answer = await admin.call(method, path, options);
		assert.deepEqual([answer.status, answer.body.type], [503, 'urn:sallyport:problem:audit_unavailable']);
	}
	assert.equal((await admin.store.registry.partners.list({ limit: 10 })).items.length, 0);
});

test('tells unknown paths, malformed ids and wrong methods apart', async () => {
	const admin = await createTestAdmin();
	const unknown = await admin.call('GET', '/partnerz');
	assert.deepEqual([unknown.status, unknown.body.type], [404, 'urn:sallyport:problem:route_not_found']);
	const malformed = await admin.call('GET', '/partners/prt_1');
	assert.deepEqual([malformed.status, malformed.body.type], [404, 'urn:sallyport:problem:not_found']);
	const absent = await admin.call('GET', `/partners/${newId('prt', admin.clock, systemRandom)}`);
	assert.deepEqual([absent.status, absent.body.type], [404, 'urn:sallyport:problem:not_found']);
	const method = await admin.call('DELETE', '/partners');
	assert.deepEqual([method.status, method.headers.get('allow')], [405, 'GET, HEAD, POST']);
});

test('refuses bodies that are too large, not JSON, compressed, or hold what is not known', async () => {
	const admin = await createTestAdmin();
	const post = (options: Parameters<typeof admin.call>[2]) => admin.call('POST', '/partners', options);
	const json = { 'content-type': 'application/json' };
	const cases: [Awaited<ReturnType<typeof post>>, number, string][] = [
		[await post({ text: JSON.stringify({ name: 'x'.repeat(65_536) }) }), 413, 'body_too_large'],
		[await post({ text: 'name=Acme', headers: { 'content-type': 'text/plain' } }), 415, 'media_type_unsupported'],
		[await post({ text: '{}', headers: { ...json, 'content-encoding': 'gzip' } }), 415, 'media_type_unsupported'],
		[await post({ text: '{"name":', headers: json }), 400, 'body_malformed'],
		[await post({ text: '{"name":"A","__proto__":{"x":1}}' }), 400, 'body_malformed'],
		[await post({ text: '{"name":"A","name":"B"}' }), 400, 'body_malformed'],
		[await post({}), 400, 'input_invalid'],
		[await post({ text: '[]' }), 400, 'input_invalid'],
		[await post({ body: { name: 'Acme', nmae: 'x', status: 'active' } }), 400, 'input_invalid'],
		[await post({ body: { name: 'a\u0000b' } }), 400, 'input_invalid'],
		[await post({ body: { name: 5 } }), 400, 'input_invalid'],
	];
	for (const [answer, status, code] of cases) {
		assert.deepEqual([answer.status, answer.body.type], [status, `urn:sallyport:problem:${code}`]);
	}
	const [, , , , , , , , unknown] = cases;
	assert.deepEqual(
		unknown?.[0].body.errors.map((error: { pointer: string }) => error.pointer),
		['#/nmae', '#/status'],
	);
	assert.equal((await admin.store.registry.partners.list({ limit: 10 })).items.length, 0);
	assert.equal(admin.ledger.buffered.length, cases.length);
	assert.ok(admin.ledger.buffered.every((entry) => entry.type === 'partner.registered' && entry.decision === 'deny'));
});

test('stops reading a body without a length at the bound', async () => {
	const admin = await createTestAdmin();
	let pulled = 0;
	const body = new ReadableStream({
		pull: (controller) => {
			pulled += 1;
			controller.enqueue(new Uint8Array(16_384).fill(0x20));
		},
	});
	const init = { method: 'POST', body, duplex: 'half', headers: { 'content-type': 'application/json' } } as RequestInit;
	const request = new Request('https://localhost/admin/v1/partners', init);
	const response = await admin.api.fetch(request, { connection: admin.connection });
	assert.equal(response.status, 413);
	assert.ok(pulled < 10);
});

test('refuses unknown and repeated query parameters', async () => {
	const admin = await createTestAdmin();
	for (const query of [
		'?limt=5',
		'?limit=5&limit=6',
		'?limit=0',
		'?limit=201',
		'?limit=x',
		'?after=prt_1',
		'?after=%00',
	]) {
		const answer = await admin.call('GET', `/partners${query}`);
		assert.deepEqual([answer.status, answer.body.type], [400, 'urn:sallyport:problem:input_invalid'], query);
	}
	const command = await admin.call('POST', '/partners?dry=1', { body: { name: 'Acme' } });
	assert.equal(command.status, 400);
});

test('problem documents carry the request id and echo no input', async () => {
	const admin = await createTestAdmin();
	const answer = await admin.call('POST', '/partners', { body: { name: 'secret-value\u0000' } });
	assert.equal(answer.headers.get('content-type'), 'application/problem+json');
	assert.equal(answer.body.instance, answer.headers.get('x-request-id'));
	assert.deepEqual(Object.keys(answer.body), ['type', 'title', 'status', 'detail', 'instance', 'errors']);
	assert.doesNotMatch(JSON.stringify(answer.body), /secret-value/);
});

test('a failure that nobody expected is answered with 500, recorded, and says nothing about itself', async () => {
	const admin = await createTestAdmin((store) => ({
		...store,
		partners: {
			...store.partners,
			list: () => Promise.reject(Object.assign(new Error('disk on fire'), { status: 404 })),
		},
	}));
	const answer = await admin.call('GET', '/partners');
	assert.deepEqual([answer.status, answer.body.type], [500, 'urn:sallyport:problem:internal_error']);
	assert.doesNotMatch(JSON.stringify(answer.body), /fire/);
	assert.equal(admin.ledger.buffered.at(-1)?.reason, 'internal_error');
});

test('records every request exactly once', async () => {
	const admin = await createTestAdmin();
	const partner = await admin.call('POST', '/partners', { body: { name: 'Acme' } });
	await admin.call('GET', `/partners/${partner.body.id}`);
	await admin.call('GET', '/nothing');
	await admin.call('POST', `/partners/${partner.body.id}/suspend`, { headers: { 'if-match': '"7"' } });
	const seen = [...admin.ledger.durable, ...admin.ledger.buffered];
	assert.deepEqual(seen.map((entry) => entry.requestId).sort(), ['req-1', 'req-2', 'req-3', 'req-4']);
	const [registered, read, unknown, refused] = seen;
	assert.deepEqual([registered?.type, registered?.facts?.['partner']], ['partner.registered', partner.body.id]);
	assert.deepEqual([read?.type, read?.facts?.['partner']], ['admin.read', partner.body.id]);
	assert.deepEqual([unknown?.type, unknown?.reason], ['admin.request', 'route_not_found']);
	assert.deepEqual([refused?.type, refused?.reason], ['partner.suspended', 'revision_mismatch']);
	assert.ok(seen.every((entry) => entry.actor.operator === admin.operator.id));
	assert.doesNotMatch(JSON.stringify(seen), /Acme/);
});

test('knows an operator again on another connection', async () => {
	const admin = await createTestAdmin();
	const connection = { ...operatorConnection(admin.operator), address: '::1' };
	assert.equal((await admin.call('GET', '/partners', { connection })).status, 200);
	assert.equal(admin.ledger.buffered.at(-1)?.actor.address, '::1');
});
