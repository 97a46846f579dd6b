// Opens the platform's store in its data folder: the threads, the databases, and the key-encryption key beside them.
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { createEnvelope } from '../../adapters/keys/envelope.ts';
import { openKeyEncryptionFiles } from '../../adapters/keys/key-encryption-files.ts';
import {
	type KeyEncryptionKey,
	KeyEncryptionKeyError,
	parseKeyEncryptionKey,
} from '../../adapters/keys/key-encryption-key.ts';
import type { KeyService } from '../../adapters/keys/remote/key-service.ts';
import type { Store } from '../../adapters/store/store.ts';
import { openSqliteUsedProofs } from '../../adapters/store/sqlite/sqlite-used-proofs.ts';
import type { UsedProofs } from '../../domain/token/used-proofs.ts';
import type { Clock } from '../../kernel/clock.ts';
import type { Random } from '../../kernel/random.ts';
import type { Secret } from '../../kernel/secret.ts';
import { startStoreThread, type StoreThread } from './start-store-thread.ts';

/** An open store, and the news of its thread's end. */
export interface PlatformStore extends Store {
	/** In a file and a thread of their own: a token never waits for a change of the registry, nor the other way round. */
	readonly usedProofs: UsedProofs;
	/** Resolves when a thread of the store has ended: with undefined after `close`, with the reason when one died. */
	readonly ended: Promise<Error | undefined>;
}

export interface OpenStoreOptions {
	readonly folder: string;
	/** The key-encryption key itself, from the environment. */
	readonly keyEncryptionKey?: Secret;
	/** The key service that wraps the key-encryption key; asked for once, and closed. Default: none, it lies in a file. */
	readonly keyEncryptionService?: () => Promise<KeyService | undefined>;
	readonly clock: Clock;
	readonly random: Random;
}

/**
 * Opens `store.db` and `used-proofs.db` in `folder` (made, private to the owner, when absent). The key-encryption key is `keyEncryptionKey`
 * where the owner gives one (base64 of 32 bytes, from the environment), else a file in the same folder, plain or wrapped by
 * a key service, which is made only while the store holds no sealed key. Rejects with SqlError, KeyEncryptionKeyError,
 * EnvelopeError or KeyServiceFailure, whose messages are for the operator.
 */
export async function openStore(options: OpenStoreOptions): Promise<PlatformStore> {
	const { folder, clock, random } = options;
	mkdirSync(folder, { recursive: true, mode: 0o700 });
	// The SQL builder is loaded while the thread starts: it costs as much as the rest of the opening.
	const startingProofs = startStoreThread({ file: join(folder, 'used-proofs.db'), use: 'shared' });
	startingProofs.catch(() => undefined);
	const stopProofs = async (): Promise<void> => (await startingProofs).stop();
	try {
		const [connection, { openSqliteStore }] = await Promise.all([
			startStoreThread({ file: join(folder, 'store.db') }),
			import('../../adapters/store/sqlite/open-sqlite-store.ts'),
		]);
		const store = await openSqliteStore({
			connection,
			clock,
			envelope: async ({ keyVersions }) => {
				const current = await openKeyEncryptionKey(options, keyVersions);
				return createEnvelope({ current, random });
			},
		});
		return await withUsedProofs(store, connection, startingProofs);
	} catch (error) {
		await stopProofs().catch(() => undefined);
		throw error;
	}
}

async function withUsedProofs(
	store: Store,
	registry: StoreThread,
	starting: Promise<StoreThread>,
): Promise<PlatformStore> {
	try {
		const proofs = await starting;
		const usedProofs = await openSqliteUsedProofs(proofs);
		return {
			...store,
			usedProofs,
			close: async () => {
				await Promise.all([store.close(), proofs.stop()]);
			},
			ended: Promise.race([registry.ended, proofs.ended]),
		};
	} catch (error) {
		await store.close();
		throw error;
	}
}

async function openKeyEncryptionKey(
	{ folder, keyEncryptionKey, keyEncryptionService, random }: OpenStoreOptions,
	keyVersions: readonly string[],
): Promise<KeyEncryptionKey> {
	const service = await keyEncryptionService?.();
	try {
		if (keyEncryptionKey === undefined) {
			return await openKeyEncryptionFiles({ folder, service, random }).open(keyVersions);
		}
		if (service === undefined)
			return parseKeyEncryptionKey(keyEncryptionKey, 'The key-encryption key of the environment');
		throw new KeyEncryptionKeyError(
			'ambiguous',
			'The key-encryption key comes from the environment and, as the configuration has it, from a key service. ' +
				'Remove SALLYPORT_KEY_ENCRYPTION_KEY, or keys.keyEncryption.',
		);
	} finally {
		await service?.close();
	}
}
