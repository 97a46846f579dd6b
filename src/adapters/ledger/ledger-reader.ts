// Shows the ledger that lies in a folder, also while it is written: published bundles, and the journal for the newest
// entries. Nothing is verified here; whoever wants proof runs `audit verify`.
import type { AuditEntry } from '../../domain/ledger/audit-entry.ts';
import { decodeEntry } from '../../domain/ledger/encode-entry.ts';
import { parseJournal } from '../../domain/ledger/journal.ts';
import { CHECKPOINT_FILE, type LedgerFiles } from '../../domain/ledger/ledger-files.ts';
import type { LedgerEntry, LedgerReader } from '../../domain/ledger/ledger-reader.ts';
import { type LedgerSnapshot, takeSnapshot } from '../../domain/ledger/ledger-snapshot.ts';
import { splitEntries, TILE_WIDTH, type Tile, tilePath } from '../../domain/ledger/tile.ts';
import { openLedgerFiles } from './directory-files.ts';

/** Opens the ledger in `directory` to look at it. */
export function openLedgerReader(directory: string): LedgerReader {
	const files = openLedgerFiles(directory);
	return {
		checkpoint: async () => Buffer.from((await files.read(CHECKPOINT_FILE)) ?? '').toString('utf8'),
		entries: async (after, limit) => {
			const view = await viewLedger(files);
			const found: LedgerEntry[] = [];
			for (let index = after + 1; index < view.size && found.length < limit; index++) {
				found.push({ index, entry: readable(await view.entry(index)) });
			}
			return found;
		},
	};
}

/** The entries of a ledger as they were at one moment. */
export interface LedgerView {
	readonly snapshot: LedgerSnapshot;
	/** Entries that the checkpoint covers. */
	readonly publishedSize: number;
	/** Entries with those of the journal. */
	readonly size: number;
	/** The bytes of one entry; undefined where its file is damaged or missing. */
	entry(index: number): Promise<Uint8Array | undefined>;
}

/** Takes a view. The bundle that was read last is kept, so that reading in order, either way, reads each file once. */
export async function viewLedger(files: LedgerFiles): Promise<LedgerView> {
	const snapshot = await takeSnapshot(files);
	const publishedSize = snapshot.checkpoint?.size ?? 0;
	const journaled = new Map<number, Uint8Array>();
	for (const bytes of [snapshot.previousJournal, snapshot.journal]) {
		for (const record of parseJournal(bytes ?? new Uint8Array()).records) {
			for (const [at, entry] of record.entries.entries()) journaled.set(record.firstIndex + at, entry);
		}
	}
	let size = publishedSize;
	while (journaled.has(size)) size += 1;
	let kept: { readonly index: number; readonly entries: readonly Uint8Array[] } | undefined;
	return {
		snapshot,
		publishedSize,
		size,
		entry: async (index) => {
			if (index >= publishedSize) return journaled.get(index);
			const bundle = Math.floor(index / TILE_WIDTH);
			if (kept?.index !== bundle) {
				const width = Math.min(TILE_WIDTH, publishedSize - bundle * TILE_WIDTH);
				const path = tilePath({ kind: 'entries', level: 0, index: bundle, width } satisfies Tile);
				const bytes = snapshot.edge.get(path) ?? (await files.read(path)) ?? new Uint8Array();
				kept = { index: bundle, entries: splitEntries(bytes).entries };
			}
			return kept.entries[index % TILE_WIDTH];
		},
	};
}

/** An entry to show. A damaged one is shown as such: hiding it would be worse. */
export function readable(bytes: Uint8Array | undefined): AuditEntry {
	const entry = bytes && decodeEntry(bytes);
	return entry ?? { time: '', type: 'ledger.unreadable', actor: { system: 'ledger' }, decision: 'deny' };
}
