// Threat (T31, T32): one partner sees what is another's because both ask for the same URL; a partner reaches the admin API
// through the gateway.
import assert from 'node:assert/strict';
import { after, before, beforeEach, test } from 'node:test';
import { startTestGateway, type TestGateway, type TestPartner } from '../fixture/test-gateway.ts';

let gateway: TestGateway;
let first: TestPartner;
let second: TestPartner;
let neither: TestPartner;

before(async () => {
	gateway = await startTestGateway();
	first = await gateway.onboard({ accounts: ['acc-1001'] });
	second = await gateway.onboard({ accounts: ['acc-1001'] });
	neither = await gateway.onboard({ accounts: ['acc-1002'] });
});
after(() => gateway.close());
beforeEach(() => {
	gateway.seen.length = 0;
	gateway.ledger.buffered.length = 0;
});

const get = (partner: TestPartner, lines: readonly string[] = [], target = '/bank/v1/accounts/acc-1001'): string =>
	[
		`GET ${target} HTTP/1.1`,
		`Host: ${gateway.authority}`,
		`Authorization: Bearer ${partner.token()}`,
		...lines,
		'',
		'',
	].join('\r\n');

/** The partner that the statement of a request to the upstream names. */
function statedPartner(index: number): string {
	const assertion = gateway.seen[index]?.headers.get('sallyport-assertion')?.[0] ?? '';
	const claims = JSON.parse(Buffer.from(assertion.split('.')[1] ?? '', 'base64url').toString()) as { partner: string };
	return claims.partner;
}

test('T31 asks the upstream anew for each of two partners, each under its own name', async () => {
	const earlier = gateway.answer;
	gateway.answer = (request) => ({
		...(earlier(request) as { status: number; body: string }),
		headers: { 'content-type': 'application/json', 'cache-control': 'public, max-age=3600', etag: '"1"' },
	});
	for (const partner of [first, second, first, second]) {
		assert.equal((await gateway.request(partner, get(partner)))?.status, 200);
	}
	gateway.answer = earlier;
	assert.equal(gateway.seen.length, 4, 'no answer is kept');
	assert.deepEqual(
		[0, 1, 2, 3].map(statedPartner),
		[first, second, first, second].map(({ partner }) => partner.id),
	);
});

test('T31 keeps interleaved requests of two partners apart, also under load', async () => {
	const connections = await Promise.all([first, second].map((partner) => gateway.connect(partner)));
	const answers = await Promise.all(
		Array.from({ length: 40 }, async (_, index) => {
			const partner = index % 2 === 0 ? first : second;
			return index < 2
				? connections[index]?.send(get(partner, [`If-None-Match: "${partner.partner.id}"`]))
				: gateway.request(partner, get(partner, [`If-None-Match: "${partner.partner.id}"`]));
		}),
	);
	assert.ok(answers.every((answer) => answer?.status === 200));
	for (let index = 0; index < gateway.seen.length; index++) {
		assert.equal(gateway.seen[index]?.headers.get('if-none-match')?.[0], `"${statedPartner(index)}"`);
	}
	for (const connection of connections) connection.close();
});

test('T31 gives one partner nothing for what another was granted, nor for its token', async () => {
	assert.equal((await gateway.request(neither, get(neither)))?.status, 403);
	assert.equal((await gateway.request(second, get(first)))?.status, 401);
	assert.equal((await gateway.request(neither, get(first)))?.status, 401);
	assert.equal(gateway.seen.length, 0);
	assert.deepEqual(
		gateway.ledger.buffered.map(({ reason }) => reason),
		['resource_denied', 'binding_mismatch', 'binding_mismatch'],
	);
});

for (const target of [
	'/admin/v1/partners',
	'/admin',
	'/bank/v1/admin/v1/partners',
	'/metrics',
	'/readyz',
	'/oauth2/token',
]) {
	test(`T32 has nothing of the platform itself behind the gateway: ${target}`, async () => {
		assert.equal((await gateway.request(first, get(first, [], target)))?.status, 404);
		assert.equal(gateway.seen.length, 0);
	});
}

for (const host of ['localhost:8445', 'admin.bank.example', '127.0.0.1:8445', 'localhost:8446']) {
	test(`T32 answers for no other listener: Host ${host}`, async () => {
		const text = get(first).replace(`Host: ${gateway.authority}`, `Host: ${host}`);
		assert.equal((await gateway.request(first, text))?.status, 421);
		assert.equal(gateway.seen.length, 0);
	});
}
