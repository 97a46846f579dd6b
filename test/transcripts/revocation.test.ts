// Taking access away, at once and everywhere: what the command line revokes is refused with the very next request of a
// connection that is open already, in every gateway thread. And what was answered before a crash is on record after it.
import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it, type TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { testIban } from '../../demo/bank/fixtures.ts';
import { type DemoPlatform, startDemoPlatform } from '../fixture/demo-platform.ts';
import {
	onboardPartnerClient,
	openOperatorClient,
	type PartnerClient,
	type PlatformAddress,
} from '../fixture/partner-client.ts';
import { RawConnection, type RawResponse } from '../fixture/raw-client.ts';
import { readLedger } from '../fixture/run-program.ts';

/** The platform has a gateway thread for each core; a few of them stand for all. */
const THREADS = Math.min(availableParallelism(), 4);
const CONNECTIONS_MAX = 64;
/** What is promised; it takes a few milliseconds. */
const REFUSED_WITHIN_MS = 1000;
const PAYERS = 6;
const LOAD_MS = 1500;
const CHANGES_OF_OTHERS = 12;

let folder: string;
let platform: DemoPlatform;
let address: PlatformAddress;
/** A client whose credential was revoked under load, for the look after the crash. */
let gone: { readonly client: PartnerClient; readonly token: string } | undefined;

before(async () => {
	folder = await mkdtemp(join(tmpdir(), 'sallyport-revocation-'));
	platform = await startDemoPlatform(join(folder, 'data'));
	const { gateway, admin, tokenEndpoint, partner } = platform.demo;
	address = { data: platform.data, gateway, admin, tokenEndpoint, resource: partner.resource };
});
after(async () => {
	await platform.stop('SIGKILL');
	await rm(folder, { recursive: true });
});

async function open(client: PartnerClient): Promise<RawConnection> {
	const read = (file: string) => readFile(file, 'utf8');
	const ca = await read(join(platform.data, 'ca.pem'));
	const [cert, key] = [await read(client.certificateFile), await read(client.keyFile)];
	return RawConnection.open({ port: platform.portBase, ca, cert, key });
}

function getAccount(connection: RawConnection, token: string): Promise<RawResponse | undefined> {
	return connection.send(
		`GET /bank/v1/accounts/acc-1001 HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer ${token}\r\n\r\n`,
	);
}

/** Opens connections until every gateway thread has one. A thread is known by the first part of its request ids. */
async function openOnEveryThread(client: PartnerClient, token: string): Promise<readonly RawConnection[]> {
	const byThread = new Map<string, RawConnection>();
	for (let count = 0; byThread.size < THREADS; count++) {
		assert.ok(count < CONNECTIONS_MAX, `${byThread.size} of ${THREADS} threads answered`);
		const connection = await open(client);
		const answer = await getAccount(connection, token);
		assert.ok(answer !== undefined, 'the connection was closed without an answer');
		assert.equal(answer.status, 200, answer.body);
		const thread = answer.headers.get('x-request-id')?.replace(/-[^-]*$/, '') ?? '';
		if (byThread.has(thread)) connection.close();
		else byThread.set(thread, connection);
	}
	return [...byThread.values()];
}

/** Asserts status and problem type of the next request on each connection. */
async function assertNext(connections: readonly RawConnection[], token: string, expected: string): Promise<void> {
	const answers = await Promise.all(connections.map((connection) => getAccount(connection, token)));
	for (const answer of answers) {
		assert.ok(answer !== undefined, 'the connection was closed without an answer');
		const type = answer.status === 200 ? 'ok' : String(JSON.parse(answer.body).type).split(':').at(-1);
		assert.equal(`${answer.status} ${type}`, expected);
	}
}

/** Revokes while requests go on, and tells after which time each thread refused. Nothing is permitted afterwards. */
async function measure(
	test: TestContext,
	connections: readonly RawConnection[],
	token: string,
	name: string,
	revoke: () => Promise<unknown>,
): Promise<number> {
	const startedAt = performance.now();
	const state = { isDone: false };
	const refusals = Promise.all(
		connections.map(async (connection) => {
			for (;;) {
				const wasDone = state.isDone;
				const answer = await getAccount(connection, token);
				if (answer?.status !== 200) return performance.now() - startedAt;
				assert.ok(!wasDone, 'a request that began after the revocation was over was permitted');
				await sleep(1);
			}
		}),
	);
	await revoke();
	const overMs = Math.round(performance.now() - startedAt);
	state.isDone = true;
	const times = await refusals;
	const shown = times.map((ms) => `${Math.round(ms)} ms`).join(', ');
	test.diagnostic(`${name}: refused after ${shown} (by thread), over after ${overMs} ms`);
	return Math.max(...times);
}

/** Measures a command, from its start as a process of its own. */
function measureCommand(
	test: TestContext,
	connections: readonly RawConnection[],
	token: string,
	...command: readonly string[]
): Promise<number> {
	return measure(test, connections, token, `sallyport ${command.slice(0, 2).join(' ')}`, async () => {
		const run = await platform.sallyport(...command);
		assert.equal(run.code, 0, run.stderr);
	});
}

describe('taking access away', () => {
	it('suspends and resumes a partner on open connections of every thread', async (test) => {
		const client = await onboardPartnerClient(address, 'suspended', 'unhindered');
		const token = await client.token();
		const connections = await openOnEveryThread(client, token);
		await measureCommand(test, connections, token, 'partner', 'suspend', client.partnerId);
		await assertNext(connections, token, '403 partner_suspended');
		assert.equal((await platform.sallyport('partner', 'resume', client.partnerId)).code, 0);
		await assertNext(connections, token, '200 ok');
		for (const connection of connections) connection.close();
	});

	it('refuses in every thread well within a second of the call to the admin API', async (test) => {
		const client = await onboardPartnerClient(address, 'measured', 'unhindered');
		const token = await client.token();
		const connections = await openOnEveryThread(client, token);
		const operator = await openOperatorClient(address);
		await operator.get(`/partners/${client.partnerId}`);
		const refusedAfterMs = await measure(test, connections, token, 'POST …/suspend', () =>
			operator.post(`/partners/${client.partnerId}/suspend`),
		);
		assert.ok(refusedAfterMs < REFUSED_WITHIN_MS, `${refusedAfterMs} ms`);
		await operator.close();
		for (const connection of connections) connection.close();
	});

	it('revokes one token, then all tokens of a client; a new one works on the same connections', async (test) => {
		const client = await onboardPartnerClient(address, 'tokens', 'unhindered');
		const [token, other] = [await client.token(), await client.token()];
		const connections = await openOnEveryThread(client, token);
		await measureCommand(test, connections, token, 'token', 'revoke', '--jti', jtiOf(token));
		await assertNext(connections, token, '401 token_revoked');
		await assertNext(connections, other, '200 ok');
		await measureCommand(test, connections, other, 'client', 'revoke-tokens', client.clientId);
		await assertNext(connections, other, '401 token_revoked');
		await assertNext(connections, await client.token(), '200 ok');
		for (const connection of connections) connection.close();
	});

	it('check 98: cuts off every token of a client, a partner and the platform; new ones work at once', async (test) => {
		const client = await onboardPartnerClient(address, 'cut off', 'unhindered');
		const bystander = await onboardPartnerClient(address, 'bystander', 'unhindered');
		const untouched = await bystander.token();
		let token = await client.token();
		const connections = await openOnEveryThread(client, token);
		const others = [await open(bystander)];
		try {
			for (const scope of [['--client', client.clientId], ['--partner', client.partnerId], []]) {
				await measureCommand(test, connections, token, 'token', 'revoke-issued-before', 'now', ...scope);
				await assertNext(connections, token, '401 token_revoked');
				await assertNext(others, untouched, scope.length === 0 ? '401 token_revoked' : '200 ok');
				token = await client.token();
				await assertNext(connections, token, '200 ok');
			}
		} finally {
			for (const connection of [...connections, ...others]) connection.close();
		}
		const entries = await readLedger(platform.data, '--type', 'token.cut');
		assert.equal(entries.length, 3);
	});

	it('revokes a credential for good, on open connections and for new tokens', async (test) => {
		const client = await onboardPartnerClient(address, 'credential', 'unhindered');
		const token = await client.token();
		const connections = await openOnEveryThread(client, token);
		const { credentialId } = client;
		await measureCommand(test, connections, token, 'credential', 'revoke', credentialId, '--reason', 'key-compromise');
		await assertNext(connections, token, '401 credential_revoked');
		assert.equal((await client.askForToken()).status, 401);
		const entries = await readLedger(platform.data, '--type', 'credential.revoked');
		assert.equal(entries.length, 1);
		for (const connection of connections) connection.close();
	});
});

/** Asks without a pause until `isOver`; gives how many answers of each status came, and fails on a 200 after a refusal. */
async function insist(connection: RawConnection, token: string, isOver: () => boolean): Promise<number> {
	let refusals = 0;
	while (!isOver()) {
		const answer = await getAccount(connection, token);
		assert.ok(answer !== undefined, 'the connection was closed without an answer');
		if (answer.status !== 200) refusals++;
		else assert.equal(refusals, 0, 'what was refused is permitted again');
	}
	return refusals;
}

describe('under load', () => {
	it('check 98: a revoked credential never comes back, whatever changes besides and whoever asks at once', async () => {
		const client = await onboardPartnerClient(address, 'gone', 'unhindered');
		const other = await onboardPartnerClient(address, 'other', 'unhindered');
		const token = await client.token();
		const connections = [
			...(await openOnEveryThread(client, token)),
			...(await openOnEveryThread(client, token)),
		] as const;
		const operator = await openOperatorClient(address);
		let isOver = false;
		const insisting = Promise.all(connections.map((connection) => insist(connection, token, () => isOver)));
		// Changes of others before, at the same time and after: an older state that came late would show.
		const revoking = operator.post(`/credentials/${client.credentialId}/revoke`, { body: { reason: 'superseded' } });
		const tokens = Array.from({ length: CHANGES_OF_OTHERS }, () => client.askForToken());
		for (let change = 0; change < CHANGES_OF_OTHERS; change++) {
			await operator.post(`/clients/${other.clientId}/${change % 2 === 0 ? 'disable' : 'enable'}`);
			await operator.post(`/clients/${client.clientId}/${change % 2 === 0 ? 'disable' : 'enable'}`);
		}
		await revoking;
		// Tokens of the moment in which it was revoked are as dead as the one before.
		for (const answer of await Promise.all(tokens)) {
			if (answer.status !== 200) continue;
			const late = (JSON.parse(answer.body) as { readonly access_token: string }).access_token;
			assert.notEqual((await client.call(late, '/accounts/acc-1001')).status, 200);
		}
		// 401, or 429 because it has failed so often by now.
		assert.ok([401, 429].includes((await client.askForToken()).status));
		isOver = true;
		for (const refusals of await insisting) assert.ok(refusals > 0);
		await operator.close();
		for (const connection of connections) connection.close();
		gone = { client, token };
	});
});

describe('the life of a signing key', () => {
	const kidOf = (token: string): string =>
		String(JSON.parse(Buffer.from(token.split('.')[0] ?? '', 'base64url').toString('utf8')).kid);

	it('check 10: rotates under requests without refusing one; every thread knows the new key before it signs', async () => {
		const client = await onboardPartnerClient(address, 'rotation', 'unhindered');
		const before = await client.token();
		const connections = await openOnEveryThread(client, before);
		for (const purpose of ['assertion-signing', 'token-signing']) {
			const run = await platform.sallyport('key', 'rotate', '--purpose', purpose, '--now', '--algorithm', 'EdDSA');
			assert.equal(run.code, 0, run.stderr);
		}
		const deadline = performance.now() + 10_000;
		let token = before;
		for (; kidOf(token) === kidOf(before); token = await client.token()) {
			assert.ok(performance.now() < deadline, 'the next key does not sign');
			await assertNext(connections, token, '200 ok');
		}
		// The very first token of the new key, and those of the one before, in every thread.
		await assertNext(connections, token, '200 ok');
		await assertNext(connections, before, '200 ok');
		const { stdout } = await platform.sallyport('key', 'list', '--output', 'json');
		const states = (JSON.parse(stdout) as { purpose: string; state: string }[]).map(
			({ purpose, state }) => `${purpose} ${state}`,
		);
		assert.deepEqual(states.toSorted(), [
			'assertion-signing active',
			'assertion-signing retiring',
			'token-encryption active',
			'token-sealing active',
			'token-signing active',
			'token-signing retiring',
		]);
		for (const connection of connections) connection.close();
	});

	it('check 98: revokes a key with everything that it signed, on open connections; a new one signs at once', async (test) => {
		const client = await onboardPartnerClient(address, 'compromised', 'unhindered');
		const token = await client.token();
		const connections = await openOnEveryThread(client, token);
		await measureCommand(test, connections, token, 'key', 'revoke', kidOf(token));
		await assertNext(connections, token, '401 token_invalid');
		const another = await client.token();
		assert.notEqual(kidOf(another), kidOf(token));
		await assertNext(connections, another, '200 ok');
		const entries = await readLedger(platform.data, '--type', 'key.revoked');
		assert.equal(entries.length, 1);
		for (const connection of connections) connection.close();
	});
});

describe('a crash under load', () => {
	it('loses no payment that was answered, leaves a whole ledger, and records the gap', async (test) => {
		const client = await onboardPartnerClient(address, 'payer', 'unhindered');
		const token = await client.token();
		const answered: string[] = [];
		const payers = await Promise.all(Array.from({ length: PAYERS }, () => open(client)));
		const load = Promise.all(payers.map((connection, payer) => pay(connection, token, payer, answered)));
		await sleep(LOAD_MS);
		assert.deepEqual(await platform.stop('SIGKILL'), { code: null, signal: 'SIGKILL' });
		await load;
		test.diagnostic(`${answered.length} payments were answered before the crash`);
		assert.ok(answered.length > 20, `${answered.length} payments`);

		// Also before the next start: an auditor's copy of the folder is whole.
		const crashed = await platform.sallyport('audit', 'verify');
		assert.equal(crashed.code, 0, crashed.stdout + crashed.stderr);
		platform = await startDemoPlatform(platform.data, platform.portBase);
		const entries = await readLedger(platform.data);
		const [intents, outcomes] = ['gateway.intent', 'gateway.request'].map(
			(type) => new Map(entries.filter((entry) => entry.type === type).map((entry) => [entry.requestId, entry])),
		);
		for (const id of answered) {
			assert.ok(intents?.has(id), `no intent of ${id}`);
			assert.equal(outcomes?.get(id)?.status, 201, `no outcome of ${id}`);
		}
		assert.equal(entries.filter(({ type }) => type === 'ledger.gap').length, 1);
		assert.equal((await client.call(await client.token(), '/accounts/acc-1001')).status, 200);
		assert.ok(gone !== undefined);
		assert.equal(
			(await gone.client.call(gone.token, '/accounts/acc-1001')).status,
			401,
			'revoked is revoked after a crash',
		);
		assert.equal((await gone.client.askForToken()).status, 401);
		assert.equal((await platform.stop()).code, 0);
		const verified = await platform.sallyport('audit', 'verify');
		assert.equal(verified.code, 0, verified.stdout + verified.stderr);
	});
});

/** Orders one payment after the other until the connection ends; notes the request ids of those answered with 201. */
async function pay(connection: RawConnection, token: string, payer: number, answered: string[]): Promise<void> {
	for (let count = 0; !connection.isClosed; count++) {
		const body = JSON.stringify({
			debtorAccountId: count % 2 === 0 ? 'acc-1001' : 'acc-1002',
			creditor: { name: 'Nordlicht Energie', iban: testIban(1007) },
			amount: { amount: '0.01', currency: 'EUR' },
			reference: `load-${payer}-${count}`,
		});
		const head = `POST /bank/v1/payments HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer ${token}\r\n`;
		const answer = await connection.send(
			`${head}Content-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body}`,
		);
		if (answer === undefined) return;
		assert.equal(answer.status, 201, answer.body);
		answered.push(answer.headers.get('x-request-id') ?? '');
	}
}

function jtiOf(token: string): string {
	return String(JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString('utf8')).jti);
}
