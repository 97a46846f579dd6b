// Opens embedded stores in temporary folders, for tests.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { ManualClock } from '../../../kernel/clock.ts';
import { systemRandom } from '../../../kernel/random.ts';
import { Secret } from '../../../kernel/secret.ts';
import { createEnvelope, type Envelope } from '../../keys/envelope.ts';
import { parseKeyEncryptionKey } from '../../keys/key-encryption-key.ts';
import type { Store } from '../store.ts';
import { connectInProcess } from './in-process-connection.ts';
import { openSqliteStore } from './open-sqlite-store.ts';

/** Makes a folder that is removed after the test. */
export function temporaryFolder(context: TestContext): string {
	const folder = mkdtempSync(join(tmpdir(), 'sallyport-store-'));
	context.after(() => rmSync(folder, { recursive: true, force: true }));
	return folder;
}

/** Makes an envelope whose key-encryption key consists of one repeated byte: tests only. */
export function envelopeFixture(byte = 1): Envelope {
	const text = new Secret(Buffer.alloc(32, byte).toString('base64'));
	return createEnvelope({ current: parseKeyEncryptionKey(text, 'the test'), random: systemRandom });
}

/** Opens the store in `file`, in this thread. The test closes it. */
export function openStoreFile(file: string, envelope = envelopeFixture()): Promise<Store> {
	return openSqliteStore({ connection: connectInProcess({ file }), envelope, clock: new ManualClock(1) });
}

/** Opens an empty store that is closed and removed after the test. */
export async function openTemporaryStore(context: TestContext): Promise<Store> {
	const store = await openStoreFile(join(temporaryFolder(context), 'store.db'));
	context.after(() => store.close());
	return store;
}
