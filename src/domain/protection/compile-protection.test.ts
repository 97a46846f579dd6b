import { test } from 'node:test';
import assert from 'node:assert/strict';
import fc from 'fast-check';
import type { MaskRule } from '../api/api.ts';
import { unwrap } from '../../kernel/result.ts';
import { compileMasks } from './compile-protection.ts';
import { parseJsonPath, selectValues } from './json-path.ts';

function mask(value: unknown, ...rules: readonly MaskRule[]): unknown {
	const copy: unknown = structuredClone(value);
	unwrap(compileMasks(rules))?.(copy);
	return copy;
}

const account = () => ({
	id: 'a1',
	owner: { name: 'Jane', email: 'jane@bank.example' },
	cards: [{ pan: '4111111111111111' }, { pan: '5500000000000004', pin: 1234 }],
	sub: { owner: { name: 'Joe' } },
});

test('masks what a path names, in place', () => {
	const value = account();
	unwrap(
		compileMasks([
			{ path: '$.cards[*].pan', method: 'pan' },
			{ path: '$.owner.email', method: 'email' },
		]),
	)?.(value);
	assert.deepEqual(
		value.cards.map(({ pan }) => pan),
		['************1111', '************0004'],
	);
	assert.equal(value.owner.email, 'j***@bank.example');
	assert.equal(value.owner.name, 'Jane');
});

test('masks at every depth under a descendant step', () => {
	const masked = mask(account(), { path: '$..name', method: 'redact' }, { path: '$..pin', method: 'last4' });
	assert.equal(JSON.stringify(masked).includes('Jane'), false);
	assert.equal(JSON.stringify(masked).includes('Joe'), false);
	assert.equal(JSON.stringify(masked).includes('1234'), false);
	assert.deepEqual(mask({ x: { list: [{ a: 1 }] } }, { path: '$..list[0].a', method: 'remove' }), {
		x: { list: [{}] },
	});
});

test('hides objects and arrays wholly', () => {
	assert.deepEqual(mask({ a: { b: 'secret' }, c: ['secret'] }, { path: '$.*', method: 'last4' }), {
		a: '***',
		c: '***',
	});
});

test('removes members and items, each once', () => {
	assert.deepEqual(mask({ a: 1, b: 2 }, { path: '$.a', method: 'remove' }), { b: 2 });
	assert.deepEqual(mask({ a: [1, 2, 3] }, { path: '$.a[0]', method: 'remove' }), { a: [2, 3] });
	assert.deepEqual(mask({ a: [1, 2, 3] }, { path: '$.a[-1]', method: 'remove' }), { a: [1, 2] });
	assert.deepEqual(mask({ a: [1, 2, 3] }, { path: '$.a[*]', method: 'remove' }), { a: [] });
	assert.deepEqual(mask([[1, 2], [3]], { path: '$..[0]', method: 'remove' }), [[]]);
});

test('a path that selects nothing changes nothing', () => {
	for (const path of [
		'$.x',
		'$.id.x',
		'$.cards.pan',
		'$.owner[0]',
		'$.cards[9]',
		'$.cards[-3].pan',
		'$..nothing',
		'$.constructor',
	]) {
		assert.deepEqual(mask(account(), { path, method: 'redact' }), account(), path);
		assert.deepEqual(mask(account(), { path, method: 'remove' }), account(), path);
	}
});

test('masks a member that is called __proto__', () => {
	const value: unknown = JSON.parse('{"__proto__":"4111111111111111"}');
	unwrap(compileMasks([{ path: '$.__proto__', method: 'pan' }]))?.(value);
	assert.equal(JSON.stringify(value), '{"__proto__":"************1111"}');
});

test('applies rules in their order', () => {
	const rules: MaskRule[] = [
		{ path: '$.a', method: 'redact' },
		{ path: '$..a', method: 'last4' },
	];
	assert.deepEqual(mask({ a: '1234567890' }, ...rules), { a: '***' });
});

test('leaves nothing unmasked that the path selects', () => {
	const step = fc.constantFrom('.a', '.b', '.*', '[0]', '[-1]', '[*]', '..a', '..*', '..[0]');
	const leaf = fc.constantFrom('secret-1', 'secret-2', 5, null, true);
	const { value } = fc.letrec((tie) => ({
		value: fc.oneof(
			{ maxDepth: 4 },
			leaf,
			fc.array(tie('value'), { maxLength: 3 }),
			fc.dictionary(fc.constantFrom('a', 'b', 'c'), tie('value'), { maxKeys: 3 }),
		),
	}));
	fc.assert(
		fc.property(fc.array(step, { minLength: 1, maxLength: 3 }), value, (steps, document) => {
			const path = parseJsonPath(`$${steps.join('')}`);
			fc.pre(path.ok);
			const masked = mask(document, { path: path.value.text, method: 'redact' });
			for (const selected of selectValues(path.value, masked)) assert.ok(selected === '***' || selected === null);
		}),
		{ numRuns: 400 },
	);
});

test('refuses rules that it cannot compile, naming the path', () => {
	for (const path of ['$', '$[?@.a]', 'a', '$..a..b']) {
		const compiled = compileMasks([{ path, method: 'redact' }]);
		assert.equal(compiled.ok, false, path);
	}
	assert.equal(unwrap(compileMasks([])), undefined);
});

test('throws rather than leave a value half masked that is nested too deep', () => {
	let value: unknown = { a: 'secret' };
	for (let depth = 0; depth < 600; depth++) value = [value];
	assert.throws(() => unwrap(compileMasks([{ path: '$..a', method: 'redact' }]))?.(value), RangeError);
});
