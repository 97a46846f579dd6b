// What the authorization server publishes, over plain HTTP: metadata (RFC 8414), keys (RFC 7517), and nothing else.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { parseJwkSet } from '../../domain/token/jws-verify.ts';
import { signingKeyFixture } from '../../domain/token/signing-key-fixture.ts';
import { createCatalogue } from '../../domain/product/catalogue.ts';
import {
	assertionKey,
	catalogue,
	ISSUER,
	makeMember,
	startWorld,
	tokenKey,
	type World,
} from '../../../test/fixture/token-world.ts';

const METADATA = '/.well-known/oauth-authorization-server';
const retiringKey = signingKeyFixture('token-signing', { activeFromMs: 0, retiresAtMs: 1 });
let offered = catalogue;
let world: World;
before(async () => {
	world = await startWorld([makeMember('Good', ['reading'])], {
		catalogue: () => offered,
	});
	world.change({ kind: 'signing-key', record: retiringKey.record });
});
after(() => world.close());

async function readJson(path: string): Promise<{ [name: string]: unknown }> {
	const response = await world.fetch(path);
	assert.equal(response.status, 200);
	assert.equal(response.headers.get('content-type'), 'application/json');
	assert.equal(response.headers.get('cache-control'), 'public, max-age=300');
	assert.match(response.headers.get('x-request-id') ?? '', /^req-\d+$/);
	return (await response.json()) as { [name: string]: unknown };
}

test('checks 1, 2, 3, 4, 5, 7, 8: publishes metadata that is true of this server, and no more', async () => {
	const { scopes_supported: scopes, ...metadata } = await readJson(METADATA);
	const methods = [
		'tls_client_auth',
		'self_signed_tls_client_auth',
		'private_key_jwt',
		'client_secret_basic',
		'client_secret_post',
	];
	const algorithms = ['ES256', 'ES384', 'EdDSA', 'Ed25519', 'PS256'];
	assert.deepEqual(metadata, {
		issuer: ISSUER,
		token_endpoint: `${ISSUER}/oauth2/token`,
		introspection_endpoint: `${ISSUER}/oauth2/introspect`,
		revocation_endpoint: `${ISSUER}/oauth2/revoke`,
		jwks_uri: `${ISSUER}/oauth2/jwks`,
		response_types_supported: [],
		grant_types_supported: ['client_credentials'],
		token_endpoint_auth_methods_supported: methods,
		token_endpoint_auth_signing_alg_values_supported: algorithms,
		introspection_endpoint_auth_methods_supported: methods,
		introspection_endpoint_auth_signing_alg_values_supported: algorithms,
		revocation_endpoint_auth_methods_supported: methods,
		revocation_endpoint_auth_signing_alg_values_supported: algorithms,
		introspection_signing_alg_values_supported: ['ES256', 'EdDSA', 'PS256', 'ML-DSA-65'],
		dpop_signing_alg_values_supported: ['ES256', 'EdDSA', 'Ed25519', 'PS256'],
		authorization_details_types_supported: ['payment'],
		tls_client_certificate_bound_access_tokens: true,
	});
	assert.ok(Array.isArray(scopes) && scopes.includes('accounts:read') && scopes.includes('payments'));
	for (const scope of scopes) assert.match(String(scope), /^[\x21\x23-\x5b\x5d-\x7e]+$/);
});

test('the metadata follows the running configuration', async () => {
	offered = createCatalogue([], [{ id: 'new', title: 'New', scopes: ['b', 'a'], operations: [] }], []);
	assert.deepEqual((await readJson(METADATA))['scopes_supported'], ['a', 'b']);
	offered = catalogue;
});

test('checks 5, 6: offers secrets only where a plan takes them, and never a weak algorithm', async () => {
	const plans = catalogue.plans.values().filter((plan) => plan.assurance === 'high');
	offered = createCatalogue(catalogue.apis, [...catalogue.products.values()], [...plans]);
	const metadata = await readJson(METADATA);
	offered = catalogue;
	assert.deepEqual(metadata['token_endpoint_auth_methods_supported'], [
		'tls_client_auth',
		'self_signed_tls_client_auth',
		'private_key_jwt',
	]);
	for (const name of metadata['token_endpoint_auth_signing_alg_values_supported'] as string[]) {
		assert.doesNotMatch(name, /^(?:none|HS\d+|RS\d+)$/);
	}
});

test('check 1: an issuer with a path has its metadata at the path-insertion form, and only there', async () => {
	const issuer = 'https://auth.bank.example:8444/partners';
	const other = await startWorld([], { issuer });
	const response = await other.fetch(`${METADATA}/partners`);
	assert.equal(((await response.json()) as { issuer: string }).issuer, issuer);
	assert.equal((await other.fetch(METADATA)).status, 404);
	await other.close();
	assert.equal((await world.fetch(`${METADATA}/partners`)).status, 404);
});

test('checks 9, 10: publishes all signing keys, also retiring ones, without private members', async () => {
	const published = await readJson('/oauth2/jwks');
	assert.deepEqual(published, { keys: [tokenKey.record.publicJwk, retiringKey.record.publicJwk] });
	const keys = parseJwkSet(published);
	assert.deepEqual([...(keys?.keys() ?? [])], [tokenKey.kid, retiringKey.kid]);
	const answer = await world.ask('grant_type=client_credentials');
	const [header = ''] = String(answer.body['access_token']).split('.');
	assert.equal(JSON.parse(Buffer.from(header, 'base64url').toString()).kid, tokenKey.kid, 'the active key signs');
});

test('publishes the keys of assertions apart from those of access tokens', async () => {
	assert.deepEqual(await readJson('/.well-known/sallyport-assertion-jwks.json'), {
		keys: [assertionKey.record.publicJwk],
	});
});

test('answers HEAD as GET without a body, and no other method', async () => {
	for (const path of [METADATA, '/oauth2/jwks', '/.well-known/sallyport-assertion-jwks.json']) {
		const head = await world.fetch(path, { method: 'HEAD' });
		assert.equal(head.status, 200);
		const length = (await (await world.fetch(path)).arrayBuffer()).byteLength;
		assert.equal(head.headers.get('content-length'), String(length));
		assert.equal(await head.text(), '');
		for (const method of ['POST', 'PUT', 'DELETE', 'OPTIONS']) {
			const refused = await world.fetch(path, { method });
			assert.equal(refused.status, 405);
			assert.equal(refused.headers.get('allow'), 'GET, HEAD');
			assert.equal(refused.headers.get('content-type'), 'application/problem+json');
		}
	}
});

test('has nothing at any other path or spelling, and says so without repeating it', async () => {
	for (const path of [
		'/',
		'/oauth2',
		'/oauth2/token/',
		'/oauth2//token',
		'/OAuth2/token',
		'/oauth2/%74oken',
		'/oauth2/jwks/canary',
		'/.well-known/openid-configuration',
		'/oauth2/authorize?canary=1',
	]) {
		const response = await world.fetch(path, { method: path.includes('oken') ? 'POST' : 'GET' });
		assert.equal(response.status, 404, path);
		assert.equal(response.headers.get('content-type'), 'application/problem+json');
		assert.equal(response.headers.get('cache-control'), 'no-store');
		const text = await response.text();
		assert.ok(!text.includes('canary'));
		assert.equal((JSON.parse(text) as { instance: string }).instance, response.headers.get('x-request-id'));
	}
});

test('a bug while publishing is reported, and answered by nothing rather than by half a document', async () => {
	const broken = await startWorld([], {
		catalogue: () => {
			throw new Error('no catalogue');
		},
	});
	await assert.rejects(broken.fetch(METADATA));
	assert.equal(broken.bugs.length, 1);
	await broken.close();
});
