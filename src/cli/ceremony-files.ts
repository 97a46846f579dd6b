// The files of a ceremony: read within bounds, and never overwritten.
import { readFile, writeFile } from 'node:fs/promises';
import { CommandFailure, EXIT } from './command-failure.ts';

const FILE_BYTES_MAX = 64 * 1024;

/** Reads a text; rejects with CommandFailure when it cannot be read or is too large. */
export async function readCeremonyText(file: string): Promise<string> {
	try {
		const text = await readFile(file, 'utf8');
		if (text.length <= FILE_BYTES_MAX) return text;
	} catch (error) {
		throw new CommandFailure(EXIT.invalid, `Cannot read ${file}. Check the file and who may read it.`, {
			cause: error,
		});
	}
	throw new CommandFailure(EXIT.invalid, `${file} is too large.`);
}

/** Writes a new file. SECURITY: `wx` — what exists, such as a root, is never overwritten. test/transcripts/offline-root.test.ts */
export async function writeCeremonyFile(file: string, text: string, mode: number): Promise<void> {
	try {
		await writeFile(file, text, { flag: 'wx', mode });
	} catch (error) {
		throw new CommandFailure(EXIT.conflict, `Cannot write ${file}: it exists already, or its folder does not.`, {
			cause: error,
		});
	}
}
