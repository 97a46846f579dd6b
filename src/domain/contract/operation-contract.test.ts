import { test } from 'node:test';
import assert from 'node:assert/strict';
import type { HttpMethod, OpenApiDocument } from '../api/api.ts';
import { unwrap } from '../../kernel/result.ts';
import { compileOperationContract, type ContractRequest } from './operation-contract.ts';

const RESPONSES = { 200: { description: 'done' } };

function documentOf(path: string, method: string, operation: object, more: object = {}): OpenApiDocument {
	return {
		openapi: '3.1.0',
		paths: { [path]: { [method]: { operationId: 'op', responses: RESPONSES, ...operation } } },
		...more,
	};
}

function compile(path: string, method: HttpMethod, operation: object, more: object = {}) {
	return compileOperationContract(documentOf(path, method.toLowerCase(), operation, more), { id: 'op', method, path });
}

function judge(contract: ReturnType<typeof compile>, request: Partial<ContractRequest>) {
	return unwrap(contract).validateRequest({
		params: [],
		query: '',
		header: () => undefined,
		contentType: undefined,
		body: undefined,
		...request,
	});
}

const parameters = [
	{ name: 'id', in: 'path', required: true, schema: { type: 'string', pattern: '^a[0-9]+$' } },
	{ name: 'limit', in: 'query', schema: { type: 'integer', minimum: 1, maximum: 100 } },
	{ name: 'from', in: 'query', schema: { type: 'string', format: 'date' } },
	{ name: 'status', in: 'query', schema: { type: 'array', items: { enum: ['open', 'closed'] }, maxItems: 3 } },
	{ name: 'ids', in: 'query', explode: false, schema: { type: 'array', items: { type: 'integer' } } },
	{ name: 'deep', in: 'query', schema: { type: 'boolean' } },
	{ name: 'X-Kind', in: 'header', schema: { enum: ['a', 'b'] } },
	{ name: 'Authorization', in: 'header', required: true, schema: { type: 'integer' } },
];
const list = compile('/things/{id}', 'GET', { parameters });

test('lets requests pass that keep the contract', () => {
	for (const query of [
		'',
		'limit=1',
		'limit=100&from=2026-02-28',
		'status=open&status=closed',
		'ids=1,2,3',
		'deep=true',
		'li%6dit=5',
	]) {
		assert.equal(judge(list, { params: ['a1'], query }).fault, undefined, query);
	}
	assert.equal(
		judge(list, { params: ['a1'], header: (name) => (name === 'x-kind' ? 'b' : undefined) }).fault,
		undefined,
	);
});

test('refuses parameters that break the contract with 400, naming the parameter and not its value', () => {
	for (const query of [
		'limit=0',
		'limit=101',
		'limit=1e1',
		'limit=01',
		'limit=+1',
		'limit=%201',
		'limit=1.0',
		'limit=0x1',
		'limit=',
		'limit',
		'limit=99999999999999999999',
		'limit=1&limit=2',
		'limit=1&li%6dit=2',
		'from=2026-02-30',
		'from=yesterday',
		'status=open&status=other',
		'status=open&status=open&status=open&status=open',
		'ids=1,x',
		'ids=1&ids=2',
		'ids=1%2C2',
		'deep=1',
		'deep=TRUE',
		'from=%ff',
		'from=2026-01-01%0A',
	]) {
		const { fault } = judge(list, { params: ['a1'], query });
		assert.equal(fault?.code, 'parameter_invalid', query);
		const value = decodeURIComponent(query.replaceAll('%ff', '')).split('=')[1] ?? '';
		if (value.length > 3) assert.ok(!fault?.detail.includes(value), fault?.detail);
	}
	assert.equal(judge(list, { params: ['b1'] }).fault?.code, 'parameter_invalid');
	assert.equal(judge(list, { params: [] }).fault?.code, 'parameter_invalid');
	assert.equal(judge(list, { params: ['a1'], header: () => 'z' }).fault?.code, 'parameter_invalid');
});

test('refuses query parameters that the document does not declare', () => {
	for (const query of [
		'x=1',
		'limit=1&x=1',
		'Limit=1',
		'limit[]=1',
		'__proto__=1',
		'constructor=1',
		'&',
		'limit=1;x=1',
	]) {
		assert.equal(judge(list, { params: ['a1'], query }).fault?.code, 'parameter_invalid', query);
	}
	const none = compile('/a', 'GET', {});
	assert.equal(judge(none, { query: 'a=1' }).fault?.code, 'parameter_invalid');
	assert.equal(judge(none, {}).fault, undefined);
});

test('demands required parameters', () => {
	const contract = compile('/a', 'GET', {
		parameters: [
			{ name: 'q', in: 'query', required: true, schema: { type: 'string' } },
			{ name: 'X-Id', in: 'header', required: true, schema: { type: 'string' } },
		],
	});
	assert.equal(judge(contract, { header: () => 'x' }).fault?.code, 'parameter_invalid');
	assert.equal(judge(contract, { query: 'q=' }).fault?.code, 'parameter_invalid');
	assert.equal(judge(contract, { query: 'q=1', header: () => 'x' }).fault, undefined);
});

test('parameters of an operation replace those of its path', () => {
	const document = documentOf('/a', 'get', { parameters: [{ name: 'n', in: 'query', schema: { type: 'integer' } }] });
	const item = (document['paths'] as Record<string, Record<string, unknown>>)['/a'] ?? {};
	item['parameters'] = [
		{ name: 'n', in: 'query', schema: { type: 'boolean' } },
		{ name: 'm', in: 'query', schema: { type: 'boolean' } },
	];
	const contract = compileOperationContract(document, { id: 'op', method: 'GET', path: '/a' });
	assert.equal(judge(contract, { query: 'n=1&m=true' }).fault, undefined);
	assert.equal(judge(contract, { query: 'n=true' }).fault?.code, 'parameter_invalid');
});

const payment = {
	requestBody: {
		required: true,
		content: {
			'application/json': {
				schema: {
					type: 'object',
					required: ['amount', 'id'],
					additionalProperties: false,
					properties: {
						id: { type: 'string', readOnly: true },
						amount: { type: 'string', pattern: '^[0-9]+\\.[0-9]{2}$' },
						to: { type: 'object', properties: { iban: { type: 'string', minLength: 15 } } },
					},
				},
			},
		},
	},
};
const pay = compile('/payments', 'POST', payment);
const send = (text: string, contentType: string | undefined = 'application/json') =>
	judge(pay, { contentType, body: Buffer.from(text) });

test('hands out the body that it has held to the contract', () => {
	const verdict = send('{"amount":"1.50"}');
	assert.deepEqual(verdict, { fault: undefined, bodyValue: { amount: '1.50' } });
});

test('refuses a body that breaks its schema with 422, saying where and how without echoing it', () => {
	const { fault, bodyValue } = send('{"amount":"secret-1","to":{"iban":"secret-2"},"evil":"secret-3"}');
	assert.equal(fault?.code, 'body_invalid');
	assert.equal(bodyValue, undefined);
	const errors = fault?.members?.['errors'] as readonly { readonly pointer: string; readonly detail: string }[];
	assert.deepEqual(errors.map(({ pointer }) => pointer).sort(), ['', '/amount', '/to/iban']);
	assert.ok(!JSON.stringify(fault).includes('secret'));
	assert.ok(!JSON.stringify(fault).includes('evil'));
});

test('refuses members that are readOnly, and does not demand them', () => {
	const { fault } = send('{"amount":"1.50","id":"p1"}');
	assert.equal(fault?.code, 'body_invalid');
	assert.deepEqual(fault?.members?.['errors'], [{ pointer: '/id', detail: 'must not be sent' }]);
});

test('reports at most 20 errors', () => {
	const many = compile('/a', 'POST', {
		requestBody: { content: { 'application/json': { schema: { type: 'array', items: { type: 'integer' } } } } },
	});
	const body = (count: number) => Buffer.from(JSON.stringify(Array.from({ length: count }, () => 'x')));
	const errorsOf = (count: number) =>
		judge(many, { contentType: 'application/json', body: body(count) }).fault?.members?.[
			'errors'
		] as readonly unknown[];
	assert.equal(errorsOf(50).length, 20);
	assert.equal(errorsOf(10_000).length, 1);
});

test('refuses bodies that are missing, unexpected, malformed or of another media type', () => {
	assert.equal(judge(pay, {}).fault?.code, 'body_malformed');
	assert.equal(judge(pay, { contentType: 'application/json', body: Buffer.alloc(0) }).fault?.code, 'body_malformed');
	assert.equal(
		judge(list, { params: ['a1'], contentType: 'application/json', body: Buffer.from('{}') }).fault?.code,
		'body_malformed',
	);
	assert.equal(send('{"amount":"1.50","amount":"9.99"}').fault?.code, 'body_malformed');
	assert.equal(send('{').fault?.code, 'body_malformed');
	assert.equal(send('amount=1.50', 'application/x-www-form-urlencoded').fault?.code, 'media_type_unsupported');
	assert.equal(send('{}', 'application/json;charset=utf-16').fault?.code, 'media_type_unsupported');
	assert.equal(judge(pay, { body: Buffer.from('{}') }).fault?.code, 'media_type_unsupported');
});

test('reads forms by the types of their schema', () => {
	const form = compile('/a', 'POST', {
		requestBody: {
			content: {
				'application/x-www-form-urlencoded': {
					schema: {
						type: 'object',
						required: ['To'],
						properties: {
							To: { type: 'string' },
							Ttl: { type: 'integer', minimum: 60 },
							Fast: { type: 'boolean' },
							Tags: { type: 'array', items: { type: 'string' } },
							Meta: { type: 'object', properties: { a: { type: 'integer' } } },
						},
					},
				},
			},
		},
	});
	const post = (text: string) =>
		judge(form, { contentType: 'application/x-www-form-urlencoded', body: Buffer.from(text) });
	assert.deepEqual(
		{ ...(post('To=%2B49+1&Ttl=60&Fast=false&Tags=a&Tags=b&Meta=%7B%22a%22%3A1%7D').bodyValue as object) },
		{
			To: '+49 1',
			Ttl: 60,
			Fast: false,
			Tags: ['a', 'b'],
			Meta: { a: 1 },
		},
	);
	for (const text of ['To=1&Ttl=59', 'To=1&Ttl=x', 'Ttl=60', 'To=1&Meta=x', 'To=1&Meta=%7B%22a%22%3A%22x%22%7D']) {
		assert.equal(post(text).fault?.code, 'body_invalid', text);
	}
	for (const text of ['To=1&To=2', 'To=%ff', '__proto__=1', 'To=1&', 'To=é', 'To=1;x=2', 'To=a b']) {
		assert.equal(post(text).fault?.code, 'body_malformed', text);
	}
});

test('passes media types without structure as bytes, when they are declared', () => {
	const upload = compile('/a', 'POST', { requestBody: { content: { 'image/*': {}, 'multipart/form-data': {} } } });
	for (const contentType of ['image/png', 'multipart/form-data; boundary=x']) {
		assert.deepEqual(judge(upload, { contentType, body: Buffer.from([0xff]) }).fault, undefined, contentType);
	}
	assert.equal(
		judge(upload, { contentType: 'text/plain', body: Buffer.from('x') }).fault?.code,
		'media_type_unsupported',
	);
});

test('finds responses by status, range and default, and by media type', () => {
	const json = { 'application/json': { schema: { type: 'object' } } };
	const contract = unwrap(
		compile('/a', 'GET', {
			responses: {
				200: { content: json },
				'2XX': { content: { 'text/csv': {} } },
				204: { description: '' },
				'4XX': { content: json },
			},
		}),
	);
	assert.equal(contract.responseFor(200, 'application/json; charset=utf-8')?.kind, 'json');
	assert.equal(contract.responseFor(200, 'text/csv'), undefined);
	assert.equal(contract.responseFor(206, 'text/csv')?.kind, 'opaque');
	assert.equal(contract.responseFor(204, undefined)?.kind, 'empty');
	assert.equal(contract.responseFor(204, 'application/json'), undefined);
	assert.equal(contract.responseFor(404, 'application/json')?.kind, 'json');
	for (const status of [500, 302, 99, 600, 1000, Number.NaN])
		assert.equal(contract.responseFor(status, 'application/json'), undefined);
});

test('does not compile a document that it cannot hold messages to, and says where', () => {
	const schemaOf = (schema: unknown) => ({ requestBody: { content: { 'application/json': { schema } } } });
	const cases: readonly (readonly [object, RegExp])[] = [
		[schemaOf({ pattern: '(' }), /schema\/pattern/],
		[schemaOf({ $ref: '#/components/schemas/Nothing' }), /names nothing/],
		[schemaOf({ $ref: 'other.yaml#/A' }), /local references/],
		[schemaOf({ type: 'strnig' }), /schema\/type/],
		[schemaOf({ minLength: '3' }), /schema\/minLength/],
		[schemaOf({ properties: { a: { required: true } } }), /properties\/a\/required/],
		[schemaOf({ $dynamicRef: '#x' }), /dynamicRef/],
		[schemaOf('text'), /a schema is expected/],
		[{ parameters: [{ name: 'c', in: 'cookie', required: true }] }, /cookie/],
		[{ parameters: [{ name: 'c', in: 'query', style: 'deepObject', schema: { type: 'object' } }] }, /deepObject/],
		[{ parameters: [{ name: 'id', in: 'path', required: true, schema: {} }] }, /does not stand in the path/],
		[{ responses: {} }, /at least one response/],
		[{ responses: { 20: {} } }, /status/],
		[{ requestBody: {} }, /media type/],
	];
	for (const [operation, expected] of cases) {
		const contract = compile('/a', 'POST', operation);
		assert.equal(contract.ok, false, JSON.stringify(operation));
		if (!contract.ok) assert.match(contract.fault, expected);
	}
	const undeclared = compile('/a/{id}', 'GET', {});
	assert.ok(!undeclared.ok && /"id" is not declared/.test(undeclared.fault));
	const other = compileOperationContract(documentOf('/a', 'get', {}), { id: 'other', method: 'GET', path: '/a' });
	assert.ok(!other.ok && /"other" is expected/.test(other.fault));
});

test('a schema with a problem stops every operation that reaches it, not only the first', () => {
	const schemas = { A: { $ref: '#/components/schemas/B' }, B: { pattern: '(' } };
	const operation = (operationId: string) => ({
		operationId,
		responses: { 200: { content: { 'application/json': { schema: { $ref: '#/components/schemas/A' } } } } },
	});
	const document: OpenApiDocument = {
		openapi: '3.1.0',
		paths: { '/a': { get: operation('a') }, '/b': { get: operation('b') } },
		components: { schemas },
	};
	for (const id of ['a', 'b']) {
		const contract = compileOperationContract(document, { id, method: 'GET', path: `/${id}` });
		assert.ok(!contract.ok && contract.fault.includes('#/components/schemas/B/pattern'), id);
	}
});
