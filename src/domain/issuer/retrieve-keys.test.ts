import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
	createTestIssuer,
	DIRECTORY,
	makeIssuerKey,
	OTHER_DIRECTORY,
	publishedJwk,
} from '../../../test/fixture/external-issuer.ts';
import { fail, ok } from '../../kernel/result.ts';
import type { OutgoingFetch } from '../network/outgoing-fetch.ts';
import { discoveryUriOf, type ExternalIssuer } from './external-issuer.ts';
import { retrieveIssuerKeys } from './retrieve-keys.ts';

const key = makeIssuerKey('k');

/** A fetch that knows these documents. */
function fetchOf(documents: Readonly<Record<string, unknown>>): OutgoingFetch {
	return async ({ url }) => {
		const document = documents[url];
		if (document === undefined) return fail({ reason: 'status', internal: 'status 404' });
		const body = Buffer.from(typeof document === 'string' ? document : JSON.stringify(document));
		return ok({ status: 200, body, contentType: undefined, etag: undefined, maxAgeSeconds: 77 });
	};
}

const KEYS_URL = 'https://keys.example/jwks';
const issuerWith = (changes: Partial<ExternalIssuer> = {}): ExternalIssuer =>
	createTestIssuer('auth0', 'aud', changes).settings;

async function retrieve(issuer: ExternalIssuer, documents: Readonly<Record<string, unknown>>): Promise<string> {
	const result = await retrieveIssuerKeys(issuer, fetchOf(documents));
	return result.ok ? result.value.keys.map(({ kid }) => kid).join(' ') : result.fault;
}

test('the metadata must name the very issuer, byte for byte', async () => {
	const issuer = issuerWith();
	const discoveryUri = discoveryUriOf(issuer);
	const found = issuerWith({ keys: { discoveryUri } });
	const keys = { [KEYS_URL]: { keys: [publishedJwk(key)] } };
	const metadata = { issuer: issuer.issuer, jwks_uri: KEYS_URL };
	assert.equal(await retrieve(found, { [discoveryUri]: metadata, ...keys }), 'k');
	for (const name of [
		issuer.issuer.slice(0, -1),
		`${issuer.issuer}/`,
		issuer.issuer.toUpperCase(),
		undefined,
		[issuer.issuer],
	]) {
		const text = await retrieve(found, { [discoveryUri]: { ...metadata, issuer: name }, ...keys });
		assert.equal(text, 'metadata: it is that of another issuer');
	}
	for (const uri of [undefined, 7, 'http://keys.example/jwks', 'file:///etc/passwd']) {
		const text = await retrieve(found, { [discoveryUri]: { ...metadata, jwks_uri: uri }, ...keys });
		assert.equal(text, 'metadata: no jwks_uri');
	}
	const twice = `{"issuer":"https://evil.example","issuer":${JSON.stringify(issuer.issuer)},"jwks_uri":"${KEYS_URL}"}`;
	assert.match(await retrieve(found, { [discoveryUri]: twice, ...keys }), /repeated members/);
	assert.equal(await retrieve(found, keys), 'metadata: status, status 404');
	assert.equal(await retrieve(found, { [discoveryUri]: metadata }), 'key set: status, status 404');
});

test('the metadata of each make is where the make has it', () => {
	const uriOf = (kind: 'auth0' | 'keycloak' | 'entra-v1' | 'entra-v2'): string =>
		discoveryUriOf(createTestIssuer(kind, 'aud').settings);
	const end = '/.well-known/openid-configuration';
	assert.equal(uriOf('keycloak'), `https://login.acme.example/realms/bank${end}`);
	assert.equal(uriOf('auth0'), `https://acme.eu.auth0.example${end}`);
	assert.equal(uriOf('entra-v1'), `https://login.microsoftonline.com/${DIRECTORY}${end}`);
	assert.equal(uriOf('entra-v2'), `https://login.microsoftonline.com/${DIRECTORY}/v2.0${end}`);
});

test('of the keys of Entra only those count that sign for the very directory', async () => {
	const v2 = (directory: string): string => `https://login.microsoftonline.com/${directory}/v2.0`;
	const keys = [
		publishedJwk(makeIssuerKey('own'), { issuer: v2(DIRECTORY) }),
		publishedJwk(makeIssuerKey('every'), { issuer: v2('{directoryid}') }),
		publishedJwk(makeIssuerKey('unsaid')),
		publishedJwk(makeIssuerKey('other'), { issuer: v2(OTHER_DIRECTORY) }),
		publishedJwk(makeIssuerKey('consumers'), { issuer: v2('9188040d-6c67-4c5b-b112-36a304b66dad') }),
		publishedJwk(makeIssuerKey('list'), { issuer: [v2(DIRECTORY)] }),
	];
	for (const kind of ['entra-v1', 'entra-v2'] as const) {
		const { settings } = createTestIssuer(kind, 'aud', { keys: { jwksUri: KEYS_URL } });
		assert.equal(await retrieve(settings, { [KEYS_URL]: { keys } }), 'own every unsaid');
	}
});
