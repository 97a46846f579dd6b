// The only place of the configuration that touches the file system. Reads regular files up to a bound: a device, a pipe
// or a folder is refused before it is opened, so that no path in a configuration can hang or fill the process.
import { constants } from 'node:fs';
import { open, realpath } from 'node:fs/promises';
import { platform } from 'node:os';
import { dirname, resolve, sep } from 'node:path';
import { fail, ok, type Result } from '../kernel/result.ts';

/** A file as it was read. */
export interface ReadFile {
	readonly text: string;
	/** Whether others than the owner and the owner's group may read it. */
	readonly isReadableByAll: boolean;
}

/** Reads a UTF-8 text file of at most `bytesMax` bytes; the fault says in one sentence why it cannot be read. */
export async function readTextFile(file: string, bytesMax: number): Promise<Result<ReadFile, string>> {
	try {
		// O_NONBLOCK: opening a pipe that nobody writes to returns at once instead of waiting for ever.
		const handle = await open(file, constants.O_RDONLY | (constants.O_NONBLOCK ?? 0));
		try {
			const found = await handle.stat();
			if (!found.isFile()) return fail(`${file} is not a regular file`);
			if (found.size > bytesMax) return fail(`${file} has ${found.size} bytes; at most ${bytesMax} are read`);
			const bytes = await handle.readFile();
			if (bytes.length > bytesMax) return fail(`${file} grew past ${bytesMax} bytes while it was read`);
			const text = new TextDecoder('utf-8', { fatal: true }).decode(bytes);
			return ok({ text, isReadableByAll: platform() !== 'win32' && (found.mode & 0o004) !== 0 });
		} finally {
			await handle.close();
		}
	} catch (error) {
		return fail(explainReadError(file, error));
	}
}

function explainReadError(file: string, error: unknown): string {
	if (error instanceof TypeError) return `${file} is not UTF-8 text`;
	const code = error instanceof Error && 'code' in error ? String(error.code) : '';
	if (code === 'ENOENT' || code === 'ENOTDIR') return `${file} does not exist`;
	if (code === 'EACCES' || code === 'EPERM') return `${file} may not be read by this user`;
	if (code === '') throw error;
	return `${file} cannot be read (${code})`;
}

/** Resolves a path that a configuration file names, relative to the folder of that file. */
export function resolveBeside(file: string, path: string): string {
	return resolve(dirname(file), path);
}

/** Tells whether `file` lies in `folder` after all symbolic links are followed; false when either does not exist. */
export async function liesInFolder(file: string, folder: string): Promise<boolean> {
	try {
		const [realFile, realFolder] = await Promise.all([realpath(file), realpath(folder)]);
		return realFile.startsWith(realFolder.endsWith(sep) ? realFolder : realFolder + sep);
	} catch (error) {
		// What does not exist lies nowhere; the reader of the file reports that it is missing.
		if (error instanceof Error && 'code' in error) return false;
		throw error;
	}
}
