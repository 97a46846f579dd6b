import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { parse } from 'yaml';
import { loadConfiguration } from '../src/config/load-configuration.ts';
import { demoConfiguration } from './configuration.ts';

const here = import.meta.dirname;

describe('the demo configuration', () => {
	it('is what demo/sallyport.yaml shows', async () => {
		const shown = await readFile(join(here, 'sallyport.yaml'), 'utf8');
		assert.equal(shown, demoConfiguration({ portBase: 8443 }));
	});

	it('loads without a problem and without a warning', async () => {
		const loaded = await loadConfiguration(join(here, 'sallyport.yaml'));
		assert.ok(loaded.ok, loaded.ok ? '' : JSON.stringify(loaded.fault, null, 2));
		assert.deepEqual(loaded.value.warnings, []);
		const { apis } = loaded.value.configuration;
		assert.deepEqual(
			apis.flatMap((api) => api.operations.map((operation) => operation.key)).sort(),
			['createPayment', 'getAccount', 'getPayment', 'listAccounts', 'listTransactions'].map((id) => `bank/v1/${id}`),
		);
	});

	it('exposes every operation of the bank and moves with the first port', async () => {
		const folder = await mkdtemp(join(tmpdir(), 'demo-configuration-'));
		try {
			await writeFile(join(folder, 'bank.openapi.yaml'), await readFile(join(here, 'bank/bank.openapi.yaml')));
			const file = join(folder, 'sallyport.yaml');
			await writeFile(file, demoConfiguration({ portBase: 19_000, documentFile: './bank.openapi.yaml' }));
			const loaded = await loadConfiguration(file);
			assert.ok(loaded.ok, loaded.ok ? '' : JSON.stringify(loaded.fault, null, 2));
			const { listeners, apis, issuer } = loaded.value.configuration;
			assert.deepEqual(
				[listeners.gateway.port, listeners.authorizationServer.port, listeners.admin.port, listeners.private.port],
				[19_000, 19_001, 19_002, 19_003],
			);
			assert.equal(issuer, 'https://localhost:19001');
			assert.equal(apis[0]?.upstream.origin, 'https://localhost:19004');
		} finally {
			await rm(folder, { recursive: true });
		}
	});

	it('allows a burst of exactly one hundred calls in its standard plan', () => {
		const { plans } = parse(demoConfiguration({ portBase: 8443 }));
		assert.deepEqual(plans.standard.limits[0], { name: 'burst', requests: 100, window: '10m', per: 'client' });
	});
});
