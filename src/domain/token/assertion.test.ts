import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { test } from 'node:test';
import fc from 'fast-check';
import { decodeJwt, jwtVerify } from 'jose';
import { ManualClock } from '../../kernel/clock.ts';
import { newId } from '../../kernel/ids.ts';
import { systemRandom } from '../../kernel/random.ts';
import { ASSERTION_TYPE, type AssertionSubject, createAssertionMinter } from './assertion.ts';
import { createJwtSigner } from './jwt-sign.ts';
import { createAccessTokenVerifier } from './verify-access-token.ts';

const NOW = 1_795_000_000;
const issuer = 'spiffe://bank.example/service/gateway';
const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const signer = createJwtSigner({ kid: 'a1', privateKey }, ASSERTION_TYPE);

const start = new ManualClock(NOW * 1000);
const subject: AssertionSubject = {
	audience: 'bank',
	partnerId: newId('prt', start, systemRandom),
	clientId: newId('cli', start, systemRandom),
	credentialId: newId('crd', start, systemRandom),
	subscriptionId: newId('sub', start, systemRandom),
	tokenJti: 'AAAAAAAAAAAAAAAAAAAAAA',
	scopes: new Set(['accounts:read', 'payments']),
	api: 'accounts',
	operation: 'accounts/v1/getAccount',
	resources: [{ type: 'account', id: 'acc-1001' }],
	authorizationDetails: [],
};

function world(entriesMax = 100) {
	const clock = new ManualClock(NOW * 1000);
	return { clock, ...createAssertionMinter({ signer: () => signer, issuer, clock, random: systemRandom, entriesMax }) };
}

test('states who asks for what, for one upstream and one minute, and another implementation verifies it', async () => {
	const { payload, protectedHeader } = await jwtVerify(world().mint(subject), publicKey, {
		issuer,
		audience: 'bank',
		typ: 'sallyport-assertion+jwt',
		algorithms: ['ES256'],
		currentDate: new Date(NOW * 1000),
	});
	assert.equal(protectedHeader.kid, 'a1');
	const { jti, ...claims } = payload;
	assert.equal(Buffer.from(String(jti), 'base64url').length, 16);
	assert.deepEqual(claims, {
		iss: issuer,
		aud: 'bank',
		iat: NOW,
		exp: NOW + 60,
		partner: subject.partnerId,
		client: subject.clientId,
		credential: subject.credentialId,
		subscription: subject.subscriptionId,
		scopes: ['accounts:read', 'payments'],
		api: 'accounts',
		operation: 'accounts/v1/getAccount',
		resources: [{ type: 'account', id: 'acc-1001' }],
	});
});

test('states the authorization details that permit the request, and never those of another request', () => {
	const { mint } = world();
	const [one, two] = [
		{ type: 'payment', amount: '1.00' },
		{ type: 'payment', amount: '2.00' },
	] as const;
	const stated = (authorizationDetails: AssertionSubject['authorizationDetails']): unknown =>
		decodeJwt(mint({ ...subject, authorizationDetails }))['authorization_details'];
	assert.deepEqual(stated([one]), [one]);
	assert.deepEqual(stated([two]), [two]);
	assert.deepEqual(stated([one, two]), [one, two]);
	assert.equal(stated([]), undefined);
	assert.deepEqual(stated([one]), [one]);
});

test('an assertion is no access token, even with a key that both would trust', () => {
	const keys = new Map([['a1', publicKey]]);
	const result = createAccessTokenVerifier({ issuer, keys: () => keys, clock: start }).verify(world().mint(subject));
	assert.equal(!result.ok && result.fault.internal, 'type');
});

test('is used again for equal requests, and always has 30 seconds or more to live', () => {
	const { clock, mint } = world();
	const first = mint(subject);
	for (let elapsedMs = 0; elapsedMs < 120_000; elapsedMs += 500) {
		const text = mint(subject);
		assert.equal(text === first, elapsedMs < 30_000, `after ${elapsedMs} ms`);
		const { iat = 0, exp = 0 } = decodeJwt(text);
		assert.ok(exp * 1000 - clock.nowMs() >= 30_000);
		assert.ok(iat * 1000 <= clock.nowMs());
		clock.advance(500);
	}
});

test('is minted anew when the clock was set back', () => {
	const { clock, mint } = world();
	const first = mint(subject);
	clock.advance(-2000);
	assert.notEqual(mint(subject), first);
});

test('different subjects never share an assertion', () => {
	const { mint } = world();
	const others: Partial<AssertionSubject>[] = [
		{ audience: 'other' },
		{ credentialId: newId('crd', start, systemRandom) },
		{ subscriptionId: newId('sub', start, systemRandom) },
		{ tokenJti: 'BBBBBBBBBBBBBBBBBBBBBB' },
		{ operation: 'accounts/v1/listAccounts' },
		{ resources: [] },
		{ resources: [{ type: 'account', id: 'acc-1002' }] },
		{ resources: [{ type: 'payment', id: 'acc-1001' }] },
		{ resources: [...subject.resources, ...subject.resources] },
	];
	const texts = [subject, ...others.map((other) => ({ ...subject, ...other }))].map(mint);
	assert.equal(new Set(texts).size, texts.length);
});

test('no choice of resource ids makes two requests share an assertion', () => {
	const id = fc.oneof(fc.string(), fc.constantFrom('a', '1:a', ' 7:account=1:a', 'a 7:account=1:a'));
	const resources = fc.array(fc.record({ type: fc.constantFrom('account', 'a'), id }, { noNullPrototype: true }), {
		maxLength: 3,
	});
	const { mint } = world(1000);
	const account = (text: string) => ({ type: 'account', id: text });
	const one = mint({ ...subject, resources: [account('a 7:account=b')] });
	assert.notEqual(mint({ ...subject, resources: [account('a'), account('b')] }), one);
	fc.assert(
		fc.property(resources, (list) => {
			assert.deepEqual(decodeJwt(mint({ ...subject, resources: list }))['resources'], list);
		}),
	);
});

test('remembers no more than its bound', () => {
	const { mint } = world(2);
	const texts = ['a', 'b', 'c'].map((id) => mint({ ...subject, resources: [{ type: 'account', id }] }));
	assert.notEqual(mint({ ...subject, resources: [{ type: 'account', id: 'a' }] }), texts[0]);
	assert.equal(mint({ ...subject, resources: [{ type: 'account', id: 'c' }] }), texts[2]);
});
