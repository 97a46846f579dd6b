// Where the key-encryption key lies in the folder of the store: plainly in a file, or in one that only a key service opens.
// A key that is to follow lies beside it as `.next` until every key of the store is sealed with it; whichever of the two the
// store names is the one that counts, so that a rotation may be killed at any moment.
import { existsSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { Random } from '../../kernel/random.ts';
import { Secret } from '../../kernel/secret.ts';
import {
	createKeyFile,
	type KeyEncryptionKey,
	KeyEncryptionKeyError,
	newKeyEncryptionKey,
	openKeyEncryptionKeyFile,
	parseKeyEncryptionKey,
	syncDirectory,
} from './key-encryption-key.ts';
import { type KeyService, KeyServiceFailure } from './remote/key-service.ts';
import { unwrapKey, wrapKey } from './remote/key-wrapper.ts';

const PLAIN = 'key-encryption-key';
const WRAPPED = 'key-encryption-key.wrapped';
/** What a wrapped key is for: it opens under this name only. */
const CONTEXT = 'key-encryption-key';

/** How the key-encryption key of a folder is kept. Methods reject with KeyEncryptionKeyError and KeyServiceFailure. */
export interface KeyEncryptionFiles {
	/** Gives the key that the store is sealed with, `sealedVersions` as it names them. Makes one where nothing is sealed. */
	open(sealedVersions: readonly string[]): Promise<KeyEncryptionKey>;
	/** Finds the key that the store is sealed with; undefined when it is not kept here. */
	find(sealedVersions: readonly string[]): Promise<KeyEncryptionKey | undefined>;
	/** Puts a key beside the running one, on disk before it resolves. What was put there before is forgotten. */
	putNext(key: KeyEncryptionKey): Promise<void>;
	/** Lets the next key take the place of the running one, which is kept under another name. */
	promote(): void;
}

/** The files of `folder`. With a `service` the key is wrapped by it. */
export function openKeyEncryptionFiles(options: {
	readonly folder: string;
	readonly service: KeyService | undefined;
	readonly random: Random;
}): KeyEncryptionFiles {
	const { folder, service, random } = options;
	const file = join(folder, service === undefined ? PLAIN : WRAPPED);
	const next = `${file}.next`;

	async function read(from: string): Promise<KeyEncryptionKey | undefined> {
		if (!existsSync(from)) return undefined;
		if (service === undefined) return openKeyEncryptionKeyFile(from, { createIfAbsent: false, random });
		const wrapped = new Secret(readFileSync(from, 'utf8'));
		return parseKeyEncryptionKey(await unwrapKey(service, wrapped, CONTEXT), from);
	}

	async function write(to: string, key: KeyEncryptionKey): Promise<void> {
		const text = new Secret(key.key.reveal().toString('base64'));
		createKeyFile(to, service === undefined ? text : await wrapKey(service, text, CONTEXT, random));
	}

	function promote(): void {
		// Step 1: the running one is kept: backups of the store from before open only with it.
		for (const running of [PLAIN, WRAPPED]) keepFormer(folder, running);
		// Step 2: killed before this line, the next start finds the key under its other name.
		renameSync(next, file);
		syncDirectory(folder);
	}

	async function find(sealedVersions: readonly string[]): Promise<KeyEncryptionKey | undefined> {
		// What another service has wrapped does not open here. That counts only when the next one is not the key either.
		const running = await read(file).catch(refusalOf);
		if (isKey(running) && sealedVersions.includes(running.version)) return running;
		const following = await read(next);
		if (following !== undefined && sealedVersions.includes(following.version)) {
			promote();
			return following;
		}
		if (running instanceof KeyServiceFailure) throw running;
		return undefined;
	}

	return {
		find,
		open: async (sealedVersions) => {
			const found = await find(sealedVersions);
			if (found !== undefined) return found;
			// What is there is not the key of this store, which the caller finds out and says; or nothing is sealed yet.
			const running = await read(file);
			if (running !== undefined) return running;
			if (sealedVersions.length > 0) throw missing(file, folder, service);
			const made = newKeyEncryptionKey(random);
			await write(file, made);
			return made;
		},
		putNext: async (key) => {
			rmSync(next, { force: true });
			await write(next, key);
		},
		promote,
	};
}

function refusalOf(error: unknown): KeyServiceFailure {
	if (error instanceof KeyServiceFailure) return error;
	throw error;
}

function isKey(read: KeyEncryptionKey | KeyServiceFailure | undefined): read is KeyEncryptionKey {
	return read !== undefined && !(read instanceof KeyServiceFailure);
}

function missing(file: string, folder: string, service: KeyService | undefined): KeyEncryptionKeyError {
	const hasOther = existsSync(join(folder, service === undefined ? WRAPPED : PLAIN));
	const remedy = hasOther
		? 'A key that is kept in another way is there: run "sallyport store reseal" to change over to what is configured.'
		: 'Restore the file from its backup; without it those keys cannot be opened.';
	return new KeyEncryptionKeyError(
		'missing',
		`The key-encryption key ${file} is missing, but the store holds keys that were sealed with it. ${remedy}`,
	);
}

/** Renames a key file, so that it is never taken for the running one again. */
function keepFormer(folder: string, name: string): void {
	const from = join(folder, name);
	if (!existsSync(from)) return;
	for (let number = 1; ; number++) {
		const to = join(folder, `${name}.former-${number}`);
		if (existsSync(to)) continue;
		renameSync(from, to);
		return;
	}
}
