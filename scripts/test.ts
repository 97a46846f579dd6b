// Runs the tests of the repository, or those that the arguments name.
//
//   npm run test:unit                              everything but test/services
//   npm run test:unit -- src/domain/token          a folder, a file, or a glob
//   npm run test:unit -- --name 'refuses'          only tests whose name matches (a regular expression)
import { statSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { findTestFiles, ROOT, runTests } from './run-tests.ts';

const FOLDERS = ['src', 'test', 'scripts', 'demo', 'bench'];
/** They need services beside us; `npm run test:services` runs them. */
const SERVICE_TESTS = 'test/services/**';

const { values, positionals } = parseArgs({ options: { name: { type: 'string' } }, allowPositionals: true });
const patterns = positionals.length === 0 ? FOLDERS.map((folder) => `${folder}/**/*.test.ts`) : positionals.map(toGlob);
const passed = await runTests({
	files: findTestFiles(patterns, positionals.length === 0 ? [SERVICE_TESTS] : []),
	output: process.stdout,
	...(values.name === undefined ? {} : { name: new RegExp(values.name) }),
});
process.exitCode = passed ? 0 : 1;

/** Turns a folder into the pattern of its tests; a file or a pattern stays what it is. */
function toGlob(path: string): string {
	const isFolder = statSync(join(ROOT, path), { throwIfNoEntry: false })?.isDirectory() === true;
	return isFolder ? join(path, '**/*.test.ts') : path;
}
