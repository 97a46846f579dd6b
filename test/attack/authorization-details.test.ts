// Threat: a token that was narrowed to one exact payment is used for another one. Expected: 403
// `insufficient_authorization_details`, whatever its scopes say; nothing is forwarded.
import assert from 'node:assert/strict';
import { after, before, beforeEach, test } from 'node:test';
import { decodeJwt } from 'jose';
import type { AuthorizationDetail } from '../../src/domain/policy/authorization-detail.ts';
import type { RawResponse } from '../fixture/raw-client.ts';
import { startTestGateway, type TestGateway, type TestPartner } from '../fixture/test-gateway.ts';

let gateway: TestGateway;
let partner: TestPartner;

const DETAIL: AuthorizationDetail = {
	type: 'payment',
	actions: ['initiate'],
	debtor: 'acc-1001',
	amount: { amount: '49.90', currency: 'EUR' },
};

before(async () => {
	gateway = await startTestGateway(undefined, {
		configure: (demo) => ({
			...demo,
			authorizationDetailTypes: [
				{
					type: 'payment',
					title: 'One payment',
					schema: {
						type: 'object',
						additionalProperties: false,
						required: ['debtor', 'amount'],
						properties: { actions: {}, locations: {}, debtor: { type: 'string' }, amount: { type: 'object' } },
					},
					bindings: [
						{
							operation: 'bank/v1/createPayment',
							actions: ['initiate'],
							resources: [{ type: 'account', path: '$.debtor' }],
							matches: [{ body: '$.amount', detail: '$.amount' }],
						},
					],
				},
			],
		}),
	});
	partner = await gateway.onboard();
	gateway.answer = () => ({ status: 503, body: '' });
});
after(() => gateway.close());
beforeEach(() => {
	gateway.seen.length = 0;
});

async function pay(details: readonly AuthorizationDetail[], changes: object = {}): Promise<RawResponse | undefined> {
	const body = JSON.stringify({
		debtorAccountId: 'acc-1001',
		creditor: { name: 'Nordlicht Energie', iban: 'ZZ68123400000000001007' },
		amount: { amount: '49.90', currency: 'EUR' },
		reference: 'INV-2026-0815',
		...changes,
	});
	return gateway.request(
		partner,
		[
			'POST /bank/v1/payments HTTP/1.1',
			`Host: ${gateway.authority}`,
			`Authorization: Bearer ${partner.token({ authorizationDetails: details })}`,
			'Content-Type: application/json',
			`Content-Length: ${Buffer.byteLength(body)}`,
			'',
			body,
		].join('\r\n'),
	);
}

function assertRefused(response: RawResponse | undefined): void {
	assert.equal(response?.status, 403, response?.body ?? 'closed');
	assert.match(response?.body ?? '', /insufficient_authorization_details/);
	assert.equal(gateway.seen.length, 0);
}

test('check 87: a payment is forwarded when one detail permits it, and the service is told which', async () => {
	await pay([{ ...DETAIL, debtor: 'acc-1002' }, DETAIL]);
	assert.equal(gateway.seen.length, 1);
	const [assertion] = [gateway.seen[0]?.headers.get('sallyport-assertion') ?? ''].flat();
	assert.deepEqual(decodeJwt(assertion ?? '')['authorization_details'], [DETAIL]);
});

test('check 87: refuses a token with the scope and without a detail', async () => assertRefused(await pay([])));

test('check 87: refuses another amount, another account, and another action than the detail says', async () => {
	assertRefused(await pay([DETAIL], { amount: { amount: '49.91', currency: 'EUR' } }));
	assertRefused(await pay([DETAIL], { debtorAccountId: 'acc-1002' }));
	assertRefused(await pay([{ ...DETAIL, actions: ['cancel'] }]));
	assertRefused(await pay([{ ...DETAIL, locations: ['https://other.example'] }]));
	assertRefused(await pay([{ ...DETAIL, more: true }]));
});

test('check 87: refuses one payment that takes the account of one detail and the amount of another', async () => {
	const other = { ...DETAIL, debtor: 'acc-1002', amount: { amount: '1.00', currency: 'EUR' } };
	assertRefused(await pay([DETAIL, other], { amount: other['amount'] }));
});

test('a detail grants nothing that the subscription does not', async () => {
	const response = await pay([{ ...DETAIL, debtor: 'acc-1015' }], { debtorAccountId: 'acc-1015' });
	assert.equal(response?.status, 403);
	assert.match(response?.body ?? '', /resource_denied/);
	assert.equal(gateway.seen.length, 0);
});

test('an operation that demands no detail does not look at any', async () => {
	const token = partner.token({ authorizationDetails: [DETAIL] });
	const response = await gateway.request(
		partner,
		`GET /bank/v1/accounts/acc-1002 HTTP/1.1\r\nHost: ${gateway.authority}\r\nAuthorization: Bearer ${token}\r\n\r\n`,
	);
	assert.equal(gateway.seen.length, 1, response?.body ?? 'closed');
});
