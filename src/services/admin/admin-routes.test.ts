import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { test, type TestContext } from 'node:test';
import { createOpensslFolder, skipWithoutOpenssl } from '../../../test/fixture/openssl.ts';
import { createTestAdmin, type TestAdmin } from '../../../test/fixture/test-admin.ts';

async function onboard(admin: TestAdmin): Promise<{ partnerId: string; clientId: string }> {
	const partner = await admin.call('POST', '/partners', { body: { name: 'Acme' } });
	const body = { name: 'payments', environment: 'production' };
	const client = await admin.call('POST', `/partners/${partner.body.id}/clients`, { body });
	assert.deepEqual([partner.status, client.status], [201, 201]);
	return { partnerId: partner.body.id, clientId: client.body.id };
}

function certificateRequest(context: TestContext): string {
	const openssl = createOpensslFolder(context);
	openssl.read('genpkey', '-algorithm', 'EC', '-pkeyopt', 'ec_paramgen_curve:P-256', '-out', 'key.pem');
	return openssl.read('req', '-new', '-key', 'key.pem', '-subj', '/CN=whatever').toString();
}

test('pages through partners in order, and says where the next page is', async () => {
	const admin = await createTestAdmin();
	const made: string[] = [];
	for (let index = 0; index < 5; index++) {
		admin.clock.advance(1);
		made.push((await admin.call('POST', '/partners', { body: { name: `partner ${index}` } })).body.id);
	}
	const seen: string[] = [];
	let path = '/partners?limit=2';
	for (let page = 0; page < 3; page++) {
		const answer = await admin.call('GET', path);
		seen.push(...answer.body.items.map((item: { id: string }) => item.id));
		const link = /^<\/admin\/v1(.+)>; rel="next"$/.exec(answer.headers.get('link') ?? '');
		assert.equal(answer.body.next === undefined, link === null);
		path = link?.[1] ?? '';
	}
	assert.deepEqual(seen, made);
	assert.equal(path, '');
});

test('suspends and resumes a partner, with the revision as ETag', async () => {
	const admin = await createTestAdmin();
	const { partnerId } = await onboard(admin);
	const path = `/partners/${partnerId}`;
	const suspended = await admin.call('POST', `${path}/suspend`, { headers: { 'if-match': '"1"' } });
	assert.deepEqual([suspended.status, suspended.body.status, suspended.headers.get('etag')], [200, 'suspended', '"2"']);
	const outdated = await admin.call('POST', `${path}/resume`, { headers: { 'if-match': '"1"' } });
	assert.deepEqual([outdated.status, outdated.body.type], [412, 'urn:sallyport:problem:revision_mismatch']);
	const resumed = await admin.call('POST', `${path}/resume`);
	assert.equal(resumed.body.status, 'active');
	assert.deepEqual((await admin.call('GET', path)).body, resumed.body);
	const withBody = await admin.call('POST', `${path}/suspend`, { body: { reason: 'x' } });
	assert.deepEqual([withBody.status, withBody.body.type], [400, 'urn:sallyport:problem:input_invalid']);
});

test('sets and lifts the networks from which a partner may call, each in its one spelling', async () => {
	const admin = await createTestAdmin();
	const { partnerId } = await onboard(admin);
	const path = `/partners/${partnerId}/allow-addresses`;
	const set = await admin.call('POST', path, {
		body: { networks: ['2001:DB8::/32', '::ffff:203.0.113.7', '203.0.113.7'] },
	});
	assert.equal(set.status, 200);
	assert.deepEqual(set.body.allowedNetworks, ['2001:db8::/32', '203.0.113.7/32']);
	const entry = admin.ledger.durable.at(-1);
	assert.deepEqual(
		[entry?.type, entry?.facts?.['networks']],
		['partner.addresses_allowed', '2001:db8::/32 203.0.113.7/32'],
	);
	for (const networks of [[], ['10.0.0.1/8'], ['all'], ['10.0.0.0/8', '']]) {
		assert.equal(
			(await admin.call('POST', path, { body: { networks } })).body.type,
			'urn:sallyport:problem:input_invalid',
		);
	}
	const lifted = await admin.call('POST', path, { body: { networks: null } });
	assert.deepEqual([lifted.body.allowedNetworks, lifted.body.revision], [undefined, 3]);
});

test('disables, enables and cuts off clients, and lists those of one partner', async () => {
	const admin = await createTestAdmin();
	const { partnerId, clientId } = await onboard(admin);
	await onboard(admin);
	const listed = await admin.call('GET', `/clients?partnerId=${partnerId}`);
	assert.deepEqual(
		listed.body.items.map((item: { id: string }) => item.id),
		[clientId],
	);
	assert.equal((await admin.call('GET', '/clients')).body.items.length, 2);
	const cut = await admin.call('POST', `/clients/${clientId}/revoke-tokens`);
	assert.equal(cut.body.tokensNotBefore, '2026-11-23T10:00:01.000Z');
	assert.equal((await admin.call('POST', `/clients/${clientId}/disable`)).body.status, 'disabled');
	assert.equal((await admin.call('POST', `/clients/${clientId}/enable`)).body.status, 'active');
	assert.deepEqual(
		admin.ledger.durable.slice(-3).map((entry) => [entry.type, entry.facts?.['client'], entry.facts?.['partner']]),
		['client.tokens_revoked', 'client.disabled', 'client.enabled'].map((type) => [type, clientId, partnerId]),
	);
});

test('issues a certificate from a certificate request, and revokes it', {
	skip: skipWithoutOpenssl,
}, async (context) => {
	const admin = await createTestAdmin();
	const { partnerId, clientId } = await onboard(admin);
	const csr = certificateRequest(context);
	const issued = await admin.call('POST', `/clients/${clientId}/certificates`, {
		body: { csr, lifetimeSeconds: 86_400 },
	});
	assert.equal(issued.status, 201);
	const { certificate, credential, chain } = issued.body;
	const x509 = new X509Certificate(chain);
	assert.equal(x509.subjectAltName, `URI:spiffe://bank.example/partner/${partnerId}/client/${clientId}`);
	assert.equal(Date.parse(certificate.notAfter) - admin.clock.nowMs() <= 86_400_000, true);
	assert.equal(issued.headers.get('location'), `/admin/v1/certificates/${certificate.id}`);

	const recorded = admin.ledger.durable.at(-1);
	assert.deepEqual([recorded?.type, recorded?.facts?.['thumbprint']], ['certificate.issued', credential.thumbprint]);
	assert.doesNotMatch(JSON.stringify(admin.ledger.durable), /BEGIN/);

	assert.deepEqual((await admin.call('GET', `/certificates/${certificate.id}`)).body, certificate);
	const soon = new Date(admin.clock.nowMs() + 2 * 86_400_000).toISOString();
	assert.equal((await admin.call('GET', `/certificates?expiresBefore=${soon}`)).body.items.length, 1);
	const sooner = new Date(admin.clock.nowMs() + 3_600_000).toISOString();
	assert.equal((await admin.call('GET', `/certificates?expiresBefore=${sooner}`)).body.items.length, 0);
	assert.equal((await admin.call('GET', `/credentials?clientId=${clientId}`)).body.items.length, 1);

	const path = `/credentials/${credential.id}`;
	assert.equal((await admin.call('POST', `${path}/revoke`, { body: { reason: 'because' } })).status, 400);
	const revoked = await admin.call('POST', `${path}/revoke`, { body: { reason: 'key-compromise' } });
	assert.deepEqual([revoked.body.status, revoked.body.revocationReason], ['revoked', 'key-compromise']);
	assert.equal((await admin.call('GET', `/certificates/${certificate.id}`)).body.status, 'revoked');
	assert.equal(admin.ledger.durable.at(-1)?.facts?.['credential'], credential.id);
	const barred = await admin.call('POST', `/clients/${clientId}/certificates`, { body: { csr } });
	assert.deepEqual([barred.status, barred.body.type], [422, 'urn:sallyport:problem:csr_rejected']);
});

test('holds, releases and revokes a certificate, bars its key, and finds it by what is known of it', {
	skip: skipWithoutOpenssl,
}, async (context) => {
	const admin = await createTestAdmin();
	const { clientId } = await onboard(admin);
	const csr = certificateRequest(context);
	const { certificate } = (await admin.call('POST', `/clients/${clientId}/certificates`, { body: { csr } })).body;
	const path = `/certificates/${certificate.id}`;
	assert.equal(certificate.state, 'valid');
	assert.equal((await admin.call('POST', `${path}/hold`)).body.state, 'held');
	assert.equal((await admin.call('GET', '/certificates?status=held')).body.items.length, 1);
	const stale = await admin.call('POST', `${path}/release`, { headers: { 'if-match': '"1"' } });
	assert.equal(stale.status, 412);
	assert.equal((await admin.call('POST', `${path}/release`)).body.state, 'valid');
	const revoked = await admin.call('POST', `${path}/revoke`, { body: { reason: 'key-compromise' } });
	assert.equal(revoked.body.state, 'revoked');
	assert.equal((await admin.call('POST', `${path}/release`)).status, 409);
	assert.deepEqual(
		admin.ledger.durable.slice(-3).map((entry) => [entry.type, entry.facts?.['certificate'], entry.facts?.['reason']]),
		[
			['certificate.held', certificate.id, undefined],
			['certificate.released', certificate.id, undefined],
			['certificate.revoked', certificate.id, 'key-compromise'],
		],
	);
	for (const query of [
		`serial=${certificate.serial}`,
		`thumbprint=${certificate.thumbprint}`,
		'profile=partner-client',
	])
		assert.equal((await admin.call('GET', `/certificates?${query}`)).body.items.length, 1, query);
	assert.equal((await admin.call('GET', '/certificates?serial=00')).body.items.length, 0);
	const subject = encodeURIComponent(certificate.subject);
	assert.equal((await admin.call('GET', `/certificates?subject=${subject}`)).body.items.length, 1);

	const bar = { publicKeyHashes: ['ab'.repeat(32)], source: 'a-list' };
	assert.deepEqual((await admin.call('POST', '/compromised-keys', { body: bar })).body, {
		added: 1,
		total: 2,
		certificates: [],
	});
	assert.equal(
		(await admin.call('POST', '/compromised-keys', { body: { ...bar, publicKeyHashes: ['x'] } })).status,
		400,
	);
});

test('issues certificates to internal servers and services, each with the names of its own kind', {
	skip: skipWithoutOpenssl,
}, async (context) => {
	const admin = await createTestAdmin();
	const csr = certificateRequest(context);
	const service = { profile: 'service', serviceName: 'ledger', csr };
	const issued = await admin.call('POST', '/certificates', { body: service });
	assert.equal(issued.status, 201);
	assert.equal(issued.body.certificate.subject, 'spiffe://bank.example/service/ledger');
	const server = { profile: 'server', dnsNames: ['ledger.bank.internal'], csr };
	assert.equal((await admin.call('POST', '/certificates', { body: server })).status, 201);
	for (const wrong of [
		{ ...server, serviceName: 'ledger' },
		{ ...service, dnsNames: ['ledger.bank.internal'] },
		{ profile: 'service', csr },
		{ profile: 'server', csr },
	])
		assert.equal((await admin.call('POST', '/certificates', { body: wrong })).status, 400, JSON.stringify(wrong));
	const operator = { profile: 'operator', csr };
	assert.equal((await admin.call('POST', '/certificates', { body: operator })).status, 400, 'never an operator');
});

test('refuses a certificate request that is none, and records the attempt', async () => {
	const admin = await createTestAdmin();
	const { clientId } = await onboard(admin);
	const answer = await admin.call('POST', `/clients/${clientId}/certificates`, { body: { csr: 'no request' } });
	assert.deepEqual([answer.status, answer.body.type], [422, 'urn:sallyport:problem:csr_rejected']);
	const entry = admin.ledger.buffered.at(-1);
	assert.deepEqual([entry?.type, entry?.decision, entry?.reason], ['certificate.issued', 'deny', 'csr_rejected']);
	assert.equal(entry?.facts?.['client'], clientId);
});

test('subscribes, changes under If-Match only, and ends', async () => {
	const admin = await createTestAdmin();
	const { clientId } = await onboard(admin);
	const body = {
		productId: 'accounts-read',
		planId: 'standard',
		stage: 'live',
		grants: { account: ['acc-1', 'acc-2'] },
	};
	const made = await admin.call('POST', `/clients/${clientId}/subscriptions`, { body });
	assert.deepEqual([made.status, made.body.grants], [201, body.grants]);
	const again = await admin.call('POST', `/clients/${clientId}/subscriptions`, { body });
	assert.deepEqual([again.status, again.body.type], [409, 'urn:sallyport:problem:conflict']);
	const path = `/subscriptions/${made.body.id}`;
	const change = { grants: { account: '*' } };
	assert.equal((await admin.call('PATCH', path, { body: change })).status, 428);
	assert.equal((await admin.call('PATCH', path, { body: change, headers: { 'if-match': '"9"' } })).status, 412);
	assert.equal((await admin.call('PATCH', path, { body: {}, headers: { 'if-match': '"1"' } })).status, 400);
	const changed = await admin.call('PATCH', path, { body: change, headers: { 'if-match': '"1"' } });
	assert.deepEqual([changed.status, changed.body.grants, changed.headers.get('etag')], [200, { account: '*' }, '"2"']);
	assert.deepEqual(admin.ledger.durable.at(-1)?.facts?.['grants'], { account: '*' });
	const ended = await admin.call('POST', `${path}/end`);
	assert.equal(ended.body.status, 'ended');
	const revive = await admin.call('PATCH', path, { body: { stage: 'live' }, headers: { 'if-match': '"3"' } });
	assert.equal(revive.status, 409);
	assert.equal((await admin.call('GET', `/subscriptions?clientId=${clientId}`)).body.items.length, 1);
});

test('keeps granted ids out of the ledger', async () => {
	const admin = await createTestAdmin();
	const { clientId } = await onboard(admin);
	const grants = { account: ['acc-canary-1', 'acc-canary-2'] };
	const body = { productId: 'accounts-read', planId: 'standard', stage: 'live', grants };
	await admin.call('POST', `/clients/${clientId}/subscriptions`, { body });
	assert.deepEqual(admin.ledger.durable.at(-1)?.facts?.['grants'], { account: 2 });
	assert.doesNotMatch(JSON.stringify([admin.ledger.durable, admin.ledger.buffered]), /canary/);
});

test('takes as many granted ids as the domain allows', async () => {
	const admin = await createTestAdmin();
	const { clientId } = await onboard(admin);
	const account = Array.from({ length: 10_000 }, (_, index) => `account-${index}-${'x'.repeat(100)}`);
	const body = { productId: 'accounts-read', planId: 'standard', stage: 'live', grants: { account } };
	assert.equal((await admin.call('POST', `/clients/${clientId}/subscriptions`, { body })).status, 201);
});

test('refuses grants that the product does not ask about, with a pointer', async () => {
	const admin = await createTestAdmin();
	const { clientId } = await onboard(admin);
	const body = { productId: 'rates', planId: 'standard', stage: 'live', grants: { account: '*' } };
	const answer = await admin.call('POST', `/clients/${clientId}/subscriptions`, { body });
	assert.deepEqual([answer.status, answer.body.errors[0].pointer], [400, '#/grants/account']);
});

test('revokes an access token by its jti', async () => {
	const admin = await createTestAdmin();
	const expiresAt = new Date(admin.clock.nowMs() + 300_000).toISOString();
	const revoked = await admin.call('POST', '/token-revocations', { body: { jti: 'abcdefghijklmnop', expiresAt } });
	assert.equal(revoked.status, 201);
	const nowSeconds = Math.floor(admin.clock.nowMs() / 1000);
	assert.equal((await admin.store.registry.revocations.listLive(nowSeconds)).length, 1);
	const past = new Date(admin.clock.nowMs() - 1000).toISOString();
	const refused = await admin.call('POST', '/token-revocations', {
		body: { jti: 'abcdefghijklmnop', expiresAt: past },
	});
	assert.deepEqual([refused.status, refused.body.errors[0].pointer], [400, '#/expiresAt']);
});

test('shows products and plans of the running configuration', async () => {
	const admin = await createTestAdmin();
	const product = await admin.call('GET', '/products/accounts-read');
	assert.deepEqual([product.status, product.body.resourceTypes], [200, ['account']]);
	assert.equal((await admin.call('GET', '/products')).body.items.length, 2);
	assert.equal((await admin.call('GET', '/plans/standard')).body.limits[0].requests, 100);
	assert.equal((await admin.call('GET', '/plans')).body.items.length, 2);
	for (const path of ['/products/none', '/plans/none', '/products/constructor']) {
		assert.equal((await admin.call('GET', path)).status, 404);
	}
});

test('shows the ledger: checkpoint, entries in order, and those of one partner or type', async () => {
	const admin = await createTestAdmin();
	const { partnerId } = await onboard(admin);
	await onboard(admin);
	const ledger = await admin.call('GET', '/ledger');
	assert.equal(ledger.body.size, 4);
	const first = await admin.call('GET', '/ledger/entries?limit=3');
	assert.deepEqual(
		first.body.items.map((item: { index: number }) => item.index),
		[0, 1, 2],
	);
	assert.equal(first.body.next, '2');
	const rest = await admin.call('GET', '/ledger/entries?limit=3&after=2&type=client.registered');
	assert.deepEqual(
		rest.body.items.map((item: { index: number; entry: { type: string } }) => [item.index, item.entry.type]),
		[[3, 'client.registered']],
	);
	const ofPartner = await admin.call('GET', `/ledger/entries?partner=${partnerId}`);
	assert.equal(ofPartner.body.items.length, 2);
	assert.equal(ofPartner.body.next, undefined);
	assert.equal((await admin.call('GET', '/ledger/entries?after=-2')).status, 400);
});

test('bounds how much of the ledger one request looks through', async () => {
	const admin = await createTestAdmin();
	const entry = { time: '2026-11-23T10:00:00.000Z', type: 'gateway.request', actor: {}, decision: 'permit' } as const;
	for (let index = 0; index < 6000; index++) admin.ledger.recordBuffered(entry);
	const page = await admin.call('GET', '/ledger/entries?type=partner.registered');
	assert.deepEqual([page.body.items, page.body.next], [[], '4999']);
	const last = await admin.call('GET', '/ledger/entries?type=partner.registered&after=4999');
	assert.deepEqual([last.body.items, last.body.next], [[], undefined]);
});
