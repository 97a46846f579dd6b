// Metadata of protected resources at the gateway (RFC 9728), check 11: it is found where the RFC says, agrees byte for byte
// with what tokens and the authorization server say, is pointed at by challenges, and never comes from an upstream.
import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, test } from 'node:test';
import * as oauth from 'oauth4webapi';
import { parseSocketAddress } from '../../src/domain/network/ip-address.ts';
import { sourceOf } from '../../src/domain/network/source.ts';
import { PIPELINE } from '../../src/services/gateway/pipeline.ts';
import type { RawResponse } from '../fixture/raw-client.ts';
import { startTestGateway, type TestGateway, type TestPartner } from '../fixture/test-gateway.ts';

const RESOURCE = 'https://localhost/bank/v1';
const PATH = '/.well-known/oauth-protected-resource/bank/v1';
const URL_OF_IT = `https://localhost${PATH}`;

let gateway: TestGateway;
let partner: TestPartner;
/** The problem of any unknown route. */
let unknown: object;

before(async () => {
	gateway = await startTestGateway(PIPELINE, {
		configure: (configuration) => ({
			...configuration,
			authorizationDetailTypes: [
				{
					type: 'payment',
					title: 'One payment',
					schema: { type: 'object', additionalProperties: false, properties: { amount: {} } },
					bindings: [{ operation: 'bank/v1/createPayment', actions: [], resources: [], matches: [] }],
				},
			],
		}),
		api: (api) => ({
			...api,
			resource: RESOURCE,
			documentationUrl: 'https://developer.bank.example/accounts',
			operations: api.operations.map((operation) =>
				operation.id === 'getAccount' ? { ...operation, authentication: ['mtls', 'dpop'] } : operation,
			),
		}),
	});
	partner = await gateway.onboard();
	const { instance: _, ...rest } = JSON.parse((await ask('/nowhere'))?.body ?? '') as { readonly instance: string };
	unknown = rest;
});
after(() => gateway.close());
beforeEach(() => {
	gateway.seen.length = 0;
	gateway.ledger.buffered.length = 0;
});

function ask(path: string, host = 'localhost', method = 'GET', lines: readonly string[] = []) {
	return gateway.request(undefined, [`${method} ${path} HTTP/1.1`, `Host: ${host}`, ...lines, '', ''].join('\r\n'));
}

function isUnknownRoute(response: RawResponse | undefined): void {
	assert.equal(response?.status, 404);
	const { instance: _, ...problem } = JSON.parse(response?.body ?? '') as { readonly instance: string };
	assert.deepEqual(problem, unknown);
}

test('check 11: says what the resource is, without a token, and is recorded once', async () => {
	for (const host of ['localhost', 'LOCALHOST']) {
		gateway.ledger.buffered.length = 0;
		const response = await ask(PATH, host);
		assert.equal(response?.status, 200);
		assert.equal(response?.headers.get('content-type'), 'application/json');
		assert.equal(response?.headers.get('cache-control'), 'public, max-age=300');
		assert.deepEqual(JSON.parse(response?.body ?? ''), {
			resource: RESOURCE,
			authorization_servers: [gateway.configuration.issuer],
			scopes_supported: ['accounts:list', 'accounts:read', 'payments:write'],
			bearer_methods_supported: ['header'],
			resource_name: 'Demo bank',
			resource_documentation: 'https://developer.bank.example/accounts',
			tls_client_certificate_bound_access_tokens: true,
			dpop_signing_alg_values_supported: ['ES256', 'EdDSA', 'PS256'],
			authorization_details_types_supported: ['payment'],
		});
		assert.deepEqual(
			gateway.ledger.buffered.map(({ type, decision, status, facts }) => [type, decision, status, facts?.['document']]),
			[['gateway.request', 'permit', 200, 'oauth-protected-resource']],
		);
	}
	const head = await ask(PATH, 'localhost', 'HEAD');
	assert.deepEqual([head?.status, head?.body], [200, '']);
	assert.equal(gateway.seen.length, 0);
});

test('check 11: an independent client takes it for the metadata of exactly this resource, and a token for that is taken', async () => {
	const served = await ask(PATH);
	const response = new Response(served?.body, { status: 200, headers: { 'content-type': 'application/json' } });
	const metadata = await oauth.processResourceDiscoveryResponse(new URL(RESOURCE), response);
	assert.equal(metadata.resource, RESOURCE);
	const answer = await gateway.request(
		partner,
		`GET /bank/v1/accounts/acc-1001 HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer ${partner.token({ resource: metadata.resource })}\r\n\r\n`,
	);
	assert.equal(answer?.status, 200);
});

describe('check 11: anything else there is an unknown route like any other', () => {
	for (const [path, host] of [
		['/.well-known/oauth-protected-resource', 'localhost'],
		['/.well-known/oauth-protected-resource/', 'localhost'],
		['/.well-known/oauth-protected-resource/bank', 'localhost'],
		[`${PATH}/`, 'localhost'],
		[`${PATH}/accounts`, 'localhost'],
		[`${PATH}?a=1`, 'localhost'],
		['/.well-known/oauth-protected-resource/bank/v2', 'localhost'],
		['/.well-known/oauth-protected-resourcebank/v1', 'localhost'],
		['/.well-known/oauth-authorization-server', 'localhost'],
		// Another authority makes another resource.
		[PATH, 'here'],
	] as const) {
		test(`${host}${path}`, async () => {
			isUnknownRoute(await ask(path, host === 'here' ? gateway.authority : host));
			assert.equal(gateway.seen.length, 0);
		});
	}
});

test('check 11: answers to GET and HEAD without a body, and not before admission', async () => {
	for (const method of ['POST', 'DELETE', 'OPTIONS']) {
		const response = await ask(PATH, 'localhost', method);
		assert.deepEqual([response?.status, response?.headers.get('allow')], [405, 'GET, HEAD'], method);
	}
	const preflight = await ask(PATH, 'localhost', 'OPTIONS', [
		'Origin: https://evil.example',
		'Access-Control-Request-Method: GET',
	]);
	assert.equal(preflight?.status, 405);
	assert.equal((await ask(PATH, 'localhost', 'GET', ['Content-Length: 0', 'Content-Length: 0']))?.status, 400);
	assert.equal((await ask(PATH, 'localhost', 'POST', ['Content-Length: 1000000']))?.status, 405);
	assert.equal((await ask(PATH, 'localhost', 'GET', ['Content-Length: 5', '']))?.status, 400);
	assert.equal((await ask(`${PATH}/../v1`, 'localhost'))?.status, 400);
	assert.equal((await ask(PATH, 'elsewhere.example'))?.status, 421);
	assert.equal(gateway.seen.length, 0);
});

test('check 11: challenges point at it where the client asked, and nowhere else', async () => {
	const call = (host: string, lines: readonly string[] = []) => ask('/bank/v1/accounts/acc-1001', host, 'GET', lines);
	const missing = await call('localhost');
	assert.equal(missing?.status, 401);
	assert.equal(
		missing?.headers.get('www-authenticate'),
		`Bearer resource_metadata="${URL_OF_IT}", DPoP algs="ES256 EdDSA Ed25519 PS256", resource_metadata="${URL_OF_IT}"`,
	);
	const invalid = await call('localhost', ['Authorization: Bearer x']);
	assert.equal(
		invalid?.headers.get('www-authenticate'),
		`Bearer error="invalid_token", resource_metadata="${URL_OF_IT}"`,
	);
	assert.equal((await call(gateway.authority))?.headers.get('www-authenticate')?.includes('resource_metadata'), false);
});

test('check 11: who has failed too often does not read it either', async () => {
	const source = sourceOf(parseSocketAddress('127.0.0.1'), undefined);
	const limited = await startTestGateway(PIPELINE, { api: (api) => ({ ...api, resource: RESOURCE }) });
	try {
		const read = () => limited.request(undefined, `GET ${PATH} HTTP/1.1\r\nHost: localhost\r\n\r\n`);
		assert.equal((await read())?.status, 200);
		for (let count = 0; count < 60_000; count++) limited.sources.failed(source, 'resource_denied', Date.now());
		assert.equal((await read())?.status, 429);
	} finally {
		await limited.close();
	}
});

test('no operation is reached below these paths, whatever the base path of its API', async () => {
	const nested = await startTestGateway(PIPELINE, {
		api: (api) => ({ ...api, basePath: '/.well-known/oauth-protected-resource', resource: RESOURCE }),
	});
	try {
		const own = await nested.onboard();
		const answer = await nested.request(
			own,
			`GET /.well-known/oauth-protected-resource/accounts/acc-1001 HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer ${own.token({ resource: RESOURCE })}\r\n\r\n`,
		);
		assert.equal(answer?.status, 404);
		assert.equal(nested.seen.length, 0);
	} finally {
		await nested.close();
	}
});
