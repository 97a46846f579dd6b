// `init`: writes the first configuration for an OpenAPI document. Never overwrites a file unless told to.
import { writeFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { type Command, Option } from 'commander';
import { EXIT } from './command-failure.ts';
import type { CommandIo } from './command-io.ts';
import { writeProblems } from './config.ts';

interface InitFlags {
	readonly openapi: string;
	readonly upstream: string;
	readonly out: string;
	readonly api?: string;
	readonly host?: string;
	readonly trustDomain?: string;
	readonly force?: true;
	readonly output: 'table' | 'json';
}

/** Adds the verb `init` to the program. */
export function initCommand(program: Command, io: CommandIo): void {
	program
		.command('init')
		.description('write a first configuration that exposes every operation of an OpenAPI document')
		.requiredOption('--openapi <file>', 'the OpenAPI document (3.0, 3.1 or 3.2; YAML or JSON)')
		.requiredOption(
			'--upstream <url>',
			'address of the internal service; its path, or else that of the document, is kept',
		)
		.option('--out <file>', 'the file to write', 'sallyport.yaml')
		.option('--api <name>', 'name of the API (default: from the name of the document)')
		.option('--host <name>', 'host name by which partners reach the gateway (default: localhost)')
		.option('--trust-domain <domain>', 'SPIFFE trust domain of the certificates (default: company.example)')
		.option('--force', 'overwrite the file when it exists')
		.addOption(new Option('--output <format>', 'how to print the result').choices(['table', 'json']).default('table'))
		.addHelpText(
			'after',
			`
Examples:
  $ sallyport init --openapi bank.openapi.yaml --upstream https://bank.internal:8443
  $ sallyport init --openapi orders.json --upstream https://orders.internal/api --out gate/orders.yaml

Every operation is listed with an authentication, a scope and an empty list of resources. Read the comments beside
the lists: they show how to restrict an operation to the resources that a subscription was granted.`,
		)
		.action((flags: InitFlags) => writeInitialConfiguration(io, flags));
}

async function writeInitialConfiguration(io: CommandIo, flags: InitFlags): Promise<void> {
	// Imported only now: schemas and compilers take time to load, which no other command should wait for.
	const { createInitialConfiguration } = await import('../config/init-configuration.ts');
	const { compileOperationContract } = await import('../domain/contract/operation-contract.ts');
	const configurationFile = resolve(io.cwd, flags.out);
	const made = await createInitialConfiguration({
		documentFile: resolve(io.cwd, flags.openapi),
		configurationFile,
		upstreamUrl: flags.upstream,
		compileContract: compileOperationContract,
		...(flags.api === undefined ? {} : { apiName: flags.api }),
		...(flags.host === undefined ? {} : { hostName: flags.host }),
		...(flags.trustDomain === undefined ? {} : { trustDomain: flags.trustDomain }),
	});
	if (!made.ok) {
		writeProblems(io, made.fault, 'error');
		io.setExitCode(EXIT.invalid);
		return;
	}
	const { yaml, apiName, operationCount, leftOut, warnings } = made.value;
	try {
		await writeFile(configurationFile, yaml, { flag: flags.force === true ? 'w' : 'wx' });
	} catch (error) {
		reportWriteError(io, flags.out, error);
		return;
	}
	if (flags.output === 'json') {
		io.stdout(
			`${JSON.stringify({ file: flags.out, api: apiName, operations: operationCount, leftOut, warnings }, null, 2)}\n`,
		);
		return;
	}
	writeProblems(io, warnings, 'warning');
	for (const { id, reason } of leftOut) io.stderr(`left out: ${id}: ${reason}\n`);
	io.stdout(`${flags.out}\n`);
	const operations = operationCount === 1 ? 'operation' : 'operations';
	io.stderr(`${flags.out} exposes ${operationCount} ${operations} of the API ${apiName}.\n`);
	io.stderr(`Next: read its comments, then sallyport config check ${flags.out}\n`);
}

function reportWriteError(io: CommandIo, file: string, error: unknown): void {
	const code = error instanceof Error && 'code' in error ? String(error.code) : '';
	if (code === '') throw error;
	if (code === 'EEXIST') {
		io.stderr(`${file} exists already; give another --out, or --force to overwrite it\n`);
		io.setExitCode(EXIT.conflict);
		return;
	}
	io.stderr(`${file} cannot be written (${code}); check that its folder exists and may be written to\n`);
	io.setExitCode(EXIT.failure);
}
