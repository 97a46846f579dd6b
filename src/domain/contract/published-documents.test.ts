// Contracts of published APIs compile: two banks' standards, a payment company and a telephone company.
import { test } from 'node:test';
import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { parse } from 'yaml';
import type { HttpMethod, OpenApiDocument } from '../api/api.ts';
import { compileOperationContract } from './operation-contract.ts';

const FOLDER = new URL('../../../../shared/openapi/', import.meta.url);
const METHODS: readonly HttpMethod[] = ['GET', 'POST', 'PUT', 'PATCH', 'DELETE'];

const DOCUMENTS = [
	['adyen-transfers.yaml', 12],
	['open-banking-account-info.yaml', 29],
	['open-banking-vrp.json', 9],
	['twilio-verify.yaml', 57],
] as const;

for (const [name, operations] of DOCUMENTS) {
	test(`compiles all ${operations} operations of ${name}`, (context) => {
		const file = new URL(name, FOLDER);
		if (!existsSync(file)) {
			context.skip(`${file.pathname} is not there: NOT TESTED`);
			return;
		}
		const document = parse(readFileSync(file, 'utf8')) as OpenApiDocument;
		const paths = document['paths'] as Readonly<
			Record<string, Readonly<Record<string, { readonly operationId: string }>>>
		>;
		const startMs = performance.now();
		let count = 0;
		for (const [path, item] of Object.entries(paths)) {
			for (const method of METHODS) {
				const declared = item[method.toLowerCase()];
				if (declared === undefined) continue;
				const contract = compileOperationContract(document, { id: declared.operationId, method, path });
				assert.ok(contract.ok, `${method} ${path}: ${contract.ok ? '' : contract.fault}`);
				count++;
			}
		}
		context.diagnostic(`${name}: ${Math.round(performance.now() - startMs)} ms`);
		assert.equal(count, operations);
	});
}
