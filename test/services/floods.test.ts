// Floods by tools of others: h2load, an HTTP/2 client of python3-h2 that only floods, and slowhttptest. While each of them runs, a
// partner on another connection is served, and the memory of the process stays within its bound.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { startTestGateway, type TestGateway, type TestPartner } from '../fixture/test-gateway.ts';

const MIB = 1024 * 1024;
const GROWTH_MIB_MAX = 256;
const FLOOD = new URL('h2_flood.py', import.meta.url).pathname;

let gateway: TestGateway;
let partner: TestPartner;
let folder: string;
let caFile: string;

before(async () => {
	folder = await mkdtemp(join(tmpdir(), 'sallyport-floods-'));
	caFile = join(folder, 'ca.pem');
	gateway = await startTestGateway();
	partner = await gateway.onboard();
	await writeFile(caFile, gateway.rootCa);
});
after(async () => {
	await gateway.close();
	await rm(folder, { recursive: true });
});

function run(command: string, args: readonly string[]): Promise<string> {
	return new Promise((resolve) => {
		// The exit code tells how a tool liked what it saw; what it printed is judged.
		execFile(command, [...args], { cwd: folder, timeout: 90_000 }, (_error, stdout, stderr) =>
			resolve(stdout + stderr),
		);
	});
}

/** Serves a partner again and again while `flood` runs; gives what the flood printed. */
async function whileServing(flood: Promise<string>): Promise<string> {
	const ended = new AbortController();
	void flood.finally(() => ended.abort());
	const get = `GET /bank/v1/accounts/acc-1001 HTTP/1.1\r\nHost: ${gateway.authority}\r\nAuthorization: Bearer ${partner.token()}\r\n\r\n`;
	const rssBefore = process.memoryUsage().rss;
	let served = 0;
	do {
		const response = await gateway.request(partner, get, 30_000);
		assert.equal(response?.status, 200, 'a partner is not served meanwhile');
		served++;
		gateway.seen.length = 0;
		gateway.ledger.buffered.length = 0;
		await new Promise((resolve) => setTimeout(resolve, 100));
	} while (!ended.signal.aborted);
	const grownMib = (process.memoryUsage().rss - rssBefore) / MIB;
	assert.ok(grownMib < GROWTH_MIB_MAX, `the memory has grown by ${Math.round(grownMib)} MiB`);
	assert.ok(served > 0);
	return flood;
}

test('h2load: every request of many streams on many connections is answered', async (context) => {
	const target = `https://localhost:${gateway.port}/bank/v1/accounts/acc-1001`;
	const printed = await whileServing(run('h2load', ['-n', '2000', '-c', '20', '-m', '20', target]));
	context.diagnostic(printed.split('\n').find((line) => line.startsWith('requests:')) ?? printed);
	assert.match(printed, /Application protocol: h2/);
	assert.match(printed, /requests: 2000 total, 2000 started, 2000 done/);
	assert.match(printed, /status codes: 0 2xx, 0 3xx, 2000 4xx, 0 5xx/);
});

for (const kind of ['reset', 'ping', 'settings'] as const) {
	test(`an HTTP/2 client that floods with ${kind} is cut off`, async (context) => {
		const printed = await whileServing(run('/usr/bin/python3', [FLOOD, String(gateway.port), caFile, kind, '10']));
		context.diagnostic(printed.trim());
		assert.match(printed, /^sent \d+ ended True$/m);
	});
}

for (const [what, args] of [
	['slow heads', ['-H']],
	['slow bodies', ['-B', '-s', '4096']],
	['slow reads', ['-X', '-w', '10', '-y', '20', '-z', '32']],
] as const) {
	test(`slowhttptest: ${what} on 200 connections keep nobody from being served`, async (context) => {
		const target = `https://localhost:${gateway.port}/bank/v1/accounts/acc-1001`;
		const printed = await whileServing(
			run('slowhttptest', ['-c', '200', '-r', '100', '-i', '2', '-l', '15', '-p', '3', ...args, '-u', target]),
		);
		const status = /Exit status: .*/.exec(printed)?.[0] ?? printed.slice(-300);
		context.diagnostic(status);
		assert.match(printed, /slowhttptest version/);
	});
}
