// Opens the platform's store in its data folder: the threads, the databases, and the key-encryption key beside them.
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { createEnvelope } from '../../adapters/keys/envelope.ts';
import { openKeyEncryptionKeyFile, parseKeyEncryptionKey } from '../../adapters/keys/key-encryption-key.ts';
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

/**
 * Opens `store.db` and `used-proofs.db` in `folder` (made, private to the owner, when absent). The key-encryption key is `keyEncryptionKey`
 * where the owner gives one (base64 of 32 bytes, from the environment), else the file `key-encryption-key` in the same
 * folder, which is made only while the store holds no sealed key. Rejects with SqlError, KeyEncryptionKeyError or
 * EnvelopeError, whose messages are for the operator.
 */
export async function openStore(options: {
	readonly folder: string;
	readonly keyEncryptionKey?: Secret;
	readonly clock: Clock;
	readonly random: Random;
}): Promise<PlatformStore> {
	const { folder, keyEncryptionKey, clock, random } = options;
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
			envelope: ({ hasSealedKeys }) => {
				const current =
					keyEncryptionKey === undefined
						? openKeyEncryptionKeyFile(join(folder, 'key-encryption-key'), {
								createIfAbsent: !hasSealedKeys,
								random,
							})
						: parseKeyEncryptionKey(keyEncryptionKey, 'The key-encryption key of the environment');
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
