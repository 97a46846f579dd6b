// Another key-encryption key for a store: killed at every point it opens, and whoever has the former key opens nothing.
import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { CONFIGURATION_YAML, createConfigurationFolder } from '../../../test/fixture/configuration-folder.ts';
import { KEY_SERVICE_OPTIONS, playAws, playVault } from '../../../test/fixture/key-services/places.ts';
import { EnvelopeError, sealedKeyVersion } from '../../adapters/keys/envelope.ts';
import { KeyEncryptionKeyError } from '../../adapters/keys/key-encryption-key.ts';
import { KeyServiceFailure } from '../../adapters/keys/remote/key-service.ts';
import { openDatabaseFile } from '../../adapters/store/sqlite/database-file.ts';
import type { CommandIo } from '../../cli/command-io.ts';
import { loadConfiguration } from '../../config/load-configuration.ts';
import type { StoredKey } from '../../domain/registry/key-store.ts';
import { ManualClock } from '../../kernel/clock.ts';
import { systemRandom } from '../../kernel/random.ts';
import { Secret } from '../../kernel/secret.ts';
import { openKeyEncryptionService } from './key-encryption-service.ts';
import { openStore, type PlatformStore } from './open-store.ts';
import { resealStore, type ResealOptions, type ResealStep } from './reseal-store.ts';

const KEYS: readonly StoredKey[] = Array.from({ length: 5 }, (_, index) => ({
	name: `token/${index}`,
	purpose: 'token-signing',
	privateKeyPem: new Secret(`the private key ${index}`),
	certificatePem: '',
	createdAtMs: 1,
}));

/** A data folder beside a configuration, and what a platform and its operator do with them. */
function world(context: TestContext) {
	const folder = createConfigurationFolder((cleanUp) => context.after(cleanUp));
	const store = join(folder.path, 'data', 'store');
	const configure = (name: string, place?: object): string => {
		const there = { ...place, timeout: '10s' };
		const keys = place === undefined ? '' : `keys:\n  keyEncryption: ${JSON.stringify(there)}\n`;
		folder.write(name, CONFIGURATION_YAML + keys);
		return name;
	};
	const said: string[] = [];
	const io: CommandIo = {
		stdout: (text) => void said.push(text),
		stderr: (text) => void said.push(text),
		isTerminal: false,
		signal: new AbortController().signal,
		env: Object.fromEntries(
			['AWS_ACCESS_KEY_ID', 'AWS_SECRET_ACCESS_KEY', 'AWS_SESSION_TOKEN'].map((name) => [
				name,
				KEY_SERVICE_OPTIONS.readVariable(name),
			]),
		),
		cwd: folder.path,
		setExitCode: () => undefined,
	};
	const start = (config: string, keyEncryptionKey?: Secret): Promise<PlatformStore> => {
		const loading = loadConfiguration(join(folder.path, config));
		return openStore({
			folder: store,
			clock: new ManualClock(1),
			random: systemRandom,
			...(keyEncryptionKey && { keyEncryptionKey }),
			keyEncryptionService: async () => openKeyEncryptionService(await loading, KEY_SERVICE_OPTIONS.readVariable),
		});
	};
	return {
		configure,
		said,
		start,
		store,
		/** Starts, expects every key to be there, and stops. */
		opens: async (config: string, keyEncryptionKey?: Secret): Promise<void> => {
			const opened = await start(config, keyEncryptionKey);
			try {
				const keys = await opened.keys.list('token-signing');
				assert.deepEqual(
					new Map(keys.map(({ name, privateKeyPem }) => [name, privateKeyPem.reveal()])),
					new Map(KEYS.map(({ name, privateKeyPem }) => [name, privateKeyPem.reveal()])),
				);
			} finally {
				await opened.close();
			}
		},
		fill: async (config: string, keyEncryptionKey?: Secret): Promise<void> => {
			const opened = await start(config, keyEncryptionKey);
			for (const key of KEYS) await opened.keys.insert(key);
			await opened.close();
		},
		reseal: (config: string, more: Partial<ResealOptions> = {}): Promise<void> =>
			resealStore({ config, data: 'data', keyEncryptionKey: undefined, newKeyEncryptionKey: undefined, ...more }, io),
		/** Versions of the key-encryption key that the rows name, read past all of our own code. */
		versions: (): readonly string[] => {
			const database = openDatabaseFile(join(store, 'store.db'));
			const rows = database.prepare('SELECT private_key, key_version FROM keys').all();
			database.close();
			const named = rows.map((row) => [sealedKeyVersion(row['private_key'] as Uint8Array), String(row['key_version'])]);
			for (const [sealed, column] of named) assert.equal(sealed, column);
			return [...new Set(named.flat())];
		},
	};
}

const STEPS: readonly ResealStep[] = ['next-written', 'resealed', 'promoted'];
class Killed extends Error {}
const killAt = (wanted: ResealStep) => ({
	onStep: (step: ResealStep): void => {
		if (step === wanted) throw new Killed(step);
	},
});

test('all keys are sealed with the new key, the former one opens nothing, and is kept for old backups', async (context) => {
	const { configure, fill, opens, reseal, said, start, store, versions } = world(context);
	const config = configure('sallyport.yaml');
	await fill(config);
	const formerText = readFileSync(join(store, 'key-encryption-key'), 'utf8');
	const [former] = versions();
	await reseal(config);
	const [now, another] = versions();
	assert.ok(now !== former && another === undefined);
	await opens(config);
	assert.match(said.join(''), new RegExp(`5 keys sealed with ${now}, before with ${former}`));
	assert.equal(readFileSync(join(store, 'key-encryption-key.former-1'), 'utf8'), formerText);
	assert.ok(!readFileSync(join(store, 'store.db')).includes(former ?? ''), 'nothing of the former wrapping is left');
	writeFileSync(join(store, 'key-encryption-key'), formerText);
	await assert.rejects(start(config), EnvelopeError);
});

for (const step of STEPS) {
	test(`killed after "${step}", the platform starts, and the command can be repeated, also without a start between`, async (context) => {
		const { configure, fill, opens, reseal, store, versions } = world(context);
		const config = configure('sallyport.yaml');
		await fill(config);
		const [former] = versions();
		await assert.rejects(reseal(config, killAt(step)), Killed);
		assert.equal(versions().length, 1, 'all under one key');
		assert.equal(versions()[0] === former, step === 'next-written');
		if (step !== 'promoted') await opens(config);
		await assert.rejects(reseal(config, killAt(step)), Killed);
		await reseal(config);
		await opens(config);
		assert.ok(!existsSync(join(store, 'key-encryption-key.next')));
	});
}

test('a key-encryption key that a service wraps is made at the first start, and no disk alone opens the store', async (context) => {
	const { server, place } = await playVault(context);
	const { configure, fill, start, store } = world(context);
	const config = configure('sallyport.yaml', place('wrap'));
	await fill(config);
	const files = readdirSync(store);
	assert.ok(!files.includes('key-encryption-key'));
	assert.match(
		readFileSync(join(store, 'key-encryption-key.wrapped'), 'utf8'),
		/^-----BEGIN SALLYPORT WRAPPED KEY-----/,
	);
	await (await start(config)).close();
	server.always({ status: 503 });
	await assert.rejects(start(config), KeyServiceFailure);
	server.always(undefined);
	const wrapped = join(store, 'key-encryption-key.wrapped');
	const text = readFileSync(wrapped, 'utf8');
	writeFileSync(
		wrapped,
		text.replace(/[a-z]/, (letter) => (letter === 'a' ? 'b' : 'a')),
	);
	await assert.rejects(start(config), KeyServiceFailure);
	rmSync(wrapped);
	await assert.rejects(start(config), KeyEncryptionKeyError, 'none is made up beside a sealed store');
});

test('from a file to a service, to another service, and back, killed at every point', async (context) => {
	const [vault, aws] = [await playVault(context), await playAws(context)];
	const { configure, fill, opens, reseal, start, store } = world(context);
	const plain = configure('plain.yaml');
	const inVault = configure('vault.yaml', vault.place('wrap'));
	const inAws = configure('aws.yaml', aws.place('wrap'));
	await fill(plain);
	await assert.rejects(start(inVault), /store reseal/, 'what is configured is not quietly passed over');
	for (const [from, to, step] of [
		[plain, inVault, 'next-written'],
		[inVault, inAws, 'resealed'],
		[inAws, plain, 'promoted'],
	] as const) {
		await assert.rejects(reseal(to, { formerConfig: from, ...killAt(step) }), Killed);
		await opens(step === 'next-written' ? from : to);
		if (step === 'next-written') await reseal(to, { formerConfig: from });
	}
	assert.ok(!existsSync(join(store, 'key-encryption-key.wrapped')));
});

test('keys from the environment change too, and a key that comes from two places is refused', async (context) => {
	const { place } = await playVault(context);
	const { configure, fill, opens, reseal, start } = world(context);
	const config = configure('sallyport.yaml');
	const key = (byte: number): Secret => new Secret(Buffer.alloc(32, byte).toString('base64'));
	await fill(config, key(1));
	await assert.rejects(reseal(config, { keyEncryptionKey: key(2), newKeyEncryptionKey: key(3) }), /is at none of/);
	await assert.rejects(reseal(config, { keyEncryptionKey: key(1), newKeyEncryptionKey: key(1) }), /the former one/);
	await reseal(config, { keyEncryptionKey: key(1), newKeyEncryptionKey: key(2) });
	await opens(config, key(2));
	await assert.rejects(start(config, key(1)), EnvelopeError);
	await assert.rejects(start(configure('vault.yaml', place('wrap')), key(2)), /comes from the environment and/);
	await reseal(config, { keyEncryptionKey: key(2) });
	await opens(config);
});

test('a damaged key stops the command, and nothing has changed', async (context) => {
	const { configure, fill, opens, reseal, store, versions } = world(context);
	const config = configure('sallyport.yaml');
	await fill(config);
	const before = versions();
	const change = (sql: string): void => {
		const database = openDatabaseFile(join(store, 'store.db'));
		database.exec(sql);
		database.close();
	};
	change(`INSERT INTO keys SELECT 'token/moved', purpose, private_key, key_version, certificate_pem, created_at_ms
		FROM keys WHERE name = 'token/3'`);
	await assert.rejects(reseal(config), EnvelopeError);
	change("DELETE FROM keys WHERE name = 'token/moved'");
	assert.deepEqual(versions(), before);
	await opens(config);
});

test('a store that is in use, or that holds nothing, is left alone', async (context) => {
	const { configure, fill, reseal, start } = world(context);
	const config = configure('sallyport.yaml');
	const empty = await start(config);
	await empty.close();
	await assert.rejects(reseal(config), /Nothing is sealed/);
	await fill(config);
	const running = await start(config);
	await assert.rejects(reseal(config), /in use by another process/);
	await running.close();
});
