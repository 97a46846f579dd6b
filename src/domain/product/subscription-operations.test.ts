import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { openMemoryStore } from '../../adapters/store/memory/open-memory-store.ts';
import { ManualClock } from '../../kernel/clock.ts';
import { newId } from '../../kernel/ids.ts';
import { systemRandom } from '../../kernel/random.ts';
import { unwrap } from '../../kernel/result.ts';
import type { ApiVersion } from '../api/api.ts';
import { registerClient } from '../client/register-client.ts';
import { registerPartner } from '../partner/register-partner.ts';
import { createCatalogue } from './catalogue.ts';
import { changeSubscription, endSubscription } from './change-subscription.ts';
import { checkGrants, GRANTED_IDS_MAX } from './check-grants.ts';
import { subscribe } from './subscribe.ts';

const api = {
	id: 'bank',
	resource: 'https://bank.example/api',
	operations: [{ key: 'bank/v1/getAccount', resources: [{ type: 'account', from: 'path.id' }] }],
} as unknown as ApiVersion;
const product = { id: 'read', title: 'Read', scopes: ['read'], operations: ['bank/v1/getAccount'] };
const plans = ['standard', 'gold', 'casual'].map((id) => ({
	id,
	title: id,
	limits: [],
	tokenTtlSeconds: 300,
	assurance: id === 'casual' ? ('low' as const) : ('high' as const),
	apiKeys: 'never' as const,
}));
const catalogue = createCatalogue([api], [product], plans);

async function oneTestClient() {
	const clock = new ManualClock(1_800_000_000_000);
	const { registry } = openMemoryStore();
	const deps = { clock, random: systemRandom, catalogue };
	const partner = unwrap(await registerPartner(registry, { name: 'Acme' }, deps)).record;
	const request = { partnerId: partner.id, name: 'payments', environment: 'production' } as const;
	const client = unwrap(await registerClient(registry, request, deps)).record;
	return { registry, deps, client };
}

const wish = { productId: 'read', planId: 'standard', stage: 'live', grants: { account: ['acc-1'] } } as const;
const noChange = { planId: undefined, stage: undefined, grants: undefined };

test('subscribes a client once to a product, and again after the first subscription has ended', async () => {
	const { registry, deps, client } = await oneTestClient();
	const first = unwrap(await subscribe(registry, { ...wish, clientId: client.id }, deps)).record;
	assert.deepEqual([first.partnerId, first.status, first.grants], [client.partnerId, 'active', { account: ['acc-1'] }]);
	const second = await subscribe(registry, { ...wish, clientId: client.id }, deps);
	assert.equal(second.ok ? 'ok' : second.fault.code, 'conflict');
	unwrap(await endSubscription(registry, { subscriptionId: first.id, expectedRevision: undefined }, deps));
	assert.ok((await subscribe(registry, { ...wish, clientId: client.id }, deps)).ok);
});

test('refuses clients, products and plans that do not exist', async () => {
	const { registry, deps, client } = await oneTestClient();
	const requests = [
		{ ...wish, clientId: newId('cli', deps.clock, systemRandom) },
		{ ...wish, clientId: client.id, productId: 'constructor' },
		{ ...wish, clientId: client.id, planId: 'platinum' },
	];
	const codes: string[] = [];
	for (const request of requests) {
		const outcome = await subscribe(registry, request, deps);
		codes.push(outcome.ok ? 'ok' : outcome.fault.code);
	}
	assert.deepEqual(codes, ['not_found', 'input_invalid', 'input_invalid']);
	assert.deepEqual((await registry.subscriptions.list({ limit: 10 })).items, []);
});

test('puts a client that sends a secret under plans with low assurance only', async () => {
	const { registry, deps, client } = await oneTestClient();
	const request = { partnerId: client.partnerId, name: 'weak', environment: 'sandbox' } as const;
	const weak = unwrap(
		await registerClient(registry, { ...request, authenticationMethod: 'client_secret_basic' }, deps),
	).record;
	const refused = await subscribe(registry, { ...wish, clientId: weak.id }, deps);
	assert.equal(refused.ok ? 'ok' : refused.fault.code, 'conflict');
	const { id } = unwrap(await subscribe(registry, { ...wish, clientId: weak.id, planId: 'casual' }, deps)).record;
	const target = { subscriptionId: id, expectedRevision: undefined };
	const raised = await changeSubscription(registry, target, { ...noChange, planId: 'gold' }, deps);
	assert.equal(raised.ok ? 'ok' : raised.fault.code, 'conflict');
	assert.ok((await subscribe(registry, { ...wish, clientId: client.id, planId: 'casual' }, deps)).ok);
});

test('changes only what is named, and replaces grants as a whole', async () => {
	const { registry, deps, client } = await oneTestClient();
	const { id } = unwrap(await subscribe(registry, { ...wish, clientId: client.id }, deps)).record;
	const target = { subscriptionId: id, expectedRevision: undefined };
	const gold = unwrap(await changeSubscription(registry, target, { ...noChange, planId: 'gold' }, deps)).record;
	assert.deepEqual([gold.planId, gold.stage, gold.grants, gold.revision], ['gold', 'live', { account: ['acc-1'] }, 2]);
	const all = unwrap(
		await changeSubscription(registry, target, { ...noChange, grants: { account: '*' } }, deps),
	).record;
	assert.deepEqual([all.planId, all.grants], ['gold', { account: '*' }]);
	const none = unwrap(await changeSubscription(registry, target, { ...noChange, grants: {} }, deps)).record;
	assert.deepEqual(none.grants, {});
});

test('refuses to change what has ended, an outdated revision, an unknown plan or unfit grants', async () => {
	const { registry, deps, client } = await oneTestClient();
	const { id } = unwrap(await subscribe(registry, { ...wish, clientId: client.id }, deps)).record;
	const target = { subscriptionId: id, expectedRevision: undefined };
	const attempts = [
		await changeSubscription(registry, { ...target, expectedRevision: 9 }, { ...noChange, stage: 'canary' }, deps),
		await changeSubscription(registry, target, { ...noChange, planId: 'platinum' }, deps),
		await changeSubscription(registry, target, { ...noChange, grants: { acount: '*' } }, deps),
	];
	unwrap(await endSubscription(registry, target, deps));
	attempts.push(await changeSubscription(registry, target, { ...noChange, stage: 'canary' }, deps));
	const codes = attempts.map((outcome) => (outcome.ok ? 'ok' : outcome.fault.code));
	assert.deepEqual(codes, ['revision_mismatch', 'input_invalid', 'input_invalid', 'conflict']);
	assert.equal(unwrap(await endSubscription(registry, target, deps)).changed, false);
});

test('refuses grants of a type that the product does not ask about, and names those that it knows', () => {
	for (const type of ['accounts', 'Account', '__proto__', 'constructor', '']) {
		const checked = checkGrants(Object.fromEntries([[type, '*' as const]]), product, catalogue);
		assert.ok(!checked.ok, type);
		assert.match(JSON.stringify(checked.fault.members), /it knows: account"/);
	}
});

test('refuses ids that no request can carry, and a star among ids', () => {
	for (const id of ['', ' ', 'a b', 'a\n', 'é', '*', 'x'.repeat(129)]) {
		assert.equal(checkGrants({ account: ['acc-1', id] }, product, catalogue).ok, false, JSON.stringify(id));
	}
});

test('refuses more ids than the bound', () => {
	const ids = Array.from({ length: GRANTED_IDS_MAX + 1 }, (_, index) => `acc-${index}`);
	assert.equal(checkGrants({ account: ids }, product, catalogue).ok, false);
	assert.equal(checkGrants({ account: ids.slice(1) }, product, catalogue).ok, true);
});

test('never grants more than was asked: what passes is the same set of ids', () => {
	fc.assert(
		fc.property(fc.array(fc.string({ maxLength: 6 }), { maxLength: 20 }), (ids) => {
			const checked = checkGrants({ account: ids }, product, catalogue);
			if (!checked.ok) return;
			assert.deepEqual(new Set(checked.value['account']), new Set(ids));
			assert.deepEqual(Object.keys(checked.value), ['account']);
		}),
	);
});
