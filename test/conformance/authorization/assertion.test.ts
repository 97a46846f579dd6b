// private_key_jwt at the token endpoint, clause by clause: RFC 7523 §3, RFC 7515, RFC 8725, and the FAPI 2.0 security
// profile for its audience and its life. Each test is named by its number in the list of checks.
import assert from 'node:assert/strict';
import { createHmac, sign } from 'node:crypto';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, afterEach, before, test } from 'node:test';
import {
	type AssertionChanges,
	assertionForm,
	type KeyMember,
	makeAssertion,
	makeKeyCredential,
	makeKeyMember,
	makeKeyPair,
} from '../../fixture/client-assertion.ts';
import { clock, ISSUER, startWorld, type TokenAnswer, type World } from '../../fixture/token-world.ts';

const good = makeKeyMember('Good', ['reading']);
const other = makeKeyMember('Other', ['reading']);
let world: World;

before(async () => {
	world = await startWorld([good, other]);
	for (const member of [good, other]) world.change({ kind: 'credential', record: member.key });
	world.certificates.set('other', other.certificate);
});
after(() => world.close());
afterEach(() => {
	world.change({ kind: 'credential', record: good.key });
	assert.deepEqual(world.bugs, [], 'no request runs into a bug');
});

const now = (): number => Math.floor(clock.nowMs() / 1000);
const ask = (assertion: string, more = ''): Promise<TokenAnswer> => world.ask(assertionForm(assertion, more));
const askWith = (changes: AssertionChanges, member: KeyMember = good): Promise<TokenAnswer> =>
	ask(makeAssertion(member, changes));

async function accepts(changes: AssertionChanges, what: string): Promise<void> {
	const answer = await askWith(changes);
	assert.equal(answer.status, 200, `${what}: ${answer.text}`);
}

/** Checks for a refusal of the client that is recorded once, and says nothing that was sent. */
function assertRefused(answer: TokenAnswer, what: string): void {
	assert.deepEqual([answer.status, answer.body['error']], [401, 'invalid_client'], `${what}: ${answer.text}`);
	assert.equal(answer.body['access_token'], undefined);
}

async function refuses(changes: AssertionChanges, what: string): Promise<void> {
	assertRefused(await askWith(changes), what);
}

/** Replaces one part of an assertion by `change`. */
function splice(assertion: string, part: 0 | 1 | 2, change: (bytes: Buffer) => Buffer): string {
	const parts = assertion.split('.');
	parts[part] = change(Buffer.from(parts[part] ?? '', 'base64url')).toString('base64url');
	return parts.join('.');
}

test('a good assertion of each algorithm gets a token that is bound to the certificate of the client', async () => {
	for (const algorithm of ['ES256', 'ES384', 'EdDSA', 'PS256'] as const) {
		const member = makeKeyMember(algorithm, ['reading'], algorithm);
		const own = await startWorld([member]);
		own.change({ kind: 'credential', record: member.key });
		const answer = await own.ask(assertionForm(makeAssertion(member)));
		assert.equal(answer.status, 200, answer.text);
		const [, payload = ''] = String(answer.body['access_token']).split('.');
		const claims = JSON.parse(Buffer.from(payload, 'base64url').toString());
		assert.deepEqual(claims.cnf, { 'x5t#S256': member.certificate.thumbprint });
		assert.equal(claims.client_id, member.client.id);
		await own.close();
	}
});

test('check 28: refuses alg none', async () => {
	await refuses({ header: { alg: 'none' } }, 'signed');
	const [header = '', payload = ''] = makeAssertion(good, { header: { alg: 'none' } }).split('.');
	assertRefused(await ask(`${header}.${payload}.`), 'empty signature');
	for (const alg of ['None', 'NONE', '', null, 0]) await refuses({ header: { alg } }, String(alg));
});

test('check 29: refuses HS256 keyed with what is public of the key', async () => {
	const pem = String(makeKeyPair('ES256').publicKey.export({ type: 'spki', format: 'pem' }));
	for (const key of [pem, JSON.stringify(good.key.jwk), good.key.keyId, '']) {
		const assertion = makeAssertion(good, { header: { alg: 'HS256' } });
		const input = assertion.slice(0, assertion.lastIndexOf('.'));
		const mac = createHmac('sha256', key).update(input).digest('base64url');
		assertRefused(await ask(`${input}.${mac}`), key);
	}
});

test('check 30: refuses another algorithm than that of the registered key', async () => {
	for (const alg of ['RS256', 'PS256', 'ES384', 'ES512', 'EdDSA', 'ES256K', 'es256'])
		await refuses({ header: { alg } }, alg);
	const rsa = makeKeyMember('Rsa', ['reading'], 'PS256');
	const own = await startWorld([rsa]);
	own.change({ kind: 'credential', record: rsa.key });
	const assertion = makeAssertion(rsa, { header: { alg: 'RS256' } });
	const input = assertion.slice(0, assertion.lastIndexOf('.'));
	const signature = sign('sha256', Buffer.from(input), rsa.privateKey).toString('base64url');
	assertRefused(await own.ask(assertionForm(`${input}.${signature}`)), 'a right RS256 signature');
	await own.close();
});

test('check 31: refuses critical extensions and keys that come with the assertion, and fetches nothing', async () => {
	let fetched = 0;
	const canary = createServer(() => void fetched++);
	await new Promise<void>((resolve) => void canary.listen(0, '127.0.0.1', resolve));
	canary.on('connection', () => void fetched++);
	const url = `http://127.0.0.1:${(canary.address() as AddressInfo).port}/jwks.json`;
	const own = makeKeyPair('ES256');
	const jwk = own.publicKey.export({ format: 'jwk' });
	for (const header of [
		{ b64: false, crit: ['b64'] },
		{ crit: ['exp'] },
		{ crit: [] },
		{ zip: 'DEF' },
		{ jwk },
		{ jku: url },
		{ x5u: url },
		{ x5c: ['AAAA'] },
	]) {
		await refuses({ header, privateKey: own.privateKey }, JSON.stringify(Object.keys(header)));
		await refuses({ header }, 'also beside a right signature');
	}
	assert.equal(fetched, 0);
	canary.close();
});

test('check 32: takes the key by the client and its kid, and no other way', async () => {
	await refuses({ header: { kid: other.key.keyId } }, "another client's kid");
	await refuses({ header: { kid: other.key.keyId }, privateKey: other.privateKey }, "another client's key");
	for (const kid of ['__proto__', 'constructor', '../../etc/passwd', "' OR 1=1 --", '', ' ', 1, null, ['a'], {}]) {
		await refuses({ header: { kid } }, JSON.stringify(kid));
	}
	await accepts({ header: { kid: undefined } }, 'one key, no kid');
	const second = makeKeyPair('ES256');
	const record = makeKeyCredential(good, second.publicKey, 'second');
	world.change({ kind: 'credential', record });
	await refuses({ header: { kid: undefined } }, 'two keys, no kid');
	await accepts({}, 'the first of two keys');
	await accepts({ header: { kid: 'second' }, privateKey: second.privateKey }, 'the second of two keys');
	await refuses({ header: { kid: 'second' } }, 'the first key under the kid of the second');
	world.change({ kind: 'credential', record: { ...record, status: 'revoked', revision: 2 } });
	await refuses({ header: { kid: 'second' }, privateKey: second.privateKey }, 'revoked');
	await accepts({ header: { kid: undefined } }, 'one key again');
});

test('check 33: refuses a signature that is not exactly one of the key', async () => {
	const flip = (at: number) => (bytes: Buffer) => {
		bytes[at] = (bytes[at] ?? 0) ^ 1;
		return bytes;
	};
	for (const at of [0, 31, 32, 63]) assertRefused(await ask(splice(makeAssertion(good), 2, flip(at))), `bit of ${at}`);
	for (const length of [0, 1, 32, 63]) {
		assertRefused(await ask(splice(makeAssertion(good), 2, (bytes) => bytes.subarray(0, length))), `${length} bytes`);
	}
	assertRefused(
		await ask(splice(makeAssertion(good), 2, (bytes) => Buffer.concat([bytes, Buffer.alloc(1)]))),
		'65 bytes',
	);
	assertRefused(await ask(splice(makeAssertion(good), 2, (bytes) => bytes.fill(0, 0, 32))), 'r = 0');
	assertRefused(await ask(splice(makeAssertion(good), 2, (bytes) => bytes.fill(0, 32))), 's = 0');
	assertRefused(await ask(splice(makeAssertion(good), 2, () => Buffer.alloc(64))), 'both 0');
	const assertion = makeAssertion(good);
	const input = assertion.slice(0, assertion.lastIndexOf('.'));
	const der = sign('sha256', Buffer.from(input), good.privateKey).toString('base64url');
	assertRefused(await ask(`${input}.${der}`), 'DER');
	assertRefused(
		await ask(splice(makeAssertion(good), 1, (bytes) => Buffer.from(bytes.toString().replace('"exp"', '"exp" ')))),
		'another payload',
	);
});

test('check 33: the second form of an ECDSA signature is no second assertion', async () => {
	const order = BigInt('0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551');
	const assertion = makeAssertion(good);
	const twin = splice(assertion, 2, (bytes) => {
		const s = order - BigInt(`0x${bytes.subarray(32).toString('hex')}`);
		return Buffer.concat([bytes.subarray(0, 32), Buffer.from(s.toString(16).padStart(64, '0'), 'hex')]);
	});
	assert.notEqual(twin, assertion);
	assert.equal((await ask(twin)).status, 200, 'it is a signature of the key');
	assertRefused(await ask(assertion), 'and its jti is used');
});

test('check 34: refuses an assertion without an end, past its end, or with an end too far off', async () => {
	for (const exp of [
		undefined,
		null,
		now() - 300,
		now(),
		0,
		-1,
		now() + 301,
		now() + 3600,
		2 ** 53,
		`${now() + 60}`,
		now() + 60.5,
		true,
	]) {
		await refuses({ claims: { exp } }, `exp ${exp}`);
	}
	const claims = { iss: good.client.id, sub: good.client.id, aud: ISSUER, iat: now(), jti: 'huge', exp: 0 };
	await refuses({ payload: JSON.stringify(claims).replace('"exp":0', '"exp":1e400') }, 'exp 1e400');
	await accepts({ claims: { exp: now() + 300 } }, 'exp in 300 s');
	await accepts({ claims: { exp: now() + 1 } }, 'exp in 1 s');
	await accepts({ claims: { iat: undefined, exp: now() + 300 } }, 'no iat');
	await refuses({ claims: { iat: undefined, exp: now() + 316 } }, 'no iat and a far end');
});

test('check 35: allows clocks to differ by ten seconds, not by a minute', async () => {
	for (const ahead of [8, 10]) {
		await accepts({ claims: { iat: now() + ahead } }, `iat +${ahead}`);
		await accepts({ claims: { nbf: now() + ahead } }, `nbf +${ahead}`);
		await accepts({ claims: { iat: now() + ahead, exp: now() + ahead + 300 } }, `a whole life from iat +${ahead}`);
	}
	for (const ahead of [60, 90, 86_400]) {
		await refuses({ claims: { iat: now() + ahead, exp: now() + ahead + 60 } }, `iat +${ahead}`);
		await refuses({ claims: { nbf: now() + ahead } }, `nbf +${ahead}`);
	}
	await refuses({ claims: { iat: now() - 3600 } }, 'iat far past, exp in the future');
	for (const wrong of ['1', null, 1.5, -1, [now()]]) {
		await refuses({ claims: { iat: wrong } }, `iat ${JSON.stringify(wrong)}`);
		await refuses({ claims: { nbf: wrong } }, `nbf ${JSON.stringify(wrong)}`);
	}
});

test('check 36: takes the issuer as audience, as one string and byte for byte, and nothing else', async () => {
	for (const aud of [
		undefined,
		null,
		'',
		'https://auth.other.example',
		`${ISSUER}/oauth2/token`,
		`${ISSUER}/`,
		ISSUER.toUpperCase(),
		ISSUER.replace('https', 'http'),
		ISSUER.replace('auth', 'Auth'),
		`${ISSUER} `,
		[ISSUER],
		[ISSUER, 'https://auth.other.example'],
		{ 0: ISSUER },
		world.url,
		`${world.url}/oauth2/token`,
	]) {
		await refuses({ claims: { aud } }, JSON.stringify(aud) ?? 'absent');
	}
	const headers = { 'x-forwarded-host': 'evil.example', forwarded: 'host=evil.example' };
	const assertion = makeAssertion(good, { claims: { aud: 'https://evil.example' } });
	assertRefused(await world.ask(assertionForm(assertion), 'good', { headers }), 'an audience from a header');
});

test('check 37: iss and sub are both the client, and so is client_id where it is sent', async () => {
	for (const claims of [
		{ iss: undefined },
		{ sub: undefined },
		{ iss: other.client.id },
		{ sub: other.client.id },
		{ iss: other.client.id, sub: other.client.id },
		{ iss: 'nobody', sub: 'nobody' },
		{ iss: [good.client.id] },
		{ iss: ISSUER },
		{ iss: '', sub: '' },
		{ iss: null, sub: null },
	]) {
		await refuses({ claims }, JSON.stringify(claims));
	}
	assert.equal((await ask(makeAssertion(good), `&client_id=${good.client.id}`)).status, 200);
	assertRefused(await ask(makeAssertion(good), `&client_id=${other.client.id}`), 'check 24: another client_id');
});

test('check 38: refuses a jti that is missing, no text, empty or long', async () => {
	for (const jti of [undefined, null, '', 7, ['a'], {}, 'x'.repeat(257)]) {
		await refuses({ claims: { jti } }, JSON.stringify(jti)?.slice(0, 20) ?? 'absent');
	}
	await refuses({ claims: { jti: 'x'.repeat(10_000) } }, '10 kB');
	await accepts({ claims: { jti: 'x'.repeat(256) } }, '256 characters');
	await accepts({ claims: { jti: 'é \u0001"' } }, 'any text');
});

test('check 43: refuses other assertion types and other forms than a signed JWT', async () => {
	const assertion = makeAssertion(good);
	const form = (type: string, text = assertion): string =>
		`grant_type=client_credentials&client_assertion_type=${encodeURIComponent(type)}&client_assertion=${text}`;
	for (const type of [
		'urn:ietf:params:oauth:client-assertion-type:saml2-bearer',
		'urn:ietf:params:oauth:client-assertion-type:JWT-bearer',
		'jwt-bearer',
	]) {
		assertRefused(await world.ask(form(type)), type);
	}
	for (const half of [form(''), assertionForm(''), `grant_type=client_credentials&client_assertion=${assertion}`]) {
		const answer = await world.ask(half);
		assert.deepEqual([answer.status, answer.body['error']], [400, 'invalid_request'], half.slice(0, 60));
	}
	const [header = '', payload = '', signature = ''] = assertion.split('.');
	for (const text of [
		`${header}.${payload}`,
		`${assertion}.${signature}`,
		`${assertion}.${signature}.${signature}`,
		`${header}..${signature}`,
		`.${payload}.${signature}`,
		`${assertion}%3D`,
		`${header}.${payload}.${signature}%20`,
		'a.b.c',
		'%7B%7D',
		'x'.repeat(9000),
	]) {
		assertRefused(await ask(text), text.slice(0, 30));
	}
	await refuses({ payload: '[]' }, 'payload is a list');
	await refuses({ payload: '' }, 'empty payload');
	const duplicate = JSON.stringify({
		iss: good.client.id,
		sub: good.client.id,
		aud: 'https://other.example',
		exp: now() + 60,
		jti: 'dup',
	});
	await refuses({ payload: `${duplicate.slice(0, -1)},"aud":"${ISSUER}"}` }, 'aud twice');
});

test('check 44: refuses other kinds of tokens as assertions', async () => {
	for (const typ of ['at+jwt', 'dpop+jwt', 'application/at+jwt', 'logout+jwt', 'secevent+jwt', 'JOSE', '', null, 1]) {
		await refuses({ header: { typ } }, `typ ${typ}`);
	}
	await accepts({ header: { typ: 'JWT' } }, 'JWT');
	await accepts({ header: { typ: 'client-authentication+jwt' } }, 'client-authentication+jwt');
	const token = String((await askWith({})).body['access_token']);
	assertRefused(await ask(token), 'an access token of ours');
});

test('check 45: a key that is revoked is refused from the next request on', async () => {
	await accepts({}, 'before');
	world.change({ kind: 'credential', record: { ...good.key, status: 'revoked', revision: 2 } });
	await refuses({}, 'revoked');
	world.change({ kind: 'credential', record: { ...good.key, retiresAtMs: clock.nowMs() } });
	await refuses({}, 'retired');
	world.change({ kind: 'credential', record: { ...good.key, retiresAtMs: clock.nowMs() + 30_000 } });
	await accepts({}, 'in its overlap');
	world.change({ kind: 'credential', record: { ...good.key, notBeforeMs: clock.nowMs() + 1 } });
	await refuses({}, 'not begun');
	world.change({ kind: 'credential', record: { ...good.key, notAfterMs: clock.nowMs() } });
	await refuses({}, 'over');
});

test('check 47: an assertion that is no good is not mended by a secret beside it', async () => {
	const basic = `Basic ${Buffer.from(`${good.client.id}:secret`).toString('base64')}`;
	for (const assertion of ['garbage', makeAssertion(good)]) {
		const answer = await world.ask(assertionForm(assertion), 'good', { headers: { authorization: basic } });
		assert.deepEqual([answer.status, answer.body['error']], [400, 'invalid_request']);
	}
});
