// What an operator sees of a configuration of gRPC that cannot be kept: nothing that would have to look into messages loads.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, test } from 'node:test';
import { createConfigurationFolder, replaceOnce, takeMark } from '../../test/fixture/configuration-folder.ts';
import { formatProblem } from './config-problem.ts';
import { loadConfigurationText } from './load-configuration.ts';

const folder = createConfigurationFolder(after);

const GOOD = `sallyport: 1
trustDomain: bank.example
issuer: https://localhost:8444
listeners:
  gateway: { host: 127.0.0.1, port: 8443, names: [localhost], http2: true }
  authorizationServer: { host: 127.0.0.1, port: 8444, names: [localhost] }
  admin: { host: 127.0.0.1, port: 8445, names: [localhost] }
  private: { host: 127.0.0.1, port: 8446 }
apis:
  ledger:
    version: v1
    grpc: { requestMetadata: [x-branch] }
    upstream: { url: 'https://localhost:9443', http2: {} }
    operations:
      bank.ledger.v1.Ledger/Get:
        authentication: mtls
        scopes: [ledger]
        resources: []
        grpc: { kind: unary }
      bank.ledger.v1.Ledger/Watch:
        authentication: mtls
        scopes: [ledger]
        resources: []
        grpc: { kind: server-stream, responseMax: 1GiB, idleTimeout: 5m, timeMax: 2h }
products:
  ledger: { title: Ledger, scopes: [ledger], operations: [ledger/v1/bank.ledger.v1.Ledger/Get, ledger/v1/bank.ledger.v1.Ledger/Watch] }
plans:
  standard: { title: Standard, limits: [{ name: burst, requests: 100, window: 1m }] }
`;

test('loads methods with what was decided about each, and bounds for one message and for all', async () => {
	const loaded = await loadConfigurationText(GOOD, folder.file);
	assert.ok(loaded.ok);
	assert.deepEqual(loaded.value.warnings, []);
	const [api] = loaded.value.configuration.apis;
	assert.equal(api?.basePath, '');
	assert.equal(api?.resource, 'https://localhost:8443/ledger/v1');
	assert.equal(api?.document, undefined);
	assert.deepEqual(api?.grpc, { request: ['x-branch'], response: [] });
	assert.deepEqual(
		api?.operations.map(({ key, method, path }) => [key, method, path]),
		[
			['ledger/v1/bank.ledger.v1.Ledger/Get', 'POST', '/bank.ledger.v1.Ledger/Get'],
			['ledger/v1/bank.ledger.v1.Ledger/Watch', 'POST', '/bank.ledger.v1.Ledger/Watch'],
		],
	);
	assert.deepEqual(
		api?.operations.map(({ grpc }) => grpc),
		[
			{
				kind: 'unary',
				requestBytesMax: 65_541,
				responseBytesMax: 1_048_581,
				idleTimeoutMs: 60_000,
				timeMaxMs: 60_000,
			},
			{
				kind: 'server-stream',
				requestBytesMax: 65_541,
				responseBytesMax: 1024 ** 3,
				idleTimeoutMs: 300_000,
				timeMaxMs: 7_200_000,
			},
		],
	);
});

test('loads the example of its page in the documentation', async () => {
	const page = readFileSync(new URL('../../docs/grpc.md', import.meta.url), 'utf8');
	const example = /```yaml\n(.*?)```/s.exec(page)?.[1] ?? '';
	const start = GOOD.slice(0, GOOD.indexOf('apis:'));
	const loaded = await loadConfigurationText(`${start}${example}${GOOD.slice(GOOD.indexOf('plans:'))}`, folder.file);
	assert.ok(loaded.ok, loaded.ok ? '' : loaded.fault.map(formatProblem).join('\n'));
	assert.equal(loaded.value.configuration.apis[0]?.operations.length, 2);
});

const FIRST = 'apis.ledger.operations["bank.ledger.v1.Ledger/Get"]';

/** What is replaced by what (`«` = where the problem is), path, message, remedy. */
const GOLDEN: readonly (readonly [string, string, string, string, RegExp])[] = [
	[
		'    upstream:',
		'    «masks: [{ path: $..iban, method: iban }]\n    upstream:',
		'apis.ledger.masks',
		'messages of gRPC cannot be read here, and so not masked',
		/^Remove "masks"/,
	],
	[
		'        grpc: { kind: unary }',
		'        «masks: [{ path: $..iban, method: iban }]\n        grpc: { kind: unary }',
		`${FIRST}.masks`,
		'messages of gRPC cannot be read here, and so not masked',
		/^Remove "masks"/,
	],
	[
		'        resources: []\n        grpc: { kind: unary }',
		'        «resources: [{ type: account, from: body.$.id }]\n        grpc: { kind: unary }',
		`${FIRST}.resources`,
		'messages of gRPC cannot be read here, and so not asked for resources',
		/^Write "resources: \[\]"/,
	],
	[
		'        grpc: { kind: unary }',
		'        «stream: { kind: both }\n        grpc: { kind: unary }',
		`${FIRST}.stream`,
		'whether a method streams is said by its kind',
		/^Remove "stream"/,
	],
	[
		'      bank.ledger.v1.Ledger/Get:',
		'      «bank.ledger.v1.Ledger.Get:',
		'',
		'"bank.ledger.v1.Ledger.Get" is no method of gRPC',
		/package\.Service\/Method/,
	],
	[
		'grpc: { kind: unary }',
		'grpc: { kind: «unray }',
		`${FIRST}.grpc.kind`,
		'this value is not known',
		/Did you mean "unary"/,
	],
	['      bank.ledger.v1.Ledger/Get:', '      «bank.ledger.v1.Ledger/Get:', FIRST, '"grpc" is missing', /kind: unary/],
	[', http2: {} }', ' }', 'apis.ledger.upstream', 'gRPC needs HTTP/2 towards the service', /http2: \{\}/],
	[
		"url: 'https://localhost:9443'",
		"url: «'https://localhost:9443/core'",
		'apis.ledger.upstream.url',
		'a service of gRPC has no path before its name',
		/^Write scheme/,
	],
	[
		'http2: true',
		'http2: false',
		'apis.ledger.grpc',
		'gRPC needs HTTP/2, which the listener "gateway" does not speak',
		/^Remove/,
	],
	[
		'    grpc: { requestMetadata',
		'    «basePath: /ledger\n    grpc: { requestMetadata',
		'apis.ledger.basePath',
		'the paths of gRPC are the names of its methods',
		/^Remove/,
	],
	[
		'    grpc: { requestMetadata',
		'    «document: ./bank.yaml\n    grpc: { requestMetadata',
		'apis.ledger.document',
		'an API has a document or is called by gRPC, not both',
		/^Remove/,
	],
	[
		'    grpc: { requestMetadata',
		"    «cors: { origins: ['https://app.partner.example'] }\n    grpc: { requestMetadata",
		'apis.ledger.cors',
		'web pages do not speak gRPC',
		/^Remove/,
	],
	[
		'[x-branch]',
		'[x-branch, «authorization]',
		'apis.ledger.grpc.requestMetadata[1]',
		'"authorization" belongs to HTTP, to gRPC, or to the gateway',
		/^Remove it/,
	],
	[
		'[x-branch]',
		'[x-branch, «grpc-timeout]',
		'apis.ledger.grpc.requestMetadata[1]',
		'"grpc-timeout" belongs to HTTP, to gRPC, or to the gateway',
		/^Remove it/,
	],
	[
		'[x-branch]',
		'[x-branch, «x-branch]',
		'apis.ledger.grpc.requestMetadata[1]',
		'"x-branch" is listed twice',
		/^Remove one/,
	],
	[
		'[x-branch]',
		'[«X-Branch]',
		'apis.ledger.grpc.requestMetadata[0]',
		'a name of metadata is written in lower case, in letters, digits, "-" and "."',
		/x-branch/,
	],
	['    grpc: { requestMetadata: [x-branch] }\n', '', 'apis.ledger', '"document" is missing', /grpc: \{\}/],
	[
		'    grpc: { requestMetadata: [x-branch] }\n',
		'    document: ./bank.yaml\n',
		`${FIRST}.grpc`,
		'an operation of a document is not called by gRPC',
		/API of their own/,
	],
	[
		'products:',
		`  other:\n    version: v1\n    document: ./bank.yaml\n    basePath: /bank.ledger.v1.Ledger/v2\n    upstream: { url: 'https://localhost:9444' }\n    operations: {}\nproducts:`,
		'apis.other.basePath',
		'the base path /bank.ledger.v1.Ledger/v2 lies within /bank.ledger.v1.Ledger of the API ledger',
		/beside the others/,
	],
];

for (const [from, to, path, message, remedy] of GOLDEN) {
	test(`says of ${path}: ${message}`, async () => {
		let written = replaceOnce(GOOD, from, to);
		if (message === '"grpc" is missing') written = replaceOnce(written, '        grpc: { kind: unary }\n', '');
		const { text, line } = to.includes('«') ? takeMark(written) : { text: written, line: undefined };
		const loaded = await loadConfigurationText(text, folder.file);
		assert.ok(!loaded.ok);
		const found = loaded.fault.find((problem) => problem.message === message);
		assert.ok(found !== undefined, loaded.fault.map(formatProblem).join('\n'));
		if (path !== '') assert.equal(found.path, path);
		if (line !== undefined) assert.equal(found.line, line);
		assert.match(found.remedy, remedy);
	});
}
