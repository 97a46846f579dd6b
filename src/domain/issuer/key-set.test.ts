import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { test } from 'node:test';
import { makeIssuerKey, publishedJwk } from '../../../test/fixture/external-issuer.ts';
import { unwrap } from '../../kernel/result.ts';
import { issuerKeyJudge, readKeySet } from './key-set.ts';

const ec = makeIssuerKey('ec');
const rsa = makeIssuerKey('rsa', 'RS256');
const ed = makeIssuerKey('ed', 'EdDSA');
const ALL = ['ES256', 'RS256', 'EdDSA'] as const;

function read(keys: readonly unknown[], algorithms: Parameters<typeof issuerKeyJudge>[0] = ALL) {
	return unwrap(readKeySet(Buffer.from(JSON.stringify({ keys })), issuerKeyJudge(algorithms)));
}
const bound = (...given: Parameters<typeof read>) =>
	read(...given).keys.map(({ kid, algorithm }) => `${kid} ${algorithm}`);

test('each key has one algorithm: the one that it names, or the one that is configured for its type', () => {
	assert.deepEqual(bound([publishedJwk(ec), publishedJwk(rsa), publishedJwk(ed)]), [
		'ec ES256',
		'rsa RS256',
		'ed EdDSA',
	]);
	assert.deepEqual(bound([publishedJwk(ed, { alg: 'Ed25519' })]), ['ed EdDSA'], 'by its newer name');
	const unnamed = [publishedJwk(ec, { alg: undefined }), publishedJwk(rsa, { alg: undefined })];
	assert.deepEqual(bound(unnamed), ['ec ES256', 'rsa RS256']);
	assert.deepEqual(bound(unnamed, ['ES256', 'PS256']), ['ec ES256', 'rsa PS256']);
	// Two would do: the token would be the one to choose.
	assert.deepEqual(bound(unnamed, ['RS256', 'PS256']), []);
	assert.deepEqual(bound([publishedJwk(rsa)], ['RS256', 'PS256']), ['rsa RS256']);
});

test('a key for what is not configured, or not its own, does not count', () => {
	assert.deepEqual(bound([publishedJwk(rsa)], ['ES256']), []);
	assert.deepEqual(bound([publishedJwk(rsa, { alg: 'PS256' })], ['RS256']), []);
	for (const alg of ['ES384', 'HS256', 'none', 'RS512', 7, null]) {
		assert.deepEqual(bound([publishedJwk(ec, { alg })]), [], String(alg));
	}
});

test('symmetric and private keys, keys for encryption, weak and broken ones are left out; the rest counts', () => {
	const small = generateKeyPairSync('rsa', { modulusLength: 1024 }).publicKey.export({ format: 'jwk' });
	const odd = generateKeyPairSync('rsa', { modulusLength: 2048, publicExponent: 3 }).publicKey.export({
		format: 'jwk',
	});
	const p521 = generateKeyPairSync('ec', { namedCurve: 'P-521' }).publicKey.export({ format: 'jwk' });
	const { keys, leftOut } = read([
		{ kty: 'oct', k: 'c2VjcmV0', kid: 'oct', alg: 'HS256' },
		publishedJwk(ec, { d: ec.privateKey.export({ format: 'jwk' }).d }),
		publishedJwk(rsa, { use: 'enc' }),
		publishedJwk(rsa, { key_ops: ['encrypt'] }),
		{ ...small, kid: 'small', use: 'sig' },
		{ ...odd, kid: 'odd', use: 'sig' },
		{ ...p521, kid: 'p521' },
		publishedJwk(ec, { kid: 'off', x: publishedJwk(ed)['x'] }),
		publishedJwk(ec, { kid: undefined }),
		publishedJwk(ec, { kid: '' }),
		publishedJwk(ec, { kid: 'with space' }),
		publishedJwk(ec, { kid: 7 }),
		'text',
		null,
		publishedJwk(ed, { x5c: ['MIIB'], x5t: 'abc', e: 7 }),
	]);
	assert.deepEqual(
		keys.map(({ kid }) => kid),
		['ed'],
	);
	assert.deepEqual(keys[0]?.jwk, { kty: 'OKP', crv: 'Ed25519', x: publishedJwk(ed)['x'] });
	assert.deepEqual(
		[...leftOut].sort(),
		[
			'algorithm',
			'key type',
			'members of the key',
			'no JSON object',
			'no kid',
			'not for verifying signatures',
			'private key',
			'weak key',
		].filter((reason) => leftOut.includes(reason)),
	);
	for (const reason of ['key type', 'private key', 'weak key', 'not for verifying signatures', 'no kid']) {
		assert.ok(leftOut.includes(reason), reason);
	}
});

test('two keys with one kid are none, and do not take others with them', () => {
	const { keys, leftOut } = read([publishedJwk(ec, { kid: 'a' }), publishedJwk(ed, { kid: 'a' }), publishedJwk(rsa)]);
	assert.deepEqual(
		keys.map(({ kid }) => kid),
		['rsa'],
	);
	assert.deepEqual(leftOut, ['two keys with one kid']);
	// One of them would not have counted anyway: then there is no doubt.
	assert.deepEqual(bound([publishedJwk(ec, { kid: 'a' }), publishedJwk(rsa, { kid: 'a', use: 'enc' })]), ['a ES256']);
});

test('what is no key set is a failure, and an empty one is none', () => {
	const judge = issuerKeyJudge(ALL);
	for (const text of [
		'',
		'[]',
		'{}',
		'{"keys":{}}',
		'{"keys":[],"keys":[]}',
		'<html>',
		JSON.stringify({ keys: Array.from({ length: 65 }, () => ({})) }),
		`{"keys":${'['.repeat(50)}${']'.repeat(50)}}`,
	]) {
		assert.equal(readKeySet(Buffer.from(text), judge).ok, false, text.slice(0, 40));
	}
	assert.deepEqual(unwrap(readKeySet(Buffer.from('{"keys":[]}'), judge)), { keys: [], leftOut: [] });
});
