import { test } from 'node:test';
import assert from 'node:assert/strict';
import { areGranted, compileGrants, isGranted } from './authorize-resource.ts';

const grants = compileGrants({ account: ['a1', 'a2'], statement: '*', order: [] });

test('grants exactly the ids that are listed', () => {
	assert.equal(isGranted(grants, { type: 'account', id: 'a1' }), true);
	for (const id of ['a3', 'A1', 'a1 ', '', '*', 'a1\u0000', '__proto__', 'constructor']) {
		assert.equal(isGranted(grants, { type: 'account', id }), false, id);
	}
});

test('grants every id of a type under *, but never an empty id', () => {
	assert.equal(isGranted(grants, { type: 'statement', id: 'whatever' }), true);
	assert.equal(isGranted(grants, { type: 'statement', id: '' }), false);
});

test('denies a type that is absent, empty, or a member of Object.prototype', () => {
	for (const type of ['payment', 'order', 'constructor', '__proto__', 'toString', 'Account']) {
		assert.equal(isGranted(grants, { type, id: 'a1' }), false, type);
	}
});

test('takes neither inherited members nor a bare string for grants', () => {
	const inherited = Object.create({ account: '*' }) as Record<string, '*'>;
	assert.equal(isGranted(compileGrants(inherited), { type: 'account', id: 'a1' }), false);
	const bare = compileGrants({ account: 'abc' as unknown as '*' });
	assert.equal(isGranted(bare, { type: 'account', id: 'a' }), false);
});

test('a grant named __proto__ in JSON covers only that type', () => {
	const parsed = compileGrants(JSON.parse('{"__proto__":["a1"]}'));
	assert.equal(isGranted(parsed, { type: '__proto__', id: 'a1' }), true);
	assert.equal(isGranted(parsed, { type: 'account', id: 'a1' }), false);
});

test('covers a request only when every resource that it touches is covered', () => {
	const a1 = { type: 'account', id: 'a1' };
	assert.equal(areGranted(grants, []), true);
	assert.equal(areGranted(grants, [a1, { type: 'account', id: 'a2' }]), true);
	assert.equal(areGranted(grants, [a1, { type: 'account', id: 'a3' }]), false);
});
