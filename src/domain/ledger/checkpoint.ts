// A checkpoint (C2SP tlog-checkpoint): the signed statement that the ledger has this size and this root. It is what
// an auditor keeps: everything that was in the ledger then can be proven, and nothing of it can be changed unseen.
import { fail, ok, type Result } from '../../kernel/result.ts';
import { HASH_BYTES } from './merkle-tree.ts';
import { type NoteFault, type NoteSigner, type NoteVerifier, openNote, parseBase64, signNote } from './signed-note.ts';

/** State of a ledger at one moment. */
export interface Checkpoint {
	/** Which ledger: `<trust domain>/ledger`. */
	readonly origin: string;
	/** Number of entries. */
	readonly size: number;
	/** Root of the Merkle tree over them. */
	readonly root: Uint8Array;
}

/** Writes the text of a checkpoint, without signatures. */
export function formatCheckpoint(checkpoint: Checkpoint): string {
	return `${checkpoint.origin}\n${checkpoint.size}\n${Buffer.from(checkpoint.root).toString('base64')}\n`;
}

/** Reads the text of a checkpoint, without signatures; undefined when it is not one. Extension lines are allowed. */
export function parseCheckpoint(text: string): Checkpoint | undefined {
	if (!text.endsWith('\n')) return undefined;
	const [origin = '', size = '', encoded = '', ...extensions] = text.slice(0, -1).split('\n');
	const root = parseBase64(encoded);
	if (origin === '' || !/^(?:0|[1-9]\d{0,15})$/.test(size) || !Number.isSafeInteger(Number(size))) return undefined;
	if (root?.length !== HASH_BYTES || extensions.includes('')) return undefined;
	return { origin, size: Number(size), root };
}

/** Signs a checkpoint as the ledger that it names. */
export function signCheckpoint(checkpoint: Checkpoint, signer: NoteSigner): string {
	return signNote(formatCheckpoint(checkpoint), signer);
}

/** Why a checkpoint is not believed. */
export type CheckpointFault = NoteFault | 'not a checkpoint' | 'a checkpoint of another ledger';

/** Checks the signature of a checkpoint and that it belongs to the ledger of `verifier`, whose name is its origin. */
export function openCheckpoint(bytes: Uint8Array, verifier: NoteVerifier): Result<Checkpoint, CheckpointFault> {
	const opened = openNote(bytes, [verifier]);
	if (!opened.ok) return opened;
	const checkpoint = parseCheckpoint(opened.value);
	if (checkpoint === undefined) return fail('not a checkpoint');
	if (checkpoint.origin !== verifier.name) return fail('a checkpoint of another ledger');
	return ok(checkpoint);
}
