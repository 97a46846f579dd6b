// The programs of the pages for partners, taken from the pages as they stand and run against the platform: curl, Node, Python,
// Java and Go, by certificate, by signed assertion and with DPoP. Each meets what its page prepares for: a limit, a token that
// is revoked, one that has to be renewed, nonces, and a client that is disabled.
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { createPublicKey } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { createPartnerKey } from '../../demo/partner-key.ts';
import type { AdminClient } from '../../src/cli/admin-client.ts';
import type { AuditEntry } from '../../src/domain/ledger/audit-entry.ts';
import { openOperatorClient } from '../fixture/partner-client.ts';
import { type PlatformBesideBank, startPlatformBesideBank } from '../fixture/platform-beside-bank.ts';
import { childEnvironment, readLedger, ROOT, runProgram } from '../fixture/run-program.ts';

/** Calls of each program, at most one in a second: enough to see a token revoked and another one renewed. */
const CALLS = 9;
/** Tokens live for 300 seconds; so they are replaced after five. */
const RENEW_BEFORE_SECONDS = 295;
const TIMEOUT_MS = 60_000;
const RECORDED_WITHIN_MS = 5000;
const GO_TIMEOUT_MS = 180_000;

/** How the client of each page is registered. */
const PAGES = {
	'getting-a-token.md': { authenticationMethod: 'tls_client_auth', senderConstraint: 'mtls' },
	'private-key-jwt.md': { authenticationMethod: 'private_key_jwt', senderConstraint: 'mtls' },
	'dpop.md': { authenticationMethod: 'private_key_jwt', senderConstraint: 'dpop' },
} as const;
type Page = keyof typeof PAGES;

/** How a program is run, by the language of its block. Go programs are compiled before. */
const RUNTIMES: Readonly<Record<string, (file: string) => readonly [string, ...string[]]>> = {
	sh: (file) => ['sh', file],
	js: (file) => [process.execPath, file],
	python: (file) => ['/usr/bin/python3', file],
	java: (file) => ['java', '-XX:TieredStopAtLevel=1', '-XX:+UseSerialGC', file],
	go: (file) => [`../compiled/${nameOf(file)}`],
};
const GO_ENVIRONMENT = { GOTOOLCHAIN: 'local', GOPROXY: 'off', GOFLAGS: '', CGO_ENABLED: '0' };

interface Sample {
	readonly page: Page;
	readonly language: string;
	readonly file: string;
	readonly text: string;
}

/** Every block of the pages that has the name of a file. */
const SAMPLES: readonly Sample[] = (Object.keys(PAGES) as Page[]).flatMap((page) => {
	const text = readFileSync(join(ROOT, 'docs/partner', page), 'utf8');
	return Array.from(text.matchAll(/^```(\w+) (\S+)\n(.*?)^```$/gms), ([, language = '', file = '', program = '']) => {
		return { page, language, file, text: program };
	});
});

interface Registered {
	readonly partnerId: string;
	readonly clientId: string;
	readonly environment: Readonly<Record<string, string>>;
}

let folder: string;
let platform: PlatformBesideBank;
let admin: AdminClient;

before(async () => {
	folder = await mkdtemp(join(tmpdir(), 'sallyport-samples-'));
	await prepare();
	platform = await startPlatformBesideBank((configuration) => {
		const { bank } = configuration.apis;
		const getAccount = { ...bank.operations.getAccount, authentication: 'bound' };
		const few = { name: 'few', requests: 1, window: '1s', per: 'client' };
		return {
			gateway: { threads: 2, dpopNonce: 'required' },
			apis: { bank: { ...bank, operations: { ...bank.operations, getAccount } } },
			products: { ...configuration.products, 'savings-read': undefined },
			plans: { few: { title: 'Few', tokenTtl: '300s', limits: [few] } },
		};
	});
	admin = await openOperatorClient(platform.address);
});
after(async () => {
	await admin.close();
	await platform.stop();
	await rm(folder, { recursive: true });
});

/** Registers a client as the page has it, with everything that its program reads. */
async function register({ page, file }: Sample): Promise<Registered> {
	const { address } = platform;
	const partnerId = String((await admin.post('/partners', { body: { name: file } })).body['id']);
	const body = { name: file, environment: 'production', ...PAGES[page] };
	const clientId = String((await admin.post(`/partners/${partnerId}/clients`, { body })).body['id']);
	const subscription = {
		productId: 'accounts-read',
		planId: 'few',
		stage: 'live',
		grants: { account: ['acc-1001'] },
	};
	await admin.post(`/clients/${clientId}/subscriptions`, { body: subscription });
	const place = (name: string) => join(folder, `${clientId}.${name}`);
	const environment: Record<string, string> = {
		TOKEN_ENDPOINT: address.tokenEndpoint,
		ISSUER: new URL(address.tokenEndpoint).origin,
		RESOURCE: address.resource,
		API_URL: `${address.gateway}/bank/v1/accounts/acc-1001`,
		CLIENT_ID: clientId,
		CA_FILE: join(address.data, 'ca.pem'),
	};
	if (PAGES[page].senderConstraint === 'mtls') {
		const { keyPem, csrPem } = createPartnerKey(file);
		const issued = await admin.post(`/clients/${clientId}/certificates`, { body: { csr: csrPem } });
		await writeFile(place('pem'), String(issued.body['chain']));
		await writeFile(place('key'), keyPem, { mode: 0o600 });
		Object.assign(environment, { CERTIFICATE_FILE: place('pem'), KEY_FILE: place('key') });
	}
	if (PAGES[page].authenticationMethod === 'private_key_jwt') {
		const { keyPem } = createPartnerKey(file);
		await writeFile(place('signing.key'), keyPem, { mode: 0o600 });
		const jwk = createPublicKey(keyPem).export({ format: 'jwk' });
		const added = await admin.post(`/clients/${clientId}/keys`, { body: { jwk } });
		Object.assign(environment, { SIGNING_KEY_FILE: place('signing.key'), KEY_ID: String(added.body['keyId']) });
	}
	return { partnerId, clientId, environment };
}

/** Writes the programs to their places, and compiles those in Go: together, so that what they share is compiled once. */
async function prepare(): Promise<void> {
	for (const { file, text } of SAMPLES) {
		const own = join(folder, nameOf(file));
		await mkdir(own);
		await writeFile(join(own, file), text);
	}
	await writeFile(join(folder, 'go.mod'), 'module samples\n\ngo 1.19\n');
	const cache = { HOME: folder, ...process.env }['HOME'];
	const environment = Object.entries({ ...GO_ENVIRONMENT, HOME: cache }).map(([name, value]) => `${name}=${value}`);
	// Without optimisations, which cost more than they would save here.
	const build = ['go', 'build', '-gcflags=all=-N -l', '-o', 'compiled/', './...'];
	const { code, stderr } = await runProgram('env', [...environment, ...build], folder, GO_TIMEOUT_MS);
	assert.equal(code, 0, stderr);
}

function nameOf(file: string): string {
	return file.replaceAll('.', '-');
}

interface Ended {
	readonly code: number | null;
	readonly stdout: string;
	readonly stderr: string;
}

/** Runs a program to its end. `betweenCalls` happens once, while it stands still after its first answer. */
function run(
	{ language, file }: Sample,
	environment: Readonly<Record<string, string>>,
	betweenCalls?: () => Promise<unknown>,
): Promise<Ended> {
	const [command, ...args] = (RUNTIMES[language] as (file: string) => readonly [string, ...string[]])(file);
	const child: ChildProcess = spawn(command, args, {
		cwd: join(folder, nameOf(file)),
		env: { ...childEnvironment, ...environment },
		stdio: ['ignore', 'pipe', 'pipe'],
		timeout: TIMEOUT_MS,
		killSignal: 'SIGKILL',
	});
	return new Promise((resolve, reject) => {
		let stdout = '';
		let stderr = '';
		let between: Promise<unknown> | undefined;
		child.stdout?.setEncoding('utf8').on('data', (piece: string) => {
			stdout += piece;
			if (betweenCalls === undefined || between !== undefined || !stdout.includes('\n')) return;
			child.kill('SIGSTOP');
			between = betweenCalls().finally(() => child.kill('SIGCONT'));
		});
		child.stderr?.setEncoding('utf8').on('data', (piece: string) => {
			stderr += piece;
		});
		child.on('error', reject);
		child.on('close', (code) => {
			Promise.resolve(between).then(() => resolve({ code, stdout, stderr }), reject);
		});
	});
}

/** Reads what the ledger has of a partner, once its last call is in it: it is written a moment after the answer. */
async function awaitCalls(partnerId: string): Promise<readonly AuditEntry[]> {
	const deadline = performance.now() + RECORDED_WITHIN_MS;
	for (;;) {
		const entries = await readLedger(platform.address.data, '--partner', partnerId);
		const calls = entries.filter(({ type, decision }) => type === 'gateway.request' && decision === 'permit');
		if (calls.length >= CALLS || performance.now() > deadline) return entries;
		await sleep(50);
	}
}

describe('the pages for partners', () => {
	const registered = new Map<Sample, Registered>();

	it('hold a program for each of five runtimes and three ways to authenticate', () => {
		const kinds = SAMPLES.map(({ page, language }) => `${page} ${language}`).toSorted();
		const expected = Object.keys(PAGES).flatMap((page) => Object.keys(RUNTIMES).map((name) => `${page} ${name}`));
		assert.deepEqual(kinds, expected.toSorted());
	});

	it('hold programs that get tokens, renew them, wait at a limit, and survive a revocation', async () => {
		const runs = await Promise.all(
			SAMPLES.map(async (sample) => {
				const known = await register(sample);
				registered.set(sample, known);
				const times = { CALLS: String(CALLS), RENEW_BEFORE_SECONDS: String(RENEW_BEFORE_SECONDS) };
				const revoke = () => admin.post(`/clients/${known.clientId}/revoke-tokens`);
				return { sample, ...known, end: await run(sample, { ...known.environment, ...times }, revoke) };
			}),
		);
		for (const { sample, end, partnerId } of runs) {
			const { file, page } = sample;
			assert.equal(end.code, 0, `${file}: ${end.stderr}`);
			const lines = end.stdout.trimEnd().split('\n');
			assert.equal(lines.length, CALLS, `${file} prints one answer for each call`);
			for (const line of lines) assert.equal(JSON.parse(line).accountId, 'acc-1001', file);
			const entries = await awaitCalls(partnerId);
			const count = (type: string, reason?: string) =>
				entries.filter((entry) => entry.type === type && entry.reason === reason).length;
			assert.equal(count('gateway.request'), CALLS, `${file} calls no more often than it has to`);
			assert.ok(count('gateway.request', 'limit_exceeded') > 0, `${file} meets the limit`);
			assert.equal(count('gateway.request', 'token_revoked'), 1, `${file} uses a token that was revoked once`);
			assert.equal(count('gateway.request', 'token_expired'), 0, `${file} uses no token that is over`);
			const tokens = count('token.issued');
			assert.ok(tokens >= 3 && tokens < CALLS, `${file} gets a token after the revocation, and renews it: ${tokens}`);
			if (page === 'dpop.md') {
				assert.equal(count('token.refused', 'oauth_use_dpop_nonce'), 1, `${file} learns the nonce of one server`);
			}
		}
		// Whoever sends no good proof is nobody yet, so these are counted together.
		const nonceless = (await readLedger(platform.address.data, '--type', 'gateway.request')).filter(
			({ reason }) => reason === 'proof_nonce_required',
		);
		assert.equal(
			nonceless.length,
			Object.keys(RUNTIMES).length,
			'each program learns the nonce of the other server once',
		);
	});

	it('hold programs that say why they were refused, and end', async () => {
		for (const { clientId } of registered.values()) await admin.post(`/clients/${clientId}/disable`);
		const runs = await Promise.all(
			Array.from(registered, async ([sample, { environment }]) => ({ sample, end: await run(sample, environment) })),
		);
		for (const { sample, end } of runs) {
			assert.equal(end.code, 1, sample.file);
			assert.equal(end.stdout, '', sample.file);
			assert.match(end.stderr, /401[^]*invalid_client/, sample.file);
			assert.match(end.stderr, /req_/, `${sample.file} names the request`);
		}
	});
});
