// `audit show`, `audit proof`, `audit check-proof`: single entries, and receipts that prove them to somebody who has
// nothing but the ledger's public key.
import { readFile, writeFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { type LedgerView, viewLedger } from '../adapters/ledger/ledger-reader.ts';
import { proveFromTiles } from '../domain/ledger/ledger-extension.ts';
import { proveInclusion } from '../domain/ledger/merkle-tree.ts';
import { formatReceipt, parseReceipt, type Receipt, verifyReceipt } from '../domain/ledger/receipt.ts';
import { KEY_FILE } from '../domain/ledger/ledger-files.ts';
import { parseVerifierKey } from '../domain/ledger/signed-note.ts';
import { splitHashes, tilePath } from '../domain/ledger/tile.ts';
import { CommandFailure, EXIT } from './command-failure.ts';
import type { CommandIo } from './command-io.ts';
import { openLedgerPlace, readLedgerKey } from './ledger-place.ts';
import { cellOf } from './print-records.ts';

interface Place {
	readonly ledger?: string;
	readonly data?: string;
}

const RECEIPT_BYTES_MAX = 1_048_576;

/** Prints one entry, byte for byte as it is hashed. */
export async function showEntry(io: CommandIo, index: number, place: Place): Promise<number> {
	const { files } = await openLedgerPlace(io, place);
	io.stdout(`${Buffer.from(await entryOf(await viewLedger(files), index)).toString('utf8')}\n`);
	return EXIT.ok;
}

/** Writes the receipt of one entry, after checking it as its reader will. */
export async function writeReceipt(
	io: CommandIo,
	index: number,
	options: Place & { readonly out: string },
): Promise<number> {
	const { files } = await openLedgerPlace(io, options);
	const view = await viewLedger(files);
	const entry = await entryOf(view, index);
	if (index >= view.publishedSize) {
		throw new CommandFailure(EXIT.conflict, `Entry ${index} is not under a checkpoint yet. Try again in a second.`);
	}
	const { publishedSize: size } = view;
	const proof = await proveFromTiles(
		size,
		(node) => proveInclusion(index, size, node),
		async (tile) => {
			const path = tilePath(tile);
			const bytes = view.snapshot.edge.get(path) ?? (await files.read(path));
			return bytes && splitHashes(bytes, tile.width);
		},
	);
	const checkpoint = Buffer.from(view.snapshot.checkpointBytes ?? '').toString('utf8');
	const receipt: Receipt = { index, proof, checkpoint, entry };
	const key = parseVerifierKey(
		Buffer.from((await files.read(KEY_FILE)) ?? '')
			.toString('utf8')
			.trimEnd(),
	);
	const verified = key && verifyReceipt(receipt, key);
	if (!verified?.ok) {
		const reason = verified?.fault ?? 'there is no public key';
		throw new CommandFailure(EXIT.failure, `The ledger cannot prove entry ${index}: ${reason}.\nRun audit verify.`);
	}
	const file = resolve(io.cwd, options.out);
	await writeFile(file, formatReceipt(receipt));
	io.stderr(`Wrote ${cellOf(file)}: entry ${index} of ${view.publishedSize}.\n`);
	return EXIT.ok;
}

/** Checks a receipt and prints the entry that it proves. */
export async function checkReceipt(io: CommandIo, file: string, keyOrFile: string): Promise<number> {
	const verifier = await readLedgerKey(io, keyOrFile);
	const path = resolve(io.cwd, file);
	let bytes: Buffer;
	try {
		bytes = await readFile(path);
	} catch (error) {
		throw new CommandFailure(EXIT.notFound, `Cannot read ${path}.`, { cause: error });
	}
	const receipt = bytes.length > RECEIPT_BYTES_MAX ? undefined : parseReceipt(bytes.toString('utf8'));
	if (receipt === undefined) throw new CommandFailure(EXIT.invalid, `${path} is not a receipt (C2SP tlog-proof).`);
	const verified = verifyReceipt(receipt, verifier);
	if (!verified.ok) throw new CommandFailure(EXIT.failure, `The receipt proves nothing: ${verified.fault}.`);
	io.stdout(`${Buffer.from(receipt.entry ?? '').toString('utf8')}\n`);
	io.stderr(`Entry ${receipt.index} is in ${cellOf(verified.value.origin)}, at a size of ${verified.value.size}.\n`);
	return EXIT.ok;
}

async function entryOf(view: LedgerView, index: number): Promise<Uint8Array> {
	if (index >= view.size) {
		throw new CommandFailure(EXIT.notFound, `There is no entry ${index}: the ledger has ${view.size}.`);
	}
	const entry = await view.entry(index);
	if (entry === undefined) throw new CommandFailure(EXIT.failure, `Entry ${index} cannot be read. Run audit verify.`);
	return entry;
}
