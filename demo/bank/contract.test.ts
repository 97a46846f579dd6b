// The bank against its own contract, judged by a schema library and not by Sallyport: what it answers is described,
// and what it must not give away is not.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { Ajv2020 } from 'ajv/dist/2020.js';
import addFormats from 'ajv-formats';
import { parse } from 'yaml';
import type { Assertion } from './assertion.ts';
import { type BankAnswer, Books, findOperation } from './books.ts';
import { accounts } from './fixtures.ts';

const document = parse(readFileSync(join(import.meta.dirname, 'bank.openapi.yaml'), 'utf8'));
const ajv = new Ajv2020({ strict: false });
addFormats.default(ajv);
ajv.addSchema(document, 'bank');

function assertFits(schema: string, value: unknown): void {
	const validate = ajv.compile({ $ref: `bank#/components/schemas/${schema}` });
	assert.ok(validate(value), `${schema}: ${ajv.errorsText(validate.errors)}`);
}

function ask(books: Books, method: string, target: string, account?: string, body?: unknown): BankAnswer {
	const [path = '', query = ''] = target.split('?');
	const operation = findOperation(method, path);
	assert.ok(operation);
	const assertion: Assertion = {
		partner: 'prt_1',
		client: 'cli_1',
		credential: 'crd_1',
		subscription: 'sub_1',
		scopes: [],
		operation: `bank/v1/${operation.id}`,
		resources: account === undefined ? [] : [{ type: 'account', id: account }],
		authorizationDetails: undefined,
	};
	return books.answer(operation, { method, path, query: new URLSearchParams(query), body, assertion });
}

describe('the contract of the bank', () => {
	const books = new Books('bank/v1', () => Date.UTC(2026, 10, 1));

	it('describes every account, page and transaction that the bank answers with', () => {
		assertFits('AccountPage', ask(books, 'GET', '/accounts?limit=7').body);
		for (const { accountId } of accounts) {
			assertFits('Account', ask(books, 'GET', `/accounts/${accountId}`, accountId).body);
			assertFits('TransactionPage', ask(books, 'GET', `/accounts/${accountId}/transactions`, accountId).body);
		}
	});

	it('describes payments, orders by its own example, and problems', () => {
		const { example } = document.paths['/payments'].post.requestBody.content['application/json'];
		assertFits('PaymentOrder', example);
		const created = ask(books, 'POST', '/payments', 'acc-1001', example);
		assert.equal(created.status, 201);
		assertFits('Payment', created.body);
		assertFits('Problem', ask(books, 'GET', '/accounts/acc-9999', 'acc-9999').body);
		assertFits('Problem', ask(books, 'POST', '/payments', 'acc-1001', example).body);
	});

	it('shows an account as its example that the bank really has', () => {
		const { example } = document.paths['/accounts/{accountId}'].get.responses['200'].content['application/json'];
		assertFits('Account', example);
		const { iban, card, holder } = accounts[0] ?? assert.fail('there are accounts');
		assert.deepEqual(
			[example.iban, example.card, example.holder],
			[iban, card, { name: holder.name, email: holder.email }],
		);
	});

	it('names none of the members that are for the bank alone', () => {
		const text = JSON.stringify(document.components);
		for (const secret of ['internalRiskScore', 'ssn', 'branchNote', 'bookedBy', 'internalRoute']) {
			assert.equal(text.includes(`"${secret}"`), false, secret);
		}
	});

	it('refuses an order with an unknown member or an amount that is not a decimal text', () => {
		const { example } = document.paths['/payments'].post.requestBody.content['application/json'];
		for (const change of [{ urgent: true }, { amount: { amount: 10, currency: 'EUR' } }, { reference: '' }]) {
			assert.throws(() => assertFits('PaymentOrder', { ...example, ...change }));
		}
	});
});
