import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { Command } from 'commander';
import {
	CONFIGURATION_YAML,
	type ConfigurationFolder,
	createConfigurationFolder,
	DOCUMENT_YAML,
} from '../../test/fixture/configuration-folder.ts';
import type { CommandIo } from './command-io.ts';
import { configCommands } from './config.ts';
import { initCommand } from './init.ts';

interface Run {
	readonly code: number;
	readonly stdout: string;
	readonly stderr: string;
}

/** Runs the program in a folder, as if from a terminal there. */
async function run(folder: ConfigurationFolder, ...args: readonly string[]): Promise<Run> {
	const result = { code: 0, stdout: '', stderr: '' };
	const io: CommandIo = {
		stdout: (text) => {
			result.stdout += text;
		},
		stderr: (text) => {
			result.stderr += text;
		},
		isTerminal: false,
		signal: new AbortController().signal,
		env: {},
		cwd: folder.path,
		setExitCode: (code) => {
			result.code = code;
		},
	};
	const program = new Command('sallyport').exitOverride();
	configCommands(program, io);
	initCommand(program, io);
	await program.parseAsync(args, { from: 'user' });
	return result;
}

function folderFor(context: TestContext): ConfigurationFolder {
	return createConfigurationFolder((cleanUp) => context.after(cleanUp));
}

test('config check prints the APIs of a file that loads', async (context) => {
	const folder = folderFor(context);
	folder.write('sallyport.yaml', CONFIGURATION_YAML);
	const { code, stdout, stderr } = await run(folder, 'config', 'check', 'sallyport.yaml');
	assert.equal(code, 0);
	assert.equal(
		stdout,
		'API      BASE PATH  OPERATIONS  RESOURCE                        UPSTREAM\n' +
			'bank/v1  /bank/v1   3           https://localhost:8443/bank/v1  https://localhost:9443/core\n',
	);
	assert.equal(stderr, 'sallyport.yaml loads: 2 products, 1 plan, 0 warnings\n');
});

test('config check prints each problem like a compiler and exits with 2', async (context) => {
	const folder = folderFor(context);
	folder.write(
		'sub/gate.yaml',
		CONFIGURATION_YAML.replace('./bank.yaml', '../bank.yaml').replace('getAccount:', 'getAcount:'),
	);
	const { code, stdout, stderr } = await run(folder, 'config', 'check', 'sub/gate.yaml');
	assert.equal(code, 2);
	assert.equal(stdout, '');
	assert.match(
		stderr,
		/^sub\/gate\.yaml:24:7: apis\.bank\.operations\.getAcount: error: the document has no operation "getAcount"\n {2}remedy: Did you mean "getAccount"\?\n/,
	);
	assert.match(stderr, /sub\/gate\.yaml does not load: 2 problems\n$/);
});

test('config check finds what the gateway could not compile', async (context) => {
	const folder = folderFor(context);
	folder.write('sallyport.yaml', CONFIGURATION_YAML);
	folder.write('bank.yaml', DOCUMENT_YAML.replace('iban: { type: string,', "iban: { type: string, pattern: '(',"));
	const { code, stderr } = await run(folder, 'config', 'check', 'sallyport.yaml');
	assert.equal(code, 2);
	assert.match(stderr, /operations\.getAccount: error: requests cannot be held to the document: .*pattern/);
});

test('config check prints JSON when it is asked to', async (context) => {
	const folder = folderFor(context);
	folder.write('good.yaml', CONFIGURATION_YAML);
	folder.write('bad.yaml', `${CONFIGURATION_YAML}extra: 1\n`);
	const good = await run(folder, 'config', 'check', 'good.yaml', '--output', 'json');
	const parsed = JSON.parse(good.stdout);
	assert.equal(good.code, 0);
	assert.equal(parsed.valid, true);
	assert.deepEqual(parsed.problems, []);
	assert.equal(parsed.configuration.apis[0].operations.length, 3);
	const bad = await run(folder, 'config', 'check', 'bad.yaml', '--output', 'json');
	assert.equal(bad.code, 2);
	assert.deepEqual(JSON.parse(bad.stdout).problems[0].path, 'extra');
	assert.equal(bad.stderr, '');
});

test('config check says that a file is missing', async (context) => {
	const { code, stderr } = await run(folderFor(context), 'config', 'check', 'none.yaml');
	assert.equal(code, 2);
	assert.match(stderr, /^none\.yaml:1:1: error: none\.yaml does not exist\n {2}remedy: /);
});

test('config schema prints a JSON Schema', async (context) => {
	const { code, stdout } = await run(folderFor(context), 'config', 'schema');
	assert.equal(code, 0);
	const schema = JSON.parse(stdout);
	assert.equal(schema.$schema, 'https://json-schema.org/draft/2020-12/schema');
	assert.equal(schema.additionalProperties, false);
});

test('init writes a file that config check accepts, and does not overwrite it', async (context) => {
	const folder = folderFor(context);
	const args = ['init', '--openapi', 'bank.yaml', '--upstream', 'https://core.internal:9000'];
	const first = await run(folder, ...args);
	assert.equal(first.code, 0);
	assert.equal(first.stdout, 'sallyport.yaml\n');
	assert.match(first.stderr, /left out: tracePayments: the gateway does not serve the method TRACE/);
	assert.equal((await run(folder, 'config', 'check', 'sallyport.yaml')).code, 0);

	const written = await readFile(join(folder.path, 'sallyport.yaml'), 'utf8');
	const second = await run(folder, ...args, '--api', 'other');
	assert.equal(second.code, 5);
	assert.match(second.stderr, /exists already/);
	assert.equal(await readFile(join(folder.path, 'sallyport.yaml'), 'utf8'), written);

	const third = await run(folder, ...args, '--api', 'other', '--force', '--output', 'json');
	assert.equal(third.code, 0);
	assert.equal(JSON.parse(third.stdout).api, 'other');
	assert.match(await readFile(join(folder.path, 'sallyport.yaml'), 'utf8'), /^ {2}other:$/m);
});

test('init writes nothing when the document cannot be used, or the folder is not there', async (context) => {
	const folder = folderFor(context);
	folder.write('old.yaml', 'swagger: "2.0"\n');
	const old = await run(folder, 'init', '--openapi', 'old.yaml', '--upstream', 'https://core.internal:9000');
	assert.equal(old.code, 2);
	assert.match(old.stderr, /Swagger 2\.0\n {2}remedy: Convert it/);
	await assert.rejects(readFile(join(folder.path, 'sallyport.yaml')));
	const args = ['init', '--openapi', 'bank.yaml', '--upstream', 'https://core.internal:9000', '--out', 'no/where.yaml'];
	const nowhere = await run(folder, ...args);
	assert.equal(nowhere.code, 1);
	assert.match(nowhere.stderr, /cannot be written \(ENOENT\)/);
});
