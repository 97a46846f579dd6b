// A small repository with one violation of every tidy rule, and the message that each must cause. Beside each stands
// something that looks alike and is allowed, so that a rule that reports everything fails as well.
import { posix } from 'node:path';

/** All hostile cases but the last, of which the sample's test knows all but the last. */
const CASES = Array.from({ length: 34 }, (_, index) => `T${index + 1}`);
const HOSTILE_ROWS = CASES.map((name) => `| ${name} | a case | \`test/hostile.test.ts\` |`).join('\n');
const HOSTILE_TEST = `// ${CASES.slice(0, -1).join(' ')}\n`;

/** From path to content. */
export const badSample: Readonly<Record<string, string>> = {
	LICENSE: 'a license\n',
	'README.md': 'A clean page.\n',
	'SECURITY.md': 'A clean page.\n',
	'CONTRIBUTING.md': 'A clean page.\n',
	'docs/life-of-a-request.md': 'A clean page.\n',
	// CHANGELOG.md is missing.
	'ARCHITECTURE.md':
		'| feature | files |\n|---|---|\n| good | `src/kernel/good.ts`, `src/kernel/*.ts` |\n| bad | `src/gone.ts` |\n',
	'docs/hostile-http.md': `# Cases\n\n${HOSTILE_ROWS}\n| T36 | gone | \`test/gone.test.ts\` |\n`,
	'test/hostile.test.ts': HOSTILE_TEST,
	'package.json': JSON.stringify(
		{ dependencies: { explained: '1.0.0', unexplained: '1.0.0', ranged: '^1.0.0' } },
		null,
		'\t',
	),
	'package-lock.json': `{ "resolved": "https://${['registry', 'npmjs', 'org'].join('.')}/x.tgz" }\n`,
	'docs/decisions/good.md':
		'# `explained`, `ranged`\n\n## Context\n\n## Decision\n\n## Consequences\n\n## What would change our mind\n',
	'docs/decisions/half.md': '# Half\n\n## Context\n\n## Decision\n\n## Consequences\n',

	'src/main.ts': "// The program.\nimport { good } from './kernel/good.ts';\nprocess.exitCode = good;\n",
	'src/kernel/good.ts':
		"// Looks bad and is not: process.env, import x from '../services/a/a.ts', Date.now(), console.log.\n" +
		'export const good = 1;\nexport const text = \'process.env enum Color { console.log( import("node:fs")\';\n' +
		'export const pattern = /console.log\\(/;\nexport const template = `${good} process.exit() export default`;\n',
	'src/kernel/faults.ts':
		'// The table.\nexport const FAULTS = {\n\tkept: { status: 400 },\n\tnever_raised: { status: 400 },\n\tnever_tested: { status: 400 },\n} as const satisfies object;\n',
	'src/kernel/faults.test.ts':
		"import './good.ts';\nassert.equal(code, 'kept');\nassert.equal(code, 'never_raised');\n",
	'src/kernel/raise.ts': "// Raises.\nexport const raised = ['kept', 'never_tested'];\n",
	'src/kernel/uses-domain.ts':
		"// Layers.\nimport { decision } from '../domain/policy/decision.ts';\nexport const x = decision;\n",
	'src/domain/policy/decision.ts': '// Decides.\nexport const decision = 1;\n',
	'src/domain/policy/reads-file.ts':
		"// I/O.\nimport { readFileSync } from 'node:fs';\nexport const x = readFileSync;\n",
	'src/domain/policy/hashes.ts': "// Pure.\nimport { createHash } from 'node:crypto';\nexport const x = createHash;\n",
	'src/domain/policy/clock.ts': '// Time.\nexport const x = () => Date.now();\n',
	'src/services/a/a.ts': "// A.\nimport { b } from '../b/b.ts';\nexport const a = b;\n",
	'src/services/b/b.ts': '// B.\nexport const b = 1;\n',
	'src/adapters/store/types.ts': "// Types.\nimport type { C } from '../../config/c.ts';\nexport type D = C;\n",
	'src/adapters/store/values.ts': "// Values.\nimport { c } from '../../config/c.ts';\nexport const d = c;\n",
	'src/config/c.ts': '// Config.\nexport const c = 1;\nexport type C = 1;\n',
	'src/platform/one.ts': "// One.\nimport { two } from './two.ts';\nexport const one = two;\n",
	'src/platform/two.ts':
		"// Two.\nimport type { one } from './one.ts';\nimport { three } from './three.ts';\nexport const two = three;\nexport type One = typeof one;\n",
	'src/platform/three.ts': "// Three.\nimport { one } from './one.ts';\nexport const three = () => one;\n",
	'src/platform/gone.ts': "// Gone.\nimport { gone } from './not-there.ts';\nexport const x = gone;\n",
	'src/platform/bare.ts': "// Bare.\nexport const x = () => import('./one');\n",
	'src/platform/process.ts': '// Process.\nexport const x = () => process.exit(1);\n',
	'src/platform/console.ts': "// Console.\nexport const x = () => console.log('x');\n",
	'src/platform/barrel.ts': "// Barrel.\nexport { one } from './one.ts';\n",
	'src/platform/default.ts': '// Default.\nexport default 1;\n',
	'src/platform/enum.ts': '// Enum.\nexport enum Color {\n\tRed,\n}\n',
	'src/platform/silent.ts': 'export const x = 1;\n',
	'src/platform/long.ts': `// Long.\n${'export {};\n'.repeat(501)}`,
	'src/platform/CamelCase.ts': '// Camel.\nexport const x = 1;\n',
	'src/platform/string-utils.ts': '// Vague.\nexport const x = 1;\n',
	'src/platform/words.ts': `// A ${'white' + 'list'} of words. Not of ${'back' + 'endless'} ones.\nexport const x = 1;\n`,
	'src/platform/path.ts': `// See ${posix.join('/', 'work', 'main', 'notes')}. Not: teamwork/main.\nexport const x = 1;\n`,
	'src/platform/todo.ts': `// ${'TO' + 'DO'}(#12) is fine.\n// ${'TO' + 'DO'} this is not.\nexport const x = 1;\n`,
	'demo/bank/bank.ts': "// Bank.\nimport { good } from '../../src/kernel/good.ts';\nexport const x = good;\n",
};

/** What must be reported, rule by rule, as `file:line message`; nothing else may be. */
export const expectedViolations: Readonly<Record<string, readonly RegExp[]>> = {
	'imports follow the layers': [
		/^src\/kernel\/uses-domain\.ts:2 kernel imports domain/,
		/^src\/adapters\/store\/values\.ts:2 adapters imports config/,
	],
	'a service imports no other service': [/^src\/services\/a\/a\.ts:2 services\/a imports services\/b/],
	'the kernel and the domain do no input and output': [/^src\/domain\/policy\/reads-file\.ts:2 imports node:fs/],
	'the demo bank is independent of Sallyport': [/^demo\/bank\/bank\.ts:2 imports src\/kernel\/good\.ts/],
	'relative imports name a file that exists, with its extension': [
		/^src\/platform\/gone\.ts:2 \.\/not-there\.ts does not exist/,
		/^src\/platform\/bare\.ts:2 \.\/one has no extension/,
	],
	'no module imports itself in a circle': [
		/^src\/platform\/\w+\.ts:2 circular import: .*one\.ts → .*two\.ts → .*one\.ts$/,
		/^src\/platform\/\w+\.ts:\d circular import: .*one\.ts → .*two\.ts → .*three\.ts → .*one\.ts$/,
	],
	'only the entries of processes touch the process': [/^src\/platform\/process\.ts:2 /],
	'the domain takes time and randomness from its ports': [/^src\/domain\/policy\/clock\.ts:2 calls Date\.now/],
	'nothing in src writes to the console': [/^src\/platform\/console\.ts:2 /],
	'there are no barrels': [/^src\/platform\/barrel\.ts:2 re-exports/],
	'there are no default exports': [/^src\/platform\/default\.ts:2 /],
	'there are no enums, namespaces and decorators': [/^src\/platform\/enum\.ts:2 /],
	'every file opens with a comment that says what it decides': [/^src\/platform\/silent\.ts:1 /],
	'no file has more than 500 lines, no test more than 800': [/^src\/platform\/long\.ts:502 has 502 lines/],
	'files and folders are named in kebab-case': [/^src\/platform\/CamelCase\.ts:1 /],
	'no file or folder has a name that means nothing': [/^src\/platform\/string-utils\.ts:1 "utils"/],
	'one word is used for one idea': [/^src\/platform\/words\.ts:1 /],
	'no file names a package registry': [/^package-lock\.json:1 /],
	'no file names a folder of the machine that it was written on': [/^src\/platform\/path\.ts:1 /],
	'every open task has a number': [/^src\/platform\/todo\.ts:2 /],
	'the pages that everybody looks for exist': [/^CHANGELOG\.md:1 does not exist/],
	'the table of ARCHITECTURE.md names files that exist': [/^ARCHITECTURE\.md:4 src\/gone\.ts does not exist/],
	'the table of hostile cases names a test for each of them': [
		/^docs\/hostile-http\.md:37 test\/gone\.test\.ts does not exist/,
		/^docs\/hostile-http\.md:36 test\/hostile\.test\.ts has no T34/,
		/^docs\/hostile-http\.md:1 names no test for T34/,
		/^docs\/hostile-http\.md:1 names no test for T36/,
	],
	'every direct dependency has a page in docs/decisions': [
		/^package\.json:4 unexplained has no page/,
		/^package\.json:5 ranged is not pinned exactly/,
	],
	'a decision has its context, consequences, and what would change our mind': [
		/^docs\/decisions\/half\.md:1 has no section "## What would change our mind"/,
	],
	'every fault is raised by the code and expected by a test': [
		/^src\/kernel\/faults\.ts:4 never_raised is not raised/,
		/^src\/kernel\/faults\.ts:5 never_tested is not expected/,
	],
};
