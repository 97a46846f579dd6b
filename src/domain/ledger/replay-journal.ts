// Follows the journals from a checkpoint on: which commits continue it, signed and unbroken. Recovery and verification
// share it, so that what verifies is what is opened.
import { type JournalRecord, isRecordSigned, parseJournal } from './journal.ts';
import type { LedgerDamage } from './ledger-damage.ts';
import { JOURNAL_FILE, PREVIOUS_JOURNAL_FILE } from './ledger-files.ts';
import { type CompactRange, equalBytes, hashLeaf } from './merkle-tree.ts';
import type { NoteVerifier } from './signed-note.ts';

/** The journals of a ledger: those that exist, the older one first. */
export interface Journals {
	readonly previousJournal: Uint8Array | undefined;
	readonly journal: Uint8Array | undefined;
}

/** What the journals add to the checkpoint. */
export interface Replay {
	/** Commits after the checkpoint, in order, each verified. */
	readonly records: readonly JournalRecord[];
	/** Size of the tree with them. */
	readonly size: number;
	/** Bytes of a commit that a crash cut off before it was acknowledged. */
	readonly tornBytes: number;
	readonly damage: readonly LedgerDamage[];
}

/** Gives the leaf hash of a published entry. */
export type PublishedLeaf = (index: number) => Promise<Uint8Array | undefined>;

/**
 * Replays the journals over the tree that the checkpoint signs. Commits at or before the checkpoint (a crash came
 * before the old journal was removed) must repeat what is published.
 */
export async function replayJournals(
	journals: Journals,
	published: CompactRange,
	verifier: NoteVerifier,
	publishedLeaf: PublishedLeaf,
): Promise<Replay> {
	const records: JournalRecord[] = [];
	const damage: LedgerDamage[] = [];
	let range = published.clone();
	let tornBytes = 0;
	let next: number | undefined;
	for (const [file, bytes] of filesOf(journals)) {
		const contents = parseJournal(bytes);
		for (const record of contents.records) {
			const entry = record.firstIndex;
			const lastEntry = entry + record.entries.length - 1;
			const continued = (next === undefined ? entry > published.size : entry !== next)
				? 'the commits before this one are missing'
				: await continueWith(record, range, verifier, publishedLeaf);
			if (typeof continued === 'string') {
				if (record.canBeTorn && file === JOURNAL_FILE) {
					tornBytes = bytes.length - record.offset;
					break;
				}
				damage.push({ file, entry, lastEntry, problem: continued });
				return { records, size: range.size, tornBytes, damage };
			}
			next = lastEntry + 1;
			if (next > published.size) records.push(record);
			range = continued;
		}
		const after = Math.max(range.size, next ?? 0);
		if (contents.damage !== undefined) {
			const { offset, problem } = contents.damage;
			damage.push({ file, entry: after, problem: `${problem} (byte ${offset})` });
			break;
		}
		if (contents.tornBytes > 0) {
			tornBytes = contents.tornBytes;
			// Each commit of the older journal was flushed before the newer one was begun.
			if (file === PREVIOUS_JOURNAL_FILE) damage.push({ file, entry: after, problem: 'the last commit is incomplete' });
		}
	}
	return { records, size: range.size, tornBytes, damage };
}

/** The tree with the record in it, or what is wrong with the record. */
async function continueWith(
	record: JournalRecord,
	range: CompactRange,
	verifier: NoteVerifier,
	publishedLeaf: PublishedLeaf,
): Promise<CompactRange | string> {
	if (!isRecordSigned(record, verifier)) return 'the signature of this commit does not verify';
	const leaves = record.entries.map(hashLeaf);
	if (record.firstIndex + leaves.length <= range.size) {
		for (const [at, leaf] of leaves.entries()) {
			const known = await publishedLeaf(record.firstIndex + at);
			if (known === undefined || !equalBytes(leaf, known)) return 'the entries differ from the published ones';
		}
		return range;
	}
	if (record.firstIndex !== range.size) return 'this commit lies on both sides of the checkpoint';
	const grown = range.clone();
	for (const leaf of leaves) grown.append(leaf);
	return equalBytes(grown.root(), record.root) ? grown : 'the entries do not lead to the signed root';
}

function filesOf(journals: Journals): readonly (readonly [string, Uint8Array])[] {
	const files: (readonly [string, Uint8Array])[] = [];
	if (journals.previousJournal !== undefined) files.push([PREVIOUS_JOURNAL_FILE, journals.previousJournal]);
	if (journals.journal !== undefined) files.push([JOURNAL_FILE, journals.journal]);
	return files;
}
