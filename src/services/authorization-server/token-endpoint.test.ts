// The token endpoint as a client sees it, check by check. Each test is named by the guarantee and its number in the list
// of checks of the authorization server.
import assert from 'node:assert/strict';
import { createPublicKey } from 'node:crypto';
import { connect } from 'node:net';
import { after, afterEach, before, beforeEach, test } from 'node:test';
import type { VerifiedToken } from '../../domain/token/access-token.ts';
import { createAccessTokenVerifier } from '../../domain/token/verify-access-token.ts';
import { unwrap } from '../../kernel/result.ts';
import {
	ACCOUNTS,
	clock,
	DAY_MS,
	ISSUER,
	makeMember,
	NOON_MS,
	PAYMENTS,
	startWorld,
	type TokenAnswer,
	tokenKey,
	type World,
} from '../../../test/fixture/token-world.ts';

const GRANT = 'grant_type=client_credentials';
const good = makeMember('Good', ['reading']);
const both = makeMember('Both', ['reading', 'paying']);
const none = makeMember('None', []);
const strict = makeMember('Strict', ['reading'], 'strict');
const verbose = makeMember('Verbose', ['verbose']);
let world: World;

before(async () => {
	world = await startWorld([good, both, none, strict, verbose]);
	for (const [name, member] of Object.entries({ both, none, strict, verbose })) {
		world.certificates.set(name, member.certificate);
	}
});
after(() => world.close());
beforeEach(() => {
	world.audit.entries.length = 0;
});
afterEach(() => {
	clock.advance(NOON_MS - clock.nowMs());
	world.audit.accepting = true;
	world.certificates.set('good', good.certificate);
	for (const member of [good, both]) {
		world.change({ kind: 'partner', record: member.partner });
		world.change({ kind: 'client', record: member.client });
		world.change({ kind: 'credential', record: member.credential });
	}
	assert.deepEqual(world.bugs, [], 'no request runs into a bug');
});

const { verify } = createAccessTokenVerifier({
	issuer: ISSUER,
	keys: () => new Map([[tokenKey.kid, createPublicKey({ key: tokenKey.record.publicJwk, format: 'jwk' })]]),
	clock,
});
const tokenOf = (answer: TokenAnswer): VerifiedToken => unwrap(verify(String(answer.body['access_token'])));

/** Checks that an answer is a refusal as RFC 6749 §5.2 has it, recorded once, without a token. */
function assertRefused(answer: TokenAnswer, status: number, error: string, what = ''): void {
	assert.equal(answer.status, status, `${what} ${answer.text}`);
	assert.equal(answer.body['error'], error, what);
	assert.match(String(answer.body['error_description']), /^[\x20-\x21\x23-\x5b\x5d-\x7e]+$/);
	assert.deepEqual(Object.keys(answer.body).toSorted(), ['error', 'error_description'], what);
	assert.equal(answer.headers.get('content-type'), 'application/json');
	assert.equal(answer.headers.get('cache-control'), 'no-store');
	assert.equal(answer.headers.get('pragma'), 'no-cache');
	const [entry, ...rest] = world.audit.entries.splice(0);
	assert.equal(rest.length, 0, 'one record for one request');
	assert.equal(entry?.type, 'token.refused');
	assert.equal(entry.decision, 'deny');
	assert.equal(entry.status, status);
	assert.equal(entry.requestId, answer.headers.get('x-request-id'));
}

test('checks 12, 61: answers with a bound bearer token, its lifetime and its scope, and nothing else', async () => {
	const answer = await world.ask(`${GRANT}&scope=accounts%3Aread&resource=${encodeURIComponent(ACCOUNTS)}`);
	assert.equal(answer.status, 200);
	assert.equal(answer.headers.get('content-type'), 'application/json');
	assert.equal(answer.headers.get('cache-control'), 'no-store');
	assert.equal(answer.headers.get('pragma'), 'no-cache');
	assert.match(answer.headers.get('x-request-id') ?? '', /^req-\d+$/);
	const { access_token: text, ...rest } = answer.body;
	assert.deepEqual(rest, { token_type: 'Bearer', expires_in: 300, scope: 'accounts:read' });
	const { jti, fingerprint, ...token } = unwrap(verify(String(text)));
	assert.ok(jti.length >= 22 && fingerprint.length === 43);
	assert.deepEqual(token, {
		issuer: ISSUER,
		format: 'jwt',
		audiences: [ACCOUNTS],
		clientId: good.client.id,
		partnerId: good.partner.id,
		credentialId: good.credential.id,
		authorizationDetails: [],
		scopes: new Set(['accounts:read']),
		issuedAtSeconds: NOON_MS / 1000,
		expiresAtSeconds: NOON_MS / 1000 + 300,
		confirmation: { x5tS256: good.certificate.thumbprint },
		keyId: tokenKey.kid,
	});
});

test('check 15: reads forms only', async () => {
	for (const type of [
		'application/json',
		'multipart/form-data; boundary=a',
		'text/plain',
		'application/x-www-form-urlencoded; charset=utf-16',
		'application/x-www-form-urlencoded, application/json',
		'application/x-www-form-urlencodedx',
	]) {
		assertRefused(await world.ask(GRANT, 'good', { headers: { 'content-type': type } }), 415, 'invalid_request', type);
	}
	const untyped = await world.ask(Buffer.from(GRANT), 'good', { headers: { 'content-type': '' } });
	assertRefused(untyped, 415, 'invalid_request');
	assertRefused(await world.ask(GRANT, 'good', { headers: { 'content-encoding': 'gzip' } }), 415, 'invalid_request');
	const utf8 = { 'content-type': 'application/x-www-form-urlencoded; charset=UTF-8' };
	assert.equal((await world.ask(GRANT, 'good', { headers: utf8 })).status, 200);
});

test('check 16: takes nothing from the query', async () => {
	for (const query of ['?', `?${GRANT}`, '?client_secret=canary-secret', '?client_assertion=canary-secret']) {
		const response = await world.fetch(`/oauth2/token${query}`, {
			method: 'POST',
			body: GRANT,
			headers: { 'content-type': 'application/x-www-form-urlencoded', 'x-test-certificate': 'good' },
		});
		assert.equal(response.status, 400, query);
		assert.equal(((await response.json()) as { error: string }).error, 'invalid_request');
	}
	assert.ok(!JSON.stringify(world.audit.entries).includes('canary'));
});

test('check 17: refuses every parameter that comes twice, known or not, however it is spelled', async () => {
	for (const name of ['grant_type', 'client_id', 'client_assertion', 'scope', 'resource', 'unknown']) {
		assertRefused(await world.ask(`${GRANT}&${name}=a&${name}=a`), 400, 'invalid_request', name);
	}
	assertRefused(await world.ask(`${GRANT}&scope=a&sc%6fpe=b`), 400, 'invalid_request', 'escaped name');
	const resource = `resource=${encodeURIComponent(ACCOUNTS)}`;
	assertRefused(await world.ask(`${GRANT}&${resource}&${resource}`), 400, 'invalid_request', 'two resources');
});

test('check 18: another grant is refused, and recorded by its reason', async () => {
	for (const body of ['grant_type=password', 'grant_type=client_credentials+']) {
		const answer = await world.ask(body);
		assert.equal(world.audit.entries.at(-1)?.reason, 'oauth_unsupported_grant_type');
		assertRefused(answer, 400, 'unsupported_grant_type', body);
	}
});

test('check 19: refuses large bodies and many parameters quickly', async () => {
	for (const size of [65_537, 200_000, 1_000_000]) {
		assertRefused(await world.ask(`${GRANT}&a=${'x'.repeat(size)}`), 413, 'invalid_request', String(size));
	}
	assert.equal((await world.ask(`${GRANT}&a=${'x'.repeat(65_000)}`)).status, 200);
	world.audit.entries.length = 0;
	const many = Array.from({ length: 1000 }, (_, index) => `p${index}=1`).join('&');
	assertRefused(await world.ask(`${GRANT}&${many}`), 400, 'invalid_request');
	assertRefused(
		await world.ask(`${GRANT}&authorization_details=${'['.repeat(30_000)}`),
		400,
		'invalid_authorization_details',
	);
});

test('check 20: refuses control characters, bad escapes and text that is not UTF-8', async () => {
	for (const value of [
		'%00',
		'a%0d%0ab',
		'%0a',
		'%09',
		'%7f',
		'%c2%85',
		'%',
		'%4',
		'%zz',
		'%u0041',
		'%ff',
		'%c0%80',
		'%ed%a0%80',
	]) {
		assertRefused(await world.ask(`${GRANT}&scope=${value}`), 400, 'invalid_request', value);
		assertRefused(await world.ask(`${GRANT}&${value}=a`), 400, 'invalid_request', `name ${value}`);
	}
	for (const raw of ['\0', '\n', ' ', '\xff', '\u00e9']) {
		assertRefused(await world.ask(Buffer.from(`${GRANT}&scope=${raw}`, 'latin1')), 400, 'invalid_request');
	}
	for (const body of [`${GRANT}&`, `&${GRANT}`, `${GRANT}&&scope=a`, `${GRANT}&=a`]) {
		assertRefused(await world.ask(body), 400, 'invalid_request', body);
	}
});

test('checks 21, 22, 23: refuses every way of authentication but the certificate', async () => {
	const basic = { authorization: `Basic ${Buffer.from('canary-user:canary-secret').toString('base64')}` };
	const one = [
		[GRANT, basic, 'Basic realm="token endpoint"'],
		[GRANT, { authorization: 'Bearer canary-secret' }, 'Bearer error="invalid_client"'],
		[GRANT, { authorization: 'DPoP canary-secret' }, 'DPoP error="invalid_client"'],
		[GRANT, { authorization: 'Nonsense\tcanary-secret' }, 'Basic realm="token endpoint"'],
		[`${GRANT}&client_secret=canary-secret`, {}, null],
		[`${GRANT}&client_assertion=canary-secret&client_assertion_type=a`, {}, null],
	] as const;
	for (const [body, headers, challenge] of one) {
		const answer = await world.ask(body, 'good', { headers });
		assert.equal(answer.headers.get('www-authenticate'), challenge);
		assert.ok(!JSON.stringify([answer.text, world.audit.entries]).includes('canary'));
		assertRefused(answer, 401, 'invalid_client', body);
	}
	for (const [body, headers] of [
		[`${GRANT}&client_secret=a`, basic],
		[`${GRANT}&client_assertion=a`, basic],
		[`${GRANT}&client_secret=a&client_assertion=b`, {}],
	] as const) {
		assertRefused(await world.ask(body, 'good', { headers }), 400, 'invalid_request', body);
	}
});

test('checks 25, 49, 54, 56: unknown, revoked, disabled, suspended and foreign all get one and the same answer, at once', async () => {
	const answers = new Set<string>();
	const refuse = async (what: string, certificate = 'good'): Promise<void> => {
		const answer = await world.ask(GRANT, certificate);
		assertRefused(answer, 401, 'invalid_client', what);
		answers.add(answer.text);
	};
	assert.equal((await world.ask(GRANT)).status, 200);
	world.audit.entries.length = 0;
	world.change({ kind: 'credential', record: { ...good.credential, status: 'revoked' } });
	await refuse('revoked while the connection stays open');
	world.change({ kind: 'credential', record: good.credential });
	world.change({ kind: 'client', record: { ...good.client, status: 'disabled' } });
	await refuse('client disabled');
	world.change({ kind: 'client', record: good.client });
	for (const status of ['suspended', 'offboarded'] as const) {
		world.change({ kind: 'partner', record: { ...good.partner, status } });
		await refuse(status);
	}
	world.change({ kind: 'partner', record: good.partner });
	const { partnerId, clientId } = both.credential;
	world.certificates.set('unknown', makeMember('Unknown', []).certificate);
	world.certificates.set('foreign', { ...good.certificate, partnerId, clientId });
	world.certificates.set('operator', { ...good.certificate, profile: 'operator' });
	for (const name of ['unknown', 'foreign', 'operator']) await refuse(name, name);
	assert.equal(answers.size, 1);
});

test('checks 52, 53: judges the dates on every request, not when the connection was made', async () => {
	assert.equal((await world.ask(GRANT)).status, 200);
	world.audit.entries.length = 0;
	clock.advance(90 * DAY_MS + 1000);
	const late = await world.ask(GRANT);
	assert.match(String(late.body['error_description']), /expired on 2027-02-21/);
	assertRefused(late, 401, 'invalid_client', 'expired');
	clock.advance(-92 * DAY_MS);
	assertRefused(await world.ask(GRANT), 401, 'invalid_client', 'not yet valid');
});

test('no token outlives its certificate', async () => {
	clock.advance(90 * DAY_MS - 20_000);
	const answer = await world.ask(GRANT);
	assert.equal(answer.body['expires_in'], 20);
	assert.equal(tokenOf(answer).expiresAtSeconds * 1000, good.certificate.notAfterMs);
	clock.advance(19_999);
	assert.equal((await world.ask(GRANT)).body['expires_in'], 1);
	clock.advance(1);
	world.audit.entries.length = 0;
	assertRefused(await world.ask(GRANT), 401, 'invalid_client', 'no second left');
	clock.advance(-500);
	const tokensNotBeforeSeconds = good.certificate.notAfterMs / 1000;
	world.change({ kind: 'client', record: { ...good.client, tokensNotBeforeSeconds } });
	assertRefused(await world.ask(GRANT), 401, 'invalid_client', 'no second left after a cut-off');
});

test('check 60: takes no certificate from a header', async () => {
	const headers = { 'client-cert': ':AAAA:', 'x-client-cert': 'AAAA', 'x-forwarded-client-cert': 'Hash=AAAA' };
	assertRefused(await world.ask(GRANT, 'absent', { headers }), 401, 'invalid_client');
});

test('checks 84, 85: scope and resource as granted, errors of RFC 6749 and RFC 8707', async () => {
	const ask = (query: string, certificate?: string): Promise<TokenAnswer> =>
		world.ask(`${GRANT}&${query}`, certificate);
	assert.equal((await ask('scope=profile+profile+accounts%3Aread')).body['scope'], 'profile accounts:read');
	assert.equal((await ask('scope=')).body['scope'], 'accounts:read profile', 'empty is absent');
	const paid = await ask(`resource=${encodeURIComponent(PAYMENTS)}`, 'both');
	assert.equal(paid.body['scope'], 'payments');
	assert.equal(tokenOf(paid).audiences[0], PAYMENTS);
	assert.equal((await world.ask(GRANT, 'strict')).body['expires_in'], 60);
	world.audit.entries.length = 0;
	for (const scope of [
		'payments',
		'profile+payments',
		'+profile',
		'profile++accounts%3Aread',
		'%22',
		'%5c',
		'%c3%a9',
	]) {
		assertRefused(await ask(`scope=${scope}`), 400, 'invalid_scope', scope);
	}
	for (const resource of [PAYMENTS, `${ACCOUNTS}/`, `${ACCOUNTS}#a`, '/accounts', `${ACCOUNTS}.evil`, 'urn:x']) {
		assertRefused(await ask(`resource=${encodeURIComponent(resource)}`), 400, 'invalid_target', resource);
	}
	// The policy about several resources: one token is for one. docs/tokens.md
	const [accounts, payments] = [ACCOUNTS, PAYMENTS].map((uri) => `resource=${encodeURIComponent(uri)}`);
	for (const named of [`${accounts}&${payments}`, `${payments}&${accounts}`, `${accounts}&resource=`]) {
		const answer = await ask(named, 'both');
		assertRefused(answer, 400, 'invalid_target', named);
		assert.match(String(answer.body['error_description']), /one token for each/);
	}
	assertRefused(await world.ask(GRANT, 'both'), 400, 'invalid_target', 'several resources, none named');
	assertRefused(await world.ask(GRANT, 'none'), 400, 'unauthorized_client', 'no subscription');
	assertRefused(await ask('authorization_details=%5B%5D'), 400, 'invalid_authorization_details');
	assertRefused(await world.ask(GRANT, 'verbose'), 400, 'invalid_scope', 'a token that no gateway would read');
});

test('check 99: a token issued in the second of a cut-off lives, and none is issued against a cut-off far ahead', async () => {
	clock.advance(400);
	const cut = NOON_MS / 1000 + 1;
	world.change({ kind: 'client', record: { ...good.client, tokensNotBeforeSeconds: cut } });
	const answer = await world.ask(GRANT);
	assert.equal(tokenOf(answer).issuedAtSeconds, cut);
	world.audit.entries.length = 0;
	world.change({ kind: 'client', record: { ...good.client, tokensNotBeforeSeconds: cut + 60 } });
	const refused = await world.ask(GRANT);
	assert.equal(refused.headers.get('retry-after'), '61');
	assertRefused(refused, 503, 'temporarily_unavailable');
});

test('issues no token that could not be recorded', async () => {
	world.audit.accepting = false;
	const answer = await world.ask(GRANT);
	assert.equal(answer.headers.get('retry-after'), '5');
	assertRefused(answer, 503, 'temporarily_unavailable');
});

test('checks 106, 107: records every issuance and refusal once, with who and why, and never a token', async () => {
	const issued = await world.ask(GRANT);
	world.change({ kind: 'client', record: { ...good.client, status: 'disabled' } });
	const refused = await world.ask(`${GRANT}&scope=canary-scope&resource=canary-resource&x=canary-value`);
	const actor = {
		partner: good.partner.id,
		client: good.client.id,
		credential: good.credential.id,
		address: '127.0.0.1',
	};
	assert.deepEqual(world.audit.entries, [
		{
			time: '2026-11-23T12:00:00.000Z',
			type: 'token.issued',
			requestId: issued.headers.get('x-request-id'),
			actor,
			decision: 'permit',
			status: 200,
			facts: {
				jti: tokenOf(issued).jti,
				scope: 'accounts:read profile',
				resource: ACCOUNTS,
				expires_at: '2026-11-23T12:05:00.000Z',
				method: 'tls_client_auth',
				bound_to: 'mtls',
				detail_types: undefined,
				certificate: good.certificate.thumbprint,
			},
		},
		{
			time: '2026-11-23T12:00:00.000Z',
			type: 'token.refused',
			requestId: refused.headers.get('x-request-id'),
			actor,
			decision: 'deny',
			reason: 'oauth_invalid_client',
			status: 401,
			facts: { cause: 'client_disabled', certificate: good.certificate.thumbprint },
		},
	]);
	const text = JSON.stringify([world.audit.entries, refused.text]);
	assert.ok(!text.includes('canary'));
	const [, payload = '', signature = ''] = String(issued.body['access_token']).split('.');
	assert.ok(!text.includes(payload) && !text.includes(signature));
});

test('check 108: a flood of unknown clients is refused alike, and each refusal is recorded', async () => {
	const asked = Array.from({ length: 200 }, (_, n) => world.ask(`${GRANT}&client_id=${n}`, 'absent'));
	const texts = (await Promise.all(asked)).map((answer) => `${answer.status} ${answer.text}`);
	assert.equal(new Set(texts).size, 1);
	assert.equal(world.audit.entries.length, 200);
});

test('a body that comes too slowly, or not to its end, holds no connection', async (context) => {
	const slow = await startWorld([good], { bodyTimeoutMs: 50 });
	context.after(() => slow.close());
	const head =
		'POST /oauth2/token HTTP/1.1\r\nhost: a\r\ncontent-type: application/x-www-form-urlencoded\r\ncontent-length: 99\r\n\r\n';
	const socket = connect(Number(new URL(slow.url).port), '127.0.0.1');
	let received = '';
	socket.on('data', (chunk: Buffer) => {
		received += chunk.toString();
	});
	socket.write(`${head}grant_type=`);
	await new Promise((resolve) => socket.once('close', resolve));
	assert.match(received, /^HTTP\/1\.1 400 /);
	assert.match(received, /connection: close/i);
	const gone = connect(Number(new URL(slow.url).port), '127.0.0.1');
	gone.write(`${head}grant_type=`, () => setTimeout(() => gone.destroy(), 10));
	// However busy the machine is: both are recorded in the end.
	const deadline = Date.now() + 10_000;
	while (slow.audit.entries.length < 2 && Date.now() < deadline) {
		await new Promise((resolve) => setTimeout(resolve, 10));
	}
	assert.deepEqual(
		slow.audit.entries.map((entry) => entry.reason),
		['oauth_invalid_request', 'oauth_invalid_request'],
	);
	assert.deepEqual(slow.bugs, []);
});

test('a bug is answered 500, reported, recorded, and never a refusal or a token', async () => {
	const broken = await startWorld([good], {
		random: {
			bytes: () => {
				throw new Error('canary: no randomness');
			},
		},
	});
	const answer = await broken.ask(GRANT);
	assert.equal(answer.status, 500);
	assert.equal(answer.body['error'], 'server_error');
	assert.equal(broken.bugs.length, 1);
	assert.deepEqual(
		broken.audit.entries.map(({ reason, status }) => [reason, status]),
		[['internal_error', 500]],
	);
	assert.ok(!JSON.stringify([answer.text, broken.audit.entries]).includes('canary'));
	await broken.close();
});
