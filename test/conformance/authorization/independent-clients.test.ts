// `oauth4webapi` and `openid-client` complete every flow, from discovery to a call of the gateway, knowing nothing but the
// issuer and what they prove themselves with. Proofs need a nonce, of the server and of the gateway each its own.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import * as oauth from 'oauth4webapi';
import {
	type ClientSettings,
	type IndependentClient,
	openOauth4webapi,
	openOpenidClient,
	verifyWithJose,
} from '../../fixture/oauth/independent-client.ts';
import type { Registration } from '../../fixture/oauth/subject.ts';
import { startTokenPlatform, type TokenPlatform } from '../../fixture/oauth/token-platform.ts';

const LIBRARIES = { oauth4webapi: openOauth4webapi, 'openid-client': openOpenidClient } as const;

let platform: TokenPlatform;
let account: URL;
let payments: URL;

before(async () => {
	platform = await startTokenPlatform();
	const base = `https://${platform.gateway.authority}/bank/v1`;
	account = new URL(`${base}/accounts/acc-1001`);
	payments = new URL(`${base}/payments`);
});
after(() => platform.close());

/** Opens both libraries for one registered client, each with a key of its own for its proofs. */
async function withEach(
	registration: Registration,
	run: (client: IndependentClient, settings: ClientSettings, library: string) => Promise<void>,
	dpopAlgorithm = 'ES256',
): Promise<void> {
	const client = await platform.register(registration);
	for (const [library, open] of Object.entries(LIBRARIES)) {
		const isDpop = registration.senderConstraint === 'dpop';
		const dpop = isDpop ? await oauth.generateKeyPair(dpopAlgorithm) : undefined;
		const settings = { issuer: platform.issuer, ca: platform.gateway.rootCa, client, dpop };
		const opened = await open(settings);
		try {
			await run(opened, settings, library);
		} finally {
			await opened.close();
		}
	}
}

const WAYS: readonly Pick<Registration, 'method' | 'algorithm'>[] = [
	{ method: 'tls_client_auth' },
	{ method: 'self_signed_tls_client_auth' },
	{ method: 'private_key_jwt', algorithm: 'ES256' },
	{ method: 'private_key_jwt', algorithm: 'ES384' },
	{ method: 'private_key_jwt', algorithm: 'EdDSA' },
	{ method: 'private_key_jwt', algorithm: 'PS256' },
	{ method: 'client_secret_basic' },
	{ method: 'client_secret_post' },
];

for (const way of WAYS) {
	for (const senderConstraint of ['mtls', 'dpop'] as const) {
		const name = `${way.method}${way.algorithm === undefined ? '' : ` with ${way.algorithm}`}`;
		test(`independent clients get tokens by ${name}, bound by ${senderConstraint}, and call the gateway`, () =>
			withEach({ ...way, senderConstraint }, async (client, settings, library) => {
				const { resource } = platform;
				const token = await client.token({ resource, scope: 'accounts:read' });
				// Both libraries write the type in lower case.
				assert.equal(token.token_type, senderConstraint === 'dpop' ? 'dpop' : 'bearer', library);
				assert.equal(token.scope, 'accounts:read');
				assert.equal(await verifyWithJose(settings, token.access_token, resource), settings.client.id);
				// Twice: the second time the nonce is known.
				for (const _ of [1, 2]) assert.equal(await client.call(token.access_token, account), 200, library);
				assert.equal(await client.call(token.access_token, new URL('acc-1015', account)), 403, 'of somebody else');
			}));
	}
}

for (const algorithm of ['EdDSA', 'PS256']) {
	test(`independent clients prove possession by keys of ${algorithm}`, () =>
		withEach(
			{ method: 'tls_client_auth', senderConstraint: 'dpop' },
			async (client, _settings, library) => {
				const token = await client.token({ resource: platform.resource, scope: 'accounts:read' });
				assert.equal(await client.call(token.access_token, account), 200, library);
			},
			algorithm === 'EdDSA' ? 'Ed25519' : algorithm,
		));
}

test('independent clients introspect tokens, as JSON and as JWT, and revoke them: the gateway refuses the next call', () =>
	withEach({ method: 'private_key_jwt', senderConstraint: 'dpop' }, async (client, settings, library) => {
		const { access_token: token } = await client.token({ resource: platform.resource, scope: 'accounts:read' });
		assert.equal(await client.call(token, account), 200);
		for (const signed of [false, true]) {
			const answer = await client.introspect(token, signed);
			assert.deepEqual([answer.active, answer.client_id], [true, settings.client.id], library);
		}
		await client.revoke(token);
		for (const signed of [false, true]) assert.equal((await client.introspect(token, signed)).active, false);
		await assert.rejects(client.call(token, account), isChallenge);
	}));

/** Both libraries throw what a WWW-Authenticate field says. */
function isChallenge(error: unknown): boolean {
	const { status } = error as { readonly status?: number };
	return status === 401;
}

test('independent clients ask for authorization details, and the gateway holds them to what they were granted', () =>
	withEach({ method: 'tls_client_auth', senderConstraint: 'mtls' }, async (client, _settings, library) => {
		const amount = { amount: '49.90', currency: 'EUR' };
		const detail = { type: 'payment', actions: ['initiate'], debtor: 'acc-1001', amount };
		const token = await client.token({
			resource: platform.resource,
			scope: 'payments:write',
			authorization_details: JSON.stringify([detail]),
		});
		assert.deepEqual(token.authorization_details, [detail], library);
		platform.gateway.answer = () => ({ status: 503, body: '' });
		const order = {
			debtorAccountId: 'acc-1001',
			creditor: { name: 'Nordlicht Energie', iban: 'ZZ68123400000000001007' },
			amount,
			reference: 'INV-2026-0815',
		};
		const before = platform.gateway.seen.length;
		await client.call(token.access_token, payments, order);
		assert.equal(platform.gateway.seen.length, before + 1, 'the payment that was granted is forwarded');
		await client
			.call(token.access_token, payments, { ...order, amount: { ...amount, amount: '49.91' } })
			.catch(() => undefined);
		assert.equal(platform.gateway.seen.length, before + 1, 'another amount is not');
	}));

test('independent clients understand why they are refused', () =>
	withEach({ method: 'tls_client_auth', senderConstraint: 'mtls' }, async (client, _settings, library) => {
		for (const [parameters, error] of [
			[{ resource: 'https://elsewhere.example/' }, 'invalid_target'],
			[{ resource: platform.resource, scope: 'admin' }, 'invalid_scope'],
			[{ resource: platform.resource, authorization_details: '[]' }, 'invalid_authorization_details'],
		] as const) {
			await assert.rejects(client.token(parameters), (thrown) => {
				assert.equal((thrown as { readonly error?: string }).error, error, library);
				return true;
			});
		}
	}));
