import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { CONFIGURATION_YAML, createConfigurationFolder } from '../../test/fixture/configuration-folder.ts';
import { loadConfigurationText } from './load-configuration.ts';

const PKCS11 = 'provider: pkcs11, module: /usr/lib/x.so, token: gate, label: issuing';
const VAULT = 'provider: vault-transit, address: https://vault.example, key: gate';
const AZURE = `provider: azure-key-vault, vault: https://v.example, key: gate, version: ${'a'.repeat(32)}`;

const folder = createConfigurationFolder((cleanUp) => void process.on('exit', cleanUp));
folder.write('pin', '1234\n');

async function load(keys: string) {
	return loadConfigurationText(`${CONFIGURATION_YAML}keys:\n  ${keys}\n`, folder.file);
}

async function problems(keys: string): Promise<string> {
	const loaded = await load(keys);
	return loaded.ok ? '' : loaded.fault.map(({ path, message }) => `${path}: ${message}`).join('\n');
}

test('keys lie in the store where nothing else is configured', async () => {
	const loaded = await loadConfigurationText(CONFIGURATION_YAML, folder.file);
	assert.ok(loaded.ok);
	for (const place of Object.values(loaded.value.configuration.keys)) assert.deepEqual(place, { provider: 'file' });
});

test('paths of credentials are those beside the configuration, and what they hold is not in it', async () => {
	const loaded = await load(`partnerIssuing: { ${PKCS11}, pinFile: pin }`);
	assert.ok(loaded.ok, JSON.stringify(loaded));
	const { partnerIssuing } = loaded.value.configuration.keys;
	assert.ok(partnerIssuing.provider === 'pkcs11');
	assert.equal(partnerIssuing.pinFile, join(folder.path, 'pin'));
	assert.equal(partnerIssuing.mode, 'remote');
	assert.ok(!JSON.stringify(loaded.value.configuration.keys).includes('1234'));
	assert.deepEqual(
		loaded.value.warnings.map(({ path }) => path),
		['keys.partnerIssuing.pinFile'],
		'everybody may read this one',
	);
});

test('each place has exactly one way to log in', async () => {
	assert.match(await problems(`partnerIssuing: { ${PKCS11} }`), /the PIN comes from one place/);
	assert.match(await problems(`partnerIssuing: { ${PKCS11}, pinFile: pin, pinVariable: PIN }`), /one place/);
	assert.match(await problems(`partnerIssuing: { ${VAULT} }`), /one way to log in/);
	assert.match(await problems(`partnerIssuing: { ${VAULT}, tokenFile: pin, roleId: r }`), /one way to log in/);
	assert.match(await problems(`partnerIssuing: { ${AZURE}, directory: t }`), /logs in with one credential/);
	assert.match(await problems(`partnerIssuing: { ${AZURE}, secretFile: pin }`), /found in its directory/);
	assert.equal(await problems(`partnerIssuing: { ${AZURE} }`), '', 'a managed identity needs nothing');
	assert.equal(await problems(`partnerIssuing: { ${VAULT}, roleId: r, secretIdFile: pin }`), '');
});

test('a key without a name, a missing file, an unknown provider or option stops the load', async () => {
	const nameless = 'provider: pkcs11, module: /usr/lib/x.so, token: gate, pinFile: pin';
	assert.match(await problems(`partnerIssuing: { ${nameless} }`), /the key is not named/);
	assert.match(await problems(`partnerIssuing: { ${PKCS11}, pinFile: nowhere }`), /does not exist/);
	assert.match(await problems('partnerIssuing: { provider: usb-stick }'), /partnerIssuing/);
	assert.match(await problems(`partnerIssuing: { ${PKCS11}, pinFile: pin, pin: 1234 }`), /pin/);
	assert.match(await problems(`partnerIssuing: { ${VAULT.replace('https', 'http')}, tokenFile: pin }`), /https/);
	assert.match(await problems('rootSigning: { provider: file }'), /rootSigning/);
});

test('keys on the way of requests, and the one that seals the store, are used from memory', async () => {
	for (const use of ['assertionSigning', 'ledgerSigning', 'keyEncryption']) {
		assert.match(await problems(`${use}: { ${PKCS11}, pinFile: pin }`), /used from memory/);
		assert.equal(await problems(`${use}: { ${PKCS11}, pinFile: pin, mode: wrapped }`), '');
	}
});

test('the keys of tokens may lie elsewhere, and then the next one does too, with an algorithm that places have', async () => {
	const remote = `${PKCS11}, pinFile: pin`;
	assert.equal(await problems(`tokenSigning: { ${remote} }\n  tokenSigningNext: { ${remote} }`), '');
	const [only, wrapped] = ['{ provider: file }', `{ ${remote}, mode: wrapped }`];
	for (const [first, next] of [
		[only, `{ ${remote} }`],
		[wrapped, `{ ${remote} }`],
		[`{ ${remote} }`, wrapped],
		[`{ ${remote} }`, only],
	]) {
		assert.match(
			await problems(`tokenSigning: ${first}\n  tokenSigningNext: ${next}`),
			/keys.tokenSigningNext: a next/,
		);
	}
	const quantum = `tokenSigning: { ${remote} }\nsigningKeys:\n  tokens: { algorithm: ML-DSA-65 }`;
	assert.match(await problems(quantum), /signingKeys.tokens.algorithm: no key elsewhere/);
});
