import assert from 'node:assert/strict';
import { symlinkSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, test } from 'node:test';
import { bundleOas, createEmptyRedoclyConfig } from '@redocly/openapi-core/lib/bundle-oas';
import { type ConfigurationFolder, createConfigurationFolder } from '../../test/fixture/configuration-folder.ts';
import type { OpenApiDocument } from '../domain/api/api.ts';
import { unwrap } from '../kernel/result.ts';
import { loadApiDocument } from './api-document.ts';
import { generateOperationId } from './document-operations.ts';

const HEAD = 'openapi: 3.1.0\ninfo: { title: T, version: 1 }\n';

/** Loads a document and projects it onto all of its operations. */
async function loadWhole(folder: ConfigurationFolder, file: string): Promise<OpenApiDocument> {
	const document = unwrap(await loadApiDocument(file, folder.path));
	return unwrap(await document.project(document.operations));
}

/** Gives the messages of a document that must not load. */
async function complaintsOf(folder: ConfigurationFolder, text: string, name = 'bad.yaml'): Promise<string> {
	const document = await loadApiDocument(folder.write(name, text), folder.path);
	if (!document.ok) return document.fault.map(({ message }) => message).join('\n');
	const projected = await document.value.project(document.value.operations);
	assert.ok(!projected.ok, 'the document loads');
	assert.ok(projected.fault.every(({ remedy }) => remedy !== ''));
	return projected.fault.map(({ message }) => message).join('\n');
}

/** A document with one operation that answers with `schema` (YAML in flow style). */
function withSchema(schema: string, more = ''): string {
	return `${HEAD}paths:
  /a:
    get:
      operationId: a
      responses: { '200': { description: ok, content: { application/json: { schema: ${schema} } } } }
${more}`;
}

/** Writes out every reference, so that documents can be compared whatever their components are called. */
function writeOut(document: unknown, value: unknown = document, depth = 0): unknown {
	assert.ok(depth < 100, 'the document for this comparison has no circles');
	if (Array.isArray(value)) return value.map((item) => writeOut(document, item, depth + 1));
	if (typeof value !== 'object' || value === null) return value;
	const members = value as Record<string, unknown>;
	if (typeof members['$ref'] === 'string') {
		let target: unknown = document;
		for (const step of members['$ref'].slice(2).split('/')) {
			target = (target as Record<string, unknown>)[step.replaceAll('~1', '/').replaceAll('~0', '~')];
		}
		return writeOut(document, target, depth + 1);
	}
	return Object.fromEntries(
		Object.entries(members).map(([name, member]) => [name, writeOut(document, member, depth + 1)]),
	);
}

describe('a projected document', () => {
	test('keeps members that are named like annotations, and drops the annotations', async (context) => {
		const folder = createConfigurationFolder((cleanUp) => context.after(cleanUp));
		const document = await loadWhole(folder, join(folder.path, 'bank.yaml'));
		assert.deepEqual(document['components'], {
			schemas: {
				Account: { type: 'object', properties: { description: { type: 'string' }, iban: { type: 'string' } } },
			},
		});
	});

	test('holds only the chosen operations and what they refer to', async (context) => {
		const folder = createConfigurationFolder((cleanUp) => context.after(cleanUp));
		const loaded = unwrap(await loadApiDocument(join(folder.path, 'bank.yaml'), folder.path));
		const payments = loaded.operations.filter(({ id }) => id === 'createPayment');
		const document = unwrap(await loaded.project(payments));
		assert.deepEqual(Object.keys(document['paths'] as object), ['/payments']);
		assert.deepEqual(document['components'], {});
	});

	test('keeps circles of schemas as references', async (context) => {
		const folder = createConfigurationFolder((cleanUp) => context.after(cleanUp));
		const text = withSchema(
			"{ $ref: '#/components/schemas/Node' }",
			"components: { schemas: { Node: { type: object, properties: { next: { $ref: '#/components/schemas/Node' } } } } }",
		);
		const document = await loadWhole(folder, folder.write('circle.yaml', text));
		assert.deepEqual(document['components'], {
			schemas: { Node: { type: 'object', properties: { next: { $ref: '#/components/schemas/Node' } } } },
		});
	});

	test('ignores what stands beside a reference in OpenAPI 3.0 and applies it in 3.1', async (context) => {
		const folder = createConfigurationFolder((cleanUp) => context.after(cleanUp));
		const text = withSchema(
			"{ $ref: '#/components/schemas/N', maximum: 5 }",
			'components: { schemas: { N: { type: integer } } }',
		);
		const schemaIn = async (version: string): Promise<string> => {
			const file = folder.write(`${version}.yaml`, text.replace('3.1.0', version));
			return JSON.stringify((await loadWhole(folder, file))['paths']);
		};
		assert.match(await schemaIn('3.1.0'), /"maximum":5/);
		assert.match(await schemaIn('3.2.0'), /"maximum":5/);
		assert.doesNotMatch(await schemaIn('3.0.3'), /"maximum"/);
	});

	test('means the same as the bundle of another program, with references across files', async (context) => {
		const folder = createConfigurationFolder((cleanUp) => context.after(cleanUp));
		const root = folder.write(
			'api/root.yaml',
			`openapi: 3.0.3
info: { title: T, version: '1' }
paths:
  /a/{id}: { $ref: 'items/a.yaml' }
  /b:
    get:
      operationId: b
      parameters: [{ $ref: '../common.yaml#/parameters/Page' }]
      responses:
        '200': { $ref: '#/components/responses/Ok' }
        '400': { $ref: '../common.yaml#/responses/400' }
components:
  responses:
    Ok: { description: ok, content: { application/json: { schema: { $ref: '../common.yaml#/schemas/Money' } } } }
  schemas:
    Money: { type: string }
`,
		);
		folder.write(
			'api/items/a.yaml',
			`parameters: [{ name: id, in: path, required: true, schema: { $ref: '../../common.yaml#/schemas/Id' } }]
get:
  operationId: a
  responses: { '200': { description: ok, content: { application/json: { schema: { $ref: './schema.json' } } } } }
`,
		);
		folder.write(
			'api/items/schema.json',
			'{"type":"object","properties":{"id":{"$ref":"../../common.yaml#/schemas/Id"}}}',
		);
		folder.write(
			'common.yaml',
			`parameters: { Page: { name: page, in: query, schema: { $ref: '#/schemas/Id' } } }
responses: { '400': { description: bad, headers: { X-Id: { schema: { $ref: '#/schemas/Id' } } } } }
schemas:
  Id: { type: string, minLength: 1 }
  Money: { type: object, required: [amount], properties: { amount: { $ref: '#/schemas/Id' } } }
`,
		);
		const ours = await loadWhole(folder, root);
		assert.ok(
			[...JSON.stringify(ours).matchAll(/"\$ref":"([^"]*)"/g)].every(([, ref]) => ref?.startsWith('#/components/')),
		);
		const { bundle } = await bundleOas({ ref: root, config: createEmptyRedoclyConfig() });
		const theirs = writeOut(bundle.parsed, (bundle.parsed as Record<string, unknown>)['paths']);
		const withoutText = JSON.parse(JSON.stringify(theirs), (key, value: unknown) =>
			key === 'description' ? undefined : value,
		);
		assert.deepEqual(writeOut(ours, ours['paths']), withoutText);
		// Two different schemas of one name, one of the document and one of another file, stay two.
		assert.equal(Object.keys((ours['components'] as { schemas: object }).schemas).length, 3);
	});

	test('rewrites the mapping of a discriminator', async (context) => {
		const folder = createConfigurationFolder((cleanUp) => context.after(cleanUp));
		const text = withSchema(
			"{ oneOf: [{ $ref: 'other.yaml#/Dog' }, { $ref: '#/components/schemas/Cat' }], discriminator: { propertyName: kind, mapping: { dog: 'other.yaml#/Dog', cat: Cat } } }",
			'components: { schemas: { Cat: { type: object } } }',
		);
		folder.write('other.yaml', 'Dog: { type: object }\n');
		const document = JSON.stringify(await loadWhole(folder, folder.write('pets.yaml', text)));
		assert.match(document, /"mapping":\{"dog":"#\/components\/schemas\/Dog","cat":"#\/components\/schemas\/Cat"\}/);
	});
});

describe('a document is refused', () => {
	for (const [name, text, message] of [
		['as Swagger 2.0', 'swagger: "2.0"\npaths: {}\n', /is Swagger 2\.0$/],
		['in an unknown version', 'openapi: 4.0.0\npaths: {}\n', /^OpenAPI 4\.0\.0 is not supported$/],
		['when it is something else', 'kind: Deployment\n', /is no OpenAPI document$/],
		['when it is empty', '', /is no OpenAPI document$/],
		['without paths', HEAD, /has no paths/],
		['with broken YAML', `${HEAD}paths: [\n`, /^bad\.yaml:4:1: /],
		['with broken JSON', '{"openapi": "3.1.0", "paths": {', /^bad\.yaml:1:\d+: /],
		['with repeated keys', `${HEAD}paths:\n  /a: {}\n  /a: {}\n`, /^bad\.yaml:5:3: map keys must be unique$/],
		[
			'when aliases multiply',
			`${HEAD}paths: {}\na: &a [x]\n${Array.from('bcdefgh')
				.map((c, i) => `${c}: &${c} [${`*${'abcdefg'[i]},`.repeat(9)}]`)
				.join('\n')}\n`,
			/alias/,
		],
		[
			'with repeated members in JSON',
			'{"openapi": "3.1.0",\n "paths": {"/a": {"get": {}},\n  "/a": {}}}',
			/^bad\.yaml:3:3: map keys must be unique$/,
		],
		[
			'with a definition named __proto__',
			`${HEAD}paths: { /a: { get: { responses: { '200': { $ref: '#/components/responses/__proto__' } } } } }\ncomponents: { responses: { __proto__: {} } }\n`,
			/"__proto__" is not supported/,
		],
		[
			'with a reference to another machine',
			withSchema("{ $ref: 'https://evil.example/schema.yaml' }"),
			/leads to another machine \(bad\.yaml#\/paths\/~1a\/get\/responses\/200/,
		],
		['with a file URL', withSchema("{ $ref: 'file:///etc/passwd' }"), /leads to another machine/],
		['with a reference of no scheme', withSchema("{ $ref: '//evil.example/a' }"), /leads to another machine/],
		['with a reference to nowhere', withSchema("{ $ref: '#/components/schemas/None' }"), /leads nowhere/],
		['with a reference into the prototype', withSchema("{ $ref: '#/constructor/prototype' }"), /leads nowhere/],
		['with a reference to an anchor', withSchema("{ $ref: '#node' }"), /is no JSON pointer/],
		[
			'with a reference to a missing file',
			withSchema("{ $ref: 'none.yaml' }"),
			/not in the folder of the configuration, or not there/,
		],
		[
			'with a reference to itself',
			withSchema(
				"{ $ref: '#/components/schemas/A' }",
				"components: { schemas: { A: { $ref: '#/components/schemas/B' }, B: { $ref: '#/components/schemas/A' } } }",
			),
			/leads to itself/,
		],
		['with a schema that is a text', withSchema('string'), /a schema is expected here/],
		[
			'with a member named __proto__',
			withSchema('{ properties: { __proto__: { type: string } } }'),
			/"__proto__" is not supported/,
		],
		['with a dynamic reference', withSchema("{ $dynamicRef: '#node' }"), /"\$dynamicRef" is not supported/],
		['with schemas of another base', withSchema("{ $id: 'https://a.example/b' }"), /"\$id" is not supported/],
		[
			'with another dialect',
			withSchema("{ $schema: 'http://json-schema.org/draft-04/schema#' }"),
			/dialect of JSON Schema/,
		],
		['with numbers that JSON has not', withSchema('{ maximum: .inf }'), /is not finite/],
		['when it is nested too deeply', withSchema('{ not: '.repeat(95) + '{}' + ' }'.repeat(95)), /nested too deeply/],
		['when brackets go on for ever', `${HEAD}paths: ${'['.repeat(50_000)}`, /nested too deeply/],
	] as const) {
		test(name, async (context) => {
			const folder = createConfigurationFolder((cleanUp) => context.after(cleanUp));
			assert.match(await complaintsOf(folder, text), message);
		});
	}

	test('when a reference leaves the folder of the configuration, also through a symbolic link', async (context) => {
		const folder = createConfigurationFolder((cleanUp) => context.after(cleanUp));
		const outside = createConfigurationFolder((cleanUp) => context.after(cleanUp));
		outside.write('secret.yaml', 'type: object\n');
		symlinkSync(join(outside.path, 'secret.yaml'), join(folder.path, 'link.yaml'));
		for (const ref of [
			join(outside.path, 'secret.yaml'),
			`../${outside.path.split('/').at(-1)}/secret.yaml`,
			'link.yaml',
		]) {
			const complaints = await complaintsOf(folder, withSchema(`{ $ref: '${ref}' }`));
			assert.match(complaints, /is not in the folder of the configuration/, ref);
		}
		// The same file within the folder is read.
		folder.write('inside.yaml', 'type: object\n');
		await loadWhole(folder, folder.write('good.yaml', withSchema("{ $ref: './inside.yaml' }")));
		assert.notEqual(dirname(folder.path), folder.path);
	});
});

test('makes ids of method and path', () => {
	for (const [method, path, id] of [
		['get', '/accounts/{AccountId}/balances', 'getAccountsAccountIdBalances'],
		['post', '/', 'post'],
		['delete', '/v1/some-thing/{id}.json', 'deleteV1SomeThingIdJson'],
	] as const) {
		assert.equal(generateOperationId(method, path), id);
	}
});
