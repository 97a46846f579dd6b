import assert from 'node:assert/strict';
import { chmodSync } from 'node:fs';
import { test } from 'node:test';
import { createAuthorities, createSubjectKey, DAY_MS, NOW_MS, TRUST_DOMAIN } from '../../test/fixture/authorities.ts';
import {
	CONFIGURATION_YAML,
	type ConfigurationFolder,
	createConfigurationFolder,
	replaceOnce,
} from '../../test/fixture/configuration-folder.ts';
import { issuePlatformCertificate } from '../domain/certificate/issue-platform-certificate.ts';
import { ManualClock } from '../kernel/clock.ts';
import { systemRandom } from '../kernel/random.ts';
import { unwrap } from '../kernel/result.ts';
import { servedNames } from './configuration.ts';
import { type LoadedConfiguration, loadConfigurationText } from './load-configuration.ts';

const authorities = await createAuthorities();
const clock = new ManualClock(NOW_MS);
const issued = unwrap(
	await issuePlatformCertificate(
		authorities.platformIssuing,
		{ profile: 'server', dnsNames: ['localhost'], lifetimeMs: 60 * DAY_MS },
		{ trustDomain: TRUST_DOMAIN, clock, random: systemRandom },
	),
);
const key = issued.privateKeyPem.reveal();
const chain = issued.certificate.chainPem;

function writeIdentity(folder: ConfigurationFolder, files: { chain?: string; key?: string } = {}): void {
	folder.write('tls/chain.pem', files.chain ?? chain);
	const keyFile = folder.write('tls/key.pem', files.key ?? key);
	chmodSync(keyFile, 0o600);
}

const NAMES = 'port: 8443, names: [localhost]';
const WITH_FILES = replaceOnce(
	CONFIGURATION_YAML,
	NAMES,
	`${NAMES}, certificateFile: tls/chain.pem, keyFile: tls/key.pem`,
);

function load(folder: ConfigurationFolder, yaml: string, nowMs = NOW_MS) {
	return loadConfigurationText(yaml, folder.file, { clock: new ManualClock(nowMs) });
}

async function refusalsOf(
	folder: ConfigurationFolder,
	yaml: string,
	nowMs = NOW_MS,
): Promise<readonly [string, string][]> {
	const loaded = await load(folder, yaml, nowMs);
	assert.ok(!loaded.ok, 'the configuration loads');
	return loaded.fault.map(({ path, message }) => [path, message]);
}

test('reads the certificate and key of a listener and of an upstream', async (context) => {
	const folder = createConfigurationFolder((cleanUp) => context.after(cleanUp));
	writeIdentity(folder);
	folder.write('tls/ca.pem', `A text before it.\n${authorities.root.certificatePem}`);
	const url = 'url: https://localhost:9443/core';
	const files = 'caFile: tls/ca.pem\n      certificateFile: tls/chain.pem\n      keyFile: tls/key.pem';
	const loaded: LoadedConfiguration = unwrap(
		await load(folder, replaceOnce(WITH_FILES, url, `${url}\n      ${files}`)),
	);
	assert.deepEqual(loaded.warnings, []);
	const { gateway, admin } = loaded.configuration.listeners;
	assert.equal(
		gateway.certificate?.chain.match(/BEGIN CERTIFICATE/g)?.length,
		chain.match(/BEGIN CERTIFICATE/g)?.length,
	);
	assert.equal(gateway.certificate?.key, key);
	assert.equal(admin.certificate, undefined);
	const upstream = loaded.configuration.apis[0]?.upstream;
	assert.equal(upstream?.ca, authorities.root.certificatePem);
	assert.equal(upstream?.key, key);
});

test('reads certificates for further names, each name once in a listener', async (context) => {
	const folder = createConfigurationFolder((cleanUp) => context.after(cleanUp));
	writeIdentity(folder);
	const further = (names: string) =>
		replaceOnce(
			CONFIGURATION_YAML,
			NAMES,
			`port: 8443, names: [api.example], certificates: [{ names: [${names}], certificateFile: tls/chain.pem, keyFile: tls/key.pem }]`,
		);
	const { gateway } = unwrap(await load(folder, further('localhost'))).configuration.listeners;
	assert.deepEqual(servedNames(gateway), ['api.example', 'localhost']);
	assert.equal(gateway.certificates[0]?.key, key);
	assert.equal(gateway.certificate, undefined);
	const refused = await refusalsOf(folder, further('localhost, api.example'));
	assert.ok(refused.some(([, message]) => message === '"api.example" is listed twice'));
	assert.ok(refused.some(([, message]) => message === 'the certificate does not hold the name api.example'));
});

test('refuses a certificate file without its key file', async (context) => {
	const folder = createConfigurationFolder((cleanUp) => context.after(cleanUp));
	writeIdentity(folder);
	assert.deepEqual(await refusalsOf(folder, WITH_FILES.replace(', keyFile: tls/key.pem', '')), [
		['listeners.gateway.certificateFile', '"certificateFile" needs "keyFile"'],
	]);
	assert.deepEqual(await refusalsOf(folder, WITH_FILES.replace(', certificateFile: tls/chain.pem', '')), [
		['listeners.gateway.keyFile', '"keyFile" needs "certificateFile"'],
	]);
});

test('refuses a key of another certificate, a broken certificate and a key that cannot be read', async (context) => {
	const folder = createConfigurationFolder((cleanUp) => context.after(cleanUp));
	const otherKey = createSubjectKey().privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
	const lockedKey = createSubjectKey()
		.privateKey.export({ type: 'pkcs8', format: 'pem', cipher: 'aes-256-cbc', passphrase: 'x' })
		.toString();
	const broken = '-----BEGIN CERTIFICATE-----\nMAAA\n-----END CERTIFICATE-----\n';
	for (const [files, path, message] of [
		[{ key: otherKey }, 'keyFile', 'the key does not belong to the certificate'],
		[{ key: lockedKey }, 'keyFile', 'the file holds no private key that can be read without a passphrase'],
		[{ key: chain }, 'keyFile', 'the file holds no private key that can be read without a passphrase'],
		[{ chain: key }, 'certificateFile', 'the file holds 0 PEM certificates; 1 to 200 are expected'],
		[{ chain: broken }, 'certificateFile', 'certificate 1 of the file cannot be parsed'],
	] as const) {
		writeIdentity(folder, files);
		assert.deepEqual(await refusalsOf(folder, WITH_FILES), [[`listeners.gateway.${path}`, message]]);
	}
});

test('refuses a certificate that has expired, is not valid yet or holds another name', async (context) => {
	const folder = createConfigurationFolder((cleanUp) => context.after(cleanUp));
	writeIdentity(folder);
	const messageAt = async (nowMs: number): Promise<string> =>
		(await refusalsOf(folder, WITH_FILES, nowMs))[0]?.[1] ?? '';
	assert.match(await messageAt(NOW_MS + 61 * DAY_MS), /^the certificate of .* expired on 2027-01-2/);
	assert.match(await messageAt(NOW_MS - 2 * DAY_MS), /^the certificate of .* is not valid before 2026-11-2/);
	const renamed = WITH_FILES.replace(NAMES, 'port: 8443, names: [localhost, api.bank.example, 127.0.0.1]');
	assert.deepEqual(
		(await refusalsOf(folder, renamed)).map(([, message]) => message),
		['the certificate does not hold the name 127.0.0.1', 'the certificate does not hold the name api.bank.example'],
	);
});

test('refuses a certificate that is no authority where one is expected', async (context) => {
	const folder = createConfigurationFolder((cleanUp) => context.after(cleanUp));
	writeIdentity(folder);
	const url = 'url: https://localhost:9443/core';
	const [[path, message] = []] = await refusalsOf(
		folder,
		replaceOnce(CONFIGURATION_YAML, url, `${url}\n      caFile: tls/chain.pem`),
	);
	assert.equal(path, 'apis.bank.upstream.caFile');
	assert.match(message ?? '', /is not the certificate of an authority$/);
});

test('T21 refuses authorities of an upstream that are missing, empty or corrupt, and falls back to no others', async (context) => {
	const folder = createConfigurationFolder((cleanUp) => context.after(cleanUp));
	writeIdentity(folder);
	const url = 'url: https://localhost:9443/core';
	const good = authorities.root.certificatePem;
	const middle = Math.floor(good.length / 2);
	for (const [what, text] of [
		['missing', undefined],
		['empty', ''],
		['a line break', '\n'],
		['no certificate', 'See the intranet.\n'],
		['a key', key],
		['cut off', good.slice(0, middle)],
		['changed in the middle', `${good.slice(0, middle)}${'A'.repeat(40)}${good.slice(middle + 40)}`],
		['good with a corrupt one behind it', `${good}${good.replace(/\n[^-\n]{20}/, '\nAAAAAAAAAAAAAAAAAAAA')}`],
	] as const) {
		if (text !== undefined) folder.write('tls/ca.pem', text);
		const refused = await refusalsOf(folder, replaceOnce(CONFIGURATION_YAML, url, `${url}\n      caFile: tls/ca.pem`));
		assert.equal(refused[0]?.[0], 'apis.bank.upstream.caFile', what);
	}
});

test('warns of a certificate that expires soon and of a key that everybody may read', async (context) => {
	const folder = createConfigurationFolder((cleanUp) => context.after(cleanUp));
	writeIdentity(folder);
	chmodSync(`${folder.path}/tls/key.pem`, 0o644);
	const { warnings } = unwrap(await load(folder, WITH_FILES, NOW_MS + 40 * DAY_MS));
	assert.match(warnings[0]?.message ?? '', /expires on 2027-01-2/);
	assert.equal(warnings[1]?.message, 'every user of this machine may read the private key');
	assert.equal(warnings.length, 2);
});
