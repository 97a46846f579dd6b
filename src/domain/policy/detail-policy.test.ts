import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { unwrap } from '../../kernel/result.ts';
import type { AuthorizationDetail, AuthorizationDetailType } from './authorization-detail.ts';
import { compileDetailPolicy, type DetailRule } from './detail-policy.ts';

const API = 'https://api.bank.example/bank';
const PAY = 'bank/v1/createPayment';
const PAYMENT: AuthorizationDetailType = {
	type: 'payment',
	title: 'One payment',
	schema: {
		type: 'object',
		additionalProperties: false,
		required: ['debtor', 'amount'],
		properties: {
			actions: { type: 'array', items: { enum: ['initiate', 'cancel'] } },
			locations: { type: 'array', items: { type: 'string' } },
			debtor: { type: 'string' },
			amount: {
				type: 'object',
				additionalProperties: false,
				properties: { value: { type: 'string' }, currency: { type: 'string' } },
			},
		},
	},
	bindings: [
		{
			operation: PAY,
			actions: ['initiate'],
			resources: [{ type: 'account', path: '$.debtor' }],
			matches: [{ body: '$.amount', detail: '$.amount' }],
		},
	],
};
const GOOD: AuthorizationDetail = {
	type: 'payment',
	actions: ['initiate'],
	debtor: 'acc-1',
	amount: { value: '10.00', currency: 'EUR' },
};
const ACCOUNT = [{ type: 'account', id: 'acc-1' }];
const BODY = { amount: { currency: 'EUR', value: '10.00' }, note: 'x' };

function rule(types: readonly AuthorizationDetailType[] = [PAYMENT]): DetailRule {
	const found = unwrap(compileDetailPolicy(types)).ruleOf(PAY);
	assert.ok(found !== undefined);
	return found;
}

test('permits what one detail permits in everything', () => {
	const { permitTarget, permitBody } = rule();
	assert.deepEqual(permitTarget([GOOD], API, []), [GOOD]);
	assert.deepEqual(permitBody?.([GOOD], BODY, ACCOUNT), [GOOD]);
	const here = { ...GOOD, locations: ['https://other.example', API] };
	assert.deepEqual(permitTarget([here], API, ACCOUNT), [here]);
});

test('check 87: permits nothing by no detail, another type, other actions, another API, or a detail out of its schema', () => {
	const { permitTarget } = rule();
	assert.deepEqual(permitTarget([], API, []), []);
	for (const changes of [
		{ type: 'account-information' },
		{ type: '__proto__' },
		{ actions: ['cancel'] },
		{ actions: [] },
		{ actions: undefined },
		{ locations: [] },
		{ locations: [`${API}/`] },
		{ locations: [`${API}.evil.example`] },
		{ debtor: undefined },
		{ debtor: 5 },
		{ more: true },
		{ amount: { value: '10.00', constructor: 'x' } },
	]) {
		const detail = JSON.parse(JSON.stringify({ ...GOOD, ...changes })) as AuthorizationDetail;
		assert.deepEqual(permitTarget([detail], API, []), [], JSON.stringify(changes));
	}
	const polluted = JSON.parse(`{"__proto__":{"debtor":"acc-1"},"type":"payment","actions":["initiate"],"amount":{}}`);
	assert.deepEqual(permitTarget([polluted], API, []), []);
});

test('check 87: permits no resource that the detail does not name, and no amount but its own', () => {
	const { permitTarget, permitBody } = rule();
	assert.deepEqual(permitTarget([GOOD], API, [{ type: 'account', id: 'acc-2' }]), []);
	assert.deepEqual(permitTarget([GOOD], API, [{ type: 'card', id: 'x' }]), [GOOD], 'a type that is not bound');
	for (const [body, touched] of [
		[BODY, [{ type: 'account', id: 'acc-2' }]],
		[BODY, [...ACCOUNT, { type: 'account', id: 'acc-2' }]],
		[{ amount: { value: '10.01', currency: 'EUR' } }, ACCOUNT],
		[{ amount: { value: '10.00', currency: 'USD' } }, ACCOUNT],
		[{ amount: { value: 10, currency: 'EUR' } }, ACCOUNT],
		[{ amount: { value: '10.00', currency: 'EUR', extra: 1 } }, ACCOUNT],
		[{}, ACCOUNT],
		[undefined, ACCOUNT],
		[[BODY], ACCOUNT],
		[{ ...BODY, Amount: { value: '99999.00', currency: 'EUR' } }, ACCOUNT],
	] as const) {
		assert.deepEqual(permitBody?.([GOOD], body, touched), [], JSON.stringify(body));
	}
});

test('two details that each fit in part permit nothing', () => {
	const { permitTarget, permitBody } = rule();
	const other = { ...GOOD, debtor: 'acc-2', amount: { value: '99.00', currency: 'EUR' } };
	const details = permitTarget([GOOD, other], API, []);
	assert.deepEqual(permitBody?.(details, { amount: other.amount }, ACCOUNT), []);
	assert.deepEqual(permitBody?.(details, { amount: other.amount }, [{ type: 'account', id: 'acc-2' }]), [other]);
});

test('property: whatever is permitted is named by a detail that was given', () => {
	const { permitTarget } = rule();
	const id = fc.constantFrom('acc-1', 'acc-2', 'acc-3', '', '__proto__');
	const detail = id.map((debtor) => ({ ...GOOD, debtor }));
	fc.assert(
		fc.property(fc.array(detail, { maxLength: 4 }), fc.array(id, { maxLength: 3 }), (details, ids) => {
			const permitting = permitTarget(
				details,
				API,
				ids.map((one) => ({ type: 'account', id: one })),
			);
			const expected = details.filter(({ debtor }) => ids.every((one) => one === debtor));
			assert.deepEqual(permitting, expected);
		}),
	);
});

test('an operation that no type names has no rule', () => {
	const policy = unwrap(compileDetailPolicy([PAYMENT]));
	assert.equal(policy.ruleOf('bank/v1/getAccount'), undefined);
	assert.equal(policy.ruleOf('__proto__'), undefined);
	assert.deepEqual(policy.types, ['payment']);
	assert.equal(policy.isValid(GOOD), true);
	assert.equal(policy.isValid({ ...GOOD, more: 1 }), false);
});

test('does not compile a schema that is open, mistyped or not closed, nor a path that it does not know', () => {
	for (const [schema, reason] of [
		[{}, /type: object/],
		[{ type: 'object', properties: {} }, /additionalProperties/],
		[{ type: 'object', additionalProperties: false }, /properties/],
		[{ type: 'object', additionalProperties: false, properties: {}, requierd: ['x'] }, /requierd/],
	] as const) {
		const compiled = compileDetailPolicy([{ ...PAYMENT, schema }]);
		assert.ok(!compiled.ok);
		assert.match(compiled.fault, reason);
	}
	const [binding] = PAYMENT.bindings;
	assert.ok(binding !== undefined);
	const bad = { ...PAYMENT, bindings: [{ ...binding, resources: [{ type: 'account', path: '$[?(@.x)]' }] }] };
	assert.equal(compileDetailPolicy([bad]).ok, false);
});
