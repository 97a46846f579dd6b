// Opens the platform's store in its data folder: the thread, the database, and the key-encryption key beside it.
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { createEnvelope } from '../../adapters/keys/envelope.ts';
import { openKeyEncryptionKeyFile, parseKeyEncryptionKey } from '../../adapters/keys/key-encryption-key.ts';
import type { Store } from '../../adapters/store/store.ts';
import type { Clock } from '../../kernel/clock.ts';
import type { Random } from '../../kernel/random.ts';
import type { Secret } from '../../kernel/secret.ts';
import { startStoreThread } from './start-store-thread.ts';

/** An open store, and the news of its thread's end. */
export interface PlatformStore extends Store {
	/** Resolves when the store thread has ended: with undefined after `close`, with the reason when it died. */
	readonly ended: Promise<Error | undefined>;
}

/**
 * Opens `store.db` in `folder` (made, private to the owner, when absent). The key-encryption key is `keyEncryptionKey`
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
	return { ...store, ended: connection.ended };
}
