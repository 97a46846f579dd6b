import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { parseJsonObject } from './strict-json.ts';

const parse = (text: string) => parseJsonObject(Buffer.from(text, 'utf8'));

test('reads every JSON object of little depth as JSON.parse does', () => {
	fc.assert(
		fc.property(fc.dictionary(fc.string(), fc.jsonValue({ maxDepth: 5 })), (value) => {
			const text = JSON.stringify(value);
			// A name that needs an escape is refused: Node may read it as another name.
			if (/\\.(?:[^"\\]|\\.)*"\s*:/.test(text)) return;
			assert.deepEqual(parse(text), JSON.parse(text));
		}),
	);
});

test('refuses a name with an escape, which Node may read as another name', () => {
	for (const text of ['{"a\\\\":1}', '{"a\\"":1}', '{"\\u0061":1}', '{"a":{"b\\n" :1}}']) {
		assert.equal(parse(text), undefined, text);
	}
	assert.deepEqual(parse('{"a":"x\\\\","b":1}'), JSON.parse('{"a":"x\\\\","b":1}'));
});

test('refuses a member that is repeated, at any depth and however it is spelled', () => {
	for (const text of [
		'{"a":1,"a":1}',
		'{"a":1,"\\u0061":2}',
		'{"a":{"b":1,"b":2}}',
		'{"a":[{"b":1},{"c":1,"c":2}]}',
		'{"__proto__":1,"__proto__":2}',
		'{"a:\\"":1,"a:\\"":2}',
	]) {
		assert.equal(parse(text), undefined, text);
	}
});

test('refuses whatever repeats a member of an otherwise good object', () => {
	const objects = fc.dictionary(fc.string(), fc.jsonValue({ maxDepth: 2 }), { minKeys: 1 });
	fc.assert(
		fc.property(objects, fc.nat(), (value, pick) => {
			const names = Object.keys(value);
			const repeated = JSON.stringify(names[pick % names.length]);
			assert.equal(parse(`${JSON.stringify(value).slice(0, -1)},${repeated}:0}`), undefined);
		}),
	);
});

test('counts no colon inside of a string as a member', () => {
	assert.deepEqual(parse('{"a:b":"c:\\":d","e":"\\\\"}'), { 'a:b': 'c:":d', e: '\\' });
});

test('refuses what is no object, no JSON, no UTF-8, or nested deeply', () => {
	for (const text of ['', '[]', 'null', '1', '"a"', '{', '{} x', '\uFEFF{}', `${'{"a":'.repeat(9)}1${'}'.repeat(9)}`]) {
		assert.equal(parse(text), undefined, text);
	}
	assert.equal(parse(`{"a":${'['.repeat(4000)}${']'.repeat(4000)}}`), undefined);
	assert.equal(parseJsonObject(Buffer.from('{"a":"\xff"}', 'latin1')), undefined);
	assert.equal(parseJsonObject(Buffer.from('7b2261223a22c080227d', 'hex')), undefined, 'overlong NUL');
});

test('keeps a member called __proto__ a member', () => {
	const parsed = parse('{"__proto__":{"admin":true}}');
	assert.ok(parsed !== undefined && Object.hasOwn(parsed, '__proto__'));
	assert.equal(parsed['admin'], undefined);
});
