import assert from 'node:assert/strict';
import { generateKeyPairSync, type KeyObject } from 'node:crypto';
import { test } from 'node:test';
import type { SignatureAlgorithm } from '../../domain/certificate/signer.ts';
import { Secret } from '../../kernel/secret.ts';
import { openLocalSigner } from './local-signer.ts';
import { testSigner } from './signer-contract.ts';

const KEYS: Readonly<Record<SignatureAlgorithm, () => KeyObject>> = {
	'ecdsa-with-SHA256': () => generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey,
	'ecdsa-with-SHA384': () => generateKeyPairSync('ec', { namedCurve: 'P-384' }).privateKey,
	Ed25519: () => generateKeyPairSync('ed25519').privateKey,
	sha256WithRSAEncryption: () => generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey,
	'rsassa-pss-SHA256': () => generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey,
};

const toPem = (key: KeyObject): Secret => new Secret(key.export({ type: 'pkcs8', format: 'pem' }).toString());

testSigner({
	name: 'local signer',
	algorithms: Object.keys(KEYS) as SignatureAlgorithm[],
	open: async (algorithm) => openLocalSigner(toPem(KEYS[algorithm]()), { pss: algorithm === 'rsassa-pss-SHA256' }),
});

test('opens no key that nothing here verifies', () => {
	for (const key of [
		generateKeyPairSync('ec', { namedCurve: 'secp256k1' }).privateKey,
		generateKeyPairSync('rsa', { modulusLength: 1024 }).privateKey,
		generateKeyPairSync('x25519').privateKey,
	])
		assert.throws(() => openLocalSigner(toPem(key)), TypeError);
});

test('signs at once where the key is in memory, with the same result', () => {
	const signer = openLocalSigner(toPem(KEYS.Ed25519()));
	assert.ok(signer.signSync !== undefined);
	// Ed25519 is deterministic (RFC 8032 §5.1.6).
	assert.deepEqual(signer.signSync(Buffer.from('x')), signer.signSync(Buffer.from('x')));
});
