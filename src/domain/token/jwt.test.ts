import assert from 'node:assert/strict';
import { generateKeyPairSync, type KeyObject, sign } from 'node:crypto';
import { test } from 'node:test';
import fc from 'fast-check';
import { exportJWK } from 'jose';
import { algorithmOfKey, parseJwkSet, verifyJws } from './jws-verify.ts';
import { decodeBase64url, decodeJws, TOKEN_LENGTH_MAX } from './jwt.ts';
import { createJwtSigner } from './jwt-sign.ts';

const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const keys = new Map([['k', publicKey]]);
const encode = (value: object | string): string =>
	Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)).toString('base64url');

function forge(header: object | string, payload: object | string = { a: 1 }, key: KeyObject = privateKey): string {
	const input = `${encode(header)}.${encode(payload)}`;
	const signature = sign('sha256', Buffer.from(input), { key, dsaEncoding: 'ieee-p1363' });
	return `${input}.${signature.toString('base64url')}`;
}

const refusalOf = (token: string): string => {
	const result = verifyJws(token, keys);
	return result.ok ? 'accepted' : result.fault;
};

test('verifies what the signer wrote, and gives the payload byte for byte', () => {
	const token = createJwtSigner({ kid: 'k', privateKey }, 'test+jwt')({ sub: 'Zoë', n: 1 });
	const result = verifyJws(token, keys);
	assert.ok(result.ok);
	assert.deepEqual(result.value.header, { alg: 'ES256', typ: 'test+jwt', kid: 'k' });
	assert.equal(result.value.payload.toString(), '{"sub":"Zoë","n":1}');
	assert.equal(result.value.signature.length, 64);
});

test('check 93: refuses other than three segments, padding, white space, loose bits and long tokens', () => {
	const token = forge({ alg: 'ES256', kid: 'k' });
	assert.equal(refusalOf(token), 'accepted');
	const [header = '', payload = '', signature = ''] = token.split('.');
	for (const bad of [
		'',
		'.',
		'..',
		header,
		`${header}.${payload}`,
		`${token}.`,
		`.${token}`,
		`${token}.a.b`,
		`${header}...${signature}`,
	]) {
		assert.match(refusalOf(bad), /^(?:segments|encoding)$/, bad);
	}
	for (const bad of [`${token}=`, `${token}==`, ` ${token}`, `${token}\n`, `${header}=.${payload}.${signature}`]) {
		assert.equal(refusalOf(bad), 'encoding', bad);
	}
	assert.equal(refusalOf(`${header}.${payload}.${signature.slice(0, -1)}`), 'encoding', 'loose bits');
	assert.equal(refusalOf(`${header}.${payload}.${signature.slice(0, -2)}`), 'signature', 'short signature');
	assert.equal(refusalOf(`${header}.${'A'.repeat(100_000)}.${signature}`), 'size');
	assert.equal(refusalOf(`${header}.${'A'.repeat(TOKEN_LENGTH_MAX)}`), 'size');
});

test('reads base64url in one spelling only', () => {
	fc.assert(
		fc.property(fc.uint8Array({ maxLength: 80 }), (bytes) => {
			const text = Buffer.from(bytes).toString('base64url');
			assert.deepEqual(decodeBase64url(text), Buffer.from(bytes));
			for (const other of [`${text}=`, `${text} `, `${text}\n`, `${text}+`, `${text}%`]) {
				assert.equal(decodeBase64url(other), undefined);
			}
		}),
	);
	assert.equal(decodeBase64url('+/8'), undefined, 'the other alphabet');
	assert.equal(decodeBase64url('QR'), undefined, 'bits after the last byte');
});

test('checks 31, 88: refuses headers that change the rules, name their own key, or repeat a member', () => {
	const base = { alg: 'ES256', kid: 'k' };
	for (const extra of [
		{ crit: ['exp'] },
		{ crit: [] },
		{ b64: false },
		{ b64: true },
		{ zip: 'DEF' },
		{ enc: 'A256GCM' },
		{ jwk: publicKey.export({ format: 'jwk' }) },
		{ jku: 'https://127.0.0.1/keys' },
		{ x5u: 'https://127.0.0.1/chain' },
		{ x5c: [] },
	]) {
		const forged = forge({ ...base, ...extra });
		assert.equal(refusalOf(forged), 'header member', JSON.stringify(extra));
	}
	assert.equal(refusalOf(forge('{"alg":"ES256","kid":"k","kid":"k"}')), 'header');
	assert.equal(refusalOf(forge('["ES256"]')), 'header');
	assert.equal(refusalOf(forge('ES256')), 'header');
});

test('checks 29, 30, 88: takes the algorithm from the key and never from the token', () => {
	for (const alg of [
		'none',
		'None',
		'HS256',
		'RS256',
		'PS256',
		'ES384',
		'ES512',
		'EdDSA',
		'es256',
		'ES256 ',
		'',
		null,
		1,
		['ES256'],
	]) {
		assert.equal(refusalOf(forge({ alg, kid: 'k' })), 'algorithm', String(alg));
	}
	assert.equal(refusalOf(forge({ kid: 'k' })), 'algorithm');
});

test('checks 32, 88: refuses a kid that is missing, unknown, no string, or the name of a property', () => {
	for (const kid of [undefined, '', 'K', 'k ', '__proto__', 'constructor', '../k', "' OR 1=1", 1, null, ['k']]) {
		assert.equal(refusalOf(forge({ alg: 'ES256', kid })), 'key', String(kid));
	}
});

test('check 33: refuses every signature with one bit flipped, and one that is DER', () => {
	const token = forge({ alg: 'ES256', kid: 'k' });
	const cut = token.lastIndexOf('.') + 1;
	const signature = Buffer.from(token.slice(cut), 'base64url');
	for (let bit = 0; bit < 512; bit += 7) {
		const flipped = Buffer.from(signature);
		flipped[bit >> 3] = (flipped[bit >> 3] ?? 0) ^ (1 << (bit & 7));
		assert.equal(refusalOf(token.slice(0, cut) + flipped.toString('base64url')), 'signature', `bit ${bit}`);
	}
	const der = sign('sha256', Buffer.from(token.slice(0, cut - 1)), privateKey);
	assert.equal(refusalOf(token.slice(0, cut) + der.toString('base64url')), 'signature');
	assert.equal(
		refusalOf(forge({ alg: 'ES256', kid: 'k' }, {}, generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey)),
		'signature',
	);
});

test('verifies one algorithm for each kind of key, and refuses weak and unknown kinds', () => {
	const kinds = [
		[generateKeyPairSync('ec', { namedCurve: 'P-384' }), 'ES384', 'sha384'],
		[generateKeyPairSync('ed25519'), 'EdDSA', null],
		[generateKeyPairSync('ec', { namedCurve: 'P-521' }), undefined, 'sha512'],
		[generateKeyPairSync('ec', { namedCurve: 'secp256k1' }), undefined, 'sha256'],
		[generateKeyPairSync('rsa', { modulusLength: 1024 }), undefined, 'sha256'],
		[generateKeyPairSync('ed448'), undefined, null],
	] as const;
	for (const [pair, algorithm, digest] of kinds) {
		assert.equal(algorithmOfKey(pair.publicKey), algorithm);
		assert.equal(algorithmOfKey(pair.privateKey), undefined, 'a private key verifies nothing here');
		const input = `${encode({ alg: algorithm ?? 'ES256', kid: 'k' })}.${encode({})}`;
		const signature = sign(digest, Buffer.from(input), { key: pair.privateKey, dsaEncoding: 'ieee-p1363' });
		const result = verifyJws(`${input}.${signature.toString('base64url')}`, new Map([['k', pair.publicKey]]));
		assert.equal(result.ok, algorithm !== undefined);
	}
});

test('reads no key set with a private, symmetric, repeated or misused key in it', async () => {
	const good = { ...(await exportJWK(publicKey)), kid: 'k', alg: 'ES256', use: 'sig' };
	const { use, ...withoutUse } = good;
	assert.equal(parseJwkSet({ keys: [good] })?.size, 1);
	assert.equal(parseJwkSet({ keys: [{ ...withoutUse, key_ops: ['verify'] }] })?.size, 1);
	assert.equal(use, 'sig');
	for (const [name, bad] of Object.entries({
		'private member': { ...good, ...(await exportJWK(privateKey)) },
		'symmetric key': { kty: 'oct', k: 'c2VjcmV0', kid: 'k', alg: 'HS256' },
		'no kid': { ...good, kid: undefined },
		'no alg': { ...good, alg: undefined },
		'alg of another curve': { ...good, alg: 'ES384' },
		'encryption key': { ...good, use: 'enc' },
		'signing operation': { ...good, key_ops: ['sign'] },
		'operations that are no list': { ...good, key_ops: 'verify' },
		'point off the curve': { ...good, x: good.y },
		'no key': null,
	})) {
		assert.equal(parseJwkSet({ keys: [bad] }), undefined, name);
	}
	const numbered = Array.from({ length: 65 }, (_, index) => ({ ...good, kid: `k${index}` }));
	assert.equal(parseJwkSet({ keys: numbered.slice(1) })?.size, 64);
	for (const bad of [null, [], {}, { keys: {} }, { keys: [good, good] }, { keys: numbered }]) {
		assert.equal(parseJwkSet(bad), undefined);
	}
});

test('throws on no text whatever', () => {
	const pieces = fc.array(fc.oneof(fc.string(), fc.constantFrom('.', '..', encode({ alg: 'ES256', kid: 'k' }), '{}')), {
		maxLength: 6,
	});
	fc.assert(
		fc.property(pieces, (parts) => {
			assert.equal(typeof decodeJws(parts.join('')).ok, 'boolean');
			assert.equal(verifyJws(parts.join('.'), keys).ok, false);
		}),
	);
});
