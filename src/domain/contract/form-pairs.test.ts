import { test } from 'node:test';
import assert from 'node:assert/strict';
import fc from 'fast-check';
import { decodeFormText, splitPairs } from './form-pairs.ts';

test('reads what URLSearchParams writes, value for value', () => {
	const text = fc.string({ unit: 'grapheme', maxLength: 12 }).filter((value) => !value.includes('\0'));
	const name = text.filter((value) => value !== '');
	fc.assert(
		fc.property(fc.array(fc.tuple(name, text), { minLength: 1, maxLength: 10 }), (pairs) => {
			const split = splitPairs(new URLSearchParams(pairs).toString());
			assert.deepEqual(
				split?.names,
				pairs.map(([key]) => key),
			);
			assert.deepEqual(
				split?.rawValues.map(decodeFormText),
				pairs.map(([, value]) => value),
			);
		}),
	);
});

test('refuses empty pairs, empty names, raw semicolons and broken escapes', () => {
	for (const text of [
		'&',
		'a=1&',
		'&a=1',
		'a=1&&b=2',
		'=1',
		'a=1;b=2',
		'%=1',
		'%zz=1',
		'%ff=1',
		'%C0%AF=1',
		'a%00=1',
	]) {
		assert.equal(splitPairs(text), undefined, text);
	}
	for (const raw of ['%', '%4', '%ff', '%ed%a0%80', '%00', 'a%00b']) assert.equal(decodeFormText(raw), undefined, raw);
});

test('takes at most 256 pairs', () => {
	assert.equal(splitPairs(Array.from({ length: 256 }, () => 'a=1').join('&'))?.names.length, 256);
	assert.equal(splitPairs(Array.from({ length: 257 }, () => 'a=1').join('&')), undefined);
	assert.deepEqual(splitPairs(''), { names: [], rawValues: [] });
	assert.deepEqual(splitPairs('a&b=&c==1'), { names: ['a', 'b', 'c'], rawValues: ['', '', '=1'] });
});
