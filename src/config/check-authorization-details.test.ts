// What an operator sees of mistakes in authorization details and token formats.
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { CONFIGURATION_YAML, createConfigurationFolder, replaceOnce } from '../../test/fixture/configuration-folder.ts';
import { loadConfigurationText } from './load-configuration.ts';

const folder = createConfigurationFolder(after);

const TYPES = `authorizationDetails:
  types:
    payment:
      title: One payment
      schema:
        type: object
        additionalProperties: false
        required: [debtor]
        properties: { actions: {}, debtor: { type: string }, amount: {} }
      operations:
        bank/v1/createPayment:
          actions: [initiate]
          resources: { account: $.debtor }
          matches: [{ body: $.amount, detail: $.amount }]
`;

/** Gives the problems as text; '' when it loads. */
async function load(yaml: string): Promise<string> {
	const loaded = await loadConfigurationText(yaml, folder.file);
	return loaded.ok ? '' : loaded.fault.map(({ path, message }) => `${path}: ${message}`).join('\n');
}

test('loads types of authorization details', async () => {
	const loaded = await loadConfigurationText(CONFIGURATION_YAML + TYPES, folder.file);
	assert.ok(loaded.ok, JSON.stringify(loaded));
	assert.deepEqual(loaded.value.configuration.authorizationDetailTypes[0]?.bindings, [
		{
			operation: 'bank/v1/createPayment',
			actions: ['initiate'],
			resources: [{ type: 'account', path: '$.debtor' }],
			matches: [{ body: '$.amount', detail: '$.amount' }],
		},
	]);
	assert.equal(loaded.value.configuration.apis[0]?.tokenFormat, 'jwt');
});

for (const [from, to, expected] of [
	['bank/v1/createPayment:', 'bank/v1/createPaymant:', /there is no operation "bank\/v1\/createPaymant"/],
	['{ account: $.debtor }', '{ card: $.debtor }', /touches no resource of the type "card"/],
	['{ account: $.debtor }', '{ account: debtor }', /a path begins with \$/],
	['additionalProperties: false', 'additionalProperties: true', /additionalProperties: false/],
	['required: [debtor]', 'requierd: [debtor]', /requierd/],
	['actions: [initiate]', 'acton: [initiate]', /unknown key "acton"/],
] as const) {
	test(`refuses "${to}"`, async () => {
		const problems = await load(CONFIGURATION_YAML + replaceOnce(TYPES, from, to));
		assert.match(problems, expected);
	});
}

test('refuses two token formats of one resource', async () => {
	const twice = CONFIGURATION_YAML.replace(
		'products:',
		`  bank-two:
    version: v1
    document: ./bank.yaml
    resource: https://localhost:8443/bank/v1
    tokenFormat: opaque
    upstream:
      url: https://localhost:9443/core
    operations: {}
products:`,
	);
	assert.match(await load(twice), /the API bank has the same resource and the token format "jwt"/);
});
