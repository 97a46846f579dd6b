// Introspection by resource servers (RFC 7662, RFC 9701), checks 95, 96 and 26: internal APIs learn about tokens that are
// meant for them, in every format, and nobody acts as somebody else.
import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { after, before, test } from 'node:test';
import { compactDecrypt, createLocalJWKSet, jwtVerify } from 'jose';
import { openMemoryStore } from '../../../src/adapters/store/memory/open-memory-store.ts';
import type { Certificate } from '../../../src/domain/certificate/certificate.ts';
import { FailureLimit } from '../../../src/domain/client/failure-limit.ts';
import { createCatalogue } from '../../../src/domain/product/catalogue.ts';
import type { JwsAlgorithm } from '../../../src/domain/token/jws-verify.ts';
import {
	indexResourceServers,
	type NamedPublicKey,
	type ResourceServer,
} from '../../../src/domain/token/resource-server.ts';
import { newId } from '../../../src/kernel/ids.ts';
import { systemRandom } from '../../../src/kernel/random.ts';
import { type AssertionChanges, makeAssertion, makeKeyMember } from '../../fixture/client-assertion.ts';
import {
	ACCOUNTS,
	catalogue,
	clock,
	DAY_MS,
	ISSUER,
	makeMember,
	NOON_MS,
	PAYMENTS,
	startWorld,
	tokenKey,
	type World,
} from '../../fixture/token-world.ts';

const INACTIVE = '{"active":false}';
const good = makeMember('Good', ['reading', 'paying']);
const pinnedThumbprint = systemRandom.bytes(32).toString('base64url');
const keyed = makeKeyMember('Keyed', ['reading']);
const recipient = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const dates = { notBeforeMs: NOON_MS - DAY_MS, notAfterMs: NOON_MS + DAY_MS };

/** Two keys of one resource server, of which the second has another algorithm. */
const ledgerKeys = (['ES256', 'EdDSA'] as const).map((algorithm) => ({ ...makeKeyMember('Ledger', [], algorithm) }));

function namedKey(kid: string, jwk: object): NamedPublicKey {
	return { kid, jwk: { ...(jwk as Record<string, string>) } };
}

const servers: readonly ResourceServer[] = [
	{ name: 'accounts-api', apis: ['accounts'], proof: { kind: 'service-certificate', serviceName: 'accounts' } },
	{
		name: 'payments-api',
		apis: ['payments'],
		proof: { kind: 'pinned-certificate', certificates: [{ thumbprint: pinnedThumbprint, ...dates }] },
	},
	{
		name: 'ledger',
		apis: ['accounts', 'payments'],
		proof: {
			kind: 'assertion',
			keys: ledgerKeys.map(({ key }) => ({
				...namedKey(key.keyId, key.jwk),
				algorithm: key.algorithm as JwsAlgorithm,
			})),
		},
		encryptionKey: namedKey('enc-1', recipient.publicKey.export({ format: 'jwk' })),
	},
];
const formats = createCatalogue(
	catalogue.apis.map((api) => ({ ...api, tokenFormat: api.id === 'accounts' ? 'encrypted' : 'opaque' })),
	[...catalogue.products.values()],
	[...catalogue.plans.values()],
);
/** What the certificate of the service `accounts` is registered as. */
const serviceCertificate: Certificate = {
	id: newId('crt', clock, systemRandom),
	profile: 'service',
	serial: 'a1',
	thumbprint: systemRandom.bytes(32).toString('base64url'),
	publicKeyHash: systemRandom.bytes(32).toString('base64url'),
	issuer: 'platform-issuing',
	subject: 'spiffe://bank.example/service/accounts',
	status: 'active',
	...dates,
	pem: 'PEM',
	createdAtMs: 0,
	updatedAtMs: 0,
	revision: 1,
};
const { registry: store } = openMemoryStore();
let world: World;
let sealed: World;

async function open(more: object = {}): Promise<World> {
	const opened = await startWorld([good, keyed], {
		store,
		resourceServers: indexResourceServers(servers),
		serviceCertificate: ({ headers }) =>
			headers['x-test-service'] === undefined
				? undefined
				: { serviceName: String(headers['x-test-service']), ...dates },
		...more,
	});
	opened.change({ kind: 'credential', record: keyed.key });
	opened.certificates.set('keyed', keyed.certificate);
	return opened;
}

before(async () => {
	await store.certificates.insert(serviceCertificate);
	world = await open();
	sealed = await open({ catalogue: () => formats });
});
after(async () => {
	await world.close();
	await sealed.close();
});

async function token(at: World, resource: string): Promise<string> {
	const answer = await at.ask(`grant_type=client_credentials&resource=${encodeURIComponent(resource)}`);
	assert.equal(answer.status, 200, answer.text);
	return String(answer.body['access_token']);
}

/** How each resource server proves itself. */
type Sender = { readonly headers?: Record<string, string>; readonly form?: string };
const asAccounts: Sender = {
	headers: { 'x-test-service': 'accounts', 'x-test-thumbprint': serviceCertificate.thumbprint },
};
const asPayments: Sender = { headers: { 'x-test-thumbprint': pinnedThumbprint } };

function asLedger(changes: AssertionChanges = {}, which: 0 | 1 = 0, more = ''): Sender {
	const member = ledgerKeys[which];
	const claims = { iss: 'rs_ledger', sub: 'rs_ledger', ...changes.claims };
	const assertion = makeAssertion(member as NonNullable<typeof member>, { ...changes, claims });
	const type = encodeURIComponent('urn:ietf:params:oauth:client-assertion-type:jwt-bearer');
	return { form: `&client_assertion_type=${type}&client_assertion=${assertion}${more}` };
}

async function post(at: World, path: string, text: string, sender: Sender, more: Record<string, string> = {}) {
	const response = await at.fetch(path, {
		method: 'POST',
		body: `token=${encodeURIComponent(text)}${sender.form ?? ''}`,
		headers: { 'content-type': 'application/x-www-form-urlencoded', ...sender.headers, ...more },
	});
	return { status: response.status, text: await response.text(), type: response.headers.get('content-type') };
}

async function introspect(at: World, text: string, sender: Sender): Promise<string> {
	const answer = await post(at, '/oauth2/introspect', text, sender);
	assert.equal(answer.status, 200, answer.text);
	return answer.text;
}

test('check 96: a resource server learns what a token for it says, in every format, by certificate and by key', async () => {
	for (const at of [world, sealed]) {
		for (const [resource, senders] of [
			[ACCOUNTS, [asAccounts, asLedger()]],
			[PAYMENTS, [asPayments, asLedger({}, 1)]],
		] as const) {
			const text = await token(at, resource);
			for (const sender of senders) {
				const body = JSON.parse(await introspect(at, text, sender)) as Record<string, unknown>;
				assert.deepEqual([body['active'], body['aud'], body['client_id']], [true, resource, good.client.id]);
				assert.deepEqual(body['cnf'], { 'x5t#S256': good.credential.thumbprint });
				assert.equal(JSON.stringify(body).includes(text), false);
			}
		}
	}
	const entry = world.audit.entries.at(-1);
	assert.deepEqual([entry?.type, entry?.decision, entry?.actor.service], ['token.introspected', 'permit', 'ledger']);
	assert.equal(entry?.actor.client, undefined);
	const jti = entry?.facts?.['jti'];
	assert.ok(typeof jti === 'string' && /^[A-Za-z0-9_-]{22}$/.test(jti));
});

test('check 95: a token for another audience, unknown, expired, revoked or of another format is exactly inactive', async () => {
	const accounts = await token(world, ACCOUNTS);
	for (const [text, sender] of [
		[accounts, asPayments],
		[await token(world, PAYMENTS), asAccounts],
		['garbage', asAccounts],
		[`${accounts}x`, asAccounts],
		// A token of the format that the API no longer takes: the gateway refuses it as well.
		[await token(sealed, ACCOUNTS), asAccounts],
	] as const) {
		assert.equal(await introspect(world, text, sender), INACTIVE);
	}
	clock.advance(301_000);
	try {
		assert.equal(await introspect(world, accounts, asAccounts), INACTIVE, 'expired');
	} finally {
		clock.advance(-301_000);
	}
});

test('check 95: a token is inactive for the resource server as soon as its client, partner, credential or subscription is', async () => {
	for (const change of [
		{ kind: 'client', record: { ...good.client, status: 'disabled' } },
		{ kind: 'partner', record: { ...good.partner, status: 'suspended' } },
		{ kind: 'credential', record: { ...good.credential, status: 'revoked', revokedAtMs: NOON_MS } },
		...good.subscriptions.map((record) => ({ kind: 'subscription', record: { ...record, status: 'ended' } }) as const),
	] as const) {
		const fresh = await open();
		try {
			const text = await token(fresh, ACCOUNTS);
			assert.match(await introspect(fresh, text, asAccounts), /^\{"active":true/);
			fresh.change(change);
			const isPaying = change.kind === 'subscription' && change.record.productId === 'paying';
			assert.equal((await introspect(fresh, text, asAccounts)) === INACTIVE, !isPaying, change.kind);
		} finally {
			await fresh.close();
		}
	}
});

test('check 95: whoever does not prove to be the resource server gets one answer, whatever is wrong', async () => {
	const text = await token(world, ACCOUNTS);
	const foreign = makeKeyMember('Foreign', []);
	const bad: readonly [string, Sender][] = [
		['nothing', {}],
		['only its name', { form: '&client_id=rs_accounts-api' }],
		['an unknown name', { form: '&client_id=rs_nobody' }],
		['the certificate of another one', { ...asPayments, form: '&client_id=rs_accounts-api' }],
		['the certificate of a service that is none', { headers: { ...asAccounts.headers, 'x-test-service': 'other' } }],
		['the certificate of a client', { headers: { 'x-test-certificate': 'good' }, form: '&client_id=rs_accounts-api' }],
		[
			'a certificate that is not registered',
			{ headers: { ...asAccounts.headers, 'x-test-thumbprint': 'A'.repeat(43) } },
		],
		['a secret', { form: '&client_id=rs_accounts-api&client_secret=x' }],
		[
			'a key where a certificate is registered',
			asLedger({ claims: { iss: 'rs_accounts-api', sub: 'rs_accounts-api' } }),
		],
		['an unknown key', asLedger({ privateKey: foreign.privateKey, header: { kid: foreign.key.keyId } })],
		['another key under its kid', asLedger({ privateKey: foreign.privateKey })],
		['no kid with two keys', asLedger({ header: { kid: undefined } })],
		['the kid of its other key', asLedger({ header: { kid: ledgerKeys[1]?.key.keyId } })],
		['an unknown resource server', asLedger({ claims: { iss: 'rs_nobody', sub: 'rs_nobody' } })],
		['another subject', asLedger({ claims: { sub: 'rs_accounts-api' } })],
		['another client_id', asLedger({}, 0, '&client_id=rs_accounts-api')],
	];
	for (const [what, sender] of bad) {
		const answer = await post(world, '/oauth2/introspect', text, sender);
		assert.deepEqual(
			[answer.status, (JSON.parse(answer.text) as { error: string }).error],
			[401, 'invalid_client'],
			what,
		);
		assert.equal(answer.text.includes('rs_'), false, what);
	}
	const once = asLedger();
	assert.match(await introspect(world, text, once), /^\{"active":true/);
	assert.equal((await post(world, '/oauth2/introspect', text, once)).status, 401, 'an assertion is used once');
	const entry = world.audit.entries.at(-1);
	assert.deepEqual(
		[entry?.decision, entry?.facts?.['claimed_service'], entry?.actor.service],
		['deny', 'ledger', undefined],
	);
});

test('check 95: a certificate that is held or revoked, or over, proves no resource server any more', async () => {
	const text = await token(world, ACCOUNTS);
	for (const status of ['held', 'revoked'] as const) {
		const current = await store.certificates.get(serviceCertificate.id);
		const { revision = 1 } = current ?? {};
		await store.certificates.update({ ...serviceCertificate, status, revision: revision + 1 }, revision);
		assert.equal((await post(world, '/oauth2/introspect', text, asAccounts)).status, 401, status);
		await store.certificates.update({ ...serviceCertificate, revision: revision + 2 }, revision + 1);
		assert.match(await introspect(world, text, asAccounts), /^\{"active":true/);
	}
	clock.advance(DAY_MS);
	try {
		for (const sender of [asAccounts, asPayments]) {
			assert.equal((await post(world, '/oauth2/introspect', 'x', sender)).status, 401);
		}
	} finally {
		clock.advance(-DAY_MS);
	}
});

test('no resource server acts as a client, nor the reverse', async () => {
	// It gets no token, and revokes none.
	const text = await token(world, ACCOUNTS);
	for (const sender of [asAccounts, asPayments, asLedger()]) {
		const asked = await post(world, '/oauth2/token', 'x', {
			...sender,
			form: `&grant_type=client_credentials${sender.form ?? ''}`,
		});
		assert.equal(asked.status, 401, asked.text);
		assert.equal((await post(world, '/oauth2/revoke', text, sender)).status, 401);
	}
	assert.match(await introspect(world, text, asAccounts), /^\{"active":true/);
	// Not even where a client has registered its certificate as a self-signed one of its own.
	for (const [sender, thumbprint] of [
		[asPayments, pinnedThumbprint],
		[asAccounts, serviceCertificate.thumbprint],
	] as const) {
		const impostor = makeMember('Impostor', ['reading'], 'standard', thumbprint);
		const { certificateId: _, ...credential } = impostor.credential;
		const fresh = await open();
		try {
			for (const change of [
				{ kind: 'partner', record: impostor.partner },
				{ kind: 'client', record: { ...impostor.client, authenticationMethod: 'self_signed_tls_client_auth' } },
				{ kind: 'credential', record: { ...credential, kind: 'self-signed-certificate' } },
				...impostor.subscriptions.map((record) => ({ kind: 'subscription', record }) as const),
			] as const) {
				fresh.change(change as Parameters<World['change']>[0]);
			}
			for (const form of ['', `&client_id=${impostor.client.id}`]) {
				const request = { ...sender, form: `&grant_type=client_credentials${form}` };
				const asked = await post(fresh, '/oauth2/token', 'x', request);
				assert.equal(asked.status, 401, asked.text);
			}
		} finally {
			await fresh.close();
		}
	}
	// A client is still told about its own tokens only, whatever it names.
	assert.equal(
		await introspect(world, text, { headers: { 'x-test-certificate': 'keyed' } }).catch(() => 'refused'),
		'refused',
	);
	assert.match(await introspect(world, text, { headers: { 'x-test-certificate': 'good' } }), /^\{"active":true/);
});

test('check 26: failures of one resource server are limited, and others go on', async () => {
	const limited = await open({ failures: new FailureLimit(clock, { failures: 3, recoveryMs: 60_000 }) });
	try {
		const statuses: number[] = [];
		const wrong = (): Sender => ({
			...asLedger({ privateKey: makeKeyMember('X', []).privateKey }),
			headers: { 'x-test-address': '198.51.100.1' },
		});
		for (let count = 0; count < 5; count++) {
			statuses.push((await post(limited, '/oauth2/introspect', 'x', wrong())).status);
		}
		assert.deepEqual(statuses, [401, 401, 401, 429, 429]);
		const elsewhere = { headers: { ...asAccounts.headers, 'x-test-address': '198.51.100.2' } };
		assert.equal(await introspect(limited, 'x', elsewhere), INACTIVE);
	} finally {
		await limited.close();
	}
});

test('RFC 9701: a signed answer is for the resource server that asks, and encrypted where it has a key for that', async () => {
	const accept = { accept: 'application/token-introspection+jwt' };
	const keys = createLocalJWKSet({ keys: [tokenKey.record.publicJwk] });
	const text = await token(world, PAYMENTS);
	const verify = (jwt: string, audience: string) =>
		jwtVerify(jwt, keys, { issuer: ISSUER, audience, typ: 'token-introspection+jwt', currentDate: new Date(NOON_MS) });
	const signed = await post(world, '/oauth2/introspect', text, asPayments, accept);
	assert.equal(signed.type, 'application/token-introspection+jwt');
	const { payload } = await verify(signed.text, 'rs_payments-api');
	assert.equal((payload['token_introspection'] as { aud?: string }).aud, PAYMENTS);
	const encrypted = await post(world, '/oauth2/introspect', text, asLedger(), accept);
	assert.equal(encrypted.text.split('.').length, 5);
	const opened = await compactDecrypt(encrypted.text, recipient.privateKey);
	assert.deepEqual([opened.protectedHeader.alg, opened.protectedHeader.cty], ['ECDH-ES', 'JWT']);
	const inner = await verify(Buffer.from(opened.plaintext).toString(), 'rs_ledger');
	assert.equal((inner.payload['token_introspection'] as { active?: boolean }).active, true);
	// Neither is of any use as a token.
	for (const answer of [signed.text, encrypted.text]) {
		assert.equal(await introspect(world, answer, asPayments), INACTIVE);
	}
	const metadata = (await (await world.fetch('/.well-known/oauth-authorization-server')).json()) as object;
	assert.deepEqual(
		[
			'introspection_encryption_alg_values_supported' in metadata &&
				metadata.introspection_encryption_alg_values_supported,
		],
		[['ECDH-ES']],
	);
});
