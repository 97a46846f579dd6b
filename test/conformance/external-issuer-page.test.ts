// The examples of docs/external-issuers.md: each loads as it stands, and takes a token as its make writes it, by the client that
// the command below it links.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, test } from 'node:test';
import { parse, stringify } from 'yaml';
import { loadConfigurationText } from '../../src/config/load-configuration.ts';
import type { IssuerKind } from '../../src/domain/issuer/external-issuer.ts';
import { IssuerKeys } from '../../src/domain/issuer/issuer-keys.ts';
import { createFederatedVerifier } from '../../src/domain/issuer/verify-external-token.ts';
import { systemClock } from '../../src/kernel/clock.ts';
import { fault } from '../../src/kernel/faults.ts';
import { fail } from '../../src/kernel/result.ts';
import { CONFIGURATION_YAML, createConfigurationFolder } from '../fixture/configuration-folder.ts';
import { createTestIssuer, EXTERNAL_CLIENTS, makeIssuerKey } from '../fixture/external-issuer.ts';

const folder = createConfigurationFolder(after);
const page = readFileSync(new URL('../../docs/external-issuers.md', import.meta.url), 'utf8');
const EXAMPLE =
	/```yaml\n(issuers:\n[\s\S]*?)```\n\n`sallyport credential link --client \S+ --issuer (\S+) --external-id (\S+)`/g;
const examples = [...page.matchAll(EXAMPLE)].map(([, yaml = '', name = '', client = '']) => ({ yaml, name, client }));

test('there is one example for each make', () => {
	assert.deepEqual(examples.map(({ name }) => name).sort(), Object.keys(EXTERNAL_CLIENTS).sort());
});

for (const { yaml, name, client } of examples) {
	test(`the example of ${name} loads, and takes a token of its client`, async () => {
		const base = parse(CONFIGURATION_YAML);
		const example = parse(yaml);
		base.apis.bank.issuers = example.apis.bank.issuers;
		base.issuers = example.issuers;
		const loaded = await loadConfigurationText(stringify(base), folder.file);
		assert.ok(loaded.ok, JSON.stringify(loaded));
		const { externalIssuers, apis } = loaded.value.configuration;
		const [settings] = externalIssuers;
		const [accepted] = apis[0]?.externalIssuers ?? [];
		assert.ok(settings !== undefined && accepted !== undefined);
		const kind = settings.kind as Exclude<IssuerKind, 'custom'>;
		const algorithm = settings.algorithms.includes('ES256') ? 'ES256' : 'RS256';
		const issuer = createTestIssuer(kind, accepted.audiences[0] ?? '', settings, makeIssuerKey('k', algorithm));
		const own = { verify: () => fail(fault('token_invalid', 'not of an issuer')), isTrusted: () => false };
		const keys = new IssuerKeys([issuer.keySet(systemClock.nowMs())], systemClock, () => undefined);
		const verifier = createFederatedVerifier({ issuers: externalIssuers, keys, own, clock: systemClock });
		const thumbprint = 'A'.repeat(43);
		const cnf = { mtls: { 'x5t#S256': thumbprint }, dpop: { jkt: thumbprint }, none: undefined }[
			settings.senderConstraint
		];
		const verified = verifier.verify(issuer.token({ claims: { cnf } }));
		assert.ok(verified.ok, JSON.stringify(verified));
		assert.equal(verified.value.externalClientId, client);
		assert.deepEqual([...verified.value.scopes], ['accounts:read']);
		assert.ok(verified.value.audiences.some((audience) => accepted.audiences.includes(audience)));
	});
}
