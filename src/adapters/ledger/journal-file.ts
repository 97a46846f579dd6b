// The journal on disk: one write and one flush per group commit.
import { closeSync, fdatasyncSync, openSync } from 'node:fs';
import { writeParts } from './directory-files.ts';

/** An open journal file. */
export class JournalFile {
	readonly #file: number;
	#isClosed = false;

	private constructor(file: number) {
		this.#file = file;
	}

	/** Opens the journal at `path` to append to it, and makes it if need be. Its folder is not flushed. */
	static open(path: string): JournalFile {
		return new JournalFile(openSync(path, 'a', 0o640));
	}

	/**
	 * Appends one record and returns when it is on disk. Throws when it is not, or not whole: then the journal must not be
	 * written to again, because nobody knows what of it reached the disk.
	 */
	append(parts: readonly Uint8Array[]): void {
		writeParts(this.#file, parts);
		// A crash before this line returns leaves a torn record that nobody was told of; the next start drops it.
		fdatasyncSync(this.#file);
	}

	/** Closes the file. Safe to call twice: the number of a closed file can belong to another one already. */
	close(): void {
		if (this.#isClosed) return;
		this.#isClosed = true;
		closeSync(this.#file);
	}
}
