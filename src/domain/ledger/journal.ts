// The journal: what is on disk between two checkpoints. One record is one group commit:
//   magic 4 · payload bytes u32 · entries u32 · first index u64 · header check 12 · payload · root 32 · signature 64
// The payload is entries in bundle framing; the root is that of the tree after them, signed by the ledger's key, so
// that the entries since the last checkpoint are as tamper-evident as those before it.
//
// After a crash the last record may be incomplete. It was never acknowledged, and is dropped. To tell that from damage,
// the header has a check of its own (a damaged length must not pass for a missing rest), and a record that is there in
// its full length counts as incomplete only if some whole disk sector of it was never written: reads as zeros.
import { hash, sign, verify } from 'node:crypto';
import { HASH_BYTES } from './merkle-tree.ts';
import type { NoteSigner, NoteVerifier } from './signed-note.ts';
import { splitEntries } from './tile.ts';

const MAGIC = Buffer.from('SLJ1');
const CHECKED_BYTES = 20;
const HEADER_BYTES = 32;
const SIGNATURE_BYTES = 64;
const TRAILER_BYTES = HASH_BYTES + SIGNATURE_BYTES;
const SECTOR_BYTES = 512;
// Shorter runs of zeros occur by chance: high bytes of lengths and indexes.
const UNWRITTEN_BYTES_MIN = 16;

/** Bound of one record's payload. A header that claims more is damaged. */
export const RECORD_PAYLOAD_BYTES_MAX = 64 * 1024 * 1024;

/** One group commit, framed and complete. Its root and signature are not yet verified. */
export interface JournalRecord {
	/** Where the record starts in its file. */
	readonly offset: number;
	readonly firstIndex: number;
	readonly entries: readonly Uint8Array[];
	/** The same entries in bundle framing. */
	readonly payload: Uint8Array;
	readonly root: Uint8Array;
	readonly signature: Uint8Array;
	/** Whether the record can be the torn last write of a crash: it is the last, and part of it was never written. */
	readonly canBeTorn: boolean;
}

/** What a journal file holds: records up to a torn tail, or up to damage. */
export interface JournalContents {
	readonly records: readonly JournalRecord[];
	/** Bytes at the end that are the start of a record which was never completed. */
	readonly tornBytes: number;
	readonly damage?: { readonly offset: number; readonly problem: string };
}

/** Text that a record's signature covers. Its first line keeps it from ever being taken for a checkpoint. */
function signedText(origin: string, size: number, root: Uint8Array): Buffer {
	return Buffer.from(`${origin}/journal\n${size}\n${Buffer.from(root).toString('base64')}\n`);
}

/** Makes the parts of a record around its payload. `root` is that of the tree with the payload's entries in it. */
export function frameRecord(
	signer: NoteSigner,
	record: {
		readonly payloadBytes: number;
		readonly count: number;
		readonly firstIndex: number;
		readonly root: Uint8Array;
	},
): { readonly header: Buffer; readonly trailer: Buffer } {
	const header = Buffer.alloc(HEADER_BYTES);
	MAGIC.copy(header);
	header.writeUInt32BE(record.payloadBytes, 4);
	header.writeUInt32BE(record.count, 8);
	header.writeBigUInt64BE(BigInt(record.firstIndex), 12);
	headerCheck(header).copy(header, CHECKED_BYTES);
	const text = signedText(signer.name, record.firstIndex + record.count, record.root);
	return { header, trailer: Buffer.concat([record.root, sign(null, text, signer.privateKey)]) };
}

/** Whether the record's signature verifies: the ledger itself wrote this root for a tree that ends with this record. */
export function isRecordSigned(record: JournalRecord, verifier: NoteVerifier): boolean {
	const text = signedText(verifier.name, record.firstIndex + record.entries.length, record.root);
	return verify(null, text, verifier.publicKey, record.signature);
}

/** Cuts a journal file into records. Hostile input: whatever the bytes are, it answers. */
export function parseJournal(bytes: Uint8Array): JournalContents {
	const file = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
	const records: JournalRecord[] = [];
	let offset = 0;
	while (offset < file.length) {
		const left = file.length - offset;
		if (left < HEADER_BYTES) return endOfJournal(file, records, offset);
		const header = file.subarray(offset, offset + HEADER_BYTES);
		const payloadBytes = header.readUInt32BE(4);
		if (!isHeaderIntact(header)) {
			// The file's length reached the disk and its contents did not. Only the last record can have met that: each
			// one is flushed before the next is written.
			const isTorn = hasUnwrittenSector(file, offset, file.length) && !hasHeaderAfter(file, offset);
			if (isTorn) return { records, tornBytes: left };
			return { records, tornBytes: 0, damage: { offset, problem: 'a record header is damaged' } };
		}
		const end = offset + HEADER_BYTES + payloadBytes + TRAILER_BYTES;
		if (end > file.length) return { records, tornBytes: left };
		const canBeTorn = end === file.length && hasUnwrittenSector(file, offset, end);
		const payload = file.subarray(offset + HEADER_BYTES, end - TRAILER_BYTES);
		const { entries, isWhole } = splitEntries(payload);
		if (!isWhole || entries.length !== header.readUInt32BE(8)) {
			if (canBeTorn) return { records, tornBytes: left };
			return { records, tornBytes: 0, damage: { offset, problem: 'the entries of a record are damaged' } };
		}
		records.push({
			offset,
			firstIndex: Number(header.readBigUInt64BE(12)),
			entries,
			payload,
			root: file.subarray(end - TRAILER_BYTES, end - SIGNATURE_BYTES),
			signature: file.subarray(end - SIGNATURE_BYTES, end),
			canBeTorn,
		});
		offset = end;
	}
	return { records, tornBytes: 0 };
}

/** A rest that is shorter than a header is torn if a header could have begun like that. */
function endOfJournal(file: Buffer, records: readonly JournalRecord[], offset: number): JournalContents {
	const rest = file.subarray(offset);
	const isStart = MAGIC.subarray(0, rest.length).equals(rest.subarray(0, MAGIC.length));
	if (isStart || rest.every((byte) => byte === 0)) return { records, tornBytes: rest.length };
	return { records, tornBytes: 0, damage: { offset, problem: 'the bytes after the last record are no record' } };
}

function isHeaderIntact(header: Buffer): boolean {
	return (
		header.subarray(0, MAGIC.length).equals(MAGIC) &&
		headerCheck(header).equals(header.subarray(CHECKED_BYTES)) &&
		header.readUInt32BE(4) <= RECORD_PAYLOAD_BYTES_MAX &&
		Number.isSafeInteger(Number(header.readBigUInt64BE(12)))
	);
}

function hasHeaderAfter(file: Buffer, offset: number): boolean {
	for (let at = file.indexOf(MAGIC, offset + 1); at >= 0; at = file.indexOf(MAGIC, at + 1)) {
		const header = file.subarray(at, at + HEADER_BYTES);
		if (header.length === HEADER_BYTES && isHeaderIntact(header)) return true;
	}
	return false;
}

function headerCheck(header: Buffer): Buffer {
	return hash('sha256', header.subarray(0, CHECKED_BYTES), 'buffer').subarray(0, HEADER_BYTES - CHECKED_BYTES);
}

function hasUnwrittenSector(file: Buffer, start: number, end: number): boolean {
	for (let sector = Math.floor(start / SECTOR_BYTES) * SECTOR_BYTES; sector < end; sector += SECTOR_BYTES) {
		const part = file.subarray(Math.max(sector, start), Math.min(sector + SECTOR_BYTES, end));
		if (part.length >= UNWRITTEN_BYTES_MIN && part.every((byte) => byte === 0)) return true;
	}
	return false;
}
