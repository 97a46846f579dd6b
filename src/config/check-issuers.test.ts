// What an operator sees of mistakes in external issuers.
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { CONFIGURATION_YAML, createConfigurationFolder, replaceOnce } from '../../test/fixture/configuration-folder.ts';
import { loadConfigurationText } from './load-configuration.ts';

const folder = createConfigurationFolder(after);

const ISSUERS = `issuers:
  login:
    issuer: https://login.acme.example/realms/bank
    kind: keycloak
    algorithms: [ES256]
    scopes: { bank.read: [accounts:read] }
    senderConstraint: dpop
  entra:
    issuer: https://sts.windows.net/6f1c7a52-3c39-4a6e-8b0d-0f6f5f0c2a11/
    kind: entra-v1
    algorithms: [RS256]
    requiredClaims: { appidacr: '2' }
    scopes: { Accounts.Read: [accounts:read] }
    senderConstraint: none
    clockSkew: 10s
    networks: [10.1.0.0/16]
`;
const TAKEN = '    issuers: { login: {}, entra: { audiences: [api://bank] } }\n';
const YAML = replaceOnce(CONFIGURATION_YAML, '    version: v1\n', `    version: v1\n${TAKEN}`) + ISSUERS;

/** Gives problems, or the warnings of what loads, as text. */
async function load(yaml: string): Promise<string> {
	const loaded = await loadConfigurationText(yaml, folder.file);
	const list = loaded.ok ? loaded.value.warnings : loaded.fault;
	return list.map(({ path, message }) => `${path}: ${message}`).join('\n');
}

test('loads issuers with their defaults, and what an API takes of them', async () => {
	const loaded = await loadConfigurationText(YAML, folder.file);
	assert.ok(loaded.ok, JSON.stringify(loaded));
	const { externalIssuers, apis, clientKeySets } = loaded.value.configuration;
	assert.deepEqual(externalIssuers[0], {
		name: 'login',
		issuer: 'https://login.acme.example/realms/bank',
		kind: 'keycloak',
		keys: { discoveryUri: 'https://login.acme.example/realms/bank/.well-known/openid-configuration' },
		algorithms: ['ES256'],
		requiredClaims: [],
		scopes: [{ external: 'bank.read', own: ['accounts:read'] }],
		senderConstraint: 'dpop',
		clockSkewSeconds: 5,
		tokenLifetimeSecondsMax: 7200,
		keysKeptMs: 86_400_000,
		networks: [],
	});
	assert.deepEqual(externalIssuers[1]?.requiredClaims, [{ name: 'appidacr', values: ['2'] }]);
	assert.deepEqual(apis[0]?.externalIssuers, [
		{ issuer: externalIssuers[0]?.issuer, audiences: [apis[0]?.resource] },
		{ issuer: externalIssuers[1]?.issuer, audiences: ['api://bank'] },
	]);
	assert.deepEqual(clientKeySets, { networks: [], keptMs: 86_400_000 });
	assert.match(await load(YAML), /issuers\.entra\.senderConstraint: whoever reads a token of this issuer can use it/);
});

for (const [from, to, expected] of [
	['login: {}', 'lgoin: {}', /apis\.bank\.issuers\.lgoin: there is no issuer "lgoin"/],
	['bank.read: [accounts:read]', 'bank.read: [accounts:raed]', /no product has the scope "accounts:raed"/],
	['{ bank.read: [accounts:read] }', '{}', /no scope counts for anything/],
	['    senderConstraint: dpop\n', '', /issuers\.login\.senderConstraint: "senderConstraint" is missing/],
	['algorithms: [ES256]', 'algorithms: [HS256]', /issuers\.login\.algorithms/],
	['algorithms: [ES256]', 'algorithms: [none]', /issuers\.login\.algorithms/],
	['algorithms: [ES256]', 'algorithms: [ES256, ES256]', /listed twice/],
	['kind: keycloak', 'kind: keyclock', /issuers\.login\.kind/],
	['kind: keycloak', 'kind: custom', /a custom issuer needs "claims"/],
	['kind: keycloak', 'kind: keycloak\n    claims: { client: azp }', /how tokens are read follows from the kind/],
	[
		'kind: keycloak',
		'kind: keycloak\n    jwksUri: https://a.example/k\n    discoveryUri: https://a.example/d',
		/the keys are found in one way only/,
	],
	['kind: keycloak', 'kind: keycloak\n    jwksUri: http://a.example/k', /jwksUri: this is no https URL/],
	['kind: keycloak', 'kind: keycloak\n    jwksURI: https://a.example/k', /unknown key "jwksURI"/],
	['issuer: https://login.acme', 'issuer: http://login.acme', /issuers\.login\.issuer: this is no https URL/],
	['/realms/bank', '/realms/../bank', /not in its canonical form/],
	['/realms/bank', '/realms/bank?x', /no query/],
	['6f1c7a52-3c39-4a6e-8b0d-0f6f5f0c2a11/', 'common/', /not the issuer of one Entra directory/],
	['0f6f5f0c2a11/', '0f6f5f0c2a11', /not the issuer of one Entra directory/],
	['networks: [10.1.0.0/16]', 'networks: [10.1.2.3/16]', /this is no network/],
	['clockSkew: 10s', 'clockSkew: 5m', /outside of/],
	['clockSkew: 10s', 'tokenLifetimeMax: 48h', /outside of/],
] as const) {
	test(`refuses "${to}"`, async () => {
		assert.match(await load(replaceOnce(YAML, from, to)), expected);
	});
}

test('two issuers are never one, nor one of them ours, whatever slash they end in', async () => {
	const again = (issuer: string): string =>
		`${YAML}  again:\n    issuer: ${issuer}\n    kind: rfc9068\n    algorithms: [ES256]\n` +
		'    scopes: { a: [accounts:read] }\n    senderConstraint: mtls\n';
	assert.match(await load(again('https://login.acme.example/realms/bank')), /"login" is the same issuer/);
	assert.match(await load(again('https://login.acme.example/realms/bank/')), /"login" is the same issuer/);
	const own = /^issuer: (.*)$/m.exec(CONFIGURATION_YAML)?.[1] ?? '';
	assert.match(await load(again(own)), /this is the issuer of our own tokens/);
	assert.match(await load(again('https://other.example')), /issuers\.again: no API takes tokens of this issuer/);
});
