// Finds the ledger that a command is about, and the public key that it is checked with.
import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { openLedgerFiles } from '../adapters/ledger/directory-files.ts';
import { CHECKPOINT_FILE, KEY_FILE, type LedgerFiles } from '../domain/ledger/ledger-files.ts';
import { type NoteVerifier, parseVerifierKey } from '../domain/ledger/signed-note.ts';
import { CommandFailure, EXIT } from './command-failure.ts';
import type { CommandIo } from './command-io.ts';

const DEFAULT_DATA = 'data';

/** Opens the ledger's files, or fails with exit code 3 when there is no ledger. */
export async function openLedgerPlace(
	io: CommandIo,
	place: { readonly ledger?: string; readonly data?: string },
): Promise<{ readonly directory: string; readonly files: LedgerFiles }> {
	const data = resolve(io.cwd, place.data ?? io.env['SALLYPORT_DATA'] ?? DEFAULT_DATA);
	const directory = place.ledger === undefined ? resolve(data, 'ledger') : resolve(io.cwd, place.ledger);
	const files = openLedgerFiles(directory);
	// One of the two is enough to call it a ledger; that the other is missing is then damage.
	if ((await files.read(CHECKPOINT_FILE)) === undefined && (await files.read(KEY_FILE)) === undefined) {
		throw new CommandFailure(
			EXIT.notFound,
			`There is no ledger in ${directory}.\nName the platform's data folder with --data, or the ledger's own with --ledger.`,
		);
	}
	return { directory, files };
}

/** Reads a ledger's public key from the command line: the key itself, or a file that holds it. */
export async function readLedgerKey(io: CommandIo, keyOrFile: string): Promise<NoteVerifier> {
	const given = parseVerifierKey(keyOrFile);
	if (given !== undefined) return given;
	const file = resolve(io.cwd, keyOrFile);
	let text: string;
	try {
		text = await readFile(file, 'utf8');
	} catch (error) {
		throw new CommandFailure(
			EXIT.invalid,
			`--ledger-key is neither a public key nor a file that can be read: ${file}`,
			{
				cause: error,
			},
		);
	}
	const stored = parseVerifierKey(text.trimEnd());
	if (stored === undefined) throw new CommandFailure(EXIT.invalid, `${file} holds no public key of a ledger.`);
	return stored;
}
