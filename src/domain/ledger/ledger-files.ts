// Port: the files of one ledger, to read. Paths are relative to the ledger's folder, with `/` between their parts.
// This file also names the files that lie beside the tiles.

/**
 * Reads a ledger's files.
 * - `read` gives a file's bytes, or undefined when there is no such file. Every other failure rejects.
 * - `list` gives the path of every file, in no particular order. Files may come and go while it runs.
 */
export interface LedgerFiles {
	read(path: string): Promise<Uint8Array | undefined>;
	list(): AsyncIterable<string>;
}

/** The newest signed tree head (C2SP tlog-checkpoint). */
export const CHECKPOINT_FILE = 'checkpoint';
/** Entries since the checkpoint, or since the publication that is under way began. */
export const JOURNAL_FILE = 'journal';
/** Entries that the publication under way is about; gone once its checkpoint is on disk. */
export const PREVIOUS_JOURNAL_FILE = 'journal.previous';
/** The ledger's public key, `name+keyid+base64(type ‖ key)`. */
export const KEY_FILE = 'ledger.pub';
/** There after a clean stop only: a copy of the checkpoint. */
export const CLEAN_STOP_FILE = 'clean-stop';
/** Empty; held by the kernel for the one process that writes. */
export const LOCK_FILE = 'lock';
/** How names of files end that are being written; a crash can leave one. It means nothing until it is renamed. */
export const TEMPORARY_SUFFIX = '.tmp';
