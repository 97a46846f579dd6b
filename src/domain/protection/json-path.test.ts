import { test } from 'node:test';
import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import fc from 'fast-check';
import { query } from 'json-p3';
import type { JSONValue } from 'json-p3';
import { unwrap } from '../../kernel/result.ts';
import { parseJsonPath, selectValues } from './json-path.ts';

const VECTORS = new URL('../../../../shared/vectors/jsonpath-cts.json', import.meta.url);

interface Case {
	readonly name: string;
	readonly selector: string;
	readonly document?: JSONValue;
	readonly result?: readonly unknown[];
	readonly results?: readonly (readonly unknown[])[];
	readonly invalid_selector?: boolean;
}

/** A valid selector that the grammar leaves out: filters, slices, and several selectors in one bracket. */
function isOutsideSubset(selector: string): boolean {
	const unquoted = selector.replaceAll(/"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'/gsu, '');
	return /[?:,]/.test(unquoted);
}

test('agrees with the compliance test suite of RFC 9535 on every selector', (context) => {
	if (!existsSync(VECTORS)) {
		context.skip(`the compliance test suite is not at ${VECTORS.pathname}: NOT TESTED`);
		return;
	}
	const { tests } = JSON.parse(readFileSync(VECTORS, 'utf8')) as { readonly tests: readonly Case[] };
	const counts = { invalid: 0, refused: 0, accepted: 0 };
	for (const vector of tests) {
		const path = parseJsonPath(vector.selector);
		if (vector.invalid_selector === true) {
			assert.equal(path.ok, false, `${vector.name}: accepts the invalid ${vector.selector}`);
			counts.invalid++;
		} else if (isOutsideSubset(vector.selector)) {
			assert.equal(path.ok, false, `${vector.name}: accepts ${vector.selector}, which it cannot evaluate`);
			counts.refused++;
		} else {
			assert.equal(path.ok, true, `${vector.name}: refuses ${vector.selector}`);
			const selected = selectValues(unwrap(path), vector.document);
			const accepted = vector.results ?? [vector.result];
			assert.ok(
				accepted.some((result) => JSON.stringify(result) === JSON.stringify(selected)),
				`${vector.name}: ${vector.selector} gives ${JSON.stringify(selected)}`,
			);
			counts.accepted++;
		}
	}
	assert.equal(counts.invalid + counts.refused + counts.accepted, tests.length);
	assert.ok(counts.invalid > 200 && counts.refused > 200 && counts.accepted > 90, JSON.stringify(counts));
});

test('selects what json-p3 selects', () => {
	const name = fc.constantFrom('a', 'b', 'c', 'é', "it's");
	const step = fc.oneof(
		name.map((text) => `['${text.replaceAll("'", String.raw`\'`)}']`),
		fc.constantFrom('.a', '.b', '.c', '.é', '.*', '[*]', '[0]', '[1]', '[-1]', '[-2]', '["a"]', ' [ 0 ]'),
	);
	const below = fc.constantFrom('', '..a', '..*', '..[0]', '..[-1]', "..['b']", '..[*]');
	const path = fc.tuple(fc.array(step, { maxLength: 3 }), below, fc.array(step, { maxLength: 3 }));
	const { value } = fc.letrec<{ value: JSONValue }>((tie) => ({
		value: fc.oneof(
			{ maxDepth: 4, withCrossShrink: true },
			fc.constantFrom<JSONValue>(null, true, 1, 'text'),
			fc.array(tie('value'), { maxLength: 3 }),
			fc.dictionary(name, tie('value'), { maxKeys: 4 }),
		),
	}));
	const inOrder = (values: readonly unknown[]) => values.map((one) => JSON.stringify(one)).sort();
	fc.assert(
		fc.property(path, value, ([before, middle, after], document) => {
			const text = `$${before.join('')}${middle}${after.join('')}`;
			const selected = selectValues(unwrap(parseJsonPath(text)), document);
			assert.deepEqual(inOrder(selected), inOrder(query(text, document).values()));
		}),
		{ numRuns: 400 },
	);
});

test('says what is supported when a path is not', () => {
	for (const text of [
		'$[?@.a]',
		'$[1:2]',
		'$[0,1]',
		'$.a[?length(@)>1]',
		'a',
		'',
		'$.',
		'$..',
		'$[',
		"$['a",
		'$.a.',
		'$a',
	]) {
		const path = parseJsonPath(text);
		assert.equal(path.ok, false, text);
		assert.ok(path.fault.length > 10);
	}
	assert.match(JSON.stringify(parseJsonPath('$[?@.a]')), /filters, slices/);
});

test('refuses paths that would cost more than one walk, and paths without bound', () => {
	assert.equal(parseJsonPath('$..a..b').ok, false);
	assert.equal(parseJsonPath(`$${'.a'.repeat(33)}`).ok, false);
	assert.equal(parseJsonPath(`$.${'a'.repeat(1100)}`).ok, false);
	assert.equal(parseJsonPath('$.\ud800').ok, false);
});

test('selects own members only', () => {
	for (const name of ['constructor', '__proto__', 'toString', 'length']) {
		assert.deepEqual(selectValues(unwrap(parseJsonPath(`$['${name}']`)), {}), [], name);
		assert.deepEqual(selectValues(unwrap(parseJsonPath(`$['${name}']`)), []), [], name);
	}
	assert.deepEqual(selectValues(unwrap(parseJsonPath('$.__proto__')), JSON.parse('{"__proto__":1}')), [1]);
});

test('walks values of any depth', () => {
	let value: unknown = { a: 1 };
	for (let depth = 0; depth < 50_000; depth++) value = [value];
	assert.deepEqual(selectValues(unwrap(parseJsonPath('$..a')), value), [1]);
});
