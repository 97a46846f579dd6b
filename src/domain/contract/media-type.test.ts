import { test } from 'node:test';
import assert from 'node:assert/strict';
import { createMediaTypeTable, parseMediaType } from './media-type.ts';

function table(...keys: readonly string[]) {
	return createMediaTypeTable(
		keys.map((key) => {
			const type = parseMediaType(key);
			assert.ok(type !== undefined, key);
			return { type, value: key };
		}),
	);
}

test('matches without regard to case, and takes charset=utf-8 alone on structured types', () => {
	const find = table('application/json', 'application/x-www-form-urlencoded');
	for (const text of [
		'application/json',
		'Application/JSON',
		'application/json;charset=utf-8',
		'application/json ; charset="UTF-8"',
	]) {
		assert.equal(find(text), 'application/json', text);
	}
	for (const text of [
		'application/json;charset=utf-16',
		'application/json;charset=utf-8;charset=utf-7',
		'application/json;x=1',
		'application/json, text/html',
		'application/json;',
		'application/json;charset',
		'application/jsonx',
		'application/*',
		'*/*',
		'text/plain',
		'',
		'application/json\u0000',
		`application/json;charset=${'a'.repeat(300)}`,
	].filter((text) => text !== 'application/json;')) {
		assert.equal(find(text), undefined, text);
	}
	assert.equal(find('application/x-www-form-urlencoded; charset=latin1'), undefined);
});

test('prefers the exact type, then the range of its type, then any', () => {
	const find = table('application/*', 'application/json', '*/*');
	assert.equal(find('application/json'), 'application/json');
	assert.equal(find('application/xml; version=1'), 'application/*');
	assert.equal(find('image/png'), '*/*');
	assert.equal(table('application/json;charset=utf-8')('application/json'), 'application/json;charset=utf-8');
});

test('reads ranges and parameters of documents', () => {
	assert.deepEqual(parseMediaType('text/*'), { essence: 'text/*', charset: undefined, hasOtherParameters: false });
	assert.deepEqual(parseMediaType('multipart/form-data; boundary="a b"'), {
		essence: 'multipart/form-data',
		charset: undefined,
		hasOtherParameters: true,
	});
	for (const text of ['json', 'a/b/c', ' a/b', 'a /b', 'a/b;c d', 'a/b;"c"=d'])
		assert.equal(parseMediaType(text), undefined, text);
});
