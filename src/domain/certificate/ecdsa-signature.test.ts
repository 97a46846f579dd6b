import assert from 'node:assert/strict';
import { generateKeyPairSync, sign } from 'node:crypto';
import { test } from 'node:test';
import fc from 'fast-check';
import { ecdsaFromDer, ecdsaToDer } from './ecdsa-signature.ts';

const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });

test('turns every signature of OpenSSL into the other spelling and back', () => {
	for (let index = 0; index < 200; index++) {
		const der = sign('sha256', Buffer.of(index), privateKey);
		const raw = ecdsaFromDer(der, 32);
		assert.ok(raw !== undefined);
		assert.deepEqual(ecdsaToDer(raw, 32), der);
	}
});

test('turns any two numbers into DER and back, with leading zeros and ones', () => {
	const byte = fc.oneof(fc.constant(0), fc.constant(0xff), fc.integer({ min: 0, max: 255 }));
	fc.assert(
		fc.property(fc.array(byte, { minLength: 96, maxLength: 96 }), (bytes) => {
			const raw = Buffer.from(bytes);
			const der = ecdsaToDer(raw, 48);
			assert.ok(der !== undefined);
			assert.deepEqual(ecdsaFromDer(der, 48), raw);
		}),
	);
});

test('gives nothing for what is no signature, and throws on no bytes', () => {
	const der = sign('sha256', Buffer.from('x'), privateKey);
	assert.equal(ecdsaFromDer(Buffer.concat([der, Buffer.of(0)]), 32), undefined);
	assert.equal(ecdsaFromDer(der, 16), undefined);
	assert.equal(ecdsaFromDer(Buffer.from('3006020180020101', 'hex'), 32), undefined, 'a negative number');
	assert.equal(ecdsaToDer(Buffer.alloc(63), 32), undefined);
	fc.assert(
		fc.property(fc.uint8Array({ maxLength: 80 }), (bytes) => {
			const raw = ecdsaFromDer(bytes, 32);
			assert.ok(raw === undefined || raw.length === 64);
		}),
	);
});
