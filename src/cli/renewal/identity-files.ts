// The certificate and key of a partner's client on its own machine. A renewed pair is written beside the old one first, and
// takes its place by two renames; a run that was killed between them is finished by the next one.
import { createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto';
import { open, readFile, rename, rm } from 'node:fs/promises';
import { CommandFailure, EXIT } from '../command-failure.ts';

export interface IdentityFiles {
	readonly certificateFile: string;
	readonly keyFile: string;
}

/** A certificate and the key that belongs to it. */
export interface Identity {
	readonly certificate: X509Certificate;
	/** The certificate and those above it, PEM. */
	readonly chain: string;
	readonly key: KeyObject;
	readonly keyPem: string;
}

const NEXT = '.next';

/** Reads the pair. Throws a CommandFailure when a file cannot be read, or when the two do not belong together. */
export async function readIdentity(files: IdentityFiles): Promise<Identity> {
	const chain = await read(files.certificateFile);
	const keyPem = await read(files.keyFile);
	const identity = parse(chain, keyPem);
	if (identity === undefined) {
		const text = `${files.certificateFile} and ${files.keyFile} are not a certificate and its key, in PEM and not encrypted.`;
		throw new CommandFailure(EXIT.invalid, text);
	}
	return identity;
}

/** Replaces the pair; a key of undefined stays as it is. What is there is valid at every moment but between two renames. */
export async function replaceIdentity(files: IdentityFiles, chain: string, keyPem: string | undefined): Promise<void> {
	// Step 1: both on disk beside the old ones. Killed here, the next run removes them: nothing has changed.
	if (keyPem !== undefined) await writeSynced(files.keyFile + NEXT, keyPem, 0o600);
	await writeSynced(files.certificateFile + NEXT, chain, 0o644);
	// Step 2: the key, then the certificate. Killed between the two, `finishReplacement` puts the certificate in place.
	if (keyPem !== undefined) await rename(files.keyFile + NEXT, files.keyFile);
	await rename(files.certificateFile + NEXT, files.certificateFile);
}

/** Finishes or undoes a replacement that was cut short; tells whether it finished one. */
export async function finishReplacement(files: IdentityFiles): Promise<boolean> {
	const chain = await readIfThere(files.certificateFile + NEXT);
	const key = await readIfThere(files.keyFile + NEXT);
	const currentKey = await readIfThere(files.keyFile);
	if (chain !== undefined && key !== undefined && parse(chain, key) !== undefined) {
		await rename(files.keyFile + NEXT, files.keyFile);
		await rename(files.certificateFile + NEXT, files.certificateFile);
		return true;
	}
	if (chain !== undefined && currentKey !== undefined && parse(chain, currentKey) !== undefined) {
		await rename(files.certificateFile + NEXT, files.certificateFile);
		return true;
	}
	await rm(files.certificateFile + NEXT, { force: true });
	await rm(files.keyFile + NEXT, { force: true });
	return false;
}

function parse(chain: string, keyPem: string): Identity | undefined {
	try {
		const certificate = new X509Certificate(chain);
		const key = createPrivateKey(keyPem);
		return certificate.checkPrivateKey(key) ? { certificate, chain, key, keyPem } : undefined;
	} catch {
		// No PEM, or half of one: that is what the caller wants to know.
		return undefined;
	}
}

async function read(file: string): Promise<string> {
	try {
		return await readFile(file, 'utf8');
	} catch (error) {
		throw new CommandFailure(EXIT.invalid, `Cannot read ${file}. Check the file and who may read it.`, {
			cause: error,
		});
	}
}

async function readIfThere(file: string): Promise<string | undefined> {
	try {
		return await readFile(file, 'utf8');
	} catch (error) {
		if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
		throw error;
	}
}

async function writeSynced(file: string, text: string, mode: number): Promise<void> {
	// What an earlier run left behind may have another mode.
	await rm(file, { force: true });
	const handle = await open(file, 'wx', mode);
	try {
		await handle.writeFile(text);
		await handle.sync();
	} finally {
		await handle.close();
	}
}
