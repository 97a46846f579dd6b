// The ledger's files in a folder on disk: reading them, and replacing them so that a crash at any line leaves either the
// old file or the new one, whole.
import {
	closeSync,
	existsSync,
	fdatasyncSync,
	fsyncSync,
	mkdirSync,
	openSync,
	readFileSync,
	renameSync,
	writevSync,
} from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { dirname, join, sep } from 'node:path';
import { type LedgerFiles, TEMPORARY_SUFFIX } from '../../domain/ledger/ledger-files.ts';

/** Reads a ledger in `directory`. Takes no lock: reading is safe while the ledger is being written. */
export function openLedgerFiles(directory: string): LedgerFiles {
	return {
		read: async (path) => {
			try {
				return await readFile(join(directory, path));
			} catch (error) {
				if (isNotFound(error)) return undefined;
				throw error;
			}
		},
		list: () => listFiles(directory, ''),
	};
}

async function* listFiles(directory: string, folder: string): AsyncIterable<string> {
	let entries: Awaited<ReturnType<typeof readFolder>>;
	try {
		entries = await readFolder(join(directory, folder));
	} catch (error) {
		// The writer removes folders of partial tiles that are full by now.
		if (isNotFound(error)) return;
		throw error;
	}
	for (const entry of entries) {
		const path = folder === '' ? entry.name : `${folder}/${entry.name}`;
		if (entry.isDirectory()) yield* listFiles(directory, path);
		else yield path;
	}
}

function readFolder(path: string) {
	return readdir(path, { withFileTypes: true });
}

/** Whether an error says that there is no such file or folder. */
export function isNotFound(error: unknown): boolean {
	return error instanceof Error && 'code' in error && (error.code === 'ENOENT' || error.code === 'ENOTDIR');
}

/**
 * Whether an error says that process or machine has no file handle left. Whoever opens many connections can bring that
 * about, so it must not end the ledger: nothing was done, and the same call succeeds once handles are free again.
 */
export function isOutOfHandles(error: unknown): boolean {
	return error instanceof Error && 'code' in error && (error.code === 'EMFILE' || error.code === 'ENFILE');
}

/** Writes files durably. Remembers the folders whose entries have changed, for one flush of them all. */
export class DurableFiles {
	readonly #directory: string;
	readonly #changedFolders = new Set<string>();
	/** Of the ledger's own folder, open from the first flush on: flushing it later needs no free handle. */
	#ownFolder: number | undefined;

	constructor(directory: string) {
		this.#directory = directory;
	}

	path(name: string): string {
		return join(this.#directory, name);
	}

	/** Whether the file is there with exactly these bytes; undefined when it is not there. */
	compare(name: string, parts: readonly Uint8Array[]): boolean | undefined {
		if (!existsSync(this.path(name))) return undefined;
		return readFileSync(this.path(name)).equals(Buffer.concat(parts));
	}

	/** Puts a file in place at once: its contents are flushed, its name only by `flushFolders`. */
	replace(name: string, ...parts: readonly Uint8Array[]): void {
		const path = this.path(name);
		this.#makeFolder(dirname(path));
		const temporary = path + TEMPORARY_SUFFIX;
		const file = openSync(temporary, 'w', 0o640);
		try {
			writeParts(file, parts);
			fdatasyncSync(file);
		} finally {
			closeSync(file);
		}
		renameSync(temporary, path);
		this.#changedFolders.add(dirname(path));
	}

	/** Notes that an entry of the ledger's own folder was changed by other means. */
	folderChanged(): void {
		this.#changedFolders.add(this.#directory);
	}

	/** Makes every name that was changed durable. */
	flushFolders(): void {
		for (const folder of this.#changedFolders) {
			if (folder === this.#directory) this.#flushOwnFolder();
			else flushFolder(folder);
		}
		this.#changedFolders.clear();
	}

	/** Lets go of the folder. Nothing is flushed afterwards. */
	close(): void {
		if (this.#ownFolder !== undefined) closeSync(this.#ownFolder);
		this.#ownFolder = undefined;
	}

	#flushOwnFolder(): void {
		if (sep === '\\') return;
		this.#ownFolder ??= openSync(this.#directory, 'r');
		fsyncSync(this.#ownFolder);
	}

	#makeFolder(folder: string): void {
		const first = mkdirSync(folder, { recursive: true, mode: 0o750 });
		if (first === undefined) return;
		// Each new folder is an entry of the one above it, up to the first that existed.
		let made = folder;
		while (made.length >= first.length) {
			this.#changedFolders.add(dirname(made));
			made = dirname(made);
		}
	}
}

/** Writes all parts at the file's position, or throws. */
export function writeParts(file: number, parts: readonly Uint8Array[]): void {
	let bytes = 0;
	for (const part of parts) bytes += part.length;
	const written = bytes === 0 ? 0 : writevSync(file, parts);
	if (written !== bytes) throw new Error(`the disk took ${written} of ${bytes} bytes: it may be full`);
}

function flushFolder(folder: string): void {
	// Windows flushes folders by itself and does not open them.
	if (sep === '\\') return;
	const handle = openSync(folder, 'r');
	try {
		fsyncSync(handle);
	} finally {
		closeSync(handle);
	}
}
