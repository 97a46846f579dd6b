import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { crc32 } from '../../kernel/crc32.ts';
import { systemRandom } from '../../kernel/random.ts';
import { hashSecretText, isSecretText, makeSecretText, shownPrefix } from './secret-text.ts';

test('secrets differ, name what they are for, and pass their own check', () => {
	const made = Array.from({ length: 200 }, () => makeSecretText('api-key', 'production', systemRandom).reveal());
	assert.equal(new Set(made).size, 200);
	for (const text of made) {
		assert.match(text, /^spk_production_[0-9a-z]{56}_[0-9a-z]{6}$/);
		assert.ok(isSecretText('api-key', text));
		assert.ok(!isSecretText('client-secret', text));
	}
	const secret = makeSecretText('client-secret', 'sandbox', systemRandom);
	assert.match(secret.reveal(), /^sps_sandbox_/);
	assert.ok(isSecretText('client-secret', secret.reveal()));
	assert.equal(shownPrefix(secret), secret.reveal().slice(0, 'sps_sandbox_'.length + 8));
	assert.match(hashSecretText(secret.reveal()), /^[\w-]{43}$/);
});

test('a secret with one changed character is refused without a look-up', () => {
	const text = makeSecretText('api-key', 'sandbox', systemRandom).reveal();
	const start = 'spk_sandbox_'.length;
	const alphabet = Array.from('0123456789abcdefghjkmnpqrstvwxyz');
	fc.assert(
		fc.property(fc.integer({ min: start, max: text.length - 1 }), fc.constantFrom(...alphabet), (at, character) => {
			fc.pre(text[at] !== character && text[at] !== '_');
			assert.ok(!isSecretText('api-key', text.slice(0, at) + character + text.slice(at + 1)));
		}),
	);
	for (const junk of [
		'',
		'spk_',
		`${text} `,
		`${text}\n`,
		text.toUpperCase(),
		text.slice(0, -1),
		`x${text}`,
		`${text}x`,
	]) {
		assert.ok(!isSecretText('api-key', junk), junk);
	}
});

test('the checksum is the CRC-32 that everybody else computes', () => {
	assert.equal(crc32(Buffer.from('123456789')), 0xcbf43926);
	assert.equal(crc32(Buffer.alloc(0)), 0);
});
