import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { systemRandom } from '../../kernel/random.ts';
import { Secret } from '../../kernel/secret.ts';
import { createEnvelope, EnvelopeError, type SealedPlace, sealedKeyVersion } from './envelope.ts';
import { parseKeyEncryptionKey } from './key-encryption-key.ts';

const PLACE: SealedPlace = { table: 'keys', row: 'server a', column: 'private_key', partner: 'prt_1' };

function keyOf(byte: number) {
	return parseKeyEncryptionKey(new Secret(Buffer.alloc(32, byte).toString('base64')), 'the test');
}

function envelopeOf(byte: number, ...older: number[]) {
	return createEnvelope({ current: keyOf(byte), older: older.map(keyOf), random: systemRandom });
}

function throwsReason(run: () => unknown, reason: EnvelopeError['reason']): void {
	assert.throws(run, (error) => error instanceof EnvelopeError && error.reason === reason);
}

test('what was sealed opens in its place, and never looks the same twice', () => {
	const envelope = envelopeOf(1);
	fc.assert(
		fc.property(fc.uint8Array({ maxLength: 300 }), (plain) => {
			const sealed = envelope.seal(plain, PLACE);
			assert.deepEqual(envelope.open(sealed, PLACE), Buffer.from(plain));
			assert.notDeepEqual(envelope.seal(plain, PLACE), sealed);
		}),
	);
});

test('a sealed value does not open in any other place', () => {
	const envelope = envelopeOf(1);
	const sealed = envelope.seal(Buffer.from('secret'), PLACE);
	for (const other of [
		{ table: 'k' },
		{ row: 'server b' },
		{ column: 'certificate' },
		{ partner: 'prt_2' },
		{ partner: '' },
	]) {
		throwsReason(() => envelope.open(sealed, { ...PLACE, ...other }), 'not-authentic');
		throwsReason(() => envelope.rewrap(sealed, { ...PLACE, ...other }), 'not-authentic');
	}
	assert.throws(() => envelope.seal(Buffer.from('x'), { ...PLACE, table: 'keys|server' }), RangeError);
});

test('a sealed value does not open once any byte of it was changed or cut off', () => {
	const envelope = envelopeOf(1);
	const sealed = envelope.seal(Buffer.from('secret'), PLACE);
	for (let index = 0; index < sealed.length; index++) {
		const changed = Uint8Array.from(sealed);
		changed[index] = (changed[index] ?? 0) ^ 1;
		assert.throws(() => envelope.open(changed, PLACE), EnvelopeError, `byte ${index}`);
		assert.throws(() => envelope.open(sealed.subarray(0, index), PLACE), EnvelopeError, `length ${index}`);
	}
});

test('a sealed value names its key, and does not open under another one', () => {
	const sealed = envelopeOf(1).seal(Buffer.from('secret'), PLACE);
	assert.equal(sealedKeyVersion(sealed), envelopeOf(1).keyVersion);
	assert.equal(envelopeOf(2).hasKey(sealedKeyVersion(sealed)), false);
	throwsReason(() => envelopeOf(2).open(sealed, PLACE), 'unknown-key');
});

test('rewrapping moves a value to the new key without encrypting it again', () => {
	const sealed = envelopeOf(1).seal(Buffer.from('secret'), PLACE);
	const rewrapped = envelopeOf(2, 1).rewrap(sealed, PLACE);
	assert.equal(sealedKeyVersion(rewrapped), envelopeOf(2).keyVersion);
	assert.equal(envelopeOf(2).open(rewrapped, PLACE).toString(), 'secret');
	throwsReason(() => envelopeOf(1).open(rewrapped, PLACE), 'unknown-key');
	assert.deepEqual(rewrapped.subarray(-34), sealed.subarray(-34), 'nonce, tag and ciphertext of six bytes');
});
