// Checks a whole ledger offline: key, checkpoint, every tile of every level, every entry, the journals, and that there
// is nothing else in its folder. It trusts nothing but the public key, and that only as far as whoever runs it got it
// from elsewhere: with the key from the ledger's own folder, a thief of the folder could have replaced all of it.
// What no reading of the files can show: that the newest commits were cut off at a commit's end, or the whole folder
// put back to an older state. A checkpoint kept elsewhere, given as `earlier`, shows both.
import { openCheckpoint } from './checkpoint.ts';
import { partialTiles } from './frontier.ts';
import type { LedgerDamage } from './ledger-damage.ts';
import { compareWithEarlier, type LedgerTree } from './ledger-extension.ts';
import {
	CHECKPOINT_FILE,
	CLEAN_STOP_FILE,
	JOURNAL_FILE,
	KEY_FILE,
	type LedgerFiles,
	LOCK_FILE,
	PREVIOUS_JOURNAL_FILE,
	TEMPORARY_SUFFIX,
} from './ledger-files.ts';
import { cleanStopDamage, takeSnapshot } from './ledger-snapshot.ts';
import { equalBytes } from './merkle-tree.ts';
import { replayJournals } from './replay-journal.ts';
import { formatVerifierKey, type NoteVerifier, parseVerifierKey } from './signed-note.ts';
import { hashCount, parseTilePath, TILE_WIDTH, type Tile, tilePath } from './tile.ts';
import { TileCheck } from './verify-tiles.ts';

// Someone who damaged a million entries has made the point with the first ones.
const DAMAGE_REPORTED_MAX = 100;

export interface VerifyOptions {
	/** The ledger's key as the auditor holds it. Undefined: the one in the ledger's folder is taken. */
	readonly verifier?: NoteVerifier;
	/** Told now and then how many of the published entries are checked. */
	readonly onProgress?: (checked: number, total: number) => void;
	readonly signal?: AbortSignal;
	/** A checkpoint of this ledger that was kept elsewhere: the signed note as it was saved. */
	readonly earlier?: Uint8Array;
}

/** What an earlier checkpoint says about the ledger. */
export interface EarlierReport {
	/** Entries that it signs; undefined when it is not believed. */
	readonly size?: number;
	/** `unknown`: it is no checkpoint of this ledger, or the ledger is too damaged to compare. */
	readonly verdict: 'extended' | 'contradicted' | 'unknown';
	/** Why it is not `extended`. */
	readonly problem?: string;
}

export interface LedgerReport {
	/** The key that everything was checked with, `name+keyid+base64`; undefined when there was none. */
	readonly key?: string;
	/** Entries that the checkpoint covers. */
	readonly publishedSize: number;
	/** Entries with those of the journal. */
	readonly size: number;
	/** Root that the checkpoint signs, base64. */
	readonly root?: string;
	/** Empty when the ledger is whole. At most 100 places; `damageCount` counts all. */
	readonly damage: readonly LedgerDamage[];
	readonly damageCount: number;
	/** What is unusual and yet no damage, such as the traces of a crash. */
	readonly notes: readonly string[];
	/** Whether the check was interrupted; then the absence of damage means nothing. */
	readonly isInterrupted: boolean;
	/** There when an earlier checkpoint was given. */
	readonly earlier?: EarlierReport;
}

/** Verifies a ledger, also one that is being written. Never throws on damage; rejects when files cannot be read. */
export async function verifyLedger(files: LedgerFiles, options: VerifyOptions = {}): Promise<LedgerReport> {
	const report = new ReportBuilder(options);
	// Step 1: the key.
	const verifier = checkKey(await files.read(KEY_FILE), options.verifier, report);
	if (verifier === undefined) return report.finish();
	report.key = formatVerifierKey(verifier);

	// Step 2: the checkpoint.
	const snapshot = await takeSnapshot(files);
	const opened = snapshot.checkpointBytes && openCheckpoint(snapshot.checkpointBytes, verifier);
	if (!opened?.ok) {
		report.onDamage({ file: CHECKPOINT_FILE, problem: opened?.fault ?? 'the file is missing' });
		report.notes.push('nothing else was checked: only a checkpoint says what there should be');
		return report.finish();
	}
	const { size, root } = opened.value;
	report.publishedSize = size;
	report.size = size;
	report.root = Buffer.from(root).toString('base64');

	// Step 3: every tile and every entry that it covers.
	const read = (path: string): Promise<Uint8Array | undefined> =>
		snapshot.edge.has(path) ? Promise.resolve(snapshot.edge.get(path)) : files.read(path);
	const tiles = new TileCheck(size, root, read, report);
	const edge = await tiles.checkEdge();
	await tiles.checkBelow(edge.believed);

	// Step 4: the commits after it.
	if (snapshot.cleanStop === undefined) report.notes.push('the ledger is open, or was not stopped cleanly');
	for (const damage of cleanStopDamage(snapshot)) report.onDamage(damage);
	if (snapshot.journal === undefined && snapshot.previousJournal === undefined) {
		report.onDamage({ file: JOURNAL_FILE, problem: 'the file is missing' });
	}
	if (edge.range === undefined) {
		report.notes.push('the journal was not checked: it continues a tree whose edge is damaged');
	} else {
		const replay = await replayJournals(snapshot, edge.range, verifier, (index) => tiles.leaf(index));
		report.size = replay.size;
		for (const damage of replay.damage) report.onDamage(damage);
		if (replay.tornBytes > 0) {
			report.notes.push(`${replay.tornBytes} bytes of a commit that is not complete, and was never acknowledged`);
		}
		// Step 5: what was there before is there still.
		if (options.earlier !== undefined) {
			const tree = { published: edge.range, ...replay, hashesOf: (tile: Tile) => tiles.hashesOf(tile) };
			report.earlier = await checkEarlier(options.earlier, verifier, tree);
		}
	}

	// Step 6: nothing else.
	if (!report.isStopped()) await checkOtherFiles(files, size, report);
	return report.finish();
}

const NOT_COMPARED: EarlierReport = { verdict: 'unknown', problem: 'the ledger is too damaged to compare it' };

/** Whether the ledger still begins with what an earlier checkpoint of it signs. */
async function checkEarlier(note: Uint8Array, verifier: NoteVerifier, tree: LedgerTree): Promise<EarlierReport> {
	const opened = openCheckpoint(note, verifier);
	if (!opened.ok) return { verdict: 'unknown', problem: `it is not believed: ${opened.fault}` };
	const { size } = opened.value;
	const extension = await compareWithEarlier(tree, opened.value);
	if (extension === 'extends') return { size, verdict: 'extended' };
	const problem =
		extension === 'is smaller'
			? `it signs ${size} entries, and the ledger has ${tree.size}: entries were cut off, or an older copy was put back`
			: `the first ${size} entries do not lead to the root that it signs`;
	return { size, verdict: 'contradicted', problem };
}

class ReportBuilder {
	key: string | undefined;
	root: string | undefined;
	earlier: EarlierReport | undefined;
	publishedSize = 0;
	size = 0;
	readonly notes: string[] = [];
	readonly #damage: LedgerDamage[] = [];
	#damageCount = 0;
	#checked = 0;
	readonly #options: VerifyOptions;

	constructor(options: VerifyOptions) {
		this.#options = options;
	}

	onDamage(damage: LedgerDamage): void {
		this.#damageCount += 1;
		if (this.#damage.length < DAMAGE_REPORTED_MAX) this.#damage.push(damage);
	}

	onBundle(entries: number): void {
		this.#checked += entries;
		this.#options.onProgress?.(this.#checked, this.publishedSize);
	}

	isStopped(): boolean {
		return this.#options.signal?.aborted ?? false;
	}

	finish(): LedgerReport {
		return {
			...(this.key === undefined ? {} : { key: this.key }),
			...(this.root === undefined ? {} : { root: this.root }),
			...(this.#options.earlier === undefined ? {} : { earlier: this.earlier ?? NOT_COMPARED }),
			publishedSize: this.publishedSize,
			size: this.size,
			damage: this.#damage,
			damageCount: this.#damageCount,
			notes: this.notes,
			isInterrupted: this.isStopped(),
		};
	}
}

function checkKey(
	bytes: Uint8Array | undefined,
	given: NoteVerifier | undefined,
	report: ReportBuilder,
): NoteVerifier | undefined {
	if (bytes === undefined) {
		report.onDamage({ file: KEY_FILE, problem: 'the file is missing' });
		return given;
	}
	const text = Buffer.from(bytes).toString('utf8');
	const stored = parseVerifierKey(text.slice(0, -1));
	if (stored === undefined || !equalBytes(Buffer.from(`${formatVerifierKey(stored)}\n`), bytes)) {
		report.onDamage({ file: KEY_FILE, problem: 'this is no public key of a ledger' });
		return given;
	}
	if (given !== undefined && formatVerifierKey(given) !== formatVerifierKey(stored)) {
		report.onDamage({ file: KEY_FILE, problem: 'this is not the key that was given' });
	}
	return given ?? stored;
}

const FIXED_FILES: ReadonlySet<string> = new Set([
	CHECKPOINT_FILE,
	CLEAN_STOP_FILE,
	JOURNAL_FILE,
	KEY_FILE,
	PREVIOUS_JOURNAL_FILE,
]);

async function checkOtherFiles(files: LedgerFiles, size: number, report: ReportBuilder): Promise<void> {
	const needed = new Set(partialTiles(size).map(tilePath));
	let unfinished = 0;
	for await (const path of files.list()) {
		if (FIXED_FILES.has(path) || needed.has(path)) continue;
		if (path === LOCK_FILE) {
			const bytes = await files.read(path);
			if (bytes !== undefined && bytes.length > 0) report.onDamage({ file: path, problem: 'it is not empty' });
			continue;
		}
		const tile = parseTilePath(path);
		if (tile === undefined && !path.endsWith(TEMPORARY_SUFFIX)) {
			report.onDamage({ file: path, problem: 'this file does not belong to a ledger' });
			continue;
		}
		const end = tile === undefined ? Number.POSITIVE_INFINITY : tile.index * TILE_WIDTH + tile.width;
		if (tile === undefined || end > hashCount(size, tile.level)) unfinished += 1;
		else if (tile.width < TILE_WIDTH) await checkOldPartial(files, tile, size, report);
	}
	if (unfinished > 0) report.notes.push(`${unfinished} files of a publication that is not complete, not checked`);
}

/** A partial tile of an older checkpoint, left by a crash or about to be removed: the start of the present tile. */
async function checkOldPartial(files: LedgerFiles, tile: Tile, size: number, report: ReportBuilder): Promise<void> {
	const path = tilePath(tile);
	const width = Math.min(TILE_WIDTH, hashCount(size, tile.level) - tile.index * TILE_WIDTH);
	const [old, present] = [await files.read(path), await files.read(tilePath({ ...tile, width }))];
	// Either can have been removed since it was listed, by the ledger that is being written.
	if (old === undefined || present === undefined) return;
	if (!equalBytes(old, present.subarray(0, old.length))) {
		report.onDamage({ file: path, problem: 'this older partial tile differs from the present one' });
	}
}
