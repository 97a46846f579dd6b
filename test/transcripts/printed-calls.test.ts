// What `npm start` promises on the screen, held to it: the printed calls are taken from the output and pasted into a shell.
// Then what it leaves behind: the shape of demo.json, probes, metrics, files without secrets, a clean end.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { testCardNumber, testIban } from '../../demo/bank/fixtures.ts';
import { type DemoPlatform, startDemoPlatform } from '../fixture/demo-platform.ts';
import { clientOf, type PartnerClient } from '../fixture/partner-client.ts';
import { awaitLedger, childEnvironment, curl, readLedger, ROOT, runProgram } from '../fixture/run-program.ts';

describe('the demo, as it is printed', () => {
	let folder: string;
	let platform: DemoPlatform;
	let client: PartnerClient;
	/** The printed lines, without their indent. */
	let lines: readonly string[];
	/** Texts that must not be found in log or ledger. */
	const canaries: string[] = [testIban(1001), testIban(1007), testCardNumber('400000000001001')];

	before(async () => {
		// A folder that a shell would take for three words, if the printed calls did not quote it.
		folder = await mkdtemp(join(tmpdir(), "sallyport it's printed "));
		platform = await startDemoPlatform(join(folder, 'data'));
		const { demo } = platform;
		const { id, clientId, certificateFile, keyFile } = demo.partner;
		lines = platform
			.output()
			.stdout.split('\n')
			.map((line) => line.trim());
		client = clientOf(
			{ data: platform.data, ...demo, resource: demo.partner.resource },
			{
				partnerId: id,
				clientId,
				credentialId: '',
				certificateFile: platform.file(certificateFile),
				keyFile: platform.file(keyFile),
			},
		);
	});
	after(async () => {
		await platform.stop('SIGKILL');
		await rm(folder, { recursive: true });
	});

	/** The printed line that begins with `start`, after the line that holds `after`. */
	function printed(start: string, heading = ''): string {
		const from = lines.findIndex((line) => line.includes(heading));
		const line = lines.slice(Math.max(0, from)).find((candidate) => candidate.startsWith(start));
		assert.ok(from >= 0 && line !== undefined, `nothing printed begins with ${start} after ${heading}`);
		return line;
	}

	/** Pastes lines into a shell in the folder that the demo was started in. */
	const paste = (...commands: readonly string[]) => runProgram('bash', ['-c', commands.join('\n')]);

	it('says ready only when demo.json is there, and writes nothing on stderr but its two lines', (test) => {
		test.diagnostic(`ready after ${platform.readyAfterMs} ms, first start`);
		assert.ok(platform.wasDemoFileThere);
		assert.match(
			platform.output().stderr,
			/^Starting the demo platform in [^\n]+\/data …\nReady after \d+ ms\.\n$/,
			platform.output().stderr,
		);
	});

	it('writes demo.json in its fixed shape, with paths that lead somewhere', () => {
		const { demo, portBase } = platform;
		const localhost = (step: number): string => `https://localhost:${portBase + step}`;
		assert.match(demo.partner.id, /^prt_/);
		assert.match(demo.partner.clientId, /^cli_/);
		assert.deepEqual(demo, {
			gateway: localhost(0),
			issuer: localhost(1),
			tokenEndpoint: `${localhost(1)}/oauth2/token`,
			admin: localhost(2),
			private: `http://127.0.0.1:${portBase + 3}`,
			caFile: '../ca.pem',
			partner: {
				id: demo.partner.id,
				clientId: demo.partner.clientId,
				certificateFile: 'partner.pem',
				keyFile: 'partner.key',
				scope: 'accounts:read payments:write',
				resource: `${localhost(0)}/bank/v1`,
			},
			operator: { certificateFile: '../operator/operator.pem', keyFile: '../operator/operator.key' },
		});
		const { caFile, partner, operator } = demo;
		for (const file of [caFile, ...filesOf(partner), ...filesOf(operator)]) assert.ok(existsSync(platform.file(file)));
	});

	it('answers the printed call that succeeds, masked', async () => {
		const run = await paste(printed('TOKEN='), 'echo "$TOKEN"', printed('curl', 'A call that succeeds'));
		const [token = '', ...body] = run.stdout.split('\n');
		assert.match(token, /^ey[\w-]+\.[\w-]+\.[\w-]+$/);
		canaries.push(token);
		const account = JSON.parse(body.join('\n'));
		assert.equal(account.accountId, 'acc-1001');
		assert.ok(!run.stdout.includes(testIban(1001)));
	});

	it('refuses each printed call that is refused with the printed status', async () => {
		const headings = lines.filter((line) => /^# \d{3} /.test(line));
		assert.equal(headings.length, 5);
		const calls = headings.map((heading) => printed('curl', heading).replace('curl ', 'curl -i '));
		const run = await paste(printed('TOKEN='), ...calls.map((call) => `${call}; echo`));
		const answers = [...run.stdout.matchAll(/^HTTP\/(?:1\.1|2) (\d{3})/gm)].map(([, status]) => status);
		assert.deepEqual(
			answers,
			headings.map((heading) => heading.slice(2, 5)),
			run.stdout,
		);
		const ids = [...run.stdout.matchAll(/^x-request-id: (\S+)/gim)].map(([, id]) => id);
		assert.equal(new Set(ids).size, 5);
		// The call that succeeded above is one, these five are the others.
		const entries = await awaitLedger(6, platform.data, '--type', 'gateway.request');
		for (const id of ids) assert.equal(entries.filter((entry) => entry.requestId === id).length, 1);
	});

	it('verifies and follows the ledger as printed', async () => {
		const verified = await paste(printed('./sallyport audit verify'));
		assert.equal(verified.code, 0, verified.stderr);
		assert.match(verified.stdout, /^result +whole$/m);
		const follow = spawn('bash', ['-c', `exec ${printed('./sallyport audit tail --follow')}`], {
			cwd: ROOT,
			env: childEnvironment,
			stdio: ['ignore', 'pipe', 'inherit'],
		});
		const ended = once(follow, 'exit');
		const late = setTimeout(() => follow.kill('SIGKILL'), 20_000);
		let shown = '';
		let requestId: string | undefined;
		for await (const piece of follow.stdout.setEncoding('utf8')) {
			shown += String(piece);
			requestId ??= (await client.call('nonsense', '/accounts/acc-1001')).headers['x-request-id'];
			if (shown.includes(String(requestId))) break;
		}
		follow.kill('SIGTERM');
		await ended;
		clearTimeout(late);
		assert.ok(shown.includes(String(requestId)), shown);
	});

	it('takes access away and gives it back as printed', async () => {
		const token = await client.token();
		canaries.push(token);
		const status = async () => (await client.call(token, '/accounts/acc-1001')).status;
		assert.equal(await status(), 200);
		assert.equal((await paste(printed('./sallyport partner suspend'))).code, 0);
		assert.equal(await status(), 403);
		assert.equal((await paste(printed('./sallyport partner resume'))).code, 0);
		assert.equal(await status(), 200);
	});

	it('answers probes and metrics on the private listener', async () => {
		const at = async (path: string) => (await curl(`${platform.demo.private}${path}`))[0];
		assert.deepEqual([(await at('/livez'))?.status, (await at('/readyz'))?.status], [200, 200]);
		const metrics = await at('/metrics');
		assert.equal(metrics?.status, 200);
		assert.match(metrics.headers['content-type'] ?? '', /^text\/plain; version=0\.0\.4/);
		assert.match(metrics.body, /^# TYPE http_server_request_duration_seconds histogram$/m);
		assert.match(metrics.body, /resource_denied[^\n]* [1-9]/);
	});

	it('keeps tokens, keys, statements about callers and account numbers out of log and ledger', async () => {
		const token = await client.token();
		const body = {
			debtorAccountId: 'acc-1001',
			creditor: { name: 'Canary Kanarienvogel', iban: testIban(1007) },
			amount: { amount: '1.23', currency: 'EUR' },
			reference: 'canary-reference-1',
		};
		const ordered = await client.call(
			token,
			'/payments',
			'-H',
			'Content-Type: application/json',
			'-d',
			JSON.stringify(body),
		);
		assert.equal(ordered.status, 201, ordered.body);
		const key = await readFile(client.keyFile, 'utf8');
		const signatureOf = (jwt: string): string => jwt.slice(jwt.lastIndexOf('.') + 1);
		canaries.push(token, ...canaries.filter((text) => text.startsWith('ey')).map(signatureOf), signatureOf(token));
		canaries.push(key.split('\n')[1] ?? '', body.creditor.name, body.reference);
		assert.ok(
			canaries.every((text) => text.length >= 16),
			canaries.join(),
		);
		for (const part of ['log', 'ledger']) {
			for (const [file, text] of await filesUnder(join(platform.data, part))) {
				for (const canary of canaries) assert.ok(!text.includes(canary), `${file} holds ${canary.slice(0, 8)}…`);
				// Any token or assertion at all: both are JWTs.
				assert.doesNotMatch(text, /eyJ[\w-]{10,}\.|PRIVATE KEY/, file);
			}
		}
		// The bank believed the statement about the caller, so that there was one that could have been written down.
		const entries = await readLedger(platform.data, '--request-id', ordered.headers['x-request-id'] ?? '');
		assert.equal(entries.at(-1)?.facts?.['upstream_status'], 201);
	});

	it('ends cleanly on SIGTERM: exit code 0, a whole ledger, and no gap at the next start', async (test) => {
		assert.deepEqual(await platform.stop('SIGTERM'), { code: 0, signal: null });
		assert.match(platform.output().stderr, /Ready after \d+ ms\.\n\nStopping: [^\n]+ …\n$/);
		assert.equal((await platform.sallyport('audit', 'verify')).code, 0);
		const { partner } = platform.demo;
		platform = await startDemoPlatform(platform.data, platform.portBase);
		test.diagnostic(`ready after ${platform.readyAfterMs} ms, second start`);
		assert.deepEqual(platform.demo.partner, partner);
		assert.equal((await client.call(await client.token(), '/accounts/acc-1001')).status, 200);
		assert.deepEqual(await readLedger(platform.data, '--type', 'ledger'), []);
		assert.equal((await readLedger(platform.data, '--type', 'partner.registered')).length, 1);
		const types = (await readLedger(platform.data, '--type', 'platform')).map(({ type }) => type);
		assert.deepEqual(types, ['platform.started', 'platform.stopped', 'platform.started']);
		assert.deepEqual(await platform.stop('SIGINT'), { code: 0, signal: null });
	});
});

function filesOf(of: { readonly certificateFile: string; readonly keyFile: string }): readonly string[] {
	return [of.certificateFile, of.keyFile];
}

/** The files under a folder that is being written to, each with its text. */
async function filesUnder(directory: string): Promise<readonly (readonly [string, string])[]> {
	for (let attempt = 0; ; attempt++) {
		const found = await readdir(directory, { recursive: true, withFileTypes: true });
		const paths = found.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
		assert.ok(paths.length > 0);
		try {
			return await Promise.all(paths.map(async (path) => [path, await readFile(path, 'latin1')] as const));
		} catch (error) {
			// A partial tile has given way to its successor: look again.
			if ((error as NodeJS.ErrnoException).code !== 'ENOENT' || attempt === 20) throw error;
		}
	}
}
