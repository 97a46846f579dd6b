import { test } from 'node:test';
import assert from 'node:assert/strict';
import { unwrap } from '../../kernel/result.ts';
import type { MaskRule, OpenApiDocument } from '../api/api.ts';
import { compileOperationContract } from '../contract/operation-contract.ts';
import { compileResponseProtector } from './protect-response.ts';

const account = {
	type: 'object',
	required: ['id'],
	properties: {
		id: { type: 'string' },
		iban: { type: 'string' },
		balance: { type: 'number' },
		child: { $ref: '#/components/schemas/Account' },
	},
};
const document: OpenApiDocument = {
	openapi: '3.1.0',
	paths: {
		'/a': {
			get: {
				operationId: 'get',
				responses: {
					200: {
						content: { 'application/json': { schema: { $ref: '#/components/schemas/Account' } }, 'text/csv': {} },
					},
					202: { description: 'accepted' },
				},
			},
		},
	},
	components: { schemas: { Account: account } },
};
const contract = unwrap(compileOperationContract(document, { id: 'get', method: 'GET', path: '/a' }));
const masks: readonly MaskRule[] = [{ path: '$..iban', method: 'iban' }];
const protect = unwrap(compileResponseProtector(contract, masks));
const protectUnmasked = unwrap(compileResponseProtector(contract, []));
const json = (text: string, status = 200) => protect(status, 'application/json', Buffer.from(text), 'GET');

test('validates, minimizes and masks, in one go', () => {
	const body = '{"id":"1","secret":"x","iban":"DE89370400440532013000","child":{"id":"2","iban":"?","secret":1}}';
	assert.deepEqual(json(body), { ok: true, value: '{"id":"1","iban":"DE****3000","child":{"id":"2","iban":"***"}}' });
});

test('never passes on a body that breaks the contract, nor tells the partner or the log what was in it', () => {
	for (const text of [
		'{"iban":"secret"}',
		'{"id":5,"x":"secret"}',
		'["secret"]',
		'{"id":"secret"',
		'secret',
		'\ufffe',
		'{"id":"1","child":{"x":"secret"}}',
	]) {
		const answer = json(text);
		assert.equal(answer.ok, false, text);
		if (answer.ok) continue;
		assert.equal(answer.fault.code, 'response_invalid');
		assert.ok(!JSON.stringify(answer.fault).includes('secret'));
	}
	assert.equal(protect(200, 'application/json', Buffer.from([0x22, 0xff, 0x22]), 'GET').ok, false);
});

test('refuses statuses and media types that are not declared, also without a body', () => {
	const body = Buffer.from('{"id":"1"}');
	assert.equal(protect(500, 'application/json', body, 'GET').ok, false);
	assert.equal(protect(200, 'text/html', body, 'GET').ok, false);
	assert.equal(protect(200, undefined, body, 'GET').ok, false);
	assert.equal(protect(202, 'application/json', body, 'GET').ok, false);
	assert.equal(protect(404, undefined, Buffer.alloc(0), 'GET').ok, false);
	assert.equal(protect(304, undefined, Buffer.alloc(0), 'GET').ok, true);
	assert.equal(protect(304, undefined, Buffer.alloc(0), 'POST').ok, false);
});

test('an answer that should have a body and has none is refused; one that should have none passes', () => {
	assert.equal(protect(200, 'application/json', Buffer.alloc(0), 'GET').ok, false);
	assert.deepEqual(protect(202, undefined, Buffer.alloc(0), 'GET'), { ok: true, value: Buffer.alloc(0) });
	assert.deepEqual(protect(200, 'application/json', Buffer.alloc(0), 'HEAD'), { ok: true, value: Buffer.alloc(0) });
});

test('passes bytes of a declared media type that is not JSON only where nothing has to be masked', () => {
	const body = Buffer.from('DE89370400440532013000');
	assert.equal(protect(200, 'text/csv', body, 'GET').ok, false);
	assert.deepEqual(protectUnmasked(200, 'text/csv', body, 'GET'), { ok: true, value: body });
});

test('refuses a whole number that a double would change, and no string of digits', () => {
	assert.equal(json('{"id":"1","balance":9007199254740993}').ok, false);
	assert.equal(json('{"id":"1","balance": -12345678901234567890}').ok, false);
	assert.equal(json('{"id":"1","balance":9007199254740991}').ok, true);
	assert.equal(json('{"id":"12345678901234567890","iban":", 12345678901234567890"}').ok, true);
});

test('refuses a body that is nested too deep to be walked', () => {
	const depth = 20_000;
	const text = `${'{"id":"1","child":'.repeat(depth)}{"id":"1"}${'}'.repeat(depth)}`;
	const answer = json(text);
	assert.equal(answer.ok, false);
	if (!answer.ok) assert.equal(answer.fault.code, 'response_invalid');
});

test('does not compile with a mask that it cannot apply', () => {
	assert.equal(compileResponseProtector(contract, [{ path: '$[?@.a]', method: 'redact' }]).ok, false);
});
