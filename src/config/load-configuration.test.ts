import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import fc from 'fast-check';
import { CONFIGURATION_YAML, createConfigurationFolder, replaceOnce } from '../../test/fixture/configuration-folder.ts';
import { unwrap } from '../kernel/result.ts';
import { loadConfiguration, loadConfigurationText } from './load-configuration.ts';

const folder = createConfigurationFolder(after);
const load = (yaml: string) => loadConfigurationText(yaml, folder.file);

test('loads a right configuration whole, with its defaults', async () => {
	const { configuration, warnings } = unwrap(await load(CONFIGURATION_YAML));
	assert.deepEqual(warnings, []);
	const [api] = configuration.apis;
	assert.ok(api);
	assert.equal(api.basePath, '/bank/v1');
	assert.equal(api.title, 'Bank');
	assert.equal(api.resource, 'https://localhost:8443/bank/v1');
	assert.deepEqual(api.upstream, {
		origin: 'https://localhost:9443',
		basePath: '/core',
		audience: 'https://localhost:9443',
		connectTimeoutMs: 2000,
		responseTimeoutMs: 10_000,
		bodyTimeoutMs: 10_000,
		totalTimeoutMs: 70_000,
		keepAliveMs: 4000,
		retriesMax: 2,
		connectionsMax: 32,
		queueMax: 128,
		streamsMax: 64,
	});
	const payment = api.operations.find(({ id }) => id === 'createPayment');
	assert.deepEqual(payment, {
		id: 'createPayment',
		key: 'bank/v1/createPayment',
		method: 'POST',
		path: '/payments',
		authentication: ['mtls'],
		scopes: ['payments:write'],
		resources: [{ type: 'account', from: 'body.$.debtor.id' }],
		audit: 'durable',
		masks: [{ path: '$..iban', method: 'iban' }],
		requestBodyBytesMax: 4096,
		responseBodyBytesMax: 1024 ** 2,
	});
	assert.deepEqual(configuration.plans[0], {
		id: 'standard',
		title: 'Standard',
		tokenTtlSeconds: 300,
		assurance: 'high',
		apiKeys: 'never',
		limits: [
			{ name: 'burst', requests: 100, windowSeconds: 60, per: 'subscription' },
			{ name: 'sustained', requests: 1000, windowSeconds: 3600, per: 'subscription' },
		],
	});
	assert.equal(configuration.tokenTtlSecondsMax, 300);
	assert.equal(configuration.source, CONFIGURATION_YAML);
	assert.deepEqual(structuredClone(configuration), configuration);
});

test('gives the same content the same digest, and another content another', async () => {
	const digestOf = async (yaml: string): Promise<string> => unwrap(await load(yaml)).configuration.digest;
	const digest = await digestOf(CONFIGURATION_YAML);
	assert.match(digest, /^[0-9a-f]{64}$/);
	assert.equal(await digestOf(`# a comment\n${CONFIGURATION_YAML}`), digest);
	assert.notEqual(await digestOf(CONFIGURATION_YAML.replace('requests: 100,', 'requests: 101,')), digest);
});

test('exposes an operation without an operationId by its generated name', async () => {
	const yaml = CONFIGURATION_YAML.replaceAll('listAccounts', 'getUnnamedIdParts');
	const { configuration } = unwrap(await load(yaml));
	const operation = configuration.apis[0]?.operations.find(({ id }) => id === 'getUnnamedIdParts');
	assert.equal(operation?.path, '/unnamed/{id}/parts');
});

test('gives as many gateway threads as there are processors, within bounds', async () => {
	const yaml = replaceOnce(CONFIGURATION_YAML, 'threads: 2', 'threads: auto');
	for (const [processors, threads] of [
		[0, 1],
		[6, 6],
		[500, 64],
	] as const) {
		const loaded = await loadConfigurationText(yaml, folder.file, { processors });
		assert.equal(unwrap(loaded).configuration.gatewayThreads, threads);
	}
});

test('reports problems of several kinds at once, sorted by place', async () => {
	const yaml = CONFIGURATION_YAML.replace('port: 8445', 'port: 8443, hsot: a')
		.replace('getAccount:', 'getAcount:')
		.replace('[bank/v1/createPayment]', '[bank/v1/createPayments]');
	const loaded = await load(yaml);
	assert.ok(!loaded.ok);
	assert.deepEqual(
		loaded.fault.map(({ path }) => path),
		[
			'listeners.admin.port',
			'listeners.admin.hsot',
			'apis.bank.operations.getAcount',
			'products.read.operations[0]',
			'products.pay.operations[0]',
		],
	);
});

test('lists at most 50 problems and counts the rest', async () => {
	const keys = Array.from({ length: 80 }, (_, index) => `unknown${index}: 1`).join('\n');
	const loaded = await load(`${CONFIGURATION_YAML}${keys}\n`);
	assert.ok(!loaded.ok);
	assert.equal(loaded.fault.length, 50);
	assert.match(loaded.fault.at(-1)?.message ?? '', /^31 more problems/);
});

test('refuses two operations of one method and shape, in one API and across APIs', async () => {
	const inOne = CONFIGURATION_YAML.replaceAll('listAccounts', 'getCustomer')
		.replaceAll('getAccount', 'getPerson')
		.replace('path.accountId', 'path.id');
	const twice = await load(inOne);
	assert.ok(!twice.ok);
	assert.deepEqual(
		twice.fault.map(({ path, message }) => [path, message]),
		[['apis.bank.operations.getPerson', 'GET /bank/v1/customers/{id} is also the path of bank/v1/getCustomer']],
	);
	const copy = CONFIGURATION_YAML.slice(CONFIGURATION_YAML.indexOf('  bank:'), CONFIGURATION_YAML.indexOf('products:'));
	const second = copy
		.replace('  bank:', '  other:')
		.replace('    version: v1', '    version: v1\n    basePath: /bank/v1');
	const across = await load(CONFIGURATION_YAML.replace('products:', `${second}products:`));
	assert.ok(!across.ok);
	assert.equal(across.fault.filter(({ message }) => message.includes('is also the path of')).length, 3);
});

test('refuses a base path within another one', async () => {
	const copy = CONFIGURATION_YAML.slice(CONFIGURATION_YAML.indexOf('  bank:'), CONFIGURATION_YAML.indexOf('products:'));
	for (const [outer, inner] of [
		['/bank', '/bank/v1'],
		['/', '/bank/v1'],
	]) {
		const second = copy
			.replace('  bank:', '  other:')
			.replace('    version: v1', `    version: v1\n    basePath: ${outer}`);
		const loaded = await load(CONFIGURATION_YAML.replace('products:', `${second}products:`));
		assert.ok(!loaded.ok);
		assert.ok(
			loaded.fault.some(({ message }) => message === `the base path ${inner} lies within ${outer} of the API other`),
		);
	}
});

test('keeps the paths that begin with a dot for the platform', async () => {
	folder.write('hidden.yaml', 'openapi: 3.1.0\npaths: { /.well-known/a: { get: { responses: {} } } }\n');
	const start = CONFIGURATION_YAML.indexOf('    operations:');
	const yaml =
		CONFIGURATION_YAML.slice(0, start).replace('./bank.yaml', './hidden.yaml\n    basePath: /') +
		'    operations:\n      getWellKnownA: { authentication: mtls, scopes: [a], resources: [] }\n' +
		'products: { a: { title: A, scopes: [a], operations: [bank/v1/getWellKnownA] } }\nplans: {}\n';
	const loaded = await load(yaml);
	assert.ok(!loaded.ok);
	assert.equal(loaded.fault[0]?.message, 'its path /.well-known/a is reserved for the platform');
});

test('warns of what is allowed and doubtful', async () => {
	const yaml = CONFIGURATION_YAML.replace('private: { host: 127.0.0.1', 'private: { host: 0.0.0.0')
		.replace('admin: { host: 127.0.0.1', 'admin: { host: "::"')
		.replace('url: https://localhost:9443/core', 'url: http://localhost:9443/core\n      insecure: true')
		.replace(', bank/v1/listAccounts]', ']')
		.replace('requests: 1000,', 'requests: 100,');
	const { warnings } = unwrap(await load(yaml));
	assert.deepEqual(
		warnings.map(({ path, message }) => [path, message]),
		[
			['listeners.admin.host', 'the admin API listens on every network'],
			['listeners.private.host', 'metrics and probes are served without TLS and authentication beyond this machine'],
			['apis.bank.upstream.insecure', 'requests and responses travel to the upstream in clear text'],
			['apis.bank.operations.listAccounts', 'the operation is in no product, so nobody can call it'],
			['products.read.scopes[1]', 'no operation of this product demands the scope "accounts:list"'],
			['plans.standard.limits[0]', 'the limit is never reached: "sustained" allows no more, in a longer window'],
		],
	);
});

test('reports contracts that cannot be compiled when it is given a compiler', async () => {
	const compileContract = () => ({ ok: false, fault: 'bank.yaml: bad pattern' }) as const;
	const loaded = await loadConfigurationText(CONFIGURATION_YAML, folder.file, { compileContract });
	assert.ok(!loaded.ok);
	assert.equal(loaded.fault.length, 3);
	assert.equal(loaded.fault[0]?.path, 'apis.bank.operations.listAccounts');
});

test('reports a file that is missing, a folder, too large, or no text', async () => {
	const large = folder.write('large.yaml', '#'.repeat(1024 * 1024 + 1));
	const binary = folder.write('binary.yaml', Buffer.from([0xff, 0xfe, 0x00]));
	for (const [file, message] of [
		[`${folder.path}/none.yaml`, /does not exist$/],
		[folder.path, /is not a regular file$|EISDIR/],
		[large, /has 1048577 bytes; at most 1048576 are read$/],
		[binary, /is not UTF-8 text$/],
	] as const) {
		const loaded = await loadConfiguration(file);
		assert.ok(!loaded.ok);
		assert.equal(loaded.fault.length, 1);
		assert.match(loaded.fault[0]?.message ?? '', message);
	}
});

test('never loads a configuration in which a key was misspelt', async () => {
	const lines = CONFIGURATION_YAML.split('\n');
	const keys = [...CONFIGURATION_YAML.matchAll(/([A-Za-z]+):(?= |$)/gm)].map((match) => match.index);
	const letter = fc.constantFrom(...Array.from('abcdefghijklmnopqrstuvwxyzABC-_0'));
	const seen = { count: 0 };
	await fc.assert(
		fc.asyncProperty(fc.constantFrom(...keys), fc.nat(20), letter, async (start, offset, replacement) => {
			const end = CONFIGURATION_YAML.indexOf(':', start);
			const at = start + (offset % (end - start));
			if (CONFIGURATION_YAML[at] === replacement) return;
			const yaml = CONFIGURATION_YAML.slice(0, at) + replacement + CONFIGURATION_YAML.slice(at + 1);
			const loaded = await load(yaml);
			seen.count++;
			if (!loaded.ok) return;
			// Names that the file itself defines may be anything, as long as nothing refers to them.
			const line = CONFIGURATION_YAML.slice(0, at).split('\n').length;
			assert.ok(/^ {2}(?:read|pay|standard):$/.test(lines[line - 1] ?? ''), `loads: ${yaml}`);
		}),
		{ numRuns: 150 },
	);
	assert.ok(seen.count > 100);
});

test('never loads a configuration without one of its lines, unless the line has a default', async () => {
	const optional =
		/threads|gateway:$|masks|path: \$|audit|requestBodyMax|listeners|gateway: \{|authorizationServer|admin:|private:|name: (?:burst|sustained)/;
	const lines = CONFIGURATION_YAML.trimEnd().split('\n');
	for (const index of lines.keys()) {
		const line = lines[index] ?? '';
		if (optional.test(line)) continue;
		const loaded = await load(lines.toSpliced(index, 1).join('\n'));
		assert.ok(!loaded.ok, `loads without line ${index + 1}: ${line}`);
	}
});
