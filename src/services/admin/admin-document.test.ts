import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createConfig, lintFromString } from '@redocly/openapi-core';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { createTestAdmin } from '../../../test/fixture/test-admin.ts';

const ROUTES = [
	'get /admin/v1/authorities',
	'get /admin/v1/authorities/{authorityId}/holders',
	'get /admin/v1/certificates',
	'get /admin/v1/certificates/{certificateId}',
	'get /admin/v1/clients',
	'get /admin/v1/clients/{clientId}',
	'get /admin/v1/credentials',
	'get /admin/v1/credentials/{credentialId}',
	'get /admin/v1/enrolments',
	'get /admin/v1/issuers',
	'get /admin/v1/ledger',
	'get /admin/v1/ledger/entries',
	'get /admin/v1/openapi.json',
	'get /admin/v1/partners',
	'get /admin/v1/partners/{partnerId}',
	'get /admin/v1/plans',
	'get /admin/v1/plans/{planId}',
	'get /admin/v1/products',
	'get /admin/v1/products/{productId}',
	'get /admin/v1/protection-keys',
	'get /admin/v1/rotations',
	'get /admin/v1/rotations/{rotationId}',
	'get /admin/v1/signing-keys',
	'get /admin/v1/subscriptions',
	'get /admin/v1/subscriptions/{subscriptionId}',
	'get /admin/v1/trust-anchors',
	'get /admin/v1/trust-anchors/{trustAnchorId}',
	'patch /admin/v1/subscriptions/{subscriptionId}',
	'post /admin/v1/authorities/{authorityId}/revoke-certificates',
	'post /admin/v1/authorities/{id}/retire',
	'post /admin/v1/authorities/{name}/rotate',
	'post /admin/v1/certificates',
	'post /admin/v1/certificates/{certificateId}/hold',
	'post /admin/v1/certificates/{certificateId}/release',
	'post /admin/v1/certificates/{certificateId}/revoke',
	'post /admin/v1/clients/{clientId}/anchored-certificates',
	'post /admin/v1/clients/{clientId}/api-keys',
	'post /admin/v1/clients/{clientId}/certificates',
	'post /admin/v1/clients/{clientId}/disable',
	'post /admin/v1/clients/{clientId}/enable',
	'post /admin/v1/clients/{clientId}/enrolments',
	'post /admin/v1/clients/{clientId}/external-clients',
	'post /admin/v1/clients/{clientId}/key-sets',
	'post /admin/v1/clients/{clientId}/keys',
	'post /admin/v1/clients/{clientId}/revoke-tokens',
	'post /admin/v1/clients/{clientId}/secrets',
	'post /admin/v1/clients/{clientId}/self-signed-certificates',
	'post /admin/v1/clients/{clientId}/subscriptions',
	'post /admin/v1/compromised-keys',
	'post /admin/v1/credentials/{credentialId}/revoke',
	'post /admin/v1/credentials/{credentialId}/rotate',
	'post /admin/v1/enrolments/{enrolmentId}/cancel',
	'post /admin/v1/partners',
	'post /admin/v1/partners/{partnerId}/allow-addresses',
	'post /admin/v1/partners/{partnerId}/clients',
	'post /admin/v1/partners/{partnerId}/resume',
	'post /admin/v1/partners/{partnerId}/suspend',
	'post /admin/v1/partners/{partnerId}/trust-anchors',
	'post /admin/v1/protection-keys/rotations',
	'post /admin/v1/protection-keys/{kid}/revoke',
	'post /admin/v1/rotations/{rotationId}/cancel',
	'post /admin/v1/rotations/{rotationId}/complete',
	'post /admin/v1/signing-keys/rotations',
	'post /admin/v1/signing-keys/{kid}/revoke',
	'post /admin/v1/subscriptions/{subscriptionId}/end',
	'post /admin/v1/token-cuts',
	'post /admin/v1/token-revocations',
	'post /admin/v1/trust-anchors/{trustAnchorId}/revocation-lists',
	'post /admin/v1/trust-anchors/{trustAnchorId}/revoke',
];

test('describes itself as valid OpenAPI 3.1', async () => {
	const admin = await createTestAdmin();
	const { body } = await admin.call('GET', '/openapi.json');
	assert.equal(body.openapi, '3.1.0');
	const config = await createConfig({ extends: ['minimal'] });
	const problems = await lintFromString({ source: JSON.stringify(body), config });
	assert.deepEqual(
		problems.map((problem) => `${problem.ruleId}: ${problem.message} ${problem.location[0]?.pointer ?? ''}`),
		[],
	);
});

test('describes every route, each with a name of its own and its security', async () => {
	const admin = await createTestAdmin();
	const { body } = await admin.call('GET', '/openapi.json');
	const operations = Object.entries<Record<string, { operationId: string }>>(body.paths).flatMap(([path, methods]) =>
		Object.entries(methods).map(([method, { operationId }]) => ({ route: `${method} ${path}`, operationId })),
	);
	assert.deepEqual(operations.map(({ route }) => route).sort(), ROUTES);
	assert.equal(new Set(operations.map(({ operationId }) => operationId)).size, ROUTES.length);
	assert.deepEqual(body.security, [{ operatorCertificate: [] }]);
	assert.equal(body.components.securitySchemes.operatorCertificate.type, 'mutualTLS');
});

test('answers as it says it does', async () => {
	const admin = await createTestAdmin();
	const { body: document } = await admin.call('GET', '/openapi.json');
	const ajv = new Ajv2020({ strict: false, formats: { 'date-time': true } });
	ajv.addSchema({ $id: 'https://document.invalid/openapi.json', ...document });
	const holds = (name: string, value: unknown): void => {
		const validate = ajv.getSchema(`https://document.invalid/openapi.json#/components/schemas/${name}`);
		assert.ok(validate !== undefined, name);
		assert.ok(validate(value), `${name}: ${JSON.stringify(validate.errors)}`);
	};
	const partner = await admin.call('POST', '/partners', { body: { name: 'Acme' } });
	holds('Partner', partner.body);
	const client = await admin.call('POST', `/partners/${partner.body.id}/clients`, {
		body: { name: 'app', environment: 'sandbox' },
	});
	holds('Client', client.body);
	const subscription = await admin.call('POST', `/clients/${client.body.id}/subscriptions`, {
		body: { productId: 'rates', planId: 'gold', stage: 'sandbox' },
	});
	holds('Subscription', subscription.body);
	for (const [path, name] of [
		['/partners', 'PartnerPage'],
		['/clients', 'ClientPage'],
		['/certificates', 'CertificatePage'],
		['/credentials', 'CredentialPage'],
		['/subscriptions', 'SubscriptionPage'],
		['/products', 'ProductList'],
		['/plans', 'PlanList'],
		['/ledger', 'LedgerCheckpoint'],
		['/ledger/entries', 'LedgerEntryPage'],
		['/nothing', 'Problem'],
		['/partners?x=1', 'Problem'],
	] as const) {
		holds(name, (await admin.call('GET', path)).body);
	}
});
