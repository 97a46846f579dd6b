import { test } from 'node:test';
import assert from 'node:assert/strict';
import fc from 'fast-check';
import { maskValue, type MaskMethod } from './mask.ts';

const METHODS: readonly MaskMethod[] = ['redact', 'last4', 'pan', 'iban', 'email'];

test('keeps of each kind of value what is needed to recognise it', () => {
	const cases: readonly (readonly [MaskMethod, string, string])[] = [
		['redact', 'anything', '***'],
		['last4', '12345678', '****5678'],
		['pan', '4111111111111111', '************1111'],
		['pan', '4111 1111 1111 1234', '************1234'],
		['pan', '3782-822463-10005', '************0005'],
		['iban', 'DE89370400440532013000', 'DE****3000'],
		['iban', 'gb82 west 1234 5698 7654 32', 'GB****5432'],
		['email', 'jane.doe@bank.example', 'j***@bank.example'],
		['email', 'j@bank.example', '***@bank.example'],
	];
	for (const [method, value, masked] of cases) assert.equal(maskValue(method, value), masked, `${method} ${value}`);
});

test('hides wholly what does not look as its mask expects', () => {
	const cases: readonly (readonly [MaskMethod, string])[] = [
		['last4', '1234567'],
		['last4', ''],
		['last4', 'ünïcödë-ünïcödë'],
		['pan', '41111111111'],
		['pan', '4111111111111111x'],
		['pan', '41111111111111111111'],
		['iban', '12345678901234'],
		['iban', 'DE89'],
		['email', 'jane@doe@bank.example'],
		['email', '"jane@home"@bank.example'],
		['email', 'jane'],
		['email', '@bank.example'],
		['email', 'jane@bank.example (Jane Doe)'],
	];
	for (const [method, value] of cases) assert.equal(maskValue(method, value), '***', `${method} ${value}`);
});

test('hides every value that is not a string wholly, and leaves null', () => {
	for (const method of METHODS) {
		for (const value of [4111111111111111, true, { pan: '4111111111111111' }, ['4111111111111111']]) {
			assert.equal(maskValue(method, value), '***');
		}
		assert.equal(maskValue(method, null), null);
	}
	assert.equal(maskValue('rot13' as 'redact', 'secret'), '***');
});

test('never lets more than four characters in a row of a number through', () => {
	fc.assert(
		fc.property(
			fc.constantFrom<MaskMethod>('last4', 'pan', 'iban'),
			fc.stringMatching(/^[0-9]{1,34}$/),
			(method, digits) => {
				const masked = String(maskValue(method, digits));
				for (let start = 0; start + 5 <= digits.length; start++) {
					assert.ok(!masked.includes(digits.slice(start, start + 5)));
				}
			},
		),
	);
});

test('does not show how long the hidden part is', () => {
	assert.equal(maskValue('pan', '411111111111'), maskValue('pan', '4111111111111111111'));
	assert.equal(maskValue('last4', '00005678'), maskValue('last4', '000000000000005678'));
});
