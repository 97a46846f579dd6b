import assert from 'node:assert/strict';
import { inspect } from 'node:util';
import { test } from 'node:test';
import fc from 'fast-check';
import { canonicalJson, type JsonValue } from './canonical-json.ts';
import { Secret } from './secret.ts';

test('sorts members by their code units and writes numbers as ECMAScript does (RFC 8785 §3.2)', () => {
	assert.equal(
		canonicalJson({ b: 1, a: [true, null, 'x'], '\u20ac': 1e21, '\r': 0.1 }),
		'{"\\r":0.1,"a":[true,null,"x"],"b":1,"€":1e+21}',
	);
	assert.equal(canonicalJson({ a: undefined, b: -0 }), '{"b":0}');
});

test('is one text for one value, whatever the order of its members', () => {
	fc.assert(
		fc.property(fc.jsonValue(), (value) => {
			const text = canonicalJson(value as JsonValue);
			assert.deepEqual(JSON.parse(text), JSON.parse(JSON.stringify(value)));
			assert.equal(canonicalJson(reversed(value) as JsonValue), text);
		}),
	);
});

test('refuses numbers that JSON cannot carry', () => {
	for (const value of [Number.NaN, Number.POSITIVE_INFINITY])
		assert.throws(() => canonicalJson({ a: value }), TypeError);
});

test('a secret shows itself to nobody who does not ask for it', () => {
	const secret = new Secret('hunter2');
	assert.equal(secret.reveal(), 'hunter2');
	for (const text of [
		String(secret),
		JSON.stringify({ secret }),
		inspect(secret),
		inspect({ secret }, { depth: 9, showHidden: true }),
	]) {
		assert.equal(text.includes('hunter2'), false, text);
	}
});

function reversed(value: unknown): unknown {
	if (Array.isArray(value)) return value.map(reversed);
	if (typeof value !== 'object' || value === null) return value;
	const copy = Object.create(null) as Record<string, unknown>;
	for (const [name, member] of Object.entries(value).toReversed()) copy[name] = reversed(member);
	return copy;
}
