// npm run bench:tokens: processor time per access token (ES256) of the whole platform, beside oidc-provider and the least that
// node:https can do, in one interleaved run; what the signatures alone cost on this machine, and how much slower it is than the
// one of the budget; and, with --memory N, resident memory of the whole platform over N tokens. Options: --rounds N, --tokens N,
// --memory N. Linux only (/proc).
import { generateKeyPairSync, sign, verify } from 'node:crypto';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { createPartnerKey } from '../demo/partner-key.ts';
import { startDemoPlatform } from '../test/fixture/demo-platform.ts';
import { onboardPartnerClient, openOperatorClient } from '../test/fixture/partner-client.ts';
import { endChild } from './peers.ts';
import { readProcessTree } from './process-cpu.ts';
import { measureTokens, type TokenClient, type TokenMethod, type TokenPeer, TOKENS_AT_ONCE_MAX } from './token-load.ts';
import { startYardsticks } from './yardsticks.ts';

const { values } = parseArgs({
	options: {
		rounds: { type: 'string', default: '9' },
		tokens: { type: 'string', default: '1800' },
		memory: { type: 'string', default: '0' },
	},
});
const [rounds, tokens, memory] = [values.rounds, values.tokens, values.memory].map(Number) as [number, number, number];

if (tokens > TOKENS_AT_ONCE_MAX)
	throw new Error(`--tokens takes at most ${TOKENS_AT_ONCE_MAX}: one client gets no more at once`);

/** What is promised, in milliseconds, on the machine of the budget. */
const GOALS: Readonly<Record<TokenMethod, number>> = { private_key_jwt: 0.25, tls_client_auth: 0.12 };
const METHODS = Object.keys(GOALS) as TokenMethod[];
/** Enough for the compilers to have done most of their work: what they cost is start-up, not tokens. */
const WARM_UP_ROUNDS = 14;
const YARDSTICK_REQUESTS = 3000;
const MEMORY_STEPS = 20;

interface RunningPeer extends TokenPeer {
	readonly name: string;
	readonly pid: number;
	stop(): Promise<unknown>;
}

const peers: RunningPeer[] = [];
const yardsticks = await startYardsticks();
try {
	for (const name of ['node:https', 'oidc-provider'] as const) peers.push(await startPeer(name));
	peers.push(await startPlatformPeer());
	const samples = new Map<TokenMethod, Map<string, number[]>>();
	for (const method of METHODS) samples.set(method, await measureMethod(method));
	report(samples);
	if (memory > 0) await plotMemory(peers.at(-1) as RunningPeer, memory);
} finally {
	await Promise.all([yardsticks, ...peers].map((one) => one.stop()));
}

/** Milliseconds a token, of each peer in each round. */
async function measureMethod(method: TokenMethod): Promise<Map<string, number[]>> {
	for (let round = 0; round < WARM_UP_ROUNDS; round++) {
		for (const peer of peers) await measureTokens(peer, peer.pid, method, tokens);
	}
	const samples = new Map<string, number[]>(peers.map(({ name }) => [name, []]));
	for (let round = 0; round < rounds; round++) {
		for (const peer of peers) samples.get(peer.name)?.push(await measureTokens(peer, peer.pid, method, tokens));
		await yardsticks.measure(YARDSTICK_REQUESTS);
	}
	return samples;
}

function report(all: ReadonlyMap<TokenMethod, ReadonlyMap<string, readonly number[]>>): void {
	const machine = yardsticks.factors().toSorted((one, other) => one.factor - other.factor);
	for (const { name, microseconds, factor } of machine) {
		say(
			`${name.padEnd(16)}${microseconds.toFixed(0).padStart(5)} µs a request: ${factor.toFixed(2)} x the machine of the budget`,
		);
	}
	const slower = machine[0]?.factor ?? Number.NaN;
	for (const [method, samples] of all) {
		const msOf = (name: string): number => median(samples.get(name) ?? []);
		for (const name of samples.keys()) {
			const ms = msOf(name);
			const [floor, reference] = [ms / msOf('node:https'), ms / msOf('oidc-provider')];
			say(
				`${method.padEnd(16)} ${name.padEnd(19)}${ms.toFixed(3)} ms a token   ${floor.toFixed(2)} x node:https   ${reference.toFixed(2)} x oidc-provider`,
			);
		}
		const there = msOf('sallyport platform') / slower;
		say(`${' '.repeat(16)} on the machine of the budget ${there.toFixed(3)} ms; promised ${GOALS[method]} ms`);
	}
	reportFloor();
}

/** The least that a token can cost here: one signature, and with an assertion one verification. */
function reportFloor(): void {
	const { privateKey: key, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
	const input = Buffer.alloc(600, 'a');
	const signature = sign('sha256', input, { key, dsaEncoding: 'ieee-p1363' });
	const signMs = cpuMs(() => sign('sha256', input, { key, dsaEncoding: 'ieee-p1363' }));
	const verifyMs = cpuMs(() => verify('sha256', input, { key: publicKey, dsaEncoding: 'ieee-p1363' }, signature));
	say(`floor: ES256 ${signMs.toFixed(3)} ms to sign, ${verifyMs.toFixed(3)} ms to verify`);
}

function cpuMs(work: () => unknown): number {
	const times = 2000;
	for (let index = 0; index < times; index++) work();
	const before = process.cpuUsage();
	for (let index = 0; index < times; index++) work();
	const { user, system } = process.cpuUsage(before);
	return (user + system) / 1000 / times;
}

async function plotMemory(peer: RunningPeer, count: number): Promise<void> {
	const step = Math.ceil(count / MEMORY_STEPS);
	for (let done = 0; done <= count; done += step) {
		const megabytes = readProcessTree(peer.pid).residentBytes / 1024 / 1024;
		say(`${String(done).padStart(10)} tokens ${megabytes.toFixed(0).padStart(6)} MiB ${'#'.repeat(megabytes / 10)}`);
		for (let left = done < count ? step : 0; left > 0; left -= TOKENS_AT_ONCE_MAX) {
			await measureTokens(peer, peer.pid, 'tls_client_auth', Math.min(left, TOKENS_AT_ONCE_MAX));
		}
	}
}

async function startPeer(name: 'node:https' | 'oidc-provider'): Promise<RunningPeer> {
	const script = join(import.meta.dirname, 'token-peer.ts');
	const child: ChildProcess = spawn(process.execPath, [script, name], { stdio: ['pipe', 'pipe', 'inherit'] });
	const ended = once(child, 'exit').then(() => {
		throw new Error(`${name} ended before it listened`);
	});
	ended.catch(() => undefined);
	const [line] = (await Promise.race([once(child.stdout as NodeJS.ReadableStream, 'data'), ended])) as [Buffer];
	const peer = JSON.parse(line.toString()) as TokenPeer;
	return { ...peer, name, pid: child.pid as number, stop: () => endChild(child) };
}

/** The whole platform: every token is recorded in the ledger, and every assertion in the store. */
async function startPlatformPeer(): Promise<RunningPeer> {
	const folder = await mkdtemp(join(tmpdir(), 'sallyport-tokens-'));
	const platform = await startDemoPlatform(join(folder, 'data'));
	const { data, demo } = platform;
	const { gateway, admin, tokenEndpoint, issuer, partner } = demo;
	const address = { data, gateway, admin, tokenEndpoint, resource: partner.resource };
	const holders: TokenClient[] = [];
	const signers: TokenClient[] = [];
	// One for each turn, so that none comes near what one client may have.
	const turns = rounds + WARM_UP_ROUNDS;
	for (let index = 0; index < Math.max(turns, memory / TOKENS_AT_ONCE_MAX); index++) {
		const own = await onboardPartnerClient(address, `bench-${index}`, 'unhindered');
		const [certificate, key] = [await readFile(own.certificateFile, 'utf8'), await readFile(own.keyFile, 'utf8')];
		holders.push({ id: own.clientId, certificate, key });
		if (index < turns) signers.push(await onboardAssertionClient(address, own.partnerId));
	}
	return {
		name: 'sallyport platform',
		issuer,
		tokenEndpoint,
		resource: partner.resource,
		ca: await readFile(join(data, 'ca.pem'), 'utf8'),
		clients: {
			tls_client_auth: holders,
			private_key_jwt: signers,
		},
		pid: platform.process.pid as number,
		stop: async () => {
			await platform.stop();
			await rm(folder, { recursive: true });
		},
	};
}

async function onboardAssertionClient(
	address: Parameters<typeof openOperatorClient>[0],
	partnerId: string,
): Promise<TokenClient> {
	const operator = await openOperatorClient(address);

	try {
		const body = { name: 'keys', environment: 'production', authenticationMethod: 'private_key_jwt' };
		const id = String((await operator.post(`/partners/${partnerId}/clients`, { body })).body['id']);
		const subscription = { productId: 'accounts-read', planId: 'unhindered', stage: 'live', grants: {} };
		await operator.post(`/clients/${id}/subscriptions`, { body: subscription });
		const { keyPem: key, csrPem: csr } = createPartnerKey('keys');
		const issued = await operator.post(`/clients/${id}/certificates`, { body: { csr } });
		const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
		const added = await operator.post(`/clients/${id}/keys`, { body: { jwk: publicKey.export({ format: 'jwk' }) } });
		const keyPem = privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
		const signing = { keyId: String(added.body['keyId']), keyPem };
		return { id, certificate: String(issued.body['chain']), key, signing };
	} finally {
		await operator.close();
	}
}

function median(samples: readonly number[]): number {
	return samples.toSorted((one, other) => one - other)[Math.floor(samples.length / 2)] ?? Number.NaN;
}

function say(text: string): void {
	process.stdout.write(`${text}\n`);
}
