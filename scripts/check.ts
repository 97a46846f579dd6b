// Everything that must hold before a change goes in, in the order in which it fails fastest. `npm test` runs this,
// and so does continuous integration. It stops at the first failure and says what to do about it.
//
//   npm test                     all steps
//   npm test -- lint types       only these
import { spawnSync } from 'node:child_process';
import { ROOT } from './run-tests.ts';

interface Step {
	readonly name: string;
	/** Arguments for Node: a tool's own script, or one of ours. */
	readonly command: readonly string[];
	readonly remedy: string;
	/** Shows the output as it comes; otherwise only that of a failure. */
	readonly isShown?: boolean;
}

const STEPS: readonly Step[] = [
	{
		name: 'format',
		command: ['node_modules/@biomejs/biome/bin/biome', 'format', '.'],
		remedy: 'Run "npm run format".',
	},
	{
		name: 'lint',
		command: ['node_modules/oxlint/bin/oxlint', '--type-aware', '--deny-warnings'],
		remedy: 'Mend what is reported. A rule that is wrong for this project is changed in .oxlintrc.json.',
	},
	{
		name: 'types',
		command: ['node_modules/typescript/bin/tsc', '-p', '.'],
		remedy: 'Mend the types.',
	},
	{
		name: 'dead code',
		command: ['node_modules/knip/bin/knip.js', '--no-progress'],
		remedy: 'Remove what nothing uses. An entry point that knip cannot see is named in knip.json.',
	},
	{
		name: 'generated docs',
		command: ['scripts/generate-docs.ts', '--check'],
		remedy: 'Run "npm run docs".',
	},
	{
		name: 'tests',
		command: ['scripts/test.ts'],
		remedy: 'The failing tests are listed above. One of them alone: npm run test:unit -- FILE --name NAME.',
		isShown: true,
	},
];

process.exitCode = runSteps(process.argv.slice(2));

function runSteps(wanted: readonly string[]): number {
	const steps = STEPS.filter(({ name }) => wanted.length === 0 || wanted.includes(name));
	const unknown = wanted.filter((name) => !STEPS.some((step) => step.name === name));
	if (unknown.length > 0) {
		process.stderr.write(
			`There is no step ${unknown.join(', ')}. Steps: ${STEPS.map(({ name }) => name).join(', ')}.\n`,
		);
		return 2;
	}
	const startedAt = performance.now();
	for (const step of steps) {
		const stepStartedAt = performance.now();
		process.stdout.write(`${step.name} …${step.isShown ? '\n' : ' '}`);
		const { status, signal, stdout, stderr } = spawnSync(process.execPath, [...step.command], {
			cwd: ROOT,
			stdio: step.isShown ? 'inherit' : ['ignore', 'pipe', 'pipe'],
			encoding: 'utf8',
			maxBuffer: 64 * 1024 * 1024,
		});
		const took = secondsSince(stepStartedAt);
		if (status !== 0) {
			process.stdout.write(
				`failed after ${took}${signal === null ? '' : ` (${signal})`}\n${stdout ?? ''}${stderr ?? ''}\n`,
			);
			process.stdout.write(`${step.name}: ${step.remedy}\n`);
			return 1;
		}
		process.stdout.write(`${step.isShown ? `${step.name} ` : ''}ok, ${took}\n`);
	}
	process.stdout.write(`All checks passed in ${secondsSince(startedAt)}.\n`);
	return 0;
}

function secondsSince(startedAt: number): string {
	return `${((performance.now() - startedAt) / 1000).toFixed(1)} s`;
}
