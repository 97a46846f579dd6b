import { test } from 'node:test';
import assert from 'node:assert/strict';
import fc from 'fast-check';
import type { OpenApiDocument } from '../api/api.ts';
import type { Problems } from './document.ts';
import { compileMinimizer } from './minimize.ts';
import { schemaLibrary } from './schema-library.ts';

/** Minimizes a copy of `value`, which must fit `schema`. */
function minimize(schema: unknown, value: unknown, schemas: object = {}, openapi = '3.1.0'): unknown {
	const document: OpenApiDocument = { openapi, components: { schemas } };
	const library = schemaLibrary(document, 'response');
	const problems: Problems = [];
	const validate = library.compile(schema, '#', problems);
	const minimizer = compileMinimizer(schema, '#', library, problems);
	assert.deepEqual(problems, []);
	const copy: unknown = structuredClone(value);
	assert.ok(validate(copy), JSON.stringify(validate.errors));
	return minimizer(copy);
}

const string = { type: 'string' };

test('removes members that the schema does not declare, at every depth', () => {
	const schema = {
		type: 'object',
		properties: { a: string, list: { type: 'array', items: { type: 'object', properties: { b: string } } } },
	};
	const value = { a: 'x', secret: 1, list: [{ b: 'y', secret: 2 }, { secret: 3 }] };
	assert.deepEqual(minimize(schema, value), { a: 'x', list: [{ b: 'y' }, {}] });
});

test('keeps undeclared members only where the schema opens the object', () => {
	const named = { type: 'object', properties: { a: string } };
	const value = { a: 'x', more: { b: 'y', c: 1 } };
	assert.deepEqual(minimize({ ...named, additionalProperties: true }, value), value);
	assert.deepEqual(minimize({ ...named, additionalProperties: {} }, value), value);
	assert.deepEqual(minimize({ ...named, additionalProperties: { type: 'object', properties: { b: string } } }, value), {
		a: 'x',
		more: { b: 'y' },
	});
	assert.deepEqual(minimize({ ...named, unevaluatedProperties: true }, value), value);
	assert.deepEqual(minimize({ type: 'object' }, value), {});
	assert.deepEqual(minimize({}, value), value);
	assert.deepEqual(minimize(true, value), value);
});

test('joins what allOf and references declare', () => {
	const schemas = {
		Base: { type: 'object', properties: { id: string, inner: { type: 'object', properties: { a: string } } } },
	};
	const schema = {
		allOf: [
			{ $ref: '#/components/schemas/Base' },
			{ properties: { name: string, inner: { type: 'object', properties: { b: string } } } },
		],
	};
	const value = { id: '1', name: 'x', secret: 1, inner: { a: '1', b: '2', secret: 3 } };
	assert.deepEqual(minimize(schema, value, schemas), { id: '1', name: 'x', inner: { a: '1', b: '2' } });
});

test('takes of oneOf and anyOf what the branches declare that the value fits', () => {
	const card = { type: 'object', required: ['kind'], properties: { kind: { const: 'card' }, pan: string } };
	const bank = { type: 'object', required: ['kind'], properties: { kind: { const: 'bank' }, iban: string } };
	const both = { kind: 'card', pan: '4', iban: 'D', more: 1 };
	assert.deepEqual(minimize({ oneOf: [card, bank] }, both), { kind: 'card', pan: '4' });
	assert.deepEqual(minimize({ oneOf: [card, bank] }, { ...both, kind: 'bank' }), { kind: 'bank', iban: 'D' });
	assert.deepEqual(minimize({ properties: { id: string }, anyOf: [card, bank] }, { ...both, id: '1' }), {
		id: '1',
		kind: 'card',
		pan: '4',
	});
	const a = { properties: { a: string } };
	const b = { required: ['b'], properties: { b: string } };
	assert.deepEqual(minimize({ anyOf: [a, b] }, { a: '1', b: '2', c: 3 }), { a: '1', b: '2' });
	assert.deepEqual(minimize({ anyOf: [a, b] }, { a: '1', c: 3 }), { a: '1' });
});

test('resolves alternatives inside alternatives', () => {
	const leaf = (name: string) => ({ type: 'object', required: [name], properties: { [name]: string } });
	const schema = { anyOf: [{ oneOf: [leaf('a'), leaf('b')], properties: { x: string } }, leaf('c')] };
	assert.deepEqual(minimize(schema, { b: '1', x: '2', c: '3', d: '4' }), { b: '1', x: '2', c: '3' });
	assert.deepEqual(minimize(schema, { b: '1', x: '2', d: '4' }), { b: '1', x: '2' });
	assert.deepEqual(minimize(schema, { c: '1', x: '2', d: '4' }), { c: '1' });
});

test('takes of if what the chosen side declares', () => {
	const schema = {
		type: 'object',
		if: { properties: { kind: { const: 'a' } }, required: ['kind'] },
		// oxlint-disable-next-line unicorn/no-thenable -- a keyword of JSON Schema; nobody awaits it
		then: { properties: { a: string } },
		else: { properties: { b: string, kind: string } },
	};
	assert.deepEqual(minimize(schema, { kind: 'a', a: '1', b: '2' }), { kind: 'a', a: '1' });
	assert.deepEqual(minimize(schema, { kind: 'z', a: '1', b: '2' }), { kind: 'z', b: '2' });
});

test('follows schemas that contain themselves', () => {
	const schemas = {
		Node: {
			type: 'object',
			properties: { name: string, children: { type: 'array', items: { $ref: '#/components/schemas/Node' } } },
		},
		Loop: { anyOf: [{ $ref: '#/components/schemas/Loop2' }, { type: 'object', properties: { b: string } }] },
		Loop2: { properties: { a: string, next: { $ref: '#/components/schemas/Loop' } } },
	};
	const leaf = { name: 'leaf', secret: 1 };
	const value = { name: 'root', secret: 1, children: [{ name: 'child', secret: 2, children: [leaf] }] };
	assert.deepEqual(minimize({ $ref: '#/components/schemas/Node' }, value, schemas), {
		name: 'root',
		children: [{ name: 'child', children: [{ name: 'leaf' }] }],
	});
	assert.deepEqual(
		minimize({ $ref: '#/components/schemas/Loop' }, { a: '1', b: '2', next: { a: '3', z: 1 }, z: 1 }, schemas),
		{
			a: '1',
			b: '2',
			next: { a: '3' },
		},
	);
});

test('matches patternProperties, and prefixItems by position', () => {
	const schema = {
		type: 'object',
		patternProperties: { '^x-': { type: 'object', properties: { a: string } } },
		properties: {
			list: {
				type: 'array',
				prefixItems: [{ type: 'object', properties: { a: string } }, {}],
				items: { type: 'object' },
			},
		},
	};
	const item = { a: '1', b: 2 };
	assert.deepEqual(minimize(schema, { 'x-1': item, y: item, list: [item, item, item] }), {
		'x-1': { a: '1' },
		list: [{ a: '1' }, item, {}],
	});
});

test('removes writeOnly members, also from closed objects and behind references', () => {
	const schemas = { Pin: { type: 'string', writeOnly: true } };
	const schema = {
		type: 'object',
		additionalProperties: false,
		required: ['id', 'pin'],
		properties: { id: string, pin: { $ref: '#/components/schemas/Pin' }, code: { type: 'string', writeOnly: true } },
	};
	assert.deepEqual(minimize(schema, { id: '1', pin: '1234', code: 'x' }, schemas), { id: '1' });
	assert.deepEqual(minimize(schema, { id: '1' }, schemas), { id: '1' });
});

test('never passes a member called __proto__', () => {
	const value: unknown = JSON.parse('{"a":"1","__proto__":{"b":1}}');
	const schema = { type: 'object', properties: { a: string }, additionalProperties: true };
	const document: OpenApiDocument = { openapi: '3.1.0' };
	const minimizer = compileMinimizer(schema, '#', schemaLibrary(document, 'response'), []);
	assert.equal(JSON.stringify(minimizer(value)), '{"a":"1"}');
});

test('walks closed objects only where something inside can be cut', () => {
	const closed = {
		type: 'object',
		additionalProperties: false,
		properties: { a: string, inner: { type: 'object', properties: { b: string } } },
	};
	assert.deepEqual(minimize(closed, { a: '1', inner: { b: '2', c: 3 } }), { a: '1', inner: { b: '2' } });
});

test('gives a value in which every member was declared, and keeps every declared one', () => {
	const names = ['a', 'b', 'c', 'd'];
	const object = fc.dictionary(fc.constantFrom(...names), fc.constant('x'));
	const subset = fc.subarray(names);
	fc.assert(
		fc.property(object, subset, subset, (value, left, right) => {
			const part = (part: readonly string[]) => ({
				type: 'object',
				properties: Object.fromEntries(part.map((name) => [name, string])),
			});
			const expected = Object.fromEntries(
				Object.entries(value).filter(([name]) => left.includes(name) || right.includes(name)),
			);
			assert.deepEqual({ ...(minimize({ allOf: [part(left), part(right)] }, value) as object) }, expected);
			assert.deepEqual({ ...(minimize({ anyOf: [part(left), part(right)] }, value) as object) }, expected);
		}),
		{ numRuns: 60 },
	);
});
