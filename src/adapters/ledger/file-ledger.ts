// The one writer of a ledger folder: group commits into the journal, and publication of tiles under a signed
// checkpoint. Everything is synchronous on purpose: it runs in a thread of its own, and must not wait for the pool of
// threads that all others share. Each method's comments say what a crash there leaves behind.
import type { KeyObject } from 'node:crypto';
import { existsSync, mkdirSync, renameSync, rmdirSync, unlinkSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { AuditEntry } from '../../domain/ledger/audit-entry.ts';
import { signCheckpoint } from '../../domain/ledger/checkpoint.ts';
import { encodeEntry } from '../../domain/ledger/encode-entry.ts';
import { Frontier, type TileFile } from '../../domain/ledger/frontier.ts';
import { frameRecord } from '../../domain/ledger/journal.ts';
import { LedgerDamagedError, LedgerRolledBackError } from '../../domain/ledger/ledger-damage.ts';
import {
	CHECKPOINT_FILE,
	CLEAN_STOP_FILE,
	JOURNAL_FILE,
	KEY_FILE,
	LOCK_FILE,
	PREVIOUS_JOURNAL_FILE,
} from '../../domain/ledger/ledger-files.ts';
import type { LedgerHead, LedgerMark } from '../../domain/ledger/ledger-mark-store.ts';
import { createNoteSigner, formatVerifierKey, type NoteSigner } from '../../domain/ledger/signed-note.ts';
import { frameEntry, TILE_WIDTH, type Tile, tilePath } from '../../domain/ledger/tile.ts';
import type { Clock } from '../../kernel/clock.ts';
import { DurableFiles, isNotFound, isOutOfHandles, openLedgerFiles } from './directory-files.ts';
import { JournalFile } from './journal-file.ts';
import { type LedgerLock, lockLedger } from './ledger-lock.ts';
import { type RecoveredLedger, recoverLedger } from './recover-ledger.ts';

const OCCUPIED: ReadonlySet<string> = new Set(['ENOTEMPTY', 'EEXIST', 'EPERM']);

/** What a publication did: a step, or nothing because no file handle is free: take the next step later. */
export type PublicationStep = 'done' | 'later';

export interface FileLedgerOptions {
	readonly directory: string;
	/** Identity of the ledger, `<trust domain>/ledger`: origin of its checkpoints and name of its key. */
	readonly origin: string;
	/** Ed25519. */
	readonly privateKey: KeyObject;
	readonly clock: Clock;
	/** How many buffered entries a crash of all writers can lose; written into gap entries. */
	readonly entriesAtRiskMax: number;
	/** A state that this ledger had: one that does not continue it is not opened, and nothing of it is changed. */
	readonly remembered?: LedgerMark | undefined;
}

/**
 * Opens the ledger for writing and makes it if there is none. After an unclean stop, recovers every acknowledged entry,
 * publishes them, and writes a gap entry. Throws `LedgerInUseError`, `LedgerDamagedError` and `LedgerRolledBackError`.
 */
export async function openFileLedger(options: FileLedgerOptions): Promise<FileLedger> {
	const { directory, origin, privateKey, remembered } = options;
	// Before the folder is made: a copy of it that is put back must not land inside of an empty one.
	if (remembered !== undefined && !existsSync(directory)) throw new LedgerRolledBackError(directory, remembered, 0);
	mkdirSync(directory, { recursive: true, mode: 0o750 });
	const lock = lockLedger(join(directory, LOCK_FILE));
	try {
		const signer = createNoteSigner(origin, privateKey);
		const recovered = await recoverLedger(openLedgerFiles(directory), signer, remembered);
		if (remembered !== undefined) refuseRolledBack(directory, remembered, recovered);
		return FileLedger.start(options, signer, lock, recovered);
	} catch (error) {
		lock.release();
		throw error;
	}
}

export class FileLedger {
	readonly #files: DurableFiles;
	readonly #signer: NoteSigner;
	readonly #lock: LedgerLock;
	readonly #frontier: Frontier;
	#journal: JournalFile;
	#failure: unknown;
	#isPublishing = false;
	#isClosed = false;

	private constructor(files: DurableFiles, signer: NoteSigner, lock: LedgerLock, frontier: Frontier) {
		this.#files = files;
		this.#signer = signer;
		this.#lock = lock;
		this.#frontier = frontier;
		this.#journal = JournalFile.open(files.path(JOURNAL_FILE));
	}

	/** Brings the folder into the state in which entries can be appended. */
	static start(
		options: FileLedgerOptions,
		signer: NoteSigner,
		lock: LedgerLock,
		recovered: RecoveredLedger | undefined,
	): FileLedger {
		const files = new DurableFiles(options.directory);
		try {
			return FileLedger.#begin(options, files, signer, lock, recovered);
		} catch (error) {
			files.close();
			throw error;
		}
	}

	static #begin(
		options: FileLedgerOptions,
		files: DurableFiles,
		signer: NoteSigner,
		lock: LedgerLock,
		recovered: RecoveredLedger | undefined,
	): FileLedger {
		const key = Buffer.from(`${formatVerifierKey(signer)}\n`);
		if (files.compare(KEY_FILE, [key]) !== true) files.replace(KEY_FILE, key);
		if (recovered === undefined) {
			// The checkpoint comes last: without it, and without tiles, the next start begins anew.
			files.replace(JOURNAL_FILE, new Uint8Array());
			files.flushFolders();
			files.replace(CHECKPOINT_FILE, Buffer.from(signCheckpoint(emptyCheckpoint(signer), signer)));
			files.flushFolders();
			return new FileLedger(files, signer, lock, Frontier.empty());
		}
		for (const path of recovered.leftovers) unlinkSync(files.path(path));
		if (recovered.wasClean) {
			// From here on a crash is a crash again.
			unlinkSync(files.path(CLEAN_STOP_FILE));
			files.folderChanged();
			files.flushFolders();
			return new FileLedger(files, signer, lock, recovered.frontier);
		}
		return FileLedger.#recover(options, files, signer, lock, recovered);
	}

	/** Publishes what the journals held, begins a new one, and records the gap. A crash within is recovered from again. */
	static #recover(
		options: FileLedgerOptions,
		files: DurableFiles,
		signer: NoteSigner,
		lock: LedgerLock,
		recovered: RecoveredLedger,
	): FileLedger {
		const { frontier, tornBytes } = recovered;
		const previousSize = frontier.size;
		takeToTheEnd(publishTree(files, signer, frontier));
		// The checkpoint is on disk; only now may the journals go.
		removeIfThere(files.path(PREVIOUS_JOURNAL_FILE));
		files.replace(JOURNAL_FILE, new Uint8Array());
		files.flushFolders();
		const ledger = new FileLedger(files, signer, lock, frontier);
		const gap: AuditEntry = {
			time: new Date(options.clock.nowMs()).toISOString(),
			type: 'ledger.gap',
			actor: { system: 'ledger' },
			decision: 'permit',
			facts: {
				buffered_entries_at_risk_max: options.entriesAtRiskMax,
				cause: 'unclean_stop',
				dropped_journal_bytes: tornBytes,
				previous_size: previousSize,
			},
		};
		ledger.commit([Buffer.from(frameEntry(Buffer.from(encodeEntry(gap))))]);
		return ledger;
	}

	/** Entries that are on disk. */
	get size(): number {
		return this.#frontier.size;
	}

	/** The state that is on disk; undefined once the ledger is broken, because a commit may have reached it or not. */
	get head(): LedgerHead | undefined {
		if (this.#failure !== undefined) return undefined;
		return { size: this.#frontier.size, rootHash: Buffer.from(this.#frontier.root()).toString('base64') };
	}

	/** Bytes of entries that wait for publication. */
	get unpublishedBytes(): number {
		return this.#frontier.unpublishedBytes;
	}

	/** Whether there are entries that no checkpoint covers. */
	get isDirty(): boolean {
		return this.#frontier.size > this.#frontier.publishedSize;
	}

	/** Why the ledger takes nothing any more, if it does not. */
	get failure(): unknown {
		return this.#failure;
	}

	/**
	 * Appends the entries of all payloads (in bundle framing, at least one entry in all) in one write and one flush. Gives
	 * the index of the first entry of each payload. When it returns, they survive a power cut. The payloads belong to the ledger
	 * afterwards. When it throws, the ledger is broken for good: what a failed flush left on disk is unknown.
	 */
	commit(payloads: readonly Buffer[]): readonly number[] {
		return this.#guard(() => {
			const firstIndex = this.#frontier.size;
			const firsts: number[] = [];
			let payloadBytes = 0;
			for (const payload of payloads) {
				firsts.push(this.#frontier.size);
				this.#frontier.append(payload);
				payloadBytes += payload.length;
			}
			const count = this.#frontier.size - firstIndex;
			const root = this.#frontier.root();
			const { header, trailer } = frameRecord(this.#signer, { payloadBytes, count, firstIndex, root });
			this.#journal.append([header, ...payloads, trailer]);
			return firsts;
		});
	}

	/**
	 * Publishes the entries up to now under a new checkpoint, one file per step, so that commits can go on between the steps.
	 * One publication at a time, each to be taken to its end. It waits, and commits go on, while no file handle is free.
	 */
	*publish(): Generator<PublicationStep> {
		if (this.#isPublishing) throw new Error('one publication at a time');
		this.#isPublishing = true;
		while (!this.#guard(() => isDone(() => this.#rotateJournal()))) yield 'later';
		const steps = publishTree(this.#files, this.#signer, this.#frontier);
		for (;;) {
			const step = this.#guard(() => steps.next());
			if (step.done) break;
			yield step.value;
		}
		// A crash before this line leaves a journal of entries that are published already: recovery passes over them.
		this.#guard(() => removeIfThere(this.#files.path(PREVIOUS_JOURNAL_FILE)));
		this.#isPublishing = false;
	}

	/** Publishes what is left, leaves an empty journal and the mark of a clean stop, and lets go of the folder. */
	close(): void {
		if (this.#isClosed) return;
		if (this.#isPublishing) throw new Error('the publication under way comes first');
		if (this.isDirty) takeToTheEnd(this.publish());
		this.#guard(() => {
			const checkpoint = signCheckpoint(checkpointOf(this.#signer, this.#frontier), this.#signer);
			// Ed25519 is deterministic: this is the very checkpoint that was published.
			this.#files.replace(CLEAN_STOP_FILE, Buffer.from(checkpoint));
			this.#files.flushFolders();
		});
		this.abandon();
	}

	/** Lets go of the folder as it is: what is left to do once the ledger is broken. The next start finds an unclean stop. */
	abandon(): void {
		if (this.#isClosed) return;
		this.#isClosed = true;
		this.#failure ??= new Error('the ledger is closed');
		this.#journal.close();
		this.#files.close();
		this.#lock.release();
	}

	/** Sets the journal of what is now being published aside, and begins the one of what comes after. */
	#rotateJournal(): void {
		const [current, previous] = [this.#files.path(JOURNAL_FILE), this.#files.path(PREVIOUS_JOURNAL_FILE)];
		renameSync(current, previous);
		let next: JournalFile;
		try {
			// A crash here leaves the previous journal alone, which is complete.
			next = JournalFile.open(current);
		} catch (error) {
			// Nothing was begun: the journal that is written to gets its name back, and the rotation can be tried again.
			renameSync(previous, current);
			throw error;
		}
		this.#journal.close();
		this.#journal = next;
		// INVARIANT: this needs no free handle, so it cannot fail for want of one once entries go to the new journal.
		this.#files.folderChanged();
		this.#files.flushFolders();
	}

	#guard<T>(operation: () => T): T {
		if (this.#failure !== undefined) throw new Error('the ledger is broken or closed', { cause: this.#failure });
		try {
			return operation();
		} catch (error) {
			this.#failure = error;
			throw error;
		}
	}
}

/** Refuses a ledger that does not continue the state that is remembered of it; it was only read so far. */
function refuseRolledBack(directory: string, remembered: LedgerMark, recovered: RecoveredLedger | undefined): void {
	if (recovered?.extension === 'extends') return;
	const found = recovered?.extension === 'differs' ? 'differs' : (recovered?.frontier.size ?? 0);
	throw new LedgerRolledBackError(directory, remembered, found);
}

/**
 * Writes the tiles and bundles of the tree as it is now, then its checkpoint, then removes the partial tiles of the tree before.
 * A crash at any step leaves the old checkpoint with all its files, and possibly some newer files, which the next
 * publication finds to be the same.
 */
function* publishTree(files: DurableFiles, signer: NoteSigner, frontier: Frontier): Generator<PublicationStep> {
	const checkpoint = checkpointOf(signer, frontier);
	for (const file of frontier.filesToPublish()) yield* takeStep(() => writeTile(files, file));
	yield* takeStep(() => files.flushFolders());
	// INVARIANT: everything that a checkpoint covers is on disk before the checkpoint is.
	const note = Buffer.from(signCheckpoint(checkpoint, signer));
	yield* takeStep(() => files.replace(CHECKPOINT_FILE, note));
	yield* takeStep(() => files.flushFolders());
	for (const tile of frontier.published(checkpoint.size)) removePartial(files, tile, checkpoint.size);
}

/** Takes one step of a publication, as often as it takes: each can be repeated from its start. */
function* takeStep(step: () => void): Generator<PublicationStep> {
	while (!isDone(step)) yield 'later';
	yield 'done';
}

/** Does something; false when it could not be done because no file handle is free. */
function isDone(operation: () => void): boolean {
	try {
		operation();
		return true;
	} catch (error) {
		if (isOutOfHandles(error)) return false;
		throw error;
	}
}

/** Takes a publication to its end where nobody can wait: a start, which is then refused, or a stop, which is not clean. */
function takeToTheEnd(steps: Iterable<PublicationStep>): void {
	for (const step of steps) if (step === 'later') throw new Error('no file handle is free to publish the ledger');
}

function writeTile(files: DurableFiles, { tile, path, parts }: TileFile): void {
	if (tile.width < TILE_WIDTH) {
		files.replace(path, ...parts);
		return;
	}
	// INVARIANT: a full tile is never written a second time.
	const isSame = files.compare(path, parts);
	if (isSame === undefined) files.replace(path, ...parts);
	else if (!isSame) throw new LedgerDamagedError([{ file: path, problem: 'it exists with other contents' }]);
}

function removePartial(files: DurableFiles, tile: Tile, size: number): void {
	const path = files.path(tilePath(tile));
	removeIfThere(path);
	const isFull = (tile.index + 1) * TILE_WIDTH * TILE_WIDTH ** tile.level <= size;
	if (isFull) removeFolderIfEmpty(dirname(path));
}

function removeFolderIfEmpty(path: string): void {
	try {
		rmdirSync(path);
	} catch (error) {
		// Somebody else's file in it: `audit verify` names it; it is no reason to stop recording.
		const isOccupied = error instanceof Error && 'code' in error && OCCUPIED.has(String(error.code));
		if (!isOccupied && !isNotFound(error)) throw error;
	}
}

function removeIfThere(path: string): void {
	try {
		unlinkSync(path);
	} catch (error) {
		// A crash came between this removal and the note of it.
		if (!isNotFound(error)) throw error;
	}
}

function checkpointOf(signer: NoteSigner, frontier: Frontier) {
	return { origin: signer.name, size: frontier.size, root: frontier.root() };
}

function emptyCheckpoint(signer: NoteSigner) {
	return checkpointOf(signer, Frontier.empty());
}
