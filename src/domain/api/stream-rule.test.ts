import assert from 'node:assert/strict';
import { test } from 'node:test';
import { unwrap } from '../../kernel/result.ts';
import { compileOperationContract } from '../contract/operation-contract.ts';
import type { HttpMethod, OpenApiDocument } from './api.ts';
import { explainStream, type StreamingOperation } from './stream-rule.ts';
import type { StreamRule } from './api.ts';

function rule(kind: StreamRule['kind']): StreamRule {
	return {
		kind,
		requestBytesMax: 1,
		responseBytesMax: 1,
		messageBytesMax: 1,
		origins: [],
		idleTimeoutMs: 1,
		timeMaxMs: 1,
	};
}

const PLAIN: StreamingOperation = { method: 'POST', resources: [], masks: [] };

function problems(operation: Partial<StreamingOperation>): readonly string[] {
	return explainStream({ ...PLAIN, ...operation }).map(({ message }) => message);
}

test('refuses to stream what a mask would have to change', () => {
	const masks = [{ path: '$..iban', method: 'iban' }] as const;
	assert.deepEqual(problems({ masks, stream: rule('request') }), []);
	assert.deepEqual(problems({ masks, stream: rule('response') }), ['a response that streams cannot be masked']);
	assert.deepEqual(problems({ masks, stream: rule('both') }), ['a response that streams cannot be masked']);
});

test('refuses a WebSocket that is not opened by GET, or that a mask would have to change', () => {
	const masks = [{ path: '$..iban', method: 'iban' }] as const;
	assert.deepEqual(problems({ method: 'GET', stream: rule('websocket') }), []);
	assert.deepEqual(problems({ stream: rule('websocket') }), ['a WebSocket is opened by GET']);
	assert.equal(problems({ method: 'GET', masks, stream: rule('websocket') }).length, 1);
});

test('refuses to stream a body that names a resource', () => {
	const resources = [{ type: 'account', from: 'body.$.id' }];
	assert.equal(problems({ resources, stream: rule('request') }).length, 1);
	assert.deepEqual(problems({ resources, stream: rule('response') }), []);
	assert.deepEqual(problems({ resources: [{ type: 'account', from: 'path.id' }], stream: rule('both') }), []);
});

test('refuses to stream the body of a method that has none', () => {
	assert.equal(problems({ method: 'GET', stream: rule('both') }).length, 1);
	assert.deepEqual(problems({ method: 'GET', stream: rule('response') }), []);
});

function compile(content: object, kind: StreamRule['kind']) {
	const method: HttpMethod = 'POST';
	const document: OpenApiDocument = {
		openapi: '3.1.0',
		paths: {
			'/x': { post: { operationId: 'x', requestBody: { content }, responses: { 200: { description: '', content } } } },
		},
	};
	return compileOperationContract(document, { id: 'x', method, path: '/x', stream: rule(kind) });
}

test('refuses to stream where the document knows JSON and forms only', () => {
	const json = { 'application/json': {}, 'application/problem+json': {} };
	for (const kind of ['request', 'response', 'both'] as const) assert.equal(compile(json, kind).ok, false);
	assert.equal(compile({ 'application/x-www-form-urlencoded': {} }, 'request').ok, false);
	assert.equal(compile({ ...json, 'application/pdf': {} }, 'both').ok, true);
});

test('never takes JSON, a form, or what it cannot read for a body that may pass unread', () => {
	const contract = unwrap(compile({ '*/*': {}, 'application/json': {}, 'multipart/form-data': {} }, 'both'));
	const opaque = (contentType: string): boolean => contract.isOpaqueRequest(contentType);
	for (const contentType of [
		'application/json',
		'Application/JSON; charset=utf-8',
		'application/vnd.x+json',
		'nonsense',
		'',
	])
		assert.equal(opaque(contentType), false, contentType);
	for (const contentType of ['multipart/form-data; boundary=x', 'image/png'])
		assert.equal(opaque(contentType), true, contentType);
});
