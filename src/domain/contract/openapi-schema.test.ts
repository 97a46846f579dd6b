import { test } from 'node:test';
import assert from 'node:assert/strict';
import type { OpenApiDocument } from '../api/api.ts';
import type { Problems } from './document.ts';
import type { Direction } from './openapi-schema.ts';
import { schemaLibrary } from './schema-library.ts';

function fits(
	schema: unknown,
	value: unknown,
	openapi = '3.0.3',
	schemas: object = {},
	direction: Direction = 'response',
): boolean {
	const document: OpenApiDocument = { openapi, components: { schemas } };
	const problems: Problems = [];
	const validate = schemaLibrary(document, direction).compile(schema, '#', problems);
	assert.deepEqual(problems, []);
	return validate(value);
}

test('OpenAPI 3.0: nullable adds null, beside types, enums and compositions', () => {
	const nullable = { nullable: true };
	assert.equal(fits({ type: 'string', ...nullable }, null), true);
	assert.equal(fits({ type: 'string', enum: ['a'], ...nullable }, null), true);
	assert.equal(fits({ allOf: [{ type: 'object' }], ...nullable }, null), true);
	assert.equal(fits({ type: 'string', ...nullable }, 1), false);
	assert.equal(fits({ type: 'string', enum: ['a'], ...nullable }, 'b'), false);
	assert.equal(fits({ type: 'string' }, null), false);
	assert.equal(fits({ type: 'string', nullable: true }, null, '3.1.0'), false);
});

test('OpenAPI 3.0: exclusive bounds are flags; later they are numbers', () => {
	const flag = { type: 'number', minimum: 1, exclusiveMinimum: true, maximum: 3, exclusiveMaximum: false };
	assert.deepEqual(
		[1, 2, 3].map((value) => fits(flag, value)),
		[false, true, true],
	);
	assert.deepEqual(
		[1, 2].map((value) => fits({ exclusiveMinimum: 1 }, value, '3.1.0')),
		[false, true],
	);
});

test('siblings of $ref count in 3.1 and not in 3.0', () => {
	const schemas = { A: { type: 'string' } };
	const schema = { $ref: '#/components/schemas/A', minLength: 3 };
	assert.equal(fits(schema, 'ab', '3.0.3', schemas), true);
	assert.equal(fits(schema, 'ab', '3.1.0', schemas), false);
	assert.equal(fits(schema, 'abc', '3.2.0', schemas), true);
});

test('holds values to known formats and tolerates unknown ones', () => {
	const of = (format: string, type = 'string') => ({ type, format });
	assert.equal(fits(of('date-time'), '2026-11-01T12:00:00Z'), true);
	assert.equal(fits(of('date-time'), 'yesterday'), false);
	assert.equal(fits(of('int32', 'integer'), 2 ** 31), false);
	assert.equal(fits(of('int64', 'integer'), 2 ** 31), true);
	assert.equal(fits(of('byte'), '!'), false);
	for (const format of ['binary', 'password', 'iso-country-code', 'Array of patch operations', 'float']) {
		assert.equal(fits(of(format), 'anything'), true, format);
	}
});

test('tolerates unknown keywords, and property names that look like keywords', () => {
	const schema = {
		type: 'object',
		example: 1,
		xml: {},
		discriminator: { propertyName: 'x' },
		'x-own': 1,
		properties: { example: { type: 'string' }, nullable: { type: 'boolean' } },
	};
	assert.equal(fits(schema, { example: 'a', nullable: true }), true);
	assert.equal(fits(schema, { example: 1 }), false);
});

test('takes patterns with and without Unicode rules', () => {
	assert.equal(fits({ pattern: '^\\p{Lu}$' }, 'É'), true);
	assert.equal(fits({ pattern: '^[\\w\\-]+\\_$' }, 'a-b_'), true);
	assert.equal(fits({ pattern: '^[\\w\\-]+\\_$' }, 'a b'), false);
});

test('inherited members satisfy nothing', () => {
	assert.equal(fits({ type: 'object', required: ['constructor'] }, {}), false);
	assert.equal(fits({ type: 'object', required: ['toString', '__proto__'] }, {}), false);
	assert.equal(fits({ type: 'object', properties: { constructor: { type: 'string' } } }, {}), true);
});

test('readOnly members are refused in requests and not required, also across allOf', () => {
	const schemas = { Base: { type: 'object', properties: { id: { type: 'string', readOnly: true } } } };
	const schema = {
		allOf: [{ $ref: '#/components/schemas/Base' }, { required: ['id', 'name'], properties: { name: {} } }],
	};
	assert.equal(fits(schema, { name: 1 }, '3.0.3', schemas, 'request'), true);
	assert.equal(fits(schema, { name: 1, id: 'x' }, '3.0.3', schemas, 'request'), false);
	assert.equal(fits(schema, { id: 'x' }, '3.0.3', schemas, 'request'), false);
	assert.equal(fits(schema, { name: 1 }, '3.0.3', schemas, 'response'), false);
	assert.equal(fits(schema, { name: 1, id: 'x' }, '3.0.3', schemas, 'response'), true);
});

test('schemas may contain themselves', () => {
	const schemas = {
		Tree: {
			type: 'object',
			required: ['name'],
			properties: { name: { type: 'string' }, child: { $ref: '#/components/schemas/Tree' } },
		},
	};
	const schema = { $ref: '#/components/schemas/Tree' };
	assert.equal(fits(schema, { name: 'a', child: { name: 'b', child: { name: 'c' } } }, '3.0.3', schemas), true);
	assert.equal(fits(schema, { name: 'a', child: { name: 'b', child: { name: 1 } } }, '3.0.3', schemas), false);
});
