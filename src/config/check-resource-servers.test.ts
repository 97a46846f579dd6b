import assert from 'node:assert/strict';
import { generateKeyPairSync, type KeyObject, X509Certificate } from 'node:crypto';
import { after, test } from 'node:test';
import { createAuthorities, DAY_MS, NOW_MS, TRUST_DOMAIN } from '../../test/fixture/authorities.ts';
import { CONFIGURATION_YAML, createConfigurationFolder } from '../../test/fixture/configuration-folder.ts';
import { issuePlatformCertificate } from '../domain/certificate/issue-platform-certificate.ts';
import { certificateThumbprint } from '../domain/certificate/thumbprint.ts';
import { ManualClock } from '../kernel/clock.ts';
import { systemRandom } from '../kernel/random.ts';
import { unwrap } from '../kernel/result.ts';
import { loadConfigurationText } from './load-configuration.ts';

const clock = new ManualClock(NOW_MS);
const folder = createConfigurationFolder(after);
const authorities = await createAuthorities();
const { certificate } = unwrap(
	await issuePlatformCertificate(
		authorities.platformIssuing,
		{ profile: 'service', serviceName: 'core', lifetimeMs: 60 * DAY_MS },
		{ trustDomain: TRUST_DOMAIN, clock, random: systemRandom },
	),
);
const leaf = new X509Certificate(certificate.chainPem).toString();
const es256 = generateKeyPairSync('ec', { namedCurve: 'P-256' });

function jwk(key: KeyObject, more: object = {}): object {
	return { ...key.export({ format: 'jwk' }), kid: 'k1', alg: 'ES256', ...more };
}

function writeJson(name: string, value: unknown): void {
	folder.write(name, JSON.stringify(value));
}

async function load(servers: string) {
	return loadConfigurationText(`${CONFIGURATION_YAML}resourceServers:\n${servers}`, folder.file, { clock });
}

async function problemOf(server: string): Promise<string> {
	const loaded = await load(`  core: ${server}\n`);
	assert.ok(!loaded.ok, `it loads: ${server}`);
	return loaded.fault.map(({ path, message }) => `${path}: ${message}`).join('\n');
}

folder.write('leaf.pem', leaf);
folder.write('chain.pem', certificate.chainPem);
writeJson('keys.json', { keys: [jwk(es256.publicKey)] });
writeJson('enc.json', { ...es256.publicKey.export({ format: 'jwk' }), kid: 'e1', use: 'enc' });

test('reads what each resource server proves itself with', async () => {
	const loaded = unwrap(
		await load(
			'  core: { apis: [bank], service: core }\n' +
				'  cards: { apis: [bank], certificateFile: leaf.pem }\n' +
				'  risk: { apis: [bank], publicKeysFile: keys.json, encryptionKeyFile: enc.json }\n',
		),
	);
	const [core, cards, risk] = loaded.configuration.resourceServers;
	assert.deepEqual(core, { name: 'core', apis: ['bank'], proof: { kind: 'service-certificate', serviceName: 'core' } });
	assert.ok(cards?.proof.kind === 'pinned-certificate');
	assert.deepEqual(
		cards.proof.certificates.map(({ thumbprint }) => thumbprint),
		[certificateThumbprint(new X509Certificate(leaf).raw)],
	);
	assert.ok(risk?.proof.kind === 'assertion');
	assert.deepEqual(
		risk.proof.keys.map(({ kid, algorithm }) => [kid, algorithm]),
		[['k1', 'ES256']],
	);
	assert.equal(risk.encryptionKey?.kid, 'e1');
});

test('refuses a resource server that could prove itself in no way, in two, or as somebody else', async () => {
	assert.match(await problemOf('{ apis: [bank] }'), /nothing to prove itself with/);
	assert.match(await problemOf('{ apis: [bank], service: core, publicKeysFile: keys.json }'), /2 ways/);
	assert.match(await problemOf('{ apis: [bnak], service: core }'), /apis\[0\]: there is no API "bnak"/);
	assert.match(await problemOf('{ apis: [bank, bank], service: core }'), /listed twice/);
	assert.match(await problemOf('{ apis: [], service: core }'), /apis/);
	for (const [proof, message] of [
		['service: core', /the service core is that of "core" already/],
		['certificateFile: leaf.pem', /is that of "core" already/],
	] as const) {
		assert.match(await problemOf(`{ apis: [bank], ${proof} }\n  other: { apis: [bank], ${proof} }`), message);
	}
});

test('refuses certificates and keys that would be accepted from somebody else, or never', async () => {
	// With its chain, whoever has the authority's key would be the service.
	assert.match(await problemOf('{ apis: [bank], certificateFile: chain.pem }'), /certificate of an authority/);
	assert.match(await problemOf('{ apis: [bank], certificateFile: none.pem }'), /does not exist/);
	const bad: readonly unknown[] = [
		{ keys: [] },
		{ keys: [jwk(es256.privateKey)] },
		{ keys: [jwk(es256.publicKey), jwk(es256.publicKey)] },
		{ keys: [jwk(es256.publicKey, { kid: undefined })] },
		{ keys: [jwk(es256.publicKey, { alg: 'HS256' })] },
		{ keys: [jwk(es256.publicKey, { use: 'enc' })] },
		{ keys: [{ kty: 'oct', k: 'AAAA', kid: 'k1', alg: 'HS256' }] },
		[],
	];
	for (const value of bad) {
		writeJson('bad.json', value);
		assert.match(await problemOf('{ apis: [bank], publicKeysFile: bad.json }'), /no JWK Set|no JSON object/);
	}
	const p384 = generateKeyPairSync('ec', { namedCurve: 'P-384' }).publicKey;
	for (const value of [
		jwk(es256.privateKey, { use: 'enc' }),
		jwk(p384, { use: 'enc' }),
		jwk(es256.publicKey, { use: 'sig' }),
		jwk(es256.publicKey, { kid: undefined }),
		jwk(es256.publicKey, { y: 'AAAA' }),
	]) {
		writeJson('bad.json', value);
		assert.match(
			await problemOf('{ apis: [bank], service: core, encryptionKeyFile: bad.json }'),
			/no public key that answers can be encrypted for/,
		);
	}
});
