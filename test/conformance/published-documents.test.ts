// Real partner APIs, as their companies publish them: `sallyport init` writes a configuration, it loads, every operation's
// contract compiles, and every operation is reached by a request for its path, and by no other.
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { createInitialConfiguration } from '../../src/config/init-configuration.ts';
import { loadConfiguration } from '../../src/config/load-configuration.ts';
import { parsePathTemplate } from '../../src/domain/api/path-template.ts';
import { parseRequestTarget } from '../../src/domain/api/request-target.ts';
import { createRouteTable } from '../../src/domain/api/route-table.ts';
import { compileOperationContract } from '../../src/domain/contract/operation-contract.ts';
import { unwrap } from '../../src/kernel/result.ts';
import { createConfigurationFolder } from '../fixture/configuration-folder.ts';

const FOLDER = join(import.meta.dirname, '../../../shared/openapi');
const skip = existsSync(FOLDER) ? false : `the documents in ${FOLDER} are not here`;

const DOCUMENTS = [
	['adyen-transfers.yaml', 12],
	['open-banking-account-info.yaml', 29],
	['open-banking-vrp.json', 9],
	['twilio-verify.yaml', 57],
] as const;

for (const [name, count] of DOCUMENTS) {
	test(`every one of the ${count} operations of ${name} is reached by its own path`, { skip }, async (context) => {
		const folder = createConfigurationFolder((cleanUp) => context.after(cleanUp));
		const made = unwrap(
			await createInitialConfiguration({
				documentFile: join(FOLDER, name),
				configurationFile: folder.file,
				upstreamUrl: 'https://core.internal:9000',
				compileContract: compileOperationContract,
			}),
		);
		folder.write('sallyport.yaml', made.yaml);
		const { configuration } = unwrap(await loadConfiguration(folder.file));
		const routes = unwrap(createRouteTable(configuration.apis, (_api, operation) => operation));
		const reached = new Set<string>();
		for (const api of configuration.apis) {
			for (const operation of api.operations) {
				const template = unwrap(parsePathTemplate(operation.path));
				const values = template.parameters.map((_name, index) => `value-${index}`);
				const path = template.parameters.reduce(
					(text, parameter, index) => text.replace(`{${parameter}}`, values[index] ?? ''),
					api.basePath + operation.path,
				);
				assert.equal(parseRequestTarget(path)?.path, path);
				const match = routes.match(operation.method, path);
				assert.equal(match.kind, 'found', `${operation.method} ${path}`);
				assert.ok(match.kind === 'found');
				assert.equal(match.route.key, operation.key);
				assert.deepEqual(match.parameters, values);
				reached.add(match.route.key);
				assert.ok(api.document !== undefined && compileOperationContract(api.document, operation).ok, operation.key);
			}
		}
		assert.equal(reached.size, count);
	});
}
