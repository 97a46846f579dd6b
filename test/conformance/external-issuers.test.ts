// Conformance of the gateway with tokens of external issuers: check 94 for each make, and checks 88 to 93 for tokens that are
// not ours. Served by the whole pipeline; a refusal is told by its code in the ledger, and nothing reaches the upstream.
import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { after, before, beforeEach, describe, test } from 'node:test';
import { renderResourceMetadata } from '../../src/domain/api/resource-metadata.ts';
import type { IssuerKind } from '../../src/domain/issuer/external-issuer.ts';
import { externalTokenName } from '../../src/domain/issuer/verify-external-token.ts';
import type { FaultCode } from '../../src/kernel/faults.ts';
import {
	createTestIssuer,
	EXTERNAL_CLIENTS,
	EXTERNAL_SCOPE,
	type IssuerTestKey,
	makeIssuerKey,
	OTHER_DIRECTORY,
	publishedJwk,
	signToken,
	type TestIssuer,
	type TokenChanges,
} from '../fixture/external-issuer.ts';
import { type ExternalGateway, startExternalGateway } from '../fixture/external-gateway.ts';
import { EXTERNAL_AUDIENCE } from '../fixture/external-gateway.ts';

type Make = Exclude<IssuerKind, 'custom'>;
const MAKES = Object.keys(EXTERNAL_CLIENTS) as readonly Make[];

const issuers = Object.fromEntries(
	MAKES.map((make) => [make, createTestIssuer(make, EXTERNAL_AUDIENCE)]),
) as unknown as Record<Make, TestIssuer>;
let gateway: ExternalGateway;

before(async () => {
	gateway = await startExternalGateway(Object.values(issuers));
	await gateway.link(
		Object.values(issuers).map(({ settings }) => [settings.issuer, EXTERNAL_CLIENTS[settings.kind as Make]]),
	);
});
after(() => gateway.close());
beforeEach(() => gateway.forget());

/** Of a release of Keycloak that says nothing of the grant in `jti`, nor in `client_id`. */
const OLDER = { jti: '3f1d8bb6-b5c9-4b0e-a2c2-1f0a1d4c0e77', client_id: undefined };

/** Each of these makes a token that is refused. */
async function refusesEach(
	make: Make,
	cases: Readonly<Record<string, TokenChanges>>,
	code: FaultCode = 'token_invalid',
): Promise<void> {
	for (const [name, changes] of Object.entries(cases)) {
		const outcome = await gateway.call(issuers[make].token(changes));
		assert.equal(outcome.reason, code, `${make}: ${name} (status ${outcome.status})`);
		assert.equal(gateway.seen(), 0, name);
	}
}

for (const make of MAKES) {
	test(`check 94: takes an access token of ${make}, and says in the ledger whose it is`, async () => {
		const outcome = await gateway.call(issuers[make].token());
		assert.equal(outcome.status, 200, outcome.reason ?? '');
		assert.equal(gateway.seen(), 1);
		const { actor, facts } = gateway.lastEntry();
		assert.equal(actor.client, gateway.client.id);
		assert.equal(actor.credential, gateway.linkOf(issuers[make].settings.issuer).id);
		assert.equal(facts?.['issuer'], issuers[make].settings.issuer);
		assert.match(JSON.stringify(facts?.['token']), /^"x[A-Za-z0-9_-]{43}"$/);
	});
}

test('check 94: the ledger names a token so that it can be revoked by what its issuer calls it', async () => {
	await gateway.call(issuers.keycloak.token());
	const named = externalTokenName(issuers.keycloak.settings.issuer, 'trrtcc:3f1d8bb6-b5c9-4b0e-a2c2-1f0a1d4c0e77');
	assert.equal(gateway.lastEntry().facts?.['token'], named);
	await gateway.call(issuers['entra-v2'].token());
	assert.equal(
		gateway.lastEntry().facts?.['token'],
		externalTokenName(issuers['entra-v2'].settings.issuer, 'kZ3yS1-9fE2mNq0'),
	);
});

test('check 94: reads scopes as text, as a list, and as roles, and maps them; what is not mapped counts for nothing', async () => {
	for (const [make, claim] of [
		['keycloak', 'scope'],
		['okta', 'scp'],
		['auth0', 'scope'],
		['entra-v1', 'roles'],
		['entra-v2', 'roles'],
		['identityserver', 'scope'],
		['rfc9068', 'scope'],
	] as const) {
		const text = { claims: { [claim]: `x ${EXTERNAL_SCOPE} y` } };
		const list = { claims: { [claim]: ['x', EXTERNAL_SCOPE, 'y'] } };
		assert.equal((await gateway.call(issuers[make].token(text))).status, 200, `${make}: text`);
		assert.equal((await gateway.call(issuers[make].token(list))).status, 200, `${make}: list`);
		gateway.forget();
		// The scope of ours is none of theirs, however it is written.
		for (const value of ['accounts:read', ['accounts:read'], [], '', undefined]) {
			const { reason } = await gateway.call(issuers[make].token({ claims: { [claim]: value } }));
			assert.equal(reason, 'insufficient_scope', `${make}: ${JSON.stringify(value)}`);
		}
		await refusesEach(make, {
			'a number': { claims: { [claim]: 7 } },
			'an object': { claims: { [claim]: { [EXTERNAL_SCOPE]: true } } },
			'a list in a list': { claims: { [claim]: [[EXTERNAL_SCOPE]] } },
			'too many': { claims: { [claim]: Array.from({ length: 300 }, (_, n) => `s${n}`) } },
		});
	}
});

describe('check 94: confusion of issuers', () => {
	test('iss with another slash at its end, in another case, or of another directory', async () => {
		for (const make of MAKES) {
			const { issuer } = issuers[make].settings;
			const slash = issuer.endsWith('/') ? issuer.slice(0, -1) : `${issuer}/`;
			await refusesEach(make, {
				slash: { claims: { iss: slash } },
				case: { claims: { iss: issuer.toUpperCase() } },
				space: { claims: { iss: `${issuer} ` } },
				list: { claims: { iss: [issuer] } },
				none: { claims: { iss: undefined } },
				own: { claims: { iss: gateway.issuer } },
			});
		}
	});

	test('the same kid in two issuers: each key verifies the tokens of its own issuer only', async () => {
		const [one, two] = [makeIssuerKey('same'), makeIssuerKey('same')];
		gateway.replaceKeys(issuers.okta, [one]);
		gateway.replaceKeys(issuers.identityserver, [two]);
		assert.equal((await gateway.call(issuers.okta.token({ key: one }))).status, 200);
		assert.equal((await gateway.call(issuers.identityserver.token({ key: two }))).status, 200);
		gateway.forget();
		await refusesEach('okta', { 'key of the other': { key: two } });
		await refusesEach('identityserver', { 'key of the other': { key: one } });
		gateway.replaceKeys(issuers.okta);
		gateway.replaceKeys(issuers.identityserver);
	});

	test('the keys of one issuer never verify the tokens of another, nor ours', async () => {
		for (const make of MAKES) {
			const key = make === 'keycloak' ? issuers.okta.key : issuers.keycloak.key;
			await refusesEach(make, { 'kid and key of another': { key } }, 'issuer_key_unknown');
			await refusesEach(make, { 'own kid, key of another': { key: { ...key, kid: issuers[make].key.kid } } });
		}
		const forged = signToken(
			{ typ: 'at+jwt', alg: 'ES256', kid: gateway.ownKeyId },
			gateway.ownClaims(),
			issuers.okta.key,
		);
		assert.equal((await gateway.call(forged)).reason, 'token_invalid');
	});

	test('Entra: a token of another directory, also under the issuer of ours; v1 for v2 and the reverse', async () => {
		const other = { iss: `https://login.microsoftonline.com/${OTHER_DIRECTORY}/v2.0`, tid: OTHER_DIRECTORY };
		await refusesEach('entra-v2', {
			'another directory': { claims: other },
			'tid alone': { claims: { tid: OTHER_DIRECTORY } },
			'no tid': { claims: { tid: undefined } },
			'ver of v1': { claims: { ver: '1.0' } },
			'client in appid': { claims: { azp: undefined, appid: EXTERNAL_CLIENTS['entra-v1'] } },
		});
		await refusesEach('entra-v1', {
			'tid alone': { claims: { tid: OTHER_DIRECTORY } },
			'ver of v2': { claims: { ver: '2.0' } },
			'client in azp': { claims: { appid: undefined, azp: EXTERNAL_CLIENTS['entra-v2'] } },
		});
		const asV2 = { claims: { iss: issuers['entra-v2'].settings.issuer } };
		await refusesEach('entra-v1', { 'iss of v2': asV2 }, 'issuer_key_unknown');
	});
});

test('a token that a person obtained through the client is refused, for each make', async () => {
	await refusesEach('keycloak', {
		session: { claims: { sid: 'f00d' } },
		'another user': { claims: { preferred_username: 'ada' } },
		'the service account of another client': { claims: { preferred_username: 'service-account-other' } },
		'nothing that says how it was granted': { claims: { ...OLDER, preferred_username: undefined } },
		'granted by token exchange': { claims: { jti: 'trrtte:3f1d8bb6-b5c9-4b0e-a2c2-1f0a1d4c0e77' } },
	});
	for (const claims of [OLDER, { preferred_username: undefined, client_id: undefined }]) {
		assert.equal((await gateway.call(issuers.keycloak.token({ claims }))).status, 200);
	}
	gateway.forget();
	await refusesEach('okta', {
		'subject of a person': { claims: { sub: 'ada@acme.example', uid: '00u1' } },
		'subject alone': { claims: { sub: 'ada@acme.example' } },
	});
	await refusesEach('auth0', {
		'no gty': { claims: { gty: undefined } },
		password: { claims: { gty: 'password' } },
		subject: { claims: { sub: 'auth0|123456' } },
		'at+jwt of a person': { header: { typ: 'at+jwt' }, claims: { client_id: EXTERNAL_CLIENTS.auth0, sub: 'auth0|1' } },
	});
	for (const make of ['entra-v1', 'entra-v2'] as const) {
		await refusesEach(make, {
			delegated: { claims: { scp: EXTERNAL_SCOPE, idtyp: 'user' } },
			'idtyp alone': { claims: { idtyp: 'user' } },
			'no idtyp, other subject': { claims: { idtyp: undefined, sub: 'somebody' } },
			'public client': { claims: { azpacr: '0', appidacr: '0' } },
		});
	}
	await refusesEach('identityserver', { subject: { claims: { sub: '818727' } }, session: { claims: { sid: '1' } } });
	await refusesEach('rfc9068', { subject: { claims: { sub: 'ada' } }, 'no subject': { claims: { sub: undefined } } });
});

test('check 11: the metadata of a resource names the issuers whose tokens all of its APIs take, after our own', () => {
	const { apis, issuer } = gateway.gateway.configuration;
	const [api] = apis;
	assert.ok(api !== undefined);
	const taking = (...names: readonly Make[]) => ({
		...api,
		externalIssuers: names.map((name) => ({ issuer: issuers[name].settings.issuer, audiences: ['a'] })),
	});
	const serversOf = (...given: Parameters<typeof renderResourceMetadata>[0]): unknown[] =>
		[...renderResourceMetadata(given, issuer, []).values()].map(
			(text) => (JSON.parse(text) as { authorization_servers: unknown }).authorization_servers,
		);
	assert.deepEqual(serversOf(taking()), [[issuer]]);
	const { okta, auth0 } = issuers;
	assert.deepEqual(serversOf(taking('okta', 'auth0')), [[issuer, okta.settings.issuer, auth0.settings.issuer]]);
	assert.deepEqual(serversOf(taking('okta', 'auth0'), taking('auth0')), [[issuer, auth0.settings.issuer]]);
	assert.deepEqual(serversOf(taking('okta'), taking()), [[issuer]]);
});

test('Auth0 in the profile of RFC 9068, and Entra without idtyp, are taken as well', async () => {
	const claims = { azp: undefined, gty: undefined, client_id: EXTERNAL_CLIENTS.auth0, jti: '73WakrfVbNJBaAmhQtEeDv' };
	assert.equal((await gateway.call(issuers.auth0.token({ header: { typ: 'at+jwt' }, claims }))).status, 200);
	assert.equal((await gateway.call(issuers['entra-v2'].token({ claims: { idtyp: undefined } }))).status, 200);
});

describe('check 91: other tokens of a trusted issuer', () => {
	test('ID, refresh and logout tokens, and client assertions, are no access tokens', async () => {
		await refusesEach('keycloak', {
			'ID token': { claims: { typ: 'ID', nonce: 'n' } },
			'ID token by its payload type alone': { claims: { typ: 'ID' } },
			refresh: { claims: { typ: 'Refresh' } },
			logout: { header: { typ: 'logout+jwt' }, claims: { typ: 'Logout', events: {} } },
			'no type in the payload': { claims: { typ: undefined } },
		});
		await refusesEach('okta', {
			'ID token': { claims: { jti: 'ID.9x8Zt4m1' } },
			'ID token of a person': { claims: { amr: ['pwd'], idp: '00o1' } },
			'no ver': { claims: { ver: undefined } },
		});
		for (const make of MAKES) {
			await refusesEach(make, {
				nonce: { claims: { nonce: 'n-0S6_WzA2Mj' } },
				at_hash: { claims: { at_hash: '77QmUPtjPfzWtF2AnpK9RQ' } },
				events: { claims: { events: { 'http://schemas.openid.net/event/backchannel-logout': {} } } },
				'acts for another': { claims: { act: { sub: 'other' } } },
				'client assertion': {
					header: { typ: 'client-authentication+jwt' },
					claims: { iss: EXTERNAL_CLIENTS[make], sub: EXTERNAL_CLIENTS[make] },
				},
				'DPoP proof': { header: { typ: 'dpop+jwt' } },
				'security event': { header: { typ: 'secevent+jwt' } },
			});
		}
		for (const make of ['identityserver', 'rfc9068'] as const) {
			await refusesEach(make, { 'typ JWT': { header: { typ: 'JWT' } }, 'no typ': { header: { typ: undefined } } });
		}
	});
});

describe('checks 88 and 93: signatures', () => {
	test('alg none, HMAC with the public key, another algorithm, and what is no compact JWS', async () => {
		const { okta } = issuers;
		const token = okta.token();
		const [, payload = '', signature = ''] = token.split('.');
		const head = (header: object): string => Buffer.from(JSON.stringify(header)).toString('base64url');
		const hs = `${head({ alg: 'HS256', kid: okta.key.kid })}.${payload}`;
		const pem = okta.key.publicKey.export({ format: 'pem', type: 'spki' });
		const hostile = [
			`${head({ alg: 'none', kid: okta.key.kid })}.${payload}.`,
			`${hs}.${createHmac('sha256', pem).update(hs).digest('base64url')}`,
			`${head({ alg: 'ES384', kid: okta.key.kid })}.${payload}.${signature}`,
			`${head({ alg: 'RS256', kid: okta.key.kid })}.${payload}.${signature}`,
			`${head({ alg: 'ES256' })}.${payload}.${signature}`,
			`${head({ alg: 'ES256', kid: okta.key.kid, jwk: publishedJwk(okta.key) })}.${payload}.${signature}`,
			`${head({ alg: 'ES256', kid: okta.key.kid, jku: 'https://evil.example/jwks' })}.${payload}.${signature}`,
			`${head({ alg: 'ES256', kid: okta.key.kid, crit: ['exp'] })}.${payload}.${signature}`,
			token.slice(0, -4),
			`${token}.`,
			`${token.split('.').slice(0, 2).join('.')}.${Buffer.alloc(64).toString('base64url')}`,
		];
		for (const [index, text] of hostile.entries()) {
			assert.equal((await gateway.call(text)).reason, 'token_invalid', String(index));
		}
		assert.equal(gateway.seen(), 0);
	});

	test('RS256 and PS256: the key has one algorithm, whatever the token says', async () => {
		const key = makeIssuerKey('rsa', 'RS256');
		const pss: IssuerTestKey = { ...key, algorithm: 'PS256' };
		const rs = createTestIssuer('rfc9068', EXTERNAL_AUDIENCE, { issuer: 'https://rs.acme.example', name: 'rs' }, key);
		const other = await startExternalGateway([rs]);
		try {
			await other.link([[rs.settings.issuer, EXTERNAL_CLIENTS.rfc9068]]);
			assert.equal((await other.call(rs.token())).status, 200);
			assert.equal((await other.call(rs.token({ key: pss }))).reason, 'token_invalid');
			assert.equal((await other.call(rs.token({ header: { alg: 'PS256' } }))).reason, 'token_invalid');
		} finally {
			await other.close();
		}
	});
});

test('checks 88 and 89: claims that are missing, wrong or untimely', async () => {
	const now = Math.floor(Date.now() / 1000);
	for (const make of ['keycloak', 'okta', 'identityserver', 'rfc9068'] as const) {
		await refusesEach(make, { 'no jti': { claims: { jti: undefined } }, 'jti a number': { claims: { jti: 7 } } });
	}
	for (const make of MAKES) {
		await refusesEach(make, {
			'no aud': { claims: { aud: undefined } },
			'no iat': { claims: { iat: undefined } },
			'no exp': { claims: { exp: undefined } },
			'exp as text': { claims: { exp: String(now + 300) } },
			'exp before iat': { claims: { exp: now - 10 } },
			'not yet': { claims: { iat: now + 1000, exp: now + 2000 } },
			'nbf ahead': { claims: { nbf: now + 1000 } },
			'nbf as text': { claims: { nbf: 'now' } },
			'lives too long': { claims: { exp: now + 9000 } },
			'cnf of another kind': { claims: { cnf: { kid: 'k' } } },
		});
		await refusesEach(make, { expired: { claims: { iat: now - 600, nbf: now - 600, exp: now - 1 } } }, 'token_expired');
	}
	await refusesEach('keycloak', {
		'no azp': { claims: { azp: undefined } },
		'azp and client_id differ': { claims: { client_id: 'other' } },
	});
	await refusesEach('okta', { 'no cid': { claims: { cid: undefined } }, 'cid a list': { claims: { cid: ['a'] } } });
});

test('check 92: a claim that stands twice', async () => {
	const { okta } = issuers;
	const token = okta.token();
	const [header = '', payload = ''] = token.split('.');
	const text = Buffer.from(payload, 'base64url').toString('utf8');
	const twice = Buffer.from(text.replace('{', '{"aud":"https://elsewhere.example",')).toString('base64url');
	assert.notEqual(twice, payload);
	const claims = JSON.parse(text) as object;
	assert.ok('aud' in claims);
	const input = `${header}.${twice}`;
	const signed = gateway.signRaw(input, okta.key);
	assert.equal((await gateway.call(signed)).reason, 'token_invalid');
});
