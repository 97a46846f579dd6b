import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { createConfigurationFolder } from '../../test/fixture/configuration-folder.ts';
import { compileOperationContract } from '../domain/contract/operation-contract.ts';
import { unwrap } from '../kernel/result.ts';
import { createInitialConfiguration, type InitOptions } from './init-configuration.ts';
import { loadConfiguration } from './load-configuration.ts';

const UPSTREAM = 'https://core.internal:9000';
const compileContract = compileOperationContract;
const shared = join(import.meta.dirname, '../../../shared/openapi');
const skip = existsSync(shared) ? false : `the documents in ${shared} are not here`;

for (const [name, operations, api, origin] of [
	['adyen-transfers.yaml', 12, 'adyen-transfers', '/btl/v4'],
	['open-banking-account-info.yaml', 29, 'open-banking-account-info', '/open-banking/v4.0/aisp'],
	['open-banking-vrp.json', 9, 'open-banking-vrp', '/open-banking/v4.0/pisp'],
	['twilio-verify.yaml', 57, 'twilio-verify', ''],
] as const) {
	test(`exposes all ${operations} operations of ${name}`, { skip }, async (context) => {
		const folder = createConfigurationFolder((cleanUp) => context.after(cleanUp));
		const options = { documentFile: join(shared, name), configurationFile: folder.file, upstreamUrl: UPSTREAM };
		const made = unwrap(await createInitialConfiguration({ ...options, compileContract }));
		assert.equal(made.operationCount, operations);
		assert.deepEqual(made.leftOut, []);
		folder.write('sallyport.yaml', made.yaml);
		const startedAt = performance.now();
		const { configuration, warnings } = unwrap(await loadConfiguration(folder.file));
		context.diagnostic(`${name}: loaded in ${Math.round(performance.now() - startedAt)} ms`);
		assert.deepEqual(warnings, []);
		const [loaded] = configuration.apis;
		assert.ok(loaded);
		assert.equal(loaded.id, api);
		assert.equal(loaded.operations.length, operations);
		assert.equal(loaded.upstream.origin + loaded.upstream.basePath, UPSTREAM + origin);
		assert.equal(configuration.products.flatMap((product) => product.operations).length, operations);
		const refs = [...JSON.stringify(loaded.document).matchAll(/"\$ref":"([^"]*)"/g)].map(([, ref]) => ref ?? '');
		assert.ok(refs.every((ref) => ref.startsWith('#/components/')));
	});
}

/** Makes a configuration for a document that is given as text. */
async function initialFor(
	folder: ReturnType<typeof createConfigurationFolder>,
	text: string,
	more: Partial<InitOptions> = {},
) {
	return await createInitialConfiguration({
		documentFile: folder.write('docs/Orders API.openapi.yaml', text),
		configurationFile: folder.file,
		upstreamUrl: UPSTREAM,
		compileContract,
		...more,
	});
}

const ORDERS = `openapi: 3.1.0
info: { title: "Orders: all & #1", version: 2.4.1 }
servers: [{ url: '/{base}/v2', variables: { base: { default: api } } }]
paths:
  /orders:
    get: { responses: { '200': { description: ok } } }
    post: { operationId: 'orders/create: new', responses: { '200': { description: ok } } }
    trace: { operationId: traceOrders, responses: { '200': { description: ok } } }
  /orders/{orderId}:
    parameters: [{ name: orderId, in: path, required: true, schema: { type: string } }]
    delete: { operationId: 'null', responses: { '204': { description: gone } } }
  /broken/{id}:
    get: { operationId: broken, responses: { '200': { description: ok } } }
`;

test('writes odd names so that they are read back, and leaves out what cannot be exposed', async (context) => {
	const folder = createConfigurationFolder((cleanUp) => context.after(cleanUp));
	const made = unwrap(await initialFor(folder, ORDERS));
	folder.write('sallyport.yaml', made.yaml);
	const { configuration } = unwrap(await loadConfiguration(folder.file));
	const [api] = configuration.apis;
	assert.equal(api?.id, 'orders-api');
	assert.equal(api?.version, 'v2');
	assert.equal(api?.title, 'Orders: all & #1');
	assert.equal(api?.upstream.basePath, '/api/v2');
	assert.deepEqual(
		api?.operations.map(({ id, scopes }) => [id, ...scopes]),
		[
			['getOrders', 'orders-api:read'],
			['orders/create: new', 'orders-api:write'],
			['null', 'orders-api:write'],
		],
	);
	assert.deepEqual(
		made.leftOut.map(({ id }) => id),
		['traceOrders', 'broken'],
	);
	assert.match(made.yaml, /# "?broken"? is left out: the document does not declare the path parameter "id"/);
	assert.match(made.yaml, /# to restrict: \[\{ type: order, from: path\.orderId \}\]/);
});

test('keeps the path of the upstream when it has one, and marks clear text', async (context) => {
	const folder = createConfigurationFolder((cleanUp) => context.after(cleanUp));
	const made = unwrap(await initialFor(folder, ORDERS, { upstreamUrl: 'http://localhost:9000/own/' }));
	assert.match(made.yaml, /url: http:\/\/localhost:9000\/own\n {6}# WARNING: clear text/);
	assert.equal(made.warnings.length, 1);
});

test('refuses Swagger 2.0, a bad upstream, a bad name and a document of which nothing can be exposed', async (context) => {
	const folder = createConfigurationFolder((cleanUp) => context.after(cleanUp));
	const nothing =
		ORDERS.slice(0, ORDERS.indexOf('paths:')) +
		ORDERS.slice(ORDERS.indexOf('  /broken')).replace('  /broken', 'paths:\n  /broken');
	for (const [text, more, message] of [
		['swagger: "2.0"\n', {}, /is Swagger 2\.0/],
		[ORDERS, { upstreamUrl: 'ftp://core.internal' }, /is no URL of an internal service/],
		[ORDERS, { upstreamUrl: 'https://user:secret@core.internal' }, /is no URL of an internal service/],
		[ORDERS, { apiName: 'Orders' }, /the name of an API begins with/],
		[nothing, {}, /does not declare the path parameter "id"/],
	] as const) {
		const made = await initialFor(folder, text, more);
		assert.ok(!made.ok);
		assert.ok(
			made.fault.some((problem) => message.test(problem.message)),
			JSON.stringify(made.fault),
		);
	}
});
