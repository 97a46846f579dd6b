// The command `sallyport store reseal`: another key-encryption key for all private keys of a store, kept where the
// configuration says. Killed at any moment, the store opens with the former key or with the new one, whichever it names.
import { join, resolve } from 'node:path';
import { createEnvelope } from '../../adapters/keys/envelope.ts';
import { type KeyEncryptionFiles, openKeyEncryptionFiles } from '../../adapters/keys/key-encryption-files.ts';
import {
	type KeyEncryptionKey,
	newKeyEncryptionKey,
	parseKeyEncryptionKey,
} from '../../adapters/keys/key-encryption-key.ts';
import { type KeyService, KeyServiceFailure } from '../../adapters/keys/remote/key-service.ts';
import { resealKeys } from '../../adapters/store/sql/reseal-keys.ts';
import { openSqliteStore } from '../../adapters/store/sqlite/open-sqlite-store.ts';
import type { CommandIo } from '../../cli/command-io.ts';
import { formatProblem } from '../../config/config-problem.ts';
import { loadConfiguration } from '../../config/load-configuration.ts';
import { systemClock } from '../../kernel/clock.ts';
import { systemRandom } from '../../kernel/random.ts';
import type { Secret } from '../../kernel/secret.ts';
import { openKeyEncryptionService } from './key-encryption-service.ts';
import { startStoreThread } from './start-store-thread.ts';

/** Why nothing was done; the message is for the operator. */
export class ResealRefused extends Error {
	readonly kind = 'invalid';
}

/** After what a reseal may be killed: tests do, at each. */
export type ResealStep = 'next-written' | 'resealed' | 'promoted';

export interface ResealOptions {
	readonly config: string;
	/** Configuration that names where the former key is kept, when that is another service. */
	readonly formerConfig?: string;
	readonly data: string;
	/** The former key, when it comes from the environment. */
	readonly keyEncryptionKey: Secret | undefined;
	/** The new key, when it is to come from the environment. */
	readonly newKeyEncryptionKey: Secret | undefined;
	readonly onStep?: (step: ResealStep) => void;
}

/** Seals all keys of the store anew. The platform must not run. Throws ResealRefused, SqlError, KeyServiceFailure. */
export async function resealStore(options: ResealOptions, io: CommandIo): Promise<void> {
	const services = new Set<KeyService>();
	const folder = join(resolve(io.cwd, options.data), 'store');
	const filesOf = async (config: string): Promise<KeyEncryptionFiles> => {
		const loaded = await loadConfiguration(resolve(io.cwd, config));
		if (!loaded.ok) throw new ResealRefused(loaded.fault.map(formatProblem).join('\n'));
		const service = openKeyEncryptionService(loaded, (name) => io.env[name]);
		if (service !== undefined) services.add(service);
		return openKeyEncryptionFiles({ folder, service, random: systemRandom });
	};
	try {
		const files = await filesOf(options.config);
		const plain = openKeyEncryptionFiles({ folder, service: undefined, random: systemRandom });
		const elsewhere = options.formerConfig === undefined ? [] : [await filesOf(options.formerConfig)];
		await reseal(folder, { files, places: [...elsewhere, files, plain] }, options, io);
	} finally {
		for (const service of services) await service.close();
	}
}

interface Places {
	/** Where the new key goes, unless it comes from the environment. */
	readonly files: KeyEncryptionFiles;
	/** Where the former one may be. */
	readonly places: readonly KeyEncryptionFiles[];
}

async function reseal(folder: string, { files, places }: Places, options: ResealOptions, io: CommandIo): Promise<void> {
	const { newKeyEncryptionKey: given, onStep = () => undefined } = options;
	const connection = await startStoreThread({ file: join(folder, 'store.db') });
	let former: KeyEncryptionKey | undefined;
	// Step 1: the store as it is, opened with the key that it names. A key that is missing changes nothing.
	const store = await openSqliteStore({
		connection,
		clock: systemClock,
		envelope: async ({ keyVersions }) => {
			former = await findFormer(keyVersions, places, options);
			return createEnvelope({ current: former, random: systemRandom });
		},
	});
	try {
		if (former === undefined) throw new Error('the store was opened without a key');
		const current =
			given === undefined
				? newKeyEncryptionKey(systemRandom)
				: parseKeyEncryptionKey(given, 'The new key-encryption key of the environment');
		if (current.version === former.version) throw new ResealRefused('The new key is the former one. Make another.');
		// Step 2: the new key is on disk, beside the former one, before anything is sealed with it.
		if (given === undefined) await files.putNext(current);
		onStep('next-written');
		// Step 3: all keys in one transaction. From its commit on the store names the new key.
		const envelope = createEnvelope({ current, older: [former], random: systemRandom });
		const count = await resealKeys(connection, envelope);
		onStep('resealed');
		// Step 4: the new key takes the place of the former one, which backups from before still need.
		if (given === undefined) files.promote();
		onStep('promoted');
		io.stdout(`${count} keys sealed with ${current.version}, before with ${former.version}\n`);
		io.stderr(
			given === undefined
				? 'The former key is kept as key-encryption-key….former-N: take it to the backups that need it, and away from here.\n'
				: 'Start the platform with the new key in SALLYPORT_KEY_ENCRYPTION_KEY.\n',
		);
	} finally {
		await store.close();
	}
}

async function findFormer(
	keyVersions: readonly string[],
	places: readonly KeyEncryptionFiles[],
	{ keyEncryptionKey }: ResealOptions,
): Promise<KeyEncryptionKey> {
	if (keyVersions.length === 0) {
		throw new ResealRefused('Nothing is sealed in this store yet: start the platform, or check --data.');
	}
	if (keyEncryptionKey !== undefined) {
		const key = parseKeyEncryptionKey(keyEncryptionKey, 'The key-encryption key of the environment');
		if (keyVersions.includes(key.version)) return key;
	}
	let failure: KeyServiceFailure | undefined;
	for (const place of places) {
		try {
			const found = await place.find(keyVersions);
			if (found !== undefined) return found;
		} catch (error) {
			if (!(error instanceof KeyServiceFailure)) throw error;
			// Of two services one does not open what the other has wrapped. It counts where no place has the key.
			failure ??= error;
		}
	}
	if (failure !== undefined) throw failure;
	throw new ResealRefused(
		`The key-encryption key of this store (${keyVersions.join(', ')}) is at none of the places that are known. Give it ` +
			'in SALLYPORT_KEY_ENCRYPTION_KEY, or name where it is kept with --former-config.',
	);
}
