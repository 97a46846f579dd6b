// Introspection (RFC 7662, RFC 9701) and revocation (RFC 7009), checks 95 to 97, and authorization details at issuance
// (RFC 9396), check 87.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { createLocalJWKSet, jwtVerify } from 'jose';
import { createCatalogue } from '../../../src/domain/product/catalogue.ts';
import {
	ACCOUNTS,
	catalogue,
	clock,
	ISSUER,
	makeMember,
	PAYMENTS,
	startWorld,
	tokenKey,
	type World,
} from '../../fixture/token-world.ts';

const GRANT = 'grant_type=client_credentials';
const INACTIVE = { active: false };
const good = makeMember('Good', ['reading', 'paying']);
const other = makeMember('Other', ['reading']);
const formats = createCatalogue(
	catalogue.apis.map((api) => ({ ...api, tokenFormat: api.id === 'accounts' ? 'encrypted' : 'opaque' })),
	[...catalogue.products.values()],
	[...catalogue.plans.values()],
);
let world: World;
let sealed: World;

before(async () => {
	world = await startWorld([good, other]);
	sealed = await startWorld([good, other], { catalogue: () => formats });
	for (const each of [world, sealed]) each.certificates.set('other', other.certificate);
});
after(async () => {
	await world.close();
	await sealed.close();
});

async function token(
	at = world,
	certificate = 'good',
	more = `&resource=${encodeURIComponent(ACCOUNTS)}`,
): Promise<string> {
	const answer = await at.ask(GRANT + more, certificate);
	assert.equal(answer.status, 200, answer.text);
	return String(answer.body['access_token']);
}

function post(path: string, form: string, certificate = 'good', at = world, headers = {}): Promise<Response> {
	return at.fetch(path, {
		method: 'POST',
		body: form,
		headers: { 'content-type': 'application/x-www-form-urlencoded', 'x-test-certificate': certificate, ...headers },
	});
}

async function introspect(text: string, certificate = 'good', at = world): Promise<{ [name: string]: unknown }> {
	const response = await post('/oauth2/introspect', `token=${encodeURIComponent(text)}`, certificate, at);
	assert.equal(response.status, 200);
	assert.equal(response.headers.get('cache-control'), 'no-store');
	return (await response.json()) as { [name: string]: unknown };
}

test('check 95: refuses whoever has not proven to be a client', async () => {
	for (const path of ['/oauth2/introspect', '/oauth2/revoke']) {
		const response = await post(path, `token=${await token()}`, 'nobody');
		assert.equal(response.status, 401);
		assert.equal(((await response.json()) as { error: string }).error, 'invalid_client');
		assert.equal((await world.fetch(path)).status, 405);
		assert.equal((await post(path, '')).status, 400);
	}
});

test('check 95: a token that is unknown, garbage, expired, foreign or revoked is exactly inactive', async () => {
	const own = await token();
	const [header, payload, signature] = own.split('.');
	for (const bad of [
		'garbage',
		'',
		'a.b.c',
		`${header}.${payload}.${'A'.repeat(86)}`,
		`${own}x`,
		signature ?? '',
		'spo_AAAA',
	]) {
		if (bad !== '') assert.deepEqual(await introspect(bad), INACTIVE, bad);
	}
	assert.deepEqual(await introspect(own, 'other'), INACTIVE, 'of another client');
	clock.advance(301_000);
	try {
		assert.deepEqual(await introspect(own), INACTIVE, 'expired');
	} finally {
		clock.advance(-301_000);
	}
});

test('check 95: a token is inactive when its client, credential or partner is', async () => {
	for (const change of [
		{ kind: 'client', record: { ...good.client, status: 'disabled' } },
		{ kind: 'partner', record: { ...good.partner, status: 'suspended' } },
	] as const) {
		const fresh = await startWorld([good, other]);
		try {
			const own = await token(fresh);
			assert.equal((await introspect(own, 'good', fresh))['active'], true);
			fresh.change(change);
			assert.equal((await post('/oauth2/introspect', `token=${own}`, 'good', fresh)).status, 401);
		} finally {
			await fresh.close();
		}
	}
	const fresh = await startWorld([good, other]);
	try {
		const own = await token(fresh);
		fresh.change({
			kind: 'client',
			record: { ...good.client, tokensNotBeforeSeconds: Math.floor(clock.nowMs() / 1000) + 1 },
		});
		assert.deepEqual(await introspect(own, 'good', fresh), INACTIVE);
	} finally {
		await fresh.close();
	}
});

test('check 96: an active answer says what the token says, and nothing secret', async () => {
	const own = await token();
	const answer = await introspect(own);
	const { jti, ...rest } = answer;
	assert.match(String(jti), /^[A-Za-z0-9_-]{22}$/);
	assert.deepEqual(rest, {
		active: true,
		scope: 'accounts:read profile',
		client_id: good.client.id,
		sub: good.client.id,
		partner_id: good.partner.id,
		token_type: 'Bearer',
		iss: ISSUER,
		aud: ACCOUNTS,
		iat: Math.floor(clock.nowMs() / 1000),
		exp: Math.floor(clock.nowMs() / 1000) + 300,
		cnf: { 'x5t#S256': good.credential.thumbprint },
	});
	const entry = world.audit.entries.at(-1);
	assert.deepEqual(
		[entry?.type, entry?.facts?.['jti'], entry?.actor.client],
		['token.introspected', jti, good.client.id],
	);
	assert.equal(JSON.stringify(world.audit.entries).includes(own), false);
});

test('RFC 9701: answers with a signed JWT for the client that asks, when it is asked for', async () => {
	const own = await token();
	const accept = { accept: 'application/token-introspection+jwt' };
	const response = await post('/oauth2/introspect', `token=${own}`, 'good', world, accept);
	assert.equal(response.headers.get('content-type'), 'application/token-introspection+jwt');
	const keys = createLocalJWKSet({ keys: [tokenKey.record.publicJwk] });
	const { payload } = await jwtVerify(await response.text(), keys, {
		issuer: ISSUER,
		audience: good.client.id,
		typ: 'token-introspection+jwt',
		currentDate: new Date(clock.nowMs()),
	});
	const { token_introspection: body } = payload as { token_introspection?: { active?: boolean } };
	assert.equal(body?.active, true);
	// It is no access token, whatever it says of one.
	assert.deepEqual(
		await introspect(await (await post('/oauth2/introspect', `token=${own}`, 'good', world, accept)).text()),
		INACTIVE,
	);
});

test('check 97: revokes an own token of any format, whatever the hint; the answer is empty', async () => {
	for (const [at, resource] of [
		[world, ACCOUNTS],
		[sealed, ACCOUNTS],
		[sealed, PAYMENTS],
	] as const) {
		const own = await token(at, 'good', `&resource=${encodeURIComponent(resource)}`);
		assert.equal((await introspect(own, 'good', at))['active'], true);
		const response = await post('/oauth2/revoke', `token=${own}&token_type_hint=refresh_token`, 'good', at);
		assert.deepEqual([response.status, await response.text()], [200, '']);
		assert.deepEqual(await introspect(own, 'good', at), INACTIVE);
		const entry = at.audit.entries.findLast(({ type }) => type === 'token.revoked');
		assert.equal(entry?.actor.client, good.client.id);
		assert.equal((await post('/oauth2/revoke', `token=${own}`, 'good', at)).status, 200, 'again is no error');
	}
});

test('check 97: a foreign or unknown token is left alone, with the same answer', async () => {
	const own = await token();
	for (const [text, certificate] of [
		[own, 'other'],
		['garbage', 'good'],
		[`${own}x`, 'good'],
	] as const) {
		const response = await post('/oauth2/revoke', `token=${text}`, certificate);
		assert.deepEqual([response.status, await response.text()], [200, '']);
	}
	assert.equal((await introspect(own))['active'], true);
});

test('check 97: says that it is not done when a gateway does not confirm, or the ledger does not take it', async () => {
	const failing = await startWorld([good], {
		publisher: { publish: () => Promise.reject(new Error('a thread is deaf')) },
	});
	try {
		const response = await post('/oauth2/revoke', `token=${await token(failing)}`, 'good', failing);
		assert.equal(response.status, 503);
		failing.audit.accepting = false;
		assert.equal((await post('/oauth2/revoke', `token=garbage`, 'good', failing)).status, 503);
	} finally {
		await failing.close();
	}
});

const detail = { type: 'payment', debtor: 'acc-1', amount: { value: '1.00' } };
const details = (value: unknown): string =>
	`&resource=${encodeURIComponent(PAYMENTS)}&authorization_details=${encodeURIComponent(typeof value === 'string' ? value : JSON.stringify(value))}`;

test('check 87: grants authorization details as they were asked for, echoed and in the token', async () => {
	const answer = await world.ask(
		GRANT + details([detail, { ...detail, locations: [PAYMENTS], actions: ['initiate'] }]),
	);
	assert.equal(answer.status, 200, answer.text);
	const granted = answer.body['authorization_details'];
	assert.deepEqual(granted, [detail, { ...detail, locations: [PAYMENTS], actions: ['initiate'] }]);
	const own = String(answer.body['access_token']);
	assert.deepEqual(
		JSON.parse(Buffer.from(own.split('.')[1] ?? '', 'base64url').toString()).authorization_details,
		granted,
	);
	assert.deepEqual((await introspect(own))['authorization_details'], granted);
	assert.deepEqual(world.audit.entries.findLast(({ type }) => type === 'token.issued')?.facts?.['detail_types'], [
		'payment',
		'payment',
	]);
	const plain = await world.ask(`${GRANT}&resource=${encodeURIComponent(PAYMENTS)}&authorization_details=`);
	assert.equal(plain.body['authorization_details'], undefined, 'empty is absent');
});
