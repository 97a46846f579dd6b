import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ManualClock } from '../../kernel/clock.ts';
import { newId } from '../../kernel/ids.ts';
import { systemRandom } from '../../kernel/random.ts';
import type { ApiVersion } from '../api/api.ts';
import { createCatalogue } from '../product/catalogue.ts';
import type { Plan, Product } from '../product/product.ts';
import type { ClientChoices } from '../product/choose-plan.ts';
import type { Subscription } from '../product/subscription.ts';
import { decideGrant, indexProductResources } from './decide-grant.ts';
import { parseScope } from './scope.ts';

const clock = new ManualClock(0);
const ACCOUNTS = 'https://api.bank.example/accounts';
const PAYMENTS = 'https://api.bank.example/payments';

// Only what a grant is decided from; the rest of an API plays no part here.
const api = (id: string, version: string, resource: string, operation: string): ApiVersion =>
	({ id, version, resource, operations: [{ key: `${id}/${version}/${operation}` }] }) as unknown as ApiVersion;
const product = (id: string, scopes: readonly string[], operations: readonly string[]): Product => ({
	id,
	title: id,
	scopes,
	operations,
});
const plan = (id: string, tokenTtlSeconds: number, assurance: Plan['assurance'] = 'high'): Plan => ({
	id,
	title: id,
	limits: [],
	tokenTtlSeconds,
	assurance,
	apiKeys: 'never',
});

const catalogue = createCatalogue(
	[
		api('accounts', 'v1', ACCOUNTS, 'getAccount'),
		api('accounts', 'v2', ACCOUNTS, 'getAccount'),
		api('payments', 'v1', PAYMENTS, 'createPayment'),
	],
	[
		product('reading', ['accounts:read', 'profile'], ['accounts/v1/getAccount', 'accounts/v2/getAccount']),
		product('writing', ['accounts:write', 'profile'], ['accounts/v2/getAccount']),
		product('paying', ['payments'], ['payments/v1/createPayment']),
		product('both', ['everything'], ['accounts/v1/getAccount', 'payments/v1/createPayment']),
		product('retired', ['old'], ['accounts/v0/getAccount']),
		product('mute', [], ['payments/v1/createPayment']),
	],
	[plan('standard', 300), plan('strict', 60), plan('casual', 120, 'low')],
);
const index = indexProductResources(catalogue);

const subscribe = (...products: readonly (readonly [string, string])[]): Subscription[] =>
	products.map(([productId, planId]) => ({
		id: newId('sub', clock, systemRandom),
		partnerId: newId('prt', clock, systemRandom),
		clientId: newId('cli', clock, systemRandom),
		productId,
		planId,
		stage: 'live',
		status: 'active',
		grants: {},
		createdAtMs: 0,
		updatedAtMs: 0,
		revision: 1,
	}));

const STRONG: ClientChoices = { authenticationMethod: 'tls_client_auth', senderConstraint: 'mtls' };

function decide(
	subscriptions: readonly Subscription[],
	resource?: string,
	scope?: string,
	client: ClientChoices = STRONG,
): object | string {
	const result = decideGrant({ resource, scope }, client, subscriptions, index);
	return result.ok ? result.value : result.fault.code;
}

test('check 84: grants every scope of the covering subscriptions when none is asked for', () => {
	assert.deepEqual(decide(subscribe(['reading', 'standard'])), {
		resource: ACCOUNTS,
		scopes: ['accounts:read', 'profile'],
		ttlSeconds: 300,
	});
	assert.deepEqual(
		decide(subscribe(['reading', 'standard'], ['writing', 'standard'], ['paying', 'standard']), ACCOUNTS),
		{
			resource: ACCOUNTS,
			scopes: ['accounts:read', 'profile', 'accounts:write'],
			ttlSeconds: 300,
		},
	);
});

test('a client that sends a secret or holds unbound tokens gets nothing from plans with high assurance', () => {
	const weak: readonly ClientChoices[] = [
		{ authenticationMethod: 'client_secret_basic', senderConstraint: 'mtls' },
		{ authenticationMethod: 'client_secret_post', senderConstraint: 'dpop' },
		{ authenticationMethod: 'private_key_jwt', senderConstraint: 'none' },
	];
	const mixed = subscribe(['reading', 'casual'], ['writing', 'standard']);
	for (const client of weak) {
		assert.equal(decide(subscribe(['reading', 'standard']), undefined, undefined, client), 'oauth_unauthorized_client');
		assert.deepEqual(decide(mixed, undefined, undefined, client), {
			resource: ACCOUNTS,
			scopes: ['accounts:read', 'profile'],
			ttlSeconds: 120,
		});
		assert.equal(decide(mixed, ACCOUNTS, 'accounts:write', client), 'oauth_invalid_scope');
	}
	const strong: ClientChoices = { authenticationMethod: 'private_key_jwt', senderConstraint: 'dpop' };
	assert.equal(typeof decide(mixed, ACCOUNTS, 'accounts:write', strong), 'object');
});

test('check 84: grants what was asked for, each scope once, and nothing beyond the subscriptions', () => {
	const reading = subscribe(['reading', 'standard'], ['paying', 'standard']);
	assert.deepEqual(decide(reading, ACCOUNTS, 'profile accounts:read profile'), {
		resource: ACCOUNTS,
		scopes: ['profile', 'accounts:read'],
		ttlSeconds: 300,
	});
	for (const scope of [
		'accounts:write',
		'accounts:read accounts:write',
		'payments',
		'Accounts:read',
		'accounts',
		'__proto__',
	]) {
		assert.equal(decide(reading, ACCOUNTS, scope), 'oauth_invalid_scope', scope);
	}
	for (const scope of [
		' profile',
		'profile ',
		'profile  accounts:read',
		'profile\taccounts:read',
		'a"b',
		'a\\b',
		'ä',
	]) {
		assert.equal(decide(reading, ACCOUNTS, scope), 'oauth_invalid_scope', scope);
	}
});

test('check 85: grants one resource that a subscription covers, byte for byte', () => {
	const both = subscribe(['reading', 'standard'], ['paying', 'standard']);
	assert.equal(decide(both), 'oauth_invalid_target', 'two are covered and none was named');
	assert.deepEqual(decide(both, PAYMENTS), { resource: PAYMENTS, scopes: ['payments'], ttlSeconds: 300 });
	for (const resource of [
		`${ACCOUNTS}/`,
		`${ACCOUNTS}.evil`,
		`${ACCOUNTS}#a`,
		'/accounts',
		'accounts',
		ACCOUNTS.toUpperCase(),
		'*',
	]) {
		assert.equal(decide(both, resource), 'oauth_invalid_target', resource);
	}
	assert.equal(decide(subscribe(['reading', 'standard']), PAYMENTS), 'oauth_invalid_target', 'not of this client');
	assert.equal(decide(subscribe(['both', 'standard'])), 'oauth_invalid_target', 'one product, two resources');
	assert.deepEqual(decide(subscribe(['both', 'standard'], ['reading', 'standard']), PAYMENTS), {
		resource: PAYMENTS,
		scopes: ['everything'],
		ttlSeconds: 300,
	});
});

test('takes the shortest lifetime of the plans that a granted scope comes from, and of no other plan', () => {
	const mixed = subscribe(['reading', 'standard'], ['writing', 'strict'], ['paying', 'strict']);
	const ttl = (scope?: string): unknown => (decide(mixed, ACCOUNTS, scope) as { ttlSeconds: number }).ttlSeconds;
	assert.equal(ttl('accounts:read'), 300);
	assert.equal(ttl('accounts:write'), 60);
	assert.equal(ttl('profile'), 60);
	assert.equal(ttl(), 60);
});

test('grants nothing without a subscription whose product and plan are on offer', () => {
	assert.equal(decide([]), 'oauth_unauthorized_client');
	assert.equal(decide(subscribe(['gone', 'standard'], ['reading', 'gone'])), 'oauth_unauthorized_client');
	assert.equal(decide(subscribe(['retired', 'standard'])), 'oauth_invalid_target');
	assert.equal(decide(subscribe(['mute', 'standard'])), 'oauth_invalid_scope');
});

test('reads scopes of RFC 6749 §3.3 and nothing else', () => {
	assert.deepEqual([...(parseScope('a b:c https://x/y !#[]~') ?? [])], ['a', 'b:c', 'https://x/y', '!#[]~']);
	for (const text of ['', ' ', 'a ', ' a', 'a\nb', 'a\u0000', 'a"', 'a\\', '\u007f', 'é']) {
		assert.equal(parseScope(text), undefined, JSON.stringify(text));
	}
});
