// What a source file looks like: who touches the process, the clock and the console, how it opens and how long it is.
import { isTest, type Source, sourcesOf } from './source.ts';
import { findMatches, type Rule, type Tree, type Violation } from './tree.ts';

/** A file this long is a folder that has not been cut; tables of test cases may be longer. */
const LINES_MAX = 500;
const TEST_LINES_MAX = 800;
const PROCESS = /(?<![.\w$#])process(?=\s*(?:\.|\?\.|\[))|\bglobalThis\.process\b/;
/** The program itself, and the helper process of a hardware token. */
const PROCESS_ENTRIES: ReadonlySet<string> = new Set(['src/main.ts', 'src/adapters/keys/pkcs11/token-entry.ts']);
const AMBIENT_TIME =
	/\bDate\.now\(|\bnew Date\(\)|\bMath\.random\(|\bperformance\.now\(|\brandomBytes\(|\brandomUUID\(/;

export const sourceRules: readonly Rule[] = [
	{
		name: 'only the entries of processes touch the process',
		check: (tree) =>
			production(tree)
				.filter(({ file }) => !PROCESS_ENTRIES.has(file))
				.flatMap(({ file, code, imports }) => [
					...findMatches(file, code, PROCESS, () => 'touches `process`; let src/main.ts pass in what is needed'),
					...imports
						.filter(({ specifier }) => specifier === 'node:process')
						.map(({ line }) => ({
							file,
							line,
							message: 'imports node:process; let src/main.ts pass in what is needed',
						})),
				]),
	},
	{
		name: 'the domain takes time and randomness from its ports',
		check: (tree) =>
			production(tree)
				.filter(({ file }) => file.startsWith('src/domain/'))
				.flatMap(({ file, code }) =>
					findMatches(file, code, AMBIENT_TIME, ([call]) => `calls ${call}…; take a Clock or a Random`),
				),
	},
	{
		name: 'nothing in src writes to the console',
		check: (tree) =>
			production(tree).flatMap(({ file, code }) =>
				findMatches(file, code, /(?<![.\w$])console\./, () => 'writes to the console; use the log or the CommandIo'),
			),
	},
	{
		name: 'there are no barrels',
		check: (tree) =>
			sourcesOf(tree).flatMap(({ file, imports }) => [
				...imports
					.filter(({ isReexport }) => isReexport)
					.map(({ line }) => ({ file, line, message: 're-exports; import from where it is declared' })),
				...(/(?:^|\/)index\.(?:ts|mjs|js)$/.test(file) ? [{ file, line: 1, message: 'is named index' }] : []),
			]),
	},
	{
		name: 'there are no default exports',
		check: (tree) =>
			sourcesOf(tree).flatMap(({ file, code }) =>
				findMatches(file, code, /^export\s+default\b/m, () => 'has a default export; name it'),
			),
	},
	{
		name: 'there are no enums, namespaces and decorators',
		check: (tree) =>
			sourcesOf(tree).flatMap(({ file, code }) =>
				findMatches(
					file,
					code,
					/^[ \t]*(?:(?:export|declare|const)[ \t]+)*(?:enum|namespace)[ \t]+\w+\s*\{|^[ \t]*@\w+(?:\(.*\))?[ \t]*$/m,
					() => 'uses syntax that Node cannot strip',
				),
			),
	},
	{
		name: 'every file opens with a comment that says what it decides',
		check: (tree) =>
			sourcesOf(tree)
				.filter(({ file }) => !isTest(file) && !file.endsWith('.d.ts'))
				.filter(({ text }) => !/^(?:#![^\n]*\n)?\s*(?:\/\/|\/\*)/.test(text))
				.map(({ file }) => ({ file, line: 1, message: 'does not open with a comment' })),
	},
	{
		name: `no file has more than ${LINES_MAX} lines, no test more than ${TEST_LINES_MAX}`,
		check: (tree) =>
			sourcesOf(tree).flatMap(({ file, text }): readonly Violation[] => {
				const lines = text.split('\n').length - 1;
				if (lines <= (isTest(file) ? TEST_LINES_MAX : LINES_MAX)) return [];
				return [{ file, line: lines, message: `has ${lines} lines; cut it into a folder` }];
			}),
	},
];

function production(tree: Tree): readonly Source[] {
	return sourcesOf(tree).filter(({ file }) => file.startsWith('src/') && !isTest(file));
}
