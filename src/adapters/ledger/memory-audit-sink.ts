// An audit sink in memory, for tests: it encodes each entry as the ledger does, so that what a test reads back is what an
// auditor would read.
import type { AuditEntry } from '../../domain/ledger/audit-entry.ts';
import type { AuditSink } from '../../domain/ledger/audit-sink.ts';
import { decodeEntry, encodeEntry } from '../../domain/ledger/encode-entry.ts';

export class MemoryAuditSink implements AuditSink {
	readonly #encoded: string[] = [];
	#refusal: Error | undefined;

	/** The entries as an auditor reads them, in order. */
	get entries(): readonly AuditEntry[] {
		return this.#encoded.map((text) => {
			const entry = decodeEntry(Buffer.from(text));
			if (entry === undefined) throw new Error('an entry does not decode');
			return entry;
		});
	}

	/** The entries as bytes of the ledger. */
	get encoded(): readonly string[] {
		return this.#encoded;
	}

	/** Breaks the sink as a full disk breaks the ledger: nothing is taken any more. */
	refuse(reason = 'the ledger has failed'): void {
		this.#refusal = new Error(reason);
	}

	isAccepting(): boolean {
		return this.#refusal === undefined;
	}

	recordBuffered(entry: AuditEntry): void {
		if (this.#refusal === undefined) this.#encoded.push(encodeEntry(entry));
	}

	recordDurable(entry: AuditEntry): Promise<number> {
		if (this.#refusal !== undefined) return Promise.reject(this.#refusal);
		return Promise.resolve(this.#encoded.push(encodeEntry(entry)) - 1);
	}
}

/** Makes an empty sink. */
export function createMemoryAuditSink(): MemoryAuditSink {
	return new MemoryAuditSink();
}
