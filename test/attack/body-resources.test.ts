// Threat: a body that names one resource to the gateway and another to the service behind it. Expected: 403
// `resource_denied`, or a refusal by the contract; nothing is forwarded.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Operation } from '../../src/domain/api/api.ts';
import { compileRoute } from '../../src/services/gateway/compile-route.ts';
import { demoPlatformConfiguration } from '../fixture/test-gateway.ts';

/** The reader of the demo's payments, whose rule is `body.$.debtorAccountId`; the contract is not asked here. */
async function readerOf(from: string): Promise<(body: unknown) => unknown> {
	const { apis } = await demoPlatformConfiguration();
	const api = apis[0];
	const operation = api?.operations.find(({ id }) => id === 'createPayment');
	assert.ok(api !== undefined && operation !== undefined);
	const changed: Operation = { ...operation, resources: [{ type: 'account', from }] };
	const upstream = { send: () => () => {}, stream: () => ({ resume() {}, abort() {} }), upgrade: () => () => {} };
	const route = compileRoute(api, changed, { upstream, index: 0, details: undefined });
	assert.ok(route.ok && route.value.readBodyResources !== undefined);
	return route.value.readBodyResources;
}

test('names the one resource that the body names', async () => {
	const read = await readerOf('body.$.debtorAccountId');
	assert.deepEqual(read({ debtorAccountId: 'acc-1001', note: 'x' }), [{ type: 'account', id: 'acc-1001' }]);
});

for (const other of ['DebtorAccountId', 'debtoraccountid', 'DEBTORACCOUNTID']) {
	test(`names none when the body also has ${other}, which a case-blind service would take`, async () => {
		const read = await readerOf('body.$.debtorAccountId');
		assert.equal(read({ debtorAccountId: 'acc-1001', [other]: 'acc-1015' }), undefined);
		assert.equal(read({ [other]: 'acc-1015' }), undefined);
	});
}

test('names none when a parent of the member comes in two spellings', async () => {
	const read = await readerOf('body.$.orders[*].debtor.id');
	assert.equal(read({ orders: [{ debtor: { id: 'acc-1001' }, Debtor: { id: 'acc-1015' } }] }), undefined);
});

test('names none for anything but text: two programs may read one number differently', async () => {
	const read = await readerOf('body.$.debtorAccountId');
	for (const id of [1001, ['acc-1001'], { id: 'acc-1001' }, true, null, '']) {
		assert.equal(read({ debtorAccountId: id }), undefined);
	}
});
