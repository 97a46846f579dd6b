// A receipt: proof that one entry is in the ledger, checkable offline with the ledger's public key alone
// (C2SP tlog-proof). The optional `extra` line carries the entry itself; it is believed because its hash is proven.
import { fail, ok, type Result } from '../../kernel/result.ts';
import { type Checkpoint, type CheckpointFault, openCheckpoint } from './checkpoint.ts';
import { HASH_BYTES, hashLeaf, verifyInclusion } from './merkle-tree.ts';
import { type NoteVerifier, parseBase64 } from './signed-note.ts';

const HEADER = 'c2sp.org/tlog-proof@v1';
const RECEIPT_BYTES_MAX = 1_048_576;

/** The parts of a receipt. */
export interface Receipt {
	readonly index: number;
	readonly proof: readonly Uint8Array[];
	/** The signed checkpoint, byte for byte. */
	readonly checkpoint: string;
	/** The entry, so that the receipt stands alone. */
	readonly entry?: Uint8Array;
}

/** Writes a receipt as a `.tlog-proof` file. */
export function formatReceipt(receipt: Receipt): string {
	const lines = [HEADER];
	if (receipt.entry !== undefined) lines.push(`extra ${Buffer.from(receipt.entry).toString('base64')}`);
	lines.push(`index ${receipt.index}`);
	for (const one of receipt.proof) lines.push(Buffer.from(one).toString('base64'));
	return `${lines.join('\n')}\n\n${receipt.checkpoint}`;
}

/** Reads a `.tlog-proof` file; undefined when it is not one. Nothing in it is verified yet. */
export function parseReceipt(text: string): Receipt | undefined {
	if (text.length > RECEIPT_BYTES_MAX) return undefined;
	const cut = text.indexOf('\n\n');
	if (cut < 0) return undefined;
	const lines = text.slice(0, cut).split('\n');
	if (lines.shift() !== HEADER) return undefined;
	let entry: Uint8Array | undefined;
	if (lines[0]?.startsWith('extra ')) {
		entry = parseBase64(lines[0].slice('extra '.length));
		if (entry === undefined) return undefined;
		lines.shift();
	}
	const index = /^index (0|[1-9]\d{0,15})$/.exec(lines.shift() ?? '')?.[1];
	if (index === undefined) return undefined;
	const proof: Uint8Array[] = [];
	for (const line of lines) {
		const one = parseBase64(line);
		if (one?.length !== HASH_BYTES) return undefined;
		proof.push(one);
	}
	const checkpoint = text.slice(cut + 2);
	return { index: Number(index), proof, checkpoint, ...(entry === undefined ? {} : { entry }) };
}

/** Why a receipt proves nothing. */
export type ReceiptFault =
	| CheckpointFault
	| 'the receipt holds no entry'
	| 'the entry is not proven to be in the ledger';

/** Checks that `entry` (or the entry that the receipt carries) is in the ledger of `verifier`. */
export function verifyReceipt(
	receipt: Receipt,
	verifier: NoteVerifier,
	entry: Uint8Array | undefined = receipt.entry,
): Result<Checkpoint, ReceiptFault> {
	if (entry === undefined) return fail('the receipt holds no entry');
	const opened = openCheckpoint(Buffer.from(receipt.checkpoint), verifier);
	if (!opened.ok) return opened;
	const { size, root } = opened.value;
	const isProven = verifyInclusion({
		index: receipt.index,
		size,
		leafHash: hashLeaf(entry),
		proof: receipt.proof,
		root,
	});
	return isProven ? ok(opened.value) : fail('the entry is not proven to be in the ledger');
}
