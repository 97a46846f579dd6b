// `config check` and `config schema`: offline, they read files and talk to no server. Problems are written like a
// compiler's, so that terminals and editors lead to the place.
import { resolve } from 'node:path';
import { type Command, Option } from 'commander';
import { type ConfigProblem, formatProblem } from '../config/config-problem.ts';
import type { Configuration } from '../config/configuration.ts';
import { EXIT } from './command-failure.ts';
import type { CommandIo } from './command-io.ts';
import { alignRows } from './print-records.ts';

/** Adds the noun `config` to the program. */
export function configCommands(program: Command, io: CommandIo): void {
	const config = program.command('config').description('check and describe configuration files');
	config
		.command('check')
		.description('check a configuration file and everything that it names, without starting anything')
		.argument('<file>', 'the configuration file (YAML)')
		.addOption(new Option('--output <format>', 'how to print the result').choices(['table', 'json']).default('table'))
		.addHelpText(
			'after',
			`
Examples:
  $ sallyport config check sallyport.yaml
  $ sallyport config check sallyport.yaml --output json

Exit codes: 0 the file loads (warnings included) · 2 it does not`,
		)
		.action((file: string, options: { output: 'table' | 'json' }) => checkConfiguration(io, file, options.output));
	config
		.command('schema')
		.description('print the JSON Schema of configuration files, for editors')
		.addHelpText(
			'after',
			`
Examples:
  $ sallyport config schema > configuration.schema.json
  and as the first line of the YAML file:
  # yaml-language-server: $schema=./configuration.schema.json`,
		)
		.action(async () => {
			const { configurationJsonSchema } = await import('../config/configuration-schema.ts');
			io.stdout(`${JSON.stringify(configurationJsonSchema(), null, 2)}\n`);
		});
}

async function checkConfiguration(io: CommandIo, file: string, output: 'table' | 'json'): Promise<void> {
	// Imported only now: schemas and compilers take time to load, which no other command should wait for.
	const { loadConfiguration } = await import('../config/load-configuration.ts');
	const { compileOperationContract } = await import('../domain/contract/operation-contract.ts');
	const absolute = resolve(io.cwd, file);
	const loaded = await loadConfiguration(absolute, { compileContract: compileOperationContract });
	const named = (problems: readonly ConfigProblem[]): readonly ConfigProblem[] => nameAsTyped(problems, absolute, file);
	const problems = loaded.ok ? [] : named(loaded.fault);
	const warnings = loaded.ok ? named(loaded.value.warnings) : [];
	if (!loaded.ok) io.setExitCode(EXIT.invalid);
	if (output === 'json') {
		const summary = loaded.ok ? summarize(loaded.value.configuration) : undefined;
		io.stdout(`${JSON.stringify({ valid: loaded.ok, problems, warnings, configuration: summary }, null, 2)}\n`);
		return;
	}
	writeProblems(io, problems, 'error');
	writeProblems(io, warnings, 'warning');
	if (!loaded.ok) {
		io.stderr(`${file} does not load: ${count(problems.length, 'problem')}\n`);
		return;
	}
	const { configuration } = loaded.value;
	const header = ['API', 'BASE PATH', 'OPERATIONS', 'RESOURCE', 'UPSTREAM'];
	const rows = configuration.apis.map((api) => [
		`${api.id}/${api.version}`,
		api.basePath || '/',
		String(api.operations.length),
		api.resource,
		api.upstream.origin + api.upstream.basePath,
	]);
	io.stdout(alignRows([header, ...rows]));
	const parts = [count(configuration.products.length, 'product'), count(configuration.plans.length, 'plan')];
	io.stderr(`${file} loads: ${parts.join(', ')}, ${count(warnings.length, 'warning')}\n`);
}

/** Puts the file name back as the user typed it; problems of other files keep theirs. */
function nameAsTyped(problems: readonly ConfigProblem[], absolute: string, typed: string): readonly ConfigProblem[] {
	return problems.map((problem) => ({
		...problem,
		file: problem.file === absolute ? typed : problem.file,
		message: problem.message.replaceAll(absolute, typed),
	}));
}

/** Writes problems to stderr, each with its remedy. */
export function writeProblems(io: CommandIo, problems: readonly ConfigProblem[], kind: 'error' | 'warning'): void {
	for (const problem of problems) {
		io.stderr(`${formatProblem({ ...problem, message: `${kind}: ${problem.message}` })}\n`);
	}
}

function summarize(configuration: Configuration): object {
	return {
		digest: configuration.digest,
		apis: configuration.apis.map(({ id, version, basePath, resource, operations }) => ({
			id,
			version,
			basePath: basePath || '/',
			resource,
			operations: operations.map(({ id: operation, method, path, scopes }) => ({
				id: operation,
				method,
				path,
				scopes,
			})),
		})),
		products: configuration.products.map(({ id }) => id),
		plans: configuration.plans.map(({ id }) => id),
	};
}

function count(number: number, noun: string): string {
	return `${number} ${noun}${number === 1 ? '' : 's'}`;
}
