// Runs test files with Node's own runner, each in a process of its own, and counts what really ran: a run without a
// test is a failure, and so is a file that declares none, because either looks exactly like success.
import { globSync } from 'node:fs';
import { join, relative, resolve } from 'node:path';
import { run } from 'node:test';
import { spec } from 'node:test/reporters';

/** The root of the repository. */
export const ROOT: string = join(import.meta.dirname, '..');

/** Processes at a time: one for each of the two cores that the checks are meant to fit on. */
const CONCURRENCY = 2;
/** A single test that takes longer hangs. */
const TEST_TIMEOUT_MS = 120_000;
/** Without a word for so long, a file hangs after its last test: something that it opened is still open. */
const SILENCE_MS = 180_000;

export interface TestRunOptions {
	/** Absolute paths. */
	readonly files: readonly string[];
	/** Runs only tests whose name matches. */
	readonly name?: RegExp;
	readonly output: NodeJS.WritableStream;
}

/** Finds the test files that match `patterns` (globs relative to the repository root), sorted. */
export function findTestFiles(patterns: readonly string[], exclude: readonly string[] = []): readonly string[] {
	const excluded = new Set(globSync([...exclude], { cwd: ROOT }));
	const found = globSync([...patterns], { cwd: ROOT }).filter((file) => !excluded.has(file));
	return [...new Set(found)].sort().map((file) => join(ROOT, file));
}

/** Runs the files, reports to `output`, and tells whether tests ran and all of them passed. */
export async function runTests(options: TestRunOptions): Promise<boolean> {
	if (options.files.length === 0) {
		options.output.write('No test file matches, so that nothing was tested.\n');
		return false;
	}
	const emptyFiles: string[] = [];
	let ranCount = 0;
	let failedCount = 0;
	const silence = new AbortController();
	const running = new Set<string>();
	const watchdog = setTimeout(() => {
		const files = [...running].map((file) => relative(ROOT, file)).join(', ');
		options.output.write(`Nothing was heard of the tests for ${SILENCE_MS / 1000} s. Running: ${files}.\n`);
		failedCount += 1;
		silence.abort();
	}, SILENCE_MS);
	const events = run({
		files: [...options.files],
		concurrency: CONCURRENCY,
		timeout: TEST_TIMEOUT_MS,
		signal: silence.signal,
		...(options.name === undefined ? {} : { testNamePatterns: [options.name] }),
	});
	events.on('data', () => watchdog.refresh());
	events.on('test:dequeue', ({ file, nesting }) => {
		if (nesting === 0 && file !== undefined) running.add(file);
	});
	events.on('test:complete', ({ name, nesting }) => {
		if (nesting === 0) running.delete(resolve(ROOT, name));
	});
	events.on('test:pass', ({ name, skip, details }) => {
		if (details.type === 'suite') return;
		// A file without tests is reported as one test that bears the name of the file.
		if (options.files.includes(join(ROOT, name)) || options.files.includes(name)) emptyFiles.push(name);
		else if (skip === undefined) ranCount += 1;
	});
	events.on('test:fail', ({ details }) => {
		if (details.type !== 'suite') ranCount += 1;
		failedCount += 1;
	});
	const report = events.compose(spec);
	report.pipe(options.output, { end: false });
	await new Promise<void>((resolve, reject) => {
		report.on('end', resolve);
		report.on('error', reject);
	});
	clearTimeout(watchdog);
	if (options.name === undefined) {
		for (const file of emptyFiles) options.output.write(`${relative(ROOT, resolve(ROOT, file))} declares no test.\n`);
		if (emptyFiles.length > 0) return false;
	}
	if (ranCount === 0) {
		options.output.write('No test ran, so that nothing was tested.\n');
		return false;
	}
	return failedCount === 0;
}
