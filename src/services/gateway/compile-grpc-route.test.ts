import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ApiVersion, Operation } from '../../domain/api/api.ts';
import { compileRoute } from './compile-route.ts';
import type { GatewayRoute } from './gateway-route.ts';

const OPERATION = {
	key: 'ledger/v1/a.B/Get',
	method: 'POST',
	path: '/a.B/Get',
	masks: [],
	resources: [],
	audit: 'buffered',
	grpc: { kind: 'unary' },
} as unknown as Operation;
const API = {
	id: 'ledger',
	basePath: '',
	resource: 'https://localhost/ledger/v1',
	upstream: { basePath: '' },
	grpc: { request: ['x-branch'], response: [] },
} as unknown as ApiVersion;
const PARTS = { index: 0, details: undefined } as unknown as Pick<GatewayRoute, 'upstream' | 'index' | 'details'>;

test('compiles no method with a rule that would have to look into messages', () => {
	const mask = { path: '$.a', method: 'remove' } as const;
	assert.equal(compileRoute(API, { ...OPERATION, masks: [mask] }, PARTS).ok, false);
	assert.equal(compileRoute(API, { ...OPERATION, resources: [{ type: 'a', from: 'body.$.a' }] }, PARTS).ok, false);
	const { grpc: _grpc, ...withoutKind } = OPERATION;
	assert.equal(compileRoute(API, withoutKind, PARTS).ok, false);
	const { grpc: _metadata, ...withoutMetadata } = API;
	assert.equal(compileRoute(withoutMetadata, OPERATION, PARTS).ok, false);
});

test('gives to whoever asks for a body none: nothing is taken, answered or passed unread', () => {
	const compiled = compileRoute(API, OPERATION, PARTS);
	assert.ok(compiled.ok);
	const { contract, protectResponse, contractHeaders } = compiled.value;
	const request = { params: [], query: '', header: () => undefined, contentType: 'application/grpc', body: undefined };
	assert.equal(contract.validateRequest(request).fault?.code, 'body_invalid');
	assert.equal(contract.validateParameters(request)?.code, 'body_invalid');
	assert.equal(contract.isOpaqueRequest('application/grpc'), false);
	assert.equal(contract.responseFor(200, 'application/grpc'), undefined);
	assert.equal(protectResponse(200, 'application/grpc', Buffer.from('x'), 'POST').ok, false);
	assert.deepEqual([...contractHeaders], ['x-branch']);
});
