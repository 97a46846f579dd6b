// The whole platform is stopped under load: partners with connections that they keep, over HTTP/1.1 and HTTP/2, at the gateway and
// at the authorization server. Every request is answered or was never begun, and every answer is in the ledger.
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { CallTally, callOverHttp1, callOverHttp2 } from '../fixture/endless-client.ts';
import { onboardPartnerClient, type PartnerClient } from '../fixture/partner-client.ts';
import { type PlatformBesideBank, startPlatformBesideBank } from '../fixture/platform-beside-bank.ts';
import { RawConnection } from '../fixture/raw-client.ts';
import { readLedger } from '../fixture/run-program.ts';

const ANNOUNCE_MS = 500;

let beside: PlatformBesideBank;
let client: PartnerClient;
let identity: { readonly ca: string; readonly cert: string; readonly key: string };

before(async () => {
	beside = await startPlatformBesideBank({ shutdown: { announce: `${ANNOUNCE_MS}ms`, grace: '20s' } });
	client = await onboardPartnerClient(beside.address, 'Busy', 'unhindered');
	identity = {
		ca: await readFile(join(beside.address.data, 'ca.pem'), 'utf8'),
		cert: await readFile(client.certificateFile, 'utf8'),
		key: await readFile(client.keyFile, 'utf8'),
	};
});
after(() => beside.stop());

/** Polls a probe until nobody answers it; gives the statuses in the order in which they changed. */
async function watchReadiness(url: string): Promise<readonly number[]> {
	const statuses: number[] = [];
	for (;;) {
		try {
			const { status } = await fetch(url, { headers: { connection: 'close' } });
			if (statuses.at(-1) !== status) statuses.push(status);
		} catch {
			// The private listener is the last that closes.
			return statuses;
		}
		await sleep(20);
	}
}

test('a stop under load loses no request of anybody, and every answer is in the ledger', async (context) => {
	const { address } = beside;
	const token = await client.token();
	const open = (port: number): Promise<RawConnection> => RawConnection.open({ port, ...identity });
	const [gateway, server] = [new URL(address.gateway), new URL(address.tokenEndpoint)];
	const form = `grant_type=client_credentials&resource=${encodeURIComponent(address.resource)}`;
	const head = (line: string, { host }: URL): string => `${line} HTTP/1.1\r\nHost: ${host}\r\n`;
	const get = `${head('GET /bank/v1/accounts/acc-1001', gateway)}Authorization: Bearer ${token}\r\n\r\n`;
	const post = `${head(`POST ${server.pathname}`, server)}Content-Type: application/x-www-form-urlencoded\r\nContent-Length: ${form.length}\r\n\r\n${form}`;
	const calls = new CallTally();
	const tokens = new CallTally();
	const fields = { ':path': '/bank/v1/accounts/acc-1002', authorization: `Bearer ${token}` };
	const clients = [
		...[1, 2, 3, 4, 5].map(() => callOverHttp1(() => open(Number(gateway.port)), get, calls)),
		...[1, 2].map(() => callOverHttp2({ origin: address.gateway, ...identity, fields }, 3, calls)),
		...[1, 2].map(() => callOverHttp1(() => open(Number(server.port)), post, tokens)),
	];
	const readiness = watchReadiness(`http://127.0.0.1:${Number(gateway.port) + 3}/readyz`);
	await Promise.all([calls.reach(200), tokens.reach(10)]);
	for (const tally of [calls, tokens]) tally.isEnding = true;
	const beforeStop = calls.ids.length;
	const startedAt = performance.now();
	await Promise.all([...clients, beside.platform.stop()]);
	const stoppedAfterMs = performance.now() - startedAt;

	assert.deepEqual([...calls.lost, ...tokens.lost], []);
	assert.deepEqual([...tokens.answered.keys()], [200]);
	assert.deepEqual(await readiness, [200, 503]);
	assert.ok(calls.ids.length > beforeStop, 'requests were served while the stop was announced');
	assert.ok(stoppedAfterMs >= ANNOUNCE_MS);
	context.diagnostic(
		`${beforeStop} calls before the stop, ${calls.ids.length - beforeStop} during it (${Math.round(stoppedAfterMs)} ms)`,
	);
	const recorded = await readLedger(address.data, '--type', 'gateway.request');
	// A bank in this busy process may be slow; it is not to be out of reach.
	const reasons = recorded.filter(({ status }) => status !== 200).map(({ reason }) => reason);
	assert.deepEqual(
		reasons.filter((reason) => reason !== 'upstream_timeout'),
		[],
	);
	assert.deepEqual(
		recorded.map(({ requestId }) => requestId).sort(),
		[...calls.ids].sort(),
		'what was answered, and what is in the ledger',
	);
	const issued = await readLedger(address.data, '--type', 'token.issued');
	const recordedTokens = new Set(issued.map(({ requestId }) => requestId));
	assert.deepEqual(
		tokens.ids.filter((id) => !recordedTokens.has(id)),
		[],
	);
});
