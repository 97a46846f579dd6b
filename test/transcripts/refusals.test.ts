// The secure flow over real sockets, with curl as an independent client: what is refused is refused with the right status and a
// problem that helps, is on record exactly once, and never reaches the bank. What is permitted is recorded as well.
import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { testIban } from '../../demo/bank/fixtures.ts';
import type { AuditEntry } from '../../src/domain/ledger/audit-entry.ts';
import { createPartnerKey } from '../../demo/partner-key.ts';
import { onboardPartnerClient, openOperatorClient, type PartnerClient } from '../fixture/partner-client.ts';
import { type PlatformBesideBank, startPlatformBesideBank } from '../fixture/platform-beside-bank.ts';
import { awaitLedger, type CurlAnswer, curl, readLedger, runSallyport } from '../fixture/run-program.ts';

const JSON_BODY = ['-H', 'Content-Type: application/json'];
const BURST = 100;
/** The burst's limit gives one more request back in this time. */
const REFILL_MS = 6000;

interface Problem {
	readonly type: string;
	readonly title: string;
	readonly status: number;
	readonly detail: string;
	readonly instance: string;
}

describe('the secure flow, as curl sees it', () => {
	let platform: PlatformBesideBank;
	let client: PartnerClient;
	let token: string;

	before(async () => {
		platform = await startPlatformBesideBank({
			resourceServers: { 'core-banking': { apis: ['bank'], service: 'core-banking' } },
		});
		client = await onboardPartnerClient(platform.address, 'transcripts', 'standard', [
			'accounts-read',
			'payments',
			'savings-read',
		]);
		token = await client.token();
	});
	after(() => platform.stop());

	const ledger = (...filter: readonly string[]) => readLedger(platform.address.data, ...filter);

	/** The entries of one request; waits for those that are written a moment after the answer. */
	function entriesOf(requestId: string): Promise<readonly AuditEntry[]> {
		return awaitLedger(1, platform.address.data, '--request-id', requestId);
	}

	/** Asserts a refusal in full: answer, record, and that the bank saw nothing. Gives the problem. */
	async function assertRefused(
		code: string,
		status: number,
		call: () => Promise<CurlAnswer | undefined>,
		type = 'gateway.request',
	): Promise<Problem> {
		const seenBefore = platform.bank.stats().requests;
		const answer = await call();
		assert.ok(answer !== undefined);
		assert.equal(answer.status, status, answer.body);
		const requestId = answer.headers['x-request-id'] ?? '';
		assert.match(requestId, /^req_/);
		const problem = JSON.parse(answer.body) as Problem;
		if (type === 'gateway.request') {
			assert.equal(answer.headers['content-type'], 'application/problem+json');
			assert.match(problem.type, new RegExp(`${code}$|^https://iana.org/`));
			assert.equal(problem.status, status);
			assert.ok(problem.title.length > 5 && problem.detail.length > 20, answer.body);
			assert.ok(problem.instance.endsWith(requestId), problem.instance);
		}
		const entries = await entriesOf(requestId);
		assert.equal(entries.length, 1, JSON.stringify(entries));
		const [entry] = entries;
		assert.equal(entry?.type, type);
		assert.equal(entry?.decision, 'deny');
		assert.equal(entry?.reason, code);
		assert.equal(entry?.status, status);
		assert.equal(platform.bank.stats().requests, seenBefore, 'the bank has seen a refused request');
		return problem;
	}

	it('check 95: an internal API asks about tokens with the certificate of its service, until that is revoked', async () => {
		const { data } = platform.address;
		const admin = await openOperatorClient(platform.address);
		try {
			const { keyPem, csrPem } = createPartnerKey('core-banking');
			const body = { profile: 'service', serviceName: 'core-banking', csr: csrPem };
			const issued = (await admin.post('/certificates', { body })).body;
			const files = { cert: join(data, 'service.pem'), key: join(data, 'service.key') };
			await writeFile(files.cert, String(issued['chain']));
			await writeFile(files.key, keyPem, { mode: 0o600 });
			const introspect = async (text: string): Promise<CurlAnswer | undefined> => {
				const identity = ['--cacert', join(data, 'ca.pem'), '--cert', files.cert, '--key', files.key];
				const url = platform.address.tokenEndpoint.replace('/token', '/introspect');
				return (await curl(...identity, url, '--data-urlencode', `token=${text}`))[0];
			};
			const own = await introspect(token);
			assert.equal(own?.status, 200);
			const answer = JSON.parse(own?.body ?? '') as Record<string, unknown>;
			assert.deepEqual(
				[answer['active'], answer['client_id'], answer['aud']],
				[true, client.clientId, platform.address.resource],
			);
			const elsewhere = JSON.parse((await client.askForToken(`resource=${platform.otherResource}`)).body);
			assert.equal((await introspect(elsewhere.access_token))?.body, '{"active":false}');
			await admin.post(`/certificates/${(issued['certificate'] as { readonly id: string }).id}/revoke`, {
				body: { reason: 'superseded' },
			});
			assert.equal((await introspect(token))?.status, 401);
		} finally {
			await admin.close();
		}
	});

	it('rotates the key of opaque tokens under requests without refusing one; a revoked key takes its tokens along', async () => {
		const { gateway, data } = platform.address;
		const ask = async (): Promise<string> => {
			const answer = JSON.parse((await client.askForToken(`resource=${platform.otherResource}`)).body);
			return (answer as { readonly access_token: string }).access_token;
		};
		const url = `${gateway}/savings/v1/accounts/acc-1001`;
		/** Who answers two calls on connections of their own. The bank refuses them: it has no savings. */
		const call = async (opaque: string): Promise<readonly string[]> => {
			const once = () => curl(...client.identity, '-H', `Authorization: Bearer ${opaque}`, url);
			const answers = (await Promise.all([once(), once()])).flat();
			return [...new Set(answers.map(({ status, body }) => (body.includes('about:blank') ? 'bank' : String(status))))];
		};
		const keyOf = (opaque: string): string =>
			Buffer.from(opaque.slice('spo_'.length), 'base64url').subarray(0, 8).toString('base64url');
		const first = await ask();
		assert.deepEqual(await call(first), ['bank']);
		const rotated = await runSallyport('key', 'rotate', '--purpose', 'token-sealing', '--data', data);
		assert.equal(rotated.code, 0, rotated.stderr);
		const deadline = performance.now() + 60_000;
		let latest = first;
		for (; keyOf(latest) === keyOf(first); latest = await ask()) {
			assert.ok(performance.now() < deadline, 'the next key is not used');
			assert.deepEqual(await call(latest), ['bank']);
		}
		// The very first token of the new key, and one of the key before it.
		assert.deepEqual([await call(latest), await call(first)], [['bank'], ['bank']]);
		const revoked = await runSallyport('key', 'revoke', keyOf(first), '--data', data);
		assert.equal(revoked.code, 0, revoked.stderr);
		assert.deepEqual([await call(latest), await call(first)], [['bank'], ['401']]);
	});

	it('answers a permitted call masked, with what the contract names and no more, and records it once', async () => {
		const seenBefore = platform.bank.stats().requests;
		const answer = await client.call(token, '/accounts/acc-1001');
		assert.equal(answer.status, 200, answer.body);
		assert.equal(platform.bank.stats().requests, seenBefore + 1);
		const account = JSON.parse(answer.body);
		assert.deepEqual(Object.keys(account).sort(), [
			'accountId',
			'balance',
			'card',
			'currency',
			'holder',
			'iban',
			'product',
			'status',
		]);
		assert.ok(!answer.body.includes(testIban(1001)));
		assert.ok(!/ssn|internalRiskScore|branchNote|ada\.adler@|400000000001001/.test(answer.body), answer.body);
		const entries = await entriesOf(answer.headers['x-request-id'] ?? '');
		assert.deepEqual(
			entries.map(({ type, decision, status, actor }) => [type, decision, status, actor.partner, actor.client]),
			[['gateway.request', 'permit', 200, client.partnerId, client.clientId]],
		);
		assert.equal(entries[0]?.facts?.['upstream_status'], 200);
	});

	it('refuses a stolen token: without any certificate, and with that of another client', async () => {
		const thief = await onboardPartnerClient(platform.address, 'thief', 'standard');
		const url = `${platform.address.resource}/accounts/acc-1001`;
		const authorization = ['-H', `Authorization: Bearer ${token}`];
		const ca = client.identity.slice(0, 2);
		await assertRefused('certificate_missing', 401, async () => (await curl(...ca, ...authorization, url))[0]);
		await assertRefused('binding_mismatch', 401, () => thief.call(token, '/accounts/acc-1001'));
	});

	it('issues no token for a resource that it does not know, and says which error that is', async () => {
		const problem = await assertRefused(
			'oauth_invalid_target',
			400,
			() => client.askForToken('resource=https://elsewhere.example/bank/v1'),
			'token.refused',
		);
		assert.equal((problem as unknown as { error: string }).error, 'invalid_target');
	});

	it('refuses a token that is for another API', async () => {
		const answer = await client.askForToken(`resource=${platform.otherResource}`);
		assert.equal(answer.status, 200, answer.body);
		const other = JSON.parse(answer.body).access_token as string;
		await assertRefused('token_invalid', 401, () => client.call(other, '/accounts/acc-1001'));
	});

	it('refuses a token that lacks the scope of the operation', async () => {
		const readOnly = await client.token('scope=accounts:read');
		await assertRefused('insufficient_scope', 403, () =>
			client.call(readOnly, '/payments', ...JSON_BODY, '-d', payment('scope-1')),
		);
		await assertRefused('insufficient_scope', 403, () => client.call(token, '/accounts'));
	});

	it('refuses the account of another customer, in the path and in the body', async () => {
		await assertRefused('resource_denied', 403, () => client.call(token, '/accounts/acc-1015'));
		await assertRefused('resource_denied', 403, () =>
			client.call(token, '/payments', ...JSON_BODY, '-d', payment('other-1', 'acc-1015')),
		);
	});

	it('refuses a body that breaks the schema, and says where without repeating it', async () => {
		const broken = JSON.stringify({
			...JSON.parse(payment('broken-1')),
			amount: { amount: 'seventy-seven', currency: 'EUR' },
		});
		const problem = await assertRefused('body_invalid', 422, () =>
			client.call(token, '/payments', ...JSON_BODY, '-d', broken),
		);
		assert.match(JSON.stringify(problem), /amount/);
		assert.ok(!JSON.stringify(problem).includes('seventy'));
	});

	it('orders a payment durably: intent and outcome on record, a Location of the gateway, a masked IBAN', async () => {
		const answer = await client.call(token, '/payments', ...JSON_BODY, '-d', payment('paid-1'));
		assert.equal(answer.status, 201, answer.body);
		// Both are on disk before the answer leaves: no waiting here.
		const entries = await ledger('--request-id', answer.headers['x-request-id'] ?? '');
		assert.deepEqual(
			entries.map(({ type, decision, status }) => [type, decision, status]),
			[
				['gateway.intent', 'permit', undefined],
				['gateway.request', 'permit', 201],
			],
		);
		const paid = JSON.parse(answer.body);
		assert.notEqual(paid.creditor.iban, testIban(1007));
		assert.equal(paid.internalRoute, undefined);
		const location = answer.headers['location'] ?? '';
		assert.match(location, /^\/bank\/v1\/payments\/pay-\d{6}$/);
		const shown = await client.call(token, location.slice('/bank/v1'.length));
		assert.equal(shown.status, 200, shown.body);
		assert.equal(JSON.parse(shown.body).paymentId, paid.paymentId);
	});

	it('refuses a suspended partner, and no other', async () => {
		const suspended = await onboardPartnerClient(platform.address, 'to be suspended', 'standard');
		const own = await suspended.token();
		assert.equal((await suspended.call(own, '/accounts/acc-1001')).status, 200);
		const run = await runSallyport('partner', 'suspend', suspended.partnerId, '--data', platform.address.data);
		assert.equal(run.code, 0, run.stderr);
		await assertRefused('partner_suspended', 403, () => suspended.call(own, '/accounts/acc-1001'));
		await assertRefused('oauth_invalid_client', 401, () => suspended.askForToken(), 'token.refused');
		assert.equal((await client.call(token, '/accounts/acc-1001')).status, 200);
	});

	it('refuses call 101 of a burst of 100, exactly over both threads', async (test) => {
		const busy = await onboardPartnerClient(platform.address, 'busy', 'standard');
		const own = await busy.token();
		// The 101 calls go over four connections, which land on both threads.
		const url = `${platform.address.resource}/accounts/acc-1002`;
		const call = (count: number) =>
			curl(...busy.identity, '-H', `Authorization: Bearer ${own}`, ...Array.from({ length: count }, () => url));
		const seenBefore = platform.bank.stats().requests;
		const startedAt = performance.now();
		const parts = await Promise.all([call(60), call(60), call(60), call(60)]);
		const tookMs = performance.now() - startedAt;
		const answers = parts.flat();
		const permitted = answers.filter(({ status }) => status === 200);
		const refused = answers.filter(({ status }) => status === 429);
		assert.equal(permitted.length + refused.length, 240);
		// What came back of the limit while the calls ran is permitted as well, and nothing else.
		test.diagnostic(`${permitted.length} of 240 calls permitted in ${Math.round(tookMs)} ms`);
		assert.ok(permitted.length >= BURST && permitted.length <= BURST + 1 + tookMs / REFILL_MS, `${permitted.length}`);
		assert.equal(platform.bank.stats().requests - seenBefore, permitted.length);
		const [one] = refused;
		assert.ok(Number(one?.headers['retry-after']) >= 1);
		assert.match(one?.headers['ratelimit'] ?? '', /r=0/);
		assert.match(one?.headers['ratelimit-policy'] ?? '', /"burst";q=100;w=600/);
		const filter = ['--partner', busy.partnerId, '--type', 'gateway.request'];
		const entries = await awaitLedger(240, platform.address.data, ...filter);
		assert.equal(entries.length, 240);
		assert.equal(new Set(entries.map(({ requestId }) => requestId)).size, 240);
		assert.equal(entries.filter(({ reason }) => reason === 'limit_exceeded').length, refused.length);
		const ids = new Set(answers.map(({ headers }) => headers['x-request-id']));
		assert.ok(entries.every(({ requestId }) => ids.has(requestId)));
	});
});

function payment(reference: string, debtorAccountId = 'acc-1001'): string {
	return JSON.stringify({
		debtorAccountId,
		creditor: { name: 'Nordlicht Energie', iban: testIban(1007) },
		amount: { amount: '1.00', currency: 'EUR' },
		reference,
	});
}
