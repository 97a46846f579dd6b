// Reads a credential from a file each time it is needed, so that whoever renews the file needs not restart anything.
import { readFile } from 'node:fs/promises';
import { Secret } from '../../../kernel/secret.ts';
import { KeyServiceFailure } from './key-service.ts';

const SECRET_BYTES_MAX = 64 * 1024;

/** Reads a secret without the line end that editors leave. Rejects with `KeyServiceFailure`, naming the file only. */
export async function readSecretFile(file: string): Promise<Secret> {
	let text: string;
	try {
		text = (await readFile(file, 'utf8')).trimEnd();
	} catch (error) {
		const code = error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : 'unknown';
		throw new KeyServiceFailure('refused', `the file ${file} cannot be read (${code})`);
	}
	if (text === '' || text.length > SECRET_BYTES_MAX) {
		throw new KeyServiceFailure('refused', `the file ${file} is empty or too large to hold a credential`);
	}
	return new Secret(text);
}
