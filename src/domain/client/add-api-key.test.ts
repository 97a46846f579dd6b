import assert from 'node:assert/strict';
import { test } from 'node:test';
import { openMemoryStore } from '../../adapters/store/memory/open-memory-store.ts';
import { ManualClock } from '../../kernel/clock.ts';
import { systemRandom } from '../../kernel/random.ts';
import { unwrap } from '../../kernel/result.ts';
import type { ApiVersion } from '../api/api.ts';
import { registerPartner } from '../partner/register-partner.ts';
import { createCatalogue } from '../product/catalogue.ts';
import type { ApiKeyUse } from '../product/product.ts';
import { subscribe } from '../product/subscribe.ts';
import { type AddApiKeyCommand, addApiKey, mayCallByApiKey } from './add-api-key.ts';
import { registerClient } from './register-client.ts';
import { hashSecretText, isSecretText } from './secret-text.ts';

const operation = (id: string, method: string) => ({ key: `bank/v1/${id}`, method, resources: [] });
const api = {
	id: 'bank',
	version: 'v1',
	resource: 'https://api.bank.example/bank',
	operations: [operation('get', 'GET'), operation('post', 'POST')],
} as unknown as ApiVersion;
const catalogue = createCatalogue(
	[api],
	[
		{ id: 'read', title: 'Read', scopes: ['read'], operations: ['bank/v1/get'] },
		{ id: 'write', title: 'Write', scopes: ['write'], operations: ['bank/v1/get', 'bank/v1/post'] },
	],
	(['never', 'read-only', 'all'] as const).map((apiKeys) => ({
		id: apiKeys,
		title: apiKeys,
		limits: [],
		tokenTtlSeconds: 300,
		assurance: 'high' as const,
		apiKeys,
	})),
);

async function clientWith(...subscriptions: readonly (readonly [productId: string, planId: ApiKeyUse])[]) {
	const clock = new ManualClock(1_800_000_000_000);
	const { registry } = openMemoryStore();
	const deps = { clock, random: systemRandom, catalogue };
	const partner = unwrap(await registerPartner(registry, { name: 'Acme' }, deps)).record;
	const request = { partnerId: partner.id, name: 'app', environment: 'sandbox' } as const;
	const client = unwrap(await registerClient(registry, request, deps)).record;
	for (const [productId, planId] of subscriptions) {
		const wish = { clientId: client.id, productId, planId, stage: 'live', grants: {} } as const;
		unwrap(await subscribe(registry, wish, deps));
	}
	const add = (more: Partial<AddApiKeyCommand> = {}) =>
		addApiKey(registry, { ...WISH, clientId: client.id, ...more }, deps);
	const codeOf = async (more?: Partial<AddApiKeyCommand>) => {
		const outcome = await add(more);
		return outcome.ok ? 'ok' : outcome.fault.code;
	};
	return { registry, add, codeOf };
}

const WISH = {
	allowedAddresses: ['192.0.2.0/24', '2001:db8::/32', '192.0.2.0/24', '198.51.100.7'],
	limits: [{ name: 'sustained', requests: 600, windowSeconds: 60 }],
};

test('an API key is kept as a hash, with its addresses, limits and end', async () => {
	const { registry, add } = await clientWith(['read', 'read-only']);
	const { credential, secret } = unwrap(await add());
	assert.ok(isSecretText('api-key', secret.reveal()));
	assert.deepEqual(await registry.credentials.get(credential.id), credential);
	assert.equal(credential.secretHash, hashSecretText(secret.reveal()));
	assert.equal(credential.prefix, secret.reveal().slice(0, 'spk_sandbox_'.length + 8));
	assert.deepEqual(credential.allowedAddresses, ['192.0.2.0/24', '2001:db8::/32', '198.51.100.7/32']);
	assert.deepEqual(credential.limits, [{ name: 'sustained', requests: 600, windowSeconds: 60, per: 'client' }]);
	assert.equal(credential.notAfterMs - credential.notBeforeMs, 90 * 86_400_000);
	assert.ok(!JSON.stringify(await registry.changes.after(0, 100)).includes(secret.reveal().slice(12, 60)));
});

test('a plan must permit API keys, and for more than reading where its product also writes', async () => {
	assert.equal(await (await clientWith()).codeOf(), 'conflict', 'no subscription');
	assert.equal(await (await clientWith(['read', 'never'])).codeOf(), 'conflict');
	assert.equal(await (await clientWith(['write', 'read-only'])).codeOf(), 'conflict');
	assert.equal(await (await clientWith(['write', 'all'])).codeOf(), 'ok');
	assert.equal(await (await clientWith(['read', 'read-only'], ['write', 'never'])).codeOf(), 'ok');
	assert.equal(await (await clientWith(['read', 'all'], ['write', 'read-only'])).codeOf(), 'conflict');
});

test('a list of addresses that lists nothing, or nearly everything, is refused', async () => {
	const { codeOf } = await clientWith(['read', 'all']);
	for (const text of [
		'0.0.0.0/0',
		'::/0',
		'10.0.0.0/7',
		'2000::/16',
		'10.1.2.3/8',
		'localhost',
		'',
		'192.0.2.1/33',
		'1.2.3',
	]) {
		assert.equal(await codeOf({ allowedAddresses: [text] }), 'input_invalid', text);
	}
	assert.equal(await codeOf({ allowedAddresses: [] }), 'input_invalid');
	assert.equal(
		await codeOf({ allowedAddresses: Array.from({ length: 65 }, (_, n) => `10.0.0.${n}`) }),
		'input_invalid',
	);
	assert.equal(await codeOf({ allowedAddresses: ['10.0.0.0/8'] }), 'ok');
});

test('an API key has an end and a limit of its own', async () => {
	const { codeOf } = await clientWith(['read', 'all']);
	assert.equal(await codeOf({ lifetimeSeconds: 367 * 86_400 }), 'input_invalid');
	assert.equal(await codeOf({ lifetimeSeconds: 59 }), 'input_invalid');
	assert.equal(await codeOf({ limits: [] }), 'input_invalid');
	const limit = { name: 'a', requests: 1, windowSeconds: 1 };
	assert.equal(await codeOf({ limits: [limit, limit] }), 'input_invalid');
	assert.equal(
		await codeOf({ limits: Array.from({ length: 5 }, (_, n) => ({ ...limit, name: `a${n}` })) }),
		'input_invalid',
	);
});

test('which operations a key may call follows from the plan and the method alone', () => {
	const uses = ['never', 'read-only', 'all'] as const;
	const permitted = ['GET', 'HEAD', 'POST', 'DELETE', 'get', ''].map((method) =>
		uses.map((use) => mayCallByApiKey(use, method)),
	);
	assert.deepEqual(permitted, [
		[false, true, true],
		[false, true, true],
		[false, false, true],
		[false, false, true],
		[false, false, true],
		[false, false, true],
	]);
});
