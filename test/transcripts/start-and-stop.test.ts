// Starting what cannot start: refused with a message that says why and an exit code that scripts can decide by, and without
// harm to what runs already or lies on the disk.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { cp, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { demoConfiguration } from '../../demo/configuration.ts';
import { type DemoPlatform, startDemoPlatform } from '../fixture/demo-platform.ts';
import { freePortBase } from '../fixture/free-ports.ts';
import { childEnvironment, curl, readLedger, ROOT, runProgram, runSallyport } from '../fixture/run-program.ts';

let folder: string;

before(async () => {
	folder = await mkdtemp(join(tmpdir(), 'sallyport-start-'));
});
after(() => rm(folder, { recursive: true }));

const runDemo = (data: string, portBase: number) =>
	runSallyport('demo', '--data', data, '--port-base', String(portBase));

describe('starting a second time', () => {
	let platform: DemoPlatform;
	let configuration: string;

	before(async () => {
		platform = await startDemoPlatform(join(folder, 'data'));
		configuration = await readFile(platform.file('sallyport.yaml'), 'utf8');
	});
	after(() => platform.stop('SIGKILL'));

	async function assertUnharmed(): Promise<void> {
		assert.equal((await curl(`${platform.demo.private}/readyz`))[0]?.status, 200);
		assert.equal(await readFile(platform.file('sallyport.yaml'), 'utf8'), configuration);
		assert.deepEqual(JSON.parse(await readFile(platform.file('demo.json'), 'utf8')), platform.demo);
		const types = (await readLedger(platform.data, '--type', 'platform')).map(({ type }) => type);
		assert.deepEqual(types, ['platform.started']);
		const settings = JSON.parse(await readFile(join(platform.data, 'operator.json'), 'utf8'));
		assert.equal(settings.admin, platform.demo.admin);
	}

	it('is refused on the same data folder, on the same ports and on others', async () => {
		for (const portBase of [platform.portBase, await freePortBase(6)]) {
			const run = await runDemo(platform.data, portBase);
			assert.equal(run.code, 5, run.stderr);
			assert.match(run.stderr, /store\.db is in use by another process\. Stop that one first\.\n$/);
			assert.equal(run.stdout, '');
			await assertUnharmed();
		}
	});

	it('is refused on the same ports with another data folder', async () => {
		const run = await runDemo(join(folder, 'other'), platform.portBase);
		assert.equal(run.code, 5, run.stderr);
		assert.match(run.stderr, /127\.0\.0\.1:\d+ is taken by another program\. Stop it, or choose other ports\.\n$/);
		assert.equal(run.stdout, '');
		await assertUnharmed();
	});
});

describe('starting what cannot start', () => {
	it('ends, and leaves a whole ledger, when the port of the demo bank is taken', async () => {
		const portBase = await freePortBase(6);
		const holder = createServer().listen(portBase + 4, '127.0.0.1');
		await once(holder, 'listening');
		const data = join(folder, 'bank-port');
		try {
			const run = await runDemo(data, portBase);
			assert.equal(run.code, 5, run.stderr);
			assert.match(run.stderr, new RegExp(`127\\.0\\.0\\.1:${portBase + 4} is taken by another program\\.`));
			assert.equal(run.stdout, '');
		} finally {
			holder.close();
		}
		assert.equal((await runSallyport('audit', 'verify', '--data', data)).code, 0);
		const platform = await startDemoPlatform(data, portBase);
		assert.equal((await platform.stop()).code, 0);
		assert.deepEqual(await readLedger(data, '--type', 'ledger.gap'), []);
	});

	it('ends soon, and leaves a whole ledger, when it is interrupted while it starts', async () => {
		const data = join(folder, 'interrupted');
		const portBase = await freePortBase(6);
		const child = spawn(process.execPath, ['src/main.ts', 'demo', '--data', data, '--port-base', String(portBase)], {
			cwd: ROOT,
			env: childEnvironment,
			stdio: ['ignore', 'pipe', 'pipe'],
		});
		const ended = once(child, 'exit');
		const late = setTimeout(() => child.kill('SIGKILL'), 15_000);
		let [stdout, stderr] = ['', ''];
		child.stdout.setEncoding('utf8').on('data', (piece: string) => {
			stdout += piece;
		});
		child.stderr.setEncoding('utf8').on('data', (piece: string) => {
			stderr += piece;
			if (stderr.startsWith('Starting') && !child.killed) child.kill('SIGTERM');
		});
		assert.deepEqual(await ended, [1, null], stderr);
		clearTimeout(late);
		assert.equal(stdout, '');
		assert.match(stderr, /^Starting [^\n]+\nInterrupted\.\n$/);
		assert.equal((await runSallyport('audit', 'verify', '--data', data)).code, 0);
		assert.ok(!existsSync(join(data, 'demo/demo.json')));
	});

	it('refuses a bad configuration with file, line, column and remedy, and starts nothing', async () => {
		const home = join(folder, 'bad');
		const portBase = await freePortBase(6);
		await cp(join(ROOT, 'demo/bank/bank.openapi.yaml'), join(home, 'bank.openapi.yaml'));
		const good = demoConfiguration({ portBase, documentFile: './bank.openapi.yaml' });
		const bad = good.replace('audit: durable', 'audit: durably').replace('connectTimeout:', 'conectTimeout:');
		await writeFile(join(home, 'bad.yaml'), bad);
		const args = ['start', '--config', join(home, 'bad.yaml'), '--data', join(home, 'data')];
		const run = await runProgram('./sallyport', args);
		assert.equal(run.code, 2, run.stderr);
		assert.equal(run.stdout, '');
		const lines = bad.split('\n');
		for (const word of ['conectTimeout', 'durably']) {
			const line = lines.findIndex((text) => text.includes(word)) + 1;
			const column = (lines[line - 1] ?? '').indexOf(word) + 1;
			assert.ok(run.stderr.includes(`bad.yaml:${line}:${column}`), `${word} at ${line}:${column}\n${run.stderr}`);
		}
		assert.match(run.stderr, /connectTimeout/);
		assert.match(run.stderr, /The configuration does not load: 2 problem\(s\)\. Nothing was started\.\n$/);
		assert.ok(!(await readdir(join(home, 'data'))).includes('ledger'));
	});

	it('refuses a port that leaves no room for five', async () => {
		const run = await runSallyport('demo', '--data', join(folder, 'none'), '--port-base', '65535');
		assert.equal(run.code, 2);
		assert.match(run.stderr, /--port-base takes a whole number/);
	});
});
