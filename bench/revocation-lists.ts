// Whether requests at the gateway wait while revocation lists are built: latencies of calls with nothing going on, and while a
// list of many entries is built again and again, in turns, on the same connections.  npm run bench:revocation-lists -- [entries]
import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type DemoPlatform, startDemoPlatform } from '../test/fixture/demo-platform.ts';
import { onboardPartnerClient, openOperatorClient, type PartnerClient } from '../test/fixture/partner-client.ts';
import { getAccount, openConnection } from './account-call.ts';
import { fillRegistry } from './fill-registry.ts';

const entries = Number(process.argv[2] ?? 10_000);
const ROUNDS = 4;
const PHASE_MS = 4000;
const CONNECTIONS = 4;
/** Lists are put together two seconds after a revocation; one in each such time keeps the builder busy. */
const REVOKE_EVERY_MS = 2100;

const folder = await mkdtemp(join(tmpdir(), 'sallyport-lists-'));
const data = join(folder, 'data');
let platform: DemoPlatform | undefined;
try {
	await fillRegistry(data, entries, { productId: 'accounts-read', planId: 'unhindered', revoked: entries });
	platform = await startDemoPlatform(data);
	await measureAll(platform);
} finally {
	await platform?.stop();
	await rm(folder, { recursive: true });
}

async function measureAll(running: DemoPlatform): Promise<void> {
	const { gateway, admin, tokenEndpoint, partner } = running.demo;
	const address = { data, gateway, admin, tokenEndpoint, resource: partner.resource };
	const client = await onboardPartnerClient(address, 'busy', 'unhindered');
	const token = await client.token();
	const operator = await openOperatorClient(address);
	const victims: PartnerClient[] = [];
	for (let count = 0; count < ROUNDS * Math.ceil(PHASE_MS / REVOKE_EVERY_MS); count++) {
		victims.push(await onboardPartnerClient(address, `victim ${count}`, 'unhindered'));
	}
	const idle: number[] = [];
	const building: number[] = [];
	await callFor(running, client, token, []);
	const numberBefore = await listNumber(running);
	for (let round = 0; round < ROUNDS; round++) {
		await callFor(running, client, token, idle);
		const timer = setInterval(() => {
			const victim = victims.pop();
			if (victim === undefined) return;
			void operator.post(`/credentials/${victim.credentialId}/revoke`, { body: { reason: 'superseded' } });
		}, REVOKE_EVERY_MS);
		await callFor(running, client, token, building);
		clearInterval(timer);
	}
	await operator.close();
	const built = (await listNumber(running)) - numberBefore;
	assert.ok(built > 0, 'lists were built');
	report('nothing else', idle);
	report(`${built} lists of ${entries}`, building);
}

/** Calls without a pause on a few connections, and notes how long each call took, in milliseconds. */
async function callFor(running: DemoPlatform, client: PartnerClient, token: string, into: number[]): Promise<void> {
	const deadline = performance.now() + PHASE_MS;
	await Promise.all(
		Array.from({ length: CONNECTIONS }, async () => {
			const connection = await openConnection(running.portBase, data, client);
			while (performance.now() < deadline) {
				const sentAt = performance.now();
				assert.equal(await getAccount(connection, token), 200);
				into.push(performance.now() - sentAt);
			}
			connection.close();
		}),
	);
}

/** The entity tag of a list is its number. */
async function listNumber({ portBase }: DemoPlatform): Promise<number> {
	const answer = await fetch(`http://localhost:${portBase + 5}/crl/partner-issuing.crl`, { method: 'HEAD' });
	return Number(answer.headers.get('etag')?.replaceAll('"', ''));
}

function report(what: string, latencies: readonly number[]): void {
	const sorted = latencies.toSorted((one, other) => one - other);
	const at = (share: number): string =>
		`${(sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN).toFixed(2)} ms`;
	const shown = [0.5, 0.9, 0.99, 0.999, 1].map((share) => `${share === 1 ? 'max' : `p${share * 100}`} ${at(share)}`);
	process.stdout.write(`${what.padEnd(22)} ${String(sorted.length).padStart(7)} calls  ${shown.join('  ')}\n`);
}
