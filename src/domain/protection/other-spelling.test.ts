import assert from 'node:assert/strict';
import { test } from 'node:test';
import { unwrap } from '../../kernel/result.ts';
import { parseJsonPath } from './json-path.ts';
import { compileOtherSpelling } from './other-spelling.ts';

const has = (path: string, value: unknown): boolean => compileOtherSpelling(unwrap(parseJsonPath(path)))(value);

test('sees a member of the path in another case, at every step of it', () => {
	assert.equal(has('$.debtor.id', { debtor: { id: 'a', Id: 'b' } }), true);
	assert.equal(has('$.debtor.id', { debtor: { id: 'a' }, Debtor: { id: 'b' } }), true);
	assert.equal(has('$.orders[*].id', { orders: [{ id: 'a' }, { id: 'a', ID: 'b' }] }), true);
	assert.equal(has('$..id', { deep: [{ er: { iD: 'b' } }] }), true);
	assert.equal(has('$.debtor.id', { debtor: { id: 'a', ID: 'b' } }), true);
});

test('folds what case-blind libraries fold', () => {
	assert.equal(has('$.skey', { skey: 'a', '\u017fkey': 'b' }), true);
	assert.equal(has('$.skey', { skey: 'a', 's\u212aey': 'b' }), true);
});

test('passes the exact spelling, and other spellings off the path', () => {
	assert.equal(has('$.debtor.id', { debtor: { id: 'a', identity: 'b' }, creditor: { ID: 'c' } }), false);
	assert.equal(has('$.debtor.id', { debtor: 'text' }), false);
	assert.equal(has('$[*].id', [{ id: 'a' }, null, 1]), false);
	assert.equal(has('$', { anything: 1 }), false);
});
