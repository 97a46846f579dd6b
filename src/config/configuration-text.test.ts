import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { stringify } from 'yaml';
import { unwrap } from '../kernel/result.ts';
import { parseConfigurationText } from './configuration-text.ts';

test('knows where keys and values stand, and falls back to what encloses something missing', () => {
	const text = unwrap(parseConfigurationText('a:\n  b: 1\n  "c d": [x,\n    { e: y }]\n  f:\n', 'file'));
	assert.deepEqual(text.value, { a: { b: 1, 'c d': ['x', { e: 'y' }], f: null } });
	for (const [path, of, line, column] of [
		[[], 'value', 1, 1],
		[['a'], 'key', 1, 1],
		[['a', 'b'], 'key', 2, 3],
		[['a', 'b'], 'value', 2, 6],
		[['a', 'c d', 0], 'value', 3, 11],
		[['a', 'c d', 1, 'e'], 'value', 4, 10],
		[['a', 'f'], 'value', 5, 3],
		[['a', 'f', 'g'], 'value', 5, 3],
		[['a', 'missing'], 'value', 1, 1],
	] as const) {
		assert.deepEqual(text.locate(path, of), { line, column }, JSON.stringify(path));
	}
});

test('gives back plain data that was written as YAML', () => {
	const key = fc
		.string({ minLength: 1, maxLength: 8 })
		.filter((name) => !['__proto__', 'constructor', 'prototype'].includes(name));
	const data = fc.letrec((tie) => ({
		value: fc.oneof(
			{ maxDepth: 4 },
			fc.string(),
			fc.integer(),
			fc.boolean(),
			fc.constant(null),
			tie('list'),
			tie('map'),
		),
		list: fc.array(tie('value'), { maxLength: 4 }),
		map: fc.dictionary(key, tie('value'), { maxKeys: 4, noNullPrototype: true }),
	})).map;
	fc.assert(
		fc.property(data, (value) => {
			const yaml = stringify(value, { aliasDuplicateObjects: false });
			assert.deepEqual(unwrap(parseConfigurationText(yaml, 'file')).value, value);
		}),
		{ numRuns: 200 },
	);
});

test('ends on any text with data or with problems that have a place', () => {
	const piece = fc.constantFrom(
		'a',
		': ',
		'- ',
		'\n',
		'  ',
		'[',
		']',
		'{',
		'}',
		'"',
		"'",
		'&a ',
		'*a',
		'!t ',
		'? ',
		'|',
		'>',
		'#',
		'%',
		'---\n',
		'\t',
		',',
		'\u0000',
		'\ud800',
		'<<',
	);
	fc.assert(
		fc.property(fc.array(piece, { maxLength: 40 }), (pieces) => {
			const parsed = parseConfigurationText(pieces.join(''), 'file');
			if (parsed.ok) return;
			assert.ok(parsed.fault.length > 0);
			for (const { line, column, message, remedy } of parsed.fault) {
				assert.ok(line >= 1 && column >= 1 && message !== '' && remedy !== '');
			}
		}),
		{ numRuns: 500 },
	);
});

test('refuses what is nested without an end, quickly', () => {
	for (const text of [
		'['.repeat(500_000),
		'{a: '.repeat(200_000),
		'- '.repeat(400_000),
		'? '.repeat(400_000),
		Array.from({ length: 1400 }, (_, depth) => `${' '.repeat(depth)}a:`).join('\n'),
	]) {
		const parsed = parseConfigurationText(text, 'file');
		assert.ok(!parsed.ok);
		assert.match(parsed.fault[0]?.message ?? '', /nested too deeply/);
	}
});
