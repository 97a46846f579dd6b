// Threat: an API key is used where it should not be: from elsewhere, for more than reading, after its end, or guessed.
// Expected: 401 `api_key_invalid` for whatever is wrong with the key, 403 where the plan does not permit it; nothing upstream.
import assert from 'node:assert/strict';
import { after, before, beforeEach, test } from 'node:test';
import type { ApiKeyCredential } from '../../src/domain/client/credential.ts';
import { hashSecretText, makeSecretText } from '../../src/domain/client/secret-text.ts';
import type { ApiKeyUse } from '../../src/domain/product/product.ts';
import { systemClock } from '../../src/kernel/clock.ts';
import type { FaultCode } from '../../src/kernel/faults.ts';
import { newId } from '../../src/kernel/ids.ts';
import { systemRandom } from '../../src/kernel/random.ts';
import type { RawResponse } from '../fixture/raw-client.ts';
import { startTestGateway, type TestGateway, type TestPartner } from '../fixture/test-gateway.ts';

let gateway: TestGateway;
let partner: TestPartner;

function start(apiKeys: ApiKeyUse): Promise<TestGateway> {
	return startTestGateway(undefined, {
		configure: (demo) => ({
			...demo,
			plans: demo.plans.map((plan) => ({ ...plan, apiKeys })),
			apis: demo.apis.map((api) => ({
				...api,
				operations: api.operations.map((operation) => ({
					...operation,
					authentication: operation.id === 'listTransactions' ? (['mtls'] as const) : (['mtls', 'api-key'] as const),
				})),
			})),
		}),
	});
}

before(async () => {
	gateway = await start('read-only');
	partner = await gateway.onboard();
});
after(() => gateway.close());
beforeEach(() => {
	gateway.seen.length = 0;
});

/** Gives the partner a key, and its text. */
function giveKey(
	changes: Partial<ApiKeyCredential> = {},
	to = partner,
	at = gateway,
): { readonly text: string; readonly credential: ApiKeyCredential } {
	const text = makeSecretText('api-key', 'production', systemRandom).reveal();
	const now = systemClock.nowMs();
	const credential: ApiKeyCredential = {
		id: newId('crd', systemClock, systemRandom),
		clientId: to.client.id,
		partnerId: to.partner.id,
		kind: 'api-key',
		status: 'active',
		notBeforeMs: now - 1000,
		notAfterMs: now + 60_000,
		createdAtMs: now,
		updatedAtMs: now,
		revision: 1,
		secretHash: hashSecretText(text),
		prefix: text.slice(0, 20),
		allowedAddresses: ['127.0.0.0/8'],
		limits: [{ name: 'burst', requests: 1000, windowSeconds: 60, per: 'subscription' }],
		...changes,
	};
	at.apply({ kind: 'credential', record: credential });
	return { text, credential };
}

function get(key: string, path = '/bank/v1/accounts/acc-1001', at = gateway): Promise<RawResponse | undefined> {
	return at.request(undefined, `GET ${path} HTTP/1.1\r\nHost: ${at.authority}\r\nAuthorization: ${key}\r\n\r\n`);
}

function assertRefused(response: RawResponse | undefined, status: number, code: FaultCode): void {
	assert.equal(response?.status, status, response?.body ?? 'the connection was closed');
	assert.equal(gateway.ledger.buffered.at(-1)?.reason, code);
	assert.equal(gateway.seen.length, 0, 'something reached the upstream');
}

test('serves a key from its addresses, without a certificate, and records the credential and no token', async () => {
	const { text, credential } = giveKey();
	for (const scheme of ['ApiKey', 'apikey', 'APIKEY']) assert.equal((await get(`${scheme} ${text}`))?.status, 200);
	const entry = gateway.ledger.buffered.at(-1);
	assert.equal(entry?.actor.credential, credential.id);
	assert.equal(entry?.facts?.['token'], undefined);
	assert.ok(!JSON.stringify(gateway.ledger.buffered).includes(text.slice(-30)), 'the ledger has no key');
	assert.ok(![...(gateway.seen[0]?.headers.values() ?? [])].flat().some((value) => value.includes('spk_')));
});

test('the last use of a key is known, and no request waits for that', async () => {
	const { text, credential } = giveKey();
	gateway.uses.take();
	const before = Date.now();
	for (let count = 0; count < 3; count++) assert.equal((await get(`ApiKey ${text}`))?.status, 200);
	const [use, ...more] = gateway.uses.take();
	assert.deepEqual([use?.credentialId, more], [credential.id, []]);
	assert.ok(Number(use?.lastUsedAtMs) >= before && Number(use?.lastUsedAtMs) <= Date.now());
});

test('whatever is wrong with a key is one answer', async () => {
	gateway.uses.take();
	const now = systemClock.nowMs();
	const { text } = giveKey();
	const wrong: Readonly<Record<string, string>> = {
		unknown: makeSecretText('api-key', 'production', systemRandom).reveal(),
		'a wrong checksum': `${text.slice(0, -1)}${text.endsWith('0') ? '1' : '0'}`,
		'a client secret': makeSecretText('client-secret', 'production', systemRandom).reveal(),
		junk: 'x',
		'cut off': text.slice(0, -7),
		'from another address': giveKey({ allowedAddresses: ['192.0.2.0/24'] }).text,
		'from no address': giveKey({ allowedAddresses: [] }).text,
		expired: giveKey({ notAfterMs: now - 1 }).text,
		'not yet begun': giveKey({ notBeforeMs: now + 60_000 }).text,
		retired: giveKey({ retiresAtMs: now - 1 }).text,
		revoked: giveKey({ status: 'revoked' }).text,
	};
	const bodies = new Set<string>();
	for (const [name, key] of Object.entries(wrong)) {
		const response = await get(`ApiKey ${key}`);
		assertRefused(response, 401, 'api_key_invalid');
		bodies.add(String(response?.body).replace(/"instance":"[^"]*"/, name === '' ? '' : '"instance":"…"'));
	}
	assert.equal(bodies.size, 1, [...bodies].join('\n'));
	assert.deepEqual(gateway.uses.take(), [], 'what was refused was no use');
});

test('a key dies with its client, its partner and itself, on the next request', async () => {
	const other = await gateway.onboard();
	const { text, credential } = giveKey({}, other);
	assert.equal((await get(`ApiKey ${text}`))?.status, 200);
	gateway.seen.length = 0;
	gateway.apply({ kind: 'client', record: { ...other.client, status: 'disabled' } });
	assertRefused(await get(`ApiKey ${text}`), 401, 'api_key_invalid');
	gateway.apply({ kind: 'client', record: other.client });
	gateway.apply({ kind: 'partner', record: { ...other.partner, status: 'suspended' } });
	assertRefused(await get(`ApiKey ${text}`), 401, 'api_key_invalid');
	gateway.apply({ kind: 'partner', record: other.partner });
	gateway.apply({ kind: 'credential', record: { ...credential, status: 'revoked' } });
	assertRefused(await get(`ApiKey ${text}`), 401, 'api_key_invalid');
});

test('an operation that does not take keys refuses them, also good ones', async () => {
	const response = await get(`ApiKey ${giveKey().text}`, '/bank/v1/accounts/acc-1001/transactions');
	assertRefused(response, 401, 'binding_missing');
});

test('a key reaches no resource that the subscription does not cover', async () => {
	assertRefused(await get(`ApiKey ${giveKey().text}`, '/bank/v1/accounts/acc-1015'), 403, 'resource_denied');
});

test('a key is held to limits of its own, beside those of the plan', async () => {
	const limits = [{ name: 'burst', requests: 2, windowSeconds: 60, per: 'subscription' }] as const;
	const [one, two] = [giveKey({ limits }), giveKey({ limits })];
	const statuses: (number | undefined)[] = [];
	for (let call = 0; call < 3; call++) statuses.push((await get(`ApiKey ${one.text}`))?.status);
	assert.deepEqual(statuses, [200, 200, 429]);
	const other = await get(`ApiKey ${two.text}`);
	assert.equal(other?.status, 200, 'another key has its own');
	assert.match(other?.headers.get('ratelimit-policy') ?? '', /"key-burst";q=2;w=60/);
});

test('the plan decides: never, reading only, or everything', async () => {
	const body = JSON.stringify({
		debtorAccountId: 'acc-1001',
		creditor: { name: 'Nordlicht Energie', iban: 'ZZ68123400000000001007' },
		amount: { amount: '49.90', currency: 'EUR' },
		reference: 'INV-2026-0815',
	});
	for (const [use, reading, writing] of [
		['never', 403, 403],
		['read-only', 200, 403],
		['all', 200, 503],
	] as const) {
		const at = await start(use);
		try {
			const caller = await at.onboard();
			const { text } = giveKey({}, caller, at);
			assert.equal((await get(`ApiKey ${text}`, undefined, at))?.status, reading, `reading under ${use}`);
			at.seen.length = 0;
			const post = [
				'POST /bank/v1/payments HTTP/1.1',
				`Host: ${at.authority}`,
				`Authorization: ApiKey ${text}`,
				'Content-Type: application/json',
				`Content-Length: ${Buffer.byteLength(body)}`,
				'',
				body,
			].join('\r\n');
			await at.request(undefined, post);
			assert.equal(at.seen.length, writing === 403 ? 0 : 1, `writing under ${use}`);
			if (writing === 403) assert.equal(at.ledger.buffered.at(-1)?.reason, 'proof_too_weak');
		} finally {
			await at.close();
		}
	}
});
