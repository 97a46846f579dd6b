import assert from 'node:assert/strict';
import { generateKeyPairSync, hash, type KeyObject, sign } from 'node:crypto';
import { test } from 'node:test';
import { calculateJwkThumbprint, exportJWK, SignJWT } from 'jose';
import { ManualClock } from '../../kernel/clock.ts';
import { Secret } from '../../kernel/secret.ts';
import { createDpopNonces } from './dpop-nonce.ts';
import { createDpopVerifier, type DpopExpectation, type DpopRefusal } from './dpop-proof.ts';

const NOW = Date.UTC(2026, 10, 23, 12) / 1000;
const TOKEN_ENDPOINT = 'https://auth.bank.example:8444/oauth2/token';
const clock = new ManualClock(NOW * 1000);
const nonces = createDpopNonces(new Secret(Buffer.alloc(32, 1)), clock);
const verifier = createDpopVerifier({ clock, nonces, isNonceRequired: false, keysMax: 4 });
const strict = createDpopVerifier({ clock, nonces, isNonceRequired: true, keysMax: 4 });

const pair = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const jwk = pair.publicKey.export({ format: 'jwk' });
const atTokenEndpoint: DpopExpectation = { method: 'POST', targetUri: TOKEN_ENDPOINT, accessTokenHash: undefined };
const goodClaims = { jti: 'a-proof-0001', htm: 'POST', htu: TOKEN_ENDPOINT, iat: NOW };
const goodHeader = { typ: 'dpop+jwt', alg: 'ES256', jwk };

function forge(header: object, claims: object | string, key: KeyObject = pair.privateKey): string {
	const encode = (value: object | string): string =>
		Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)).toString('base64url');
	const input = `${encode(header)}.${encode(claims)}`;
	return `${input}.${sign('sha256', Buffer.from(input), { key, dsaEncoding: 'ieee-p1363' }).toString('base64url')}`;
}

function refusalOf(proof: string, expected = atTokenEndpoint, by = verifier): DpopRefusal | 'accepted' {
	const result = by.verify(proof, expected);
	return result.ok ? 'accepted' : result.fault;
}

/** The verdict on a good proof with these claims changed; undefined removes one. */
const withClaims = (changes: object, expected = atTokenEndpoint, by = verifier): DpopRefusal | 'accepted' =>
	refusalOf(forge(goodHeader, { ...goodClaims, ...changes }), expected, by);
const withHeader = (changes: object): DpopRefusal | 'accepted' =>
	refusalOf(forge({ ...goodHeader, ...changes }, goodClaims));

test('accepts a good proof of each algorithm, and names its key by the thumbprint of RFC 7638', async () => {
	for (const [alg, keys] of [
		['ES256', pair],
		['EdDSA', generateKeyPairSync('ed25519')],
		['Ed25519', generateKeyPairSync('ed25519')],
		['PS256', generateKeyPairSync('rsa', { modulusLength: 2048 })],
	] as const) {
		const publicJwk = await exportJWK(keys.publicKey);
		const proof = await new SignJWT(goodClaims)
			.setProtectedHeader({ typ: 'dpop+jwt', alg, jwk: publicJwk })
			.sign(keys.privateKey);
		// Twice: the second time with the key that was remembered.
		for (let round = 0; round < 2; round++) {
			const result = verifier.verify(proof, atTokenEndpoint);
			assert.ok(result.ok, `${alg}: ${result.ok ? '' : result.fault}`);
			assert.equal(result.value.thumbprint, await calculateJwkThumbprint(publicJwk));
			assert.equal(result.value.jti, goodClaims.jti);
		}
	}
});

test('check 65: refuses two proofs in one value', () => {
	const proof = forge(goodHeader, goodClaims);
	assert.equal(refusalOf(`${proof}, ${proof}`), 'malformed');
	assert.equal(refusalOf(`${proof},${proof}`), 'malformed');
});

test('check 66: refuses what is not a JWT', () => {
	const proof = forge(goodHeader, goodClaims);
	for (const bad of [
		'',
		'.',
		'abc',
		'a.b',
		`${proof}.x`,
		`${proof}=`,
		` ${proof}`,
		'{}',
		`${'A'.repeat(5000)}.e30.AA`,
	]) {
		assert.equal(refusalOf(bad), 'malformed', bad.slice(0, 40));
	}
	for (const payload of [
		'',
		'[]',
		'"text"',
		'null',
		'{',
		'{"jti":"a","jti":"b"}',
		`${'{"a":'.repeat(20)}1${'}'.repeat(20)}`,
	]) {
		assert.equal(refusalOf(forge(goodHeader, payload)), 'malformed', payload.slice(0, 40));
	}
	for (const name of ['crit', 'b64', 'zip', 'enc']) assert.equal(withHeader({ [name]: ['exp'] }), 'malformed', name);
});

test('check 67: refuses a typ that is missing or another one', () => {
	for (const typ of [undefined, 'JWT', 'jwt', 'DPOP+JWT', 'application/dpop+jwt', 'at+jwt', 1, ['dpop+jwt']]) {
		assert.equal(withHeader({ typ }), 'type', String(typ));
	}
});

test('check 68: refuses an alg that is missing, none, symmetric, RS256, or not that of the key', () => {
	for (const alg of [undefined, 'none', 'HS256', 'RS256', 'ES384', 'EdDSA', 'es256', '', ['ES256'], null]) {
		assert.equal(withHeader({ alg }), 'algorithm', String(alg));
	}
	const p384 = generateKeyPairSync('ec', { namedCurve: 'P-384' });
	const header = { ...goodHeader, alg: 'ES384', jwk: p384.publicKey.export({ format: 'jwk' }) };
	assert.equal(refusalOf(forge(header, goodClaims, p384.privateKey)), 'algorithm');
	// The unsigned form, and one that is keyed with the public key.
	const unsigned = forge({ ...goodHeader, alg: 'none' }, goodClaims).split('.');
	assert.equal(refusalOf(`${unsigned[0]}.${unsigned[1]}.`), 'algorithm');
});

test('check 69: refuses a jwk that is missing, private, symmetric, weak, off the curve, or written in a second way', () => {
	const weak = generateKeyPairSync('rsa', { modulusLength: 1024 }).publicKey.export({ format: 'jwk' });
	const odd = generateKeyPairSync('rsa', { modulusLength: 2048, publicExponent: 3 }).publicKey.export({
		format: 'jwk',
	});
	const privateJwk = pair.privateKey.export({ format: 'jwk' });
	const yOf = Buffer.from(jwk.y as string, 'base64url');
	yOf[31] = (yOf[31] as number) ^ 1;
	for (const [what, bad] of Object.entries({
		missing: undefined,
		text: 'key',
		list: [jwk],
		empty: {},
		private: privateJwk,
		'private, empty': { ...jwk, d: '' },
		'private, of another kind': { ...jwk, k: 'AAAA' },
		symmetric: { kty: 'oct', k: Buffer.alloc(32).toString('base64url') },
		'weak RSA': weak,
		'exponent 3': odd,
		'off the curve': { ...jwk, y: yOf.toString('base64url') },
		'at infinity': { ...jwk, x: Buffer.alloc(32).toString('base64url'), y: Buffer.alloc(32).toString('base64url') },
		'other curve': { ...jwk, crv: 'secp256k1' },
		'x padded': { ...jwk, x: `${jwk.x}=` },
		'x longer': {
			...jwk,
			x: Buffer.concat([Buffer.alloc(1), Buffer.from(jwk.x as string, 'base64url')]).toString('base64url'),
		},
		'x as number': { ...jwk, x: 1 },
		prototype: { kty: '__proto__' },
		constructor: { kty: 'constructor' },
		'not for signing': generateKeyPairSync('x25519').publicKey.export({ format: 'jwk' }),
	})) {
		assert.equal(withHeader({ jwk: bad }), 'key', what);
	}
});

test('check 70: refuses jti, htm, htu and iat when missing or of a wrong type', () => {
	for (const bad of [undefined, null, 1, '', ['a'], { a: 1 }, 'j'.repeat(257)]) {
		assert.equal(withClaims({ jti: bad }), 'claim jti', JSON.stringify(bad));
	}
	for (const bad of [undefined, null, 1, ['POST']]) assert.equal(withClaims({ htm: bad }), 'claim htm', String(bad));
	for (const bad of [undefined, null, 1, [TOKEN_ENDPOINT]]) {
		assert.equal(withClaims({ htu: bad }), 'claim htu', String(bad));
	}
	for (const bad of [undefined, null, String(NOW), -1, 0, 1e300, [NOW], true]) {
		assert.equal(withClaims({ iat: bad }), 'claim iat', String(bad));
	}
});

test('check 71: refuses another method, also the same one in lower case', () => {
	for (const htm of ['GET', 'post', 'Post', '', 'POST ']) assert.equal(withClaims({ htm }), 'method', htm);
});

test('check 72: compares the target by host and path, without query and fragment', () => {
	for (const good of [
		TOKEN_ENDPOINT,
		`${TOKEN_ENDPOINT}?a=b`,
		`${TOKEN_ENDPOINT}#here`,
		`${TOKEN_ENDPOINT}?a=b#c`,
		'HTTPS://AUTH.Bank.Example:8444/oauth2/token',
		'https://auth.bank.example:8444/oauth2/%74oken',
	]) {
		assert.equal(withClaims({ htu: good }), 'accepted', good);
	}
	for (const bad of [
		'http://auth.bank.example:8444/oauth2/token',
		'https://auth.bank.example/oauth2/token',
		'https://auth.bank.example:443/oauth2/token',
		'https://evil.example:8444/oauth2/token',
		'https://auth.bank.example.evil:8444/oauth2/token',
		'https://auth.bank.example:8444@evil.example/oauth2/token',
		'https://user@auth.bank.example:8444/oauth2/token',
		'https://auth.bank.example:8444/oauth2/token/',
		'https://auth.bank.example:8444/oauth2/Token',
		'https://auth.bank.example:8444/oauth2',
		'https://auth.bank.example:8444/x/../oauth2/token',
		'https://auth.bank.example:8444/oauth2//token',
		'https://auth.bank.example:8444/oauth2%2Ftoken',
		'https:\\\\auth.bank.example:8444\\oauth2\\token',
		` ${TOKEN_ENDPOINT}`,
		`${TOKEN_ENDPOINT}\n`,
		'/oauth2/token',
		'',
	]) {
		assert.equal(withClaims({ htu: bad }), 'target', bad);
	}
	const atPort443 = { ...atTokenEndpoint, targetUri: 'https://api.bank.example/pay' };
	for (const good of [
		'https://API.bank.example:443/pay',
		'https://api.bank.example:/pay',
		'https://api.bank.example/p%61y',
	]) {
		assert.equal(withClaims({ htu: good }, atPort443), 'accepted', good);
	}
	assert.equal(withClaims({ htu: 'http://api.bank.example:443/pay' }, atPort443), 'target');
});

test('check 73: judges iat within a minute, and exp and nbf where they are present', () => {
	for (const good of [-60, -10, 0, 10, 15]) assert.equal(withClaims({ iat: NOW + good }), 'accepted', String(good));
	for (const bad of [-3600, -61, 16, 60, 3600]) assert.equal(withClaims({ iat: NOW + bad }), 'not fresh', String(bad));
	assert.equal(withClaims({ nbf: NOW, exp: NOW + 60 }), 'accepted');
	for (const exp of [NOW, NOW - 60, 'soon', null, -1]) assert.equal(withClaims({ exp }), 'claim exp', String(exp));
	for (const nbf of [NOW + 16, NOW + 3600, 'soon', null, -1]) {
		assert.equal(withClaims({ nbf }), 'claim nbf', String(nbf));
	}
	assert.equal(withClaims({ nbf: NOW + 15 }), 'accepted');
	// A nonce of ours says when the proof was made; the clock of the client may be off then.
	const nonce = nonces.current();
	assert.equal(withClaims({ nbf: NOW + 200, iat: NOW + 200, nonce }), 'accepted');
	assert.equal(withClaims({ nbf: NOW + 301, nonce }), 'claim nbf');
});

test('a proof is remembered until it would be refused as stale', () => {
	const proof = forge(goodHeader, { ...goodClaims, iat: NOW + 10 });
	const withNonce = forge(goodHeader, { ...goodClaims, nonce: nonces.current() });
	const later = new ManualClock(NOW * 1000);
	const laterVerifier = createDpopVerifier({
		clock: later,
		nonces: createDpopNonces(new Secret(Buffer.alloc(32, 1)), later),
		isNonceRequired: false,
		keysMax: 1,
	});
	for (const each of [proof, withNonce]) {
		const result = verifier.verify(each, atTokenEndpoint);
		assert.ok(result.ok);
		later.advance((result.value.staleAtSeconds - NOW) * 1000 - later.nowMs() + NOW * 1000);
		assert.match(refusalOf(each, atTokenEndpoint, laterVerifier), /^(?:not fresh|nonce)$/);
	}
});

test('check 74: asks for a nonce where one is required, and takes a good one only', () => {
	assert.equal(withClaims({}, atTokenEndpoint, strict), 'nonce');
	const nonce = nonces.current();
	assert.equal(withClaims({ nonce }, atTokenEndpoint, strict), 'accepted');
	assert.equal(withClaims({ nonce }), 'accepted');
	const foreign = createDpopNonces(new Secret(Buffer.alloc(32, 2)), clock).current();
	const stale = createDpopNonces(new Secret(Buffer.alloc(32, 1)), new ManualClock((NOW - 180) * 1000)).current();
	for (const bad of [foreign, stale, 'made-up', '', 1, null, [nonce], `${nonce} `]) {
		assert.equal(withClaims({ nonce: bad }, atTokenEndpoint, strict), 'nonce', String(bad));
		assert.equal(withClaims({ nonce: bad }), 'nonce', `not required: ${String(bad)}`);
	}
	// With a nonce the client's own clock may be a few minutes off, no more.
	assert.equal(withClaims({ nonce, iat: NOW - 290 }, atTokenEndpoint, strict), 'accepted');
	assert.equal(withClaims({ nonce, iat: NOW + 3600 }, atTokenEndpoint, strict), 'not fresh');
});

test('check 76: refuses a signature by another key, a changed one and one in DER', () => {
	const other = generateKeyPairSync('ec', { namedCurve: 'P-256' });
	assert.equal(refusalOf(forge(goodHeader, goodClaims, other.privateKey)), 'signature');
	const [header = '', payload = ''] = forge(goodHeader, goodClaims).split('.');
	const der = sign('sha256', Buffer.from(`${header}.${payload}`), pair.privateKey).toString('base64url');
	for (const signature of ['', 'AA', der, Buffer.alloc(64).toString('base64url')]) {
		assert.equal(refusalOf(`${header}.${payload}.${signature}`), 'signature');
	}
});

test('check 77: passes over header members and claims that it does not know', () => {
	assert.equal(withHeader({ kid: 'x', x5t: 'y', jku: 'https://evil.example/keys', extra: { a: [1] } }), 'accepted');
	assert.equal(withClaims({ ath: 'of no token', sub: 'x', extra: { a: [1] } }), 'accepted');
	assert.equal(withHeader({ jwk: { ...jwk, use: 'sig', kid: 'mine', alg: 'ES256' } }), 'accepted');
});

test('check 78: refuses an ath that is missing or of another token, where a token comes with the proof', () => {
	const accessTokenHash = hash('sha256', 'the.access.token', 'base64url');
	const atGateway = { ...atTokenEndpoint, accessTokenHash };
	assert.equal(withClaims({ ath: accessTokenHash }, atGateway), 'accepted');
	for (const ath of [undefined, null, 1]) assert.equal(withClaims({ ath }, atGateway), 'claim ath', String(ath));
	for (const ath of ['', hash('sha256', 'another', 'base64url'), `${accessTokenHash}=`]) {
		assert.equal(withClaims({ ath }, atGateway), 'token hash', ath);
	}
});

test('after a start that forgot the used proofs, a proof from before needs a nonce that was given since', () => {
	const started = new ManualClock(NOW * 1000);
	const since = createDpopNonces(new Secret(Buffer.alloc(32, 1)), started);
	const old = forge(goodHeader, { ...goodClaims, iat: NOW - 1 });
	const oldWithNonce = forge(goodHeader, { ...goodClaims, iat: NOW - 1, nonce: since.current() });
	started.advance(5_000);
	const forgetful = createDpopVerifier({
		clock: started,
		nonces: since,
		isNonceRequired: false,
		keysMax: 4,
		rememberedSinceSeconds: NOW + 1,
	});
	assert.equal(refusalOf(old, atTokenEndpoint, forgetful), 'nonce');
	assert.equal(refusalOf(oldWithNonce, atTokenEndpoint, forgetful), 'nonce', 'the nonce may be from before as well');
	assert.ok(forgetful.verify(forge(goodHeader, { ...goodClaims, iat: NOW + 1 }), atTokenEndpoint).ok);
	started.advance(60_000);
	const slow = forge(goodHeader, { ...goodClaims, iat: NOW - 100, nonce: since.current() });
	assert.ok(forgetful.verify(slow, atTokenEndpoint).ok, 'a client with a slow clock, once the nonce is a new one');
});
