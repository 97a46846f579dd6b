import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { parseDisplayName } from './display-name.ts';

test('takes names of 1 to 200 characters in any script', () => {
	for (const name of ['A', 'Acme Payments GmbH & Co. KG', 'שלום', '名前', 'می‌خواهم', '🏦'.repeat(200)]) {
		const parsed = parseDisplayName(name);
		assert.ok(parsed.ok, name);
	}
});

test('gives the name in Unicode NFC, so that equal looks are equal bytes', () => {
	assert.deepEqual(parseDisplayName('Cafe\u0301'), { ok: true, value: 'Caf\u00e9' });
});

test('refuses what hides, reorders or breaks the text around it', () => {
	const unfit = [
		'',
		' ',
		' Acme',
		'Acme ',
		'a\nb',
		'a\u0000b',
		'a\u001b[31m',
		'a\u202eb',
		'a\u2066b',
		'a\u2028b',
		'a\ud800',
	];
	for (const name of [...unfit, 'x'.repeat(201), '🏦'.repeat(201), 'x'.repeat(100_000)]) {
		const parsed = parseDisplayName(name);
		assert.ok(!parsed.ok, JSON.stringify(name.slice(0, 20)));
		assert.equal(parsed.fault.code, 'input_invalid');
	}
});

test('never lets a control character through, whatever surrounds it', () => {
	const control = fc.integer({ min: 0, max: 0x1f }).map((code) => String.fromCharCode(code));
	fc.assert(
		fc.property(fc.string({ maxLength: 50 }), control, fc.string({ maxLength: 50 }), (before, unfit, after) => {
			assert.equal(parseDisplayName(`${before}${unfit}${after}`).ok, false);
		}),
	);
});
