// How soon a revocation is in force with many clients: from the call to the admin API, and from its entry in the ledger, to the
// first refusal of every gateway thread, while other clients call on; whether anything that was revoked comes back, under load
// and after a crash; start-up and memory at that size.  npm run bench:revocation -- [clients] [repetitions]
import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { AdminClient } from '../src/cli/admin-client.ts';
import { type DemoPlatform, startDemoPlatform } from '../test/fixture/demo-platform.ts';
import { onboardPartnerClient, openOperatorClient, type PartnerClient } from '../test/fixture/partner-client.ts';
import type { RawConnection } from '../test/fixture/raw-client.ts';
import { getAccount, openConnection, requestOf } from './account-call.ts';
import { readLedger } from '../test/fixture/run-program.ts';
import { fillRegistry } from './fill-registry.ts';
import { readProcessTree } from './process-cpu.ts';

const clients = Number(process.argv[2] ?? 100_000);
const repetitions = Number(process.argv[3] ?? 5);
/** What a client's access can be taken away by, and the type of the entry. */
const KINDS = {
	'credential revoke': ['credential.revoked', (client: PartnerClient) => `/credentials/${client.credentialId}/revoke`],
	'client disable': ['client.disabled', (client: PartnerClient) => `/clients/${client.clientId}/disable`],
	'client revoke-tokens': [
		'client.tokens_revoked',
		(client: PartnerClient) => `/clients/${client.clientId}/revoke-tokens`,
	],
	'partner suspend': ['partner.suspended', (client: PartnerClient) => `/partners/${client.partnerId}/suspend`],
} as const;
type Kind = keyof typeof KINDS;

const BUSY_CONNECTIONS = 4;
const AFTERWARDS_MS = 1000;

interface Sample {
	readonly fromCallMs: number;
	readonly fromEntryMs: number;
	readonly answeredMs: number;
}

/** A client whose access was taken away, and what it had. */
interface Revoked {
	readonly client: PartnerClient;
	readonly token: string;
}

const folder = await mkdtemp(join(tmpdir(), 'sallyport-revocations-'));
const data = join(folder, 'data');
let platform: DemoPlatform | undefined;
try {
	await fillRegistry(data, clients, { productId: 'accounts-read', planId: 'unhindered' });
	platform = await startDemoPlatform(data);
	say(`${clients} clients: ready after ${platform.readyAfterMs} ms, ${megabytes(platform)} MiB resident`);
	const revoked = await measureAll(platform);
	await platform.stop('SIGKILL');
	platform = await startDemoPlatform(data, platform.portBase);
	say(`after a crash: ready after ${platform.readyAfterMs} ms, ${megabytes(platform)} MiB resident`);
	for (const { client, token } of revoked) {
		const connection = await open(platform, client);
		const answer = await getAccount(connection, token);
		assert.notEqual(answer, 200, 'what was revoked before the crash is refused after it');
		connection.close();
	}
	say(`${revoked.length} revocations hold after the crash`);
} finally {
	await platform?.stop('SIGKILL');
	await rm(folder, { recursive: true });
}

async function measureAll(running: DemoPlatform): Promise<readonly Revoked[]> {
	const address = addressOf(running);
	const operator = await openOperatorClient(address);
	const busy = await onboardPartnerClient(address, 'busy', 'unhindered');
	const load = startLoad(running, busy, await busy.token());
	const revoked: Revoked[] = [];
	try {
		for (const kind of Object.keys(KINDS) as Kind[]) {
			const samples: Sample[] = [];
			for (let round = 0; round < repetitions; round++) {
				const client = await onboardPartnerClient(address, `${kind} ${round}`, 'unhindered');
				const token = await client.token();
				samples.push(await measure(running, operator, kind, client, token));
				revoked.push({ client, token });
			}
			const of = (pick: (sample: Sample) => number) => spread(samples.map(pick));
			say(
				`${kind.padEnd(22)} first refusal of the last thread: ${of((one) => one.fromCallMs)} from the call, ` +
					`${of((one) => one.fromEntryMs)} from the entry; answered after ${of((one) => one.answeredMs)}`,
			);
		}
	} finally {
		await operator.close();
		say(`${await load.stop()} calls of another client meanwhile, all permitted`);
	}
	return revoked;
}

/** Takes access away under load, and goes on trying for a while: nothing may be permitted again. */
async function measure(
	running: DemoPlatform,
	operator: AdminClient,
	kind: Kind,
	client: PartnerClient,
	token: string,
): Promise<Sample> {
	const [type, pathOf] = KINDS[kind];
	const connections = await openOnEveryThread(running, client, token);
	const startedMs = Date.now();
	const started = performance.now();
	let deadline = Number.POSITIVE_INFINITY;
	const refusals = Promise.all(
		connections.map(async (connection) => {
			let refusedAt: number | undefined;
			while (performance.now() < deadline) {
				const status = await getAccount(connection, token);
				if (status === 200) assert.equal(refusedAt, undefined, 'what was refused is not permitted again');
				else refusedAt ??= performance.now();
			}
			return refusedAt ?? Number.POSITIVE_INFINITY;
		}),
	);
	await operator.post(pathOf(client), { body: kind === 'credential revoke' ? { reason: 'superseded' } : undefined });
	const answered = performance.now();
	deadline = answered + AFTERWARDS_MS;
	const last = Math.max(...(await refusals));
	for (const connection of connections) connection.close();
	const entry = (await readLedger(data, '--partner', client.partnerId, '--type', type)).at(-1);
	assert.ok(entry !== undefined, `the ledger has an entry ${type}`);
	return {
		fromCallMs: last - started,
		fromEntryMs: last - started - (Date.parse(entry.time) - startedMs),
		answeredMs: answered - started,
	};
}

/** Calls without a pause on a few connections. `stop` gives how many calls were permitted, and fails when one was not. */
function startLoad(running: DemoPlatform, client: PartnerClient, token: string) {
	const state = { isOver: false };
	let count = 0;
	const all = Promise.all(
		Array.from({ length: BUSY_CONNECTIONS }, async () => {
			const connection = await open(running, client);
			while (!state.isOver) {
				assert.equal(await getAccount(connection, token), 200, 'another client goes on');
				count++;
			}
			connection.close();
		}),
	);
	all.catch(() => undefined);
	return {
		stop: async (): Promise<number> => {
			state.isOver = true;
			await all;
			return count;
		},
	};
}

/** Opens connections until every gateway thread has one; a thread is known by the first part of its request ids. */
async function openOnEveryThread(
	running: DemoPlatform,
	client: PartnerClient,
	token: string,
): Promise<RawConnection[]> {
	const byThread = new Map<string, RawConnection>();
	while (byThread.size < availableParallelism()) {
		const connection = await open(running, client);
		const answer = await connection.send(requestOf(token));
		assert.ok(answer?.status === 200, answer?.body ?? 'no answer');
		const thread = answer.headers.get('x-request-id')?.replace(/-[^-]*$/, '') ?? '';
		if (byThread.has(thread)) connection.close();
		else byThread.set(thread, connection);
		await sleep(1);
	}
	return [...byThread.values()];
}

function open(running: DemoPlatform, client: PartnerClient): Promise<RawConnection> {
	return openConnection(running.portBase, data, client);
}

function addressOf(running: DemoPlatform) {
	const { gateway, admin, tokenEndpoint, partner } = running.demo;
	return { data, gateway, admin, tokenEndpoint, resource: partner.resource };
}

function megabytes({ process }: DemoPlatform): number {
	return Math.round(readProcessTree(process.pid as number).residentBytes / 1024 / 1024);
}

function spread(values: readonly number[]): string {
	const sorted = values.toSorted((one, other) => one - other);
	const middle = sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
	return `${middle.toFixed(0)} ms (at most ${(sorted.at(-1) ?? Number.NaN).toFixed(0)})`;
}

function say(text: string): void {
	process.stdout.write(`${text}\n`);
}
