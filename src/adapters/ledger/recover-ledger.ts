// Opens what is on disk: from the signed checkpoint and the tiles at its edge, over the journals, to the last commit that
// was acknowledged. Read only. Whatever does not fit is damage, and a damaged ledger is not opened (fail closed):
// appending to it would bury the evidence. Full tiles are not read here; that is what `audit verify` is for.
import { openCheckpoint } from '../../domain/ledger/checkpoint.ts';
import { Frontier, partialTiles } from '../../domain/ledger/frontier.ts';
import { type LedgerDamage, LedgerDamagedError } from '../../domain/ledger/ledger-damage.ts';
import { compareWithEarlier, type Extension } from '../../domain/ledger/ledger-extension.ts';
import {
	CHECKPOINT_FILE,
	JOURNAL_FILE,
	KEY_FILE,
	type LedgerFiles,
	TEMPORARY_SUFFIX,
} from '../../domain/ledger/ledger-files.ts';
import type { LedgerHead } from '../../domain/ledger/ledger-mark-store.ts';
import { cleanStopDamage, type LedgerSnapshot, takeSnapshot } from '../../domain/ledger/ledger-snapshot.ts';
import { replayJournals } from '../../domain/ledger/replay-journal.ts';
import { formatVerifierKey, type NoteVerifier, parseVerifierKey } from '../../domain/ledger/signed-note.ts';
import { edgeBundle, hashCount, parseTilePath, TILE_WIDTH, type Tile, tilePath } from '../../domain/ledger/tile.ts';
import { edgeBundleDamage, TileCheck } from '../../domain/ledger/verify-tiles.ts';

/** A ledger as it was found. */
export interface RecoveredLedger {
	readonly frontier: Frontier;
	/** Whether the last writer stopped cleanly. */
	readonly wasClean: boolean;
	/** Bytes of a commit that was under way when the last writer died. */
	readonly tornBytes: number;
	/** Files that mean nothing any more: temporary ones, and partial tiles of older checkpoints. */
	readonly leftovers: readonly string[];
	/** How it stands to the state that is remembered; `extends` when none is. */
	readonly extension: Extension;
}

/**
 * Reads the ledger of `verifier`, and compares it with the state that is remembered of it; undefined when there is none yet.
 * Throws `LedgerDamagedError`.
 */
export async function recoverLedger(
	files: LedgerFiles,
	verifier: NoteVerifier,
	remembered?: LedgerHead,
): Promise<RecoveredLedger | undefined> {
	const snapshot = await takeSnapshot(files);
	await checkKey(files, verifier);
	if (snapshot.checkpointBytes === undefined) {
		await checkUntouched(files, snapshot);
		return undefined;
	}
	const opened = openCheckpoint(snapshot.checkpointBytes, verifier);
	if (!opened.ok) throw new LedgerDamagedError([{ file: CHECKPOINT_FILE, problem: opened.fault }]);
	const { size, root } = opened.value;

	const damage: LedgerDamage[] = [...cleanStopDamage(snapshot)];
	const read = (path: string): Promise<Uint8Array | undefined> =>
		snapshot.edge.has(path) ? Promise.resolve(snapshot.edge.get(path)) : files.read(path);
	const listener = {
		onDamage: (one: LedgerDamage) => void damage.push(one),
		onBundle: () => undefined,
		isStopped: () => false,
	};
	const tiles = new TileCheck(size, root, read, listener);
	const edge = await tiles.checkEdge();
	const hashes = edge.believed.map((level) => level.filter((hash) => hash !== undefined));
	const bundle = edgeBundle(size);
	const bundleBytes = bundle && (await read(tilePath(bundle)));
	const bundleDamage = edgeBundleDamage(size, bundleBytes, hashes[0] ?? []);
	if (bundleDamage !== undefined) damage.push(bundleDamage);
	if (snapshot.journal === undefined && snapshot.previousJournal === undefined) {
		damage.push({ file: JOURNAL_FILE, problem: 'the file is missing' });
	}
	if (damage.length > 0 || edge.range === undefined) throw new LedgerDamagedError(damage);

	const replay = await replayJournals(snapshot, edge.range, verifier, (index) => tiles.leaf(index));
	if (replay.damage.length > 0) throw new LedgerDamagedError(replay.damage);
	const tree = { published: edge.range, ...replay, hashesOf: (tile: Tile) => tiles.hashesOf(tile) };
	const earlier = remembered && { size: remembered.size, root: Buffer.from(remembered.rootHash, 'base64') };
	const extension = earlier === undefined ? 'extends' : await compareWithEarlier(tree, earlier);
	const frontier = Frontier.resume({ size, tiles: hashes, bundle: bundleBytes ?? new Uint8Array() }, root);
	if (frontier === undefined) throw new Error('the edge of the tree was checked, and does not resume');
	for (const record of replay.records) frontier.append(Buffer.from(record.payload));

	const wasClean = snapshot.cleanStop !== undefined;
	const leftovers = wasClean ? [] : await findLeftovers(files, size, frontier.size);
	return { frontier, wasClean, tornBytes: replay.tornBytes, leftovers, extension };
}

async function checkKey(files: LedgerFiles, verifier: NoteVerifier): Promise<void> {
	const bytes = await files.read(KEY_FILE);
	if (bytes === undefined) return;
	const text = Buffer.from(bytes).toString('utf8');
	if (text === `${formatVerifierKey(verifier)}\n`) return;
	const isKey = parseVerifierKey(text.trimEnd()) !== undefined;
	const problem = isKey ? 'this ledger belongs to another key or origin' : 'this is no public key of a ledger';
	throw new LedgerDamagedError([{ file: KEY_FILE, problem }]);
}

/** Without a checkpoint there is no ledger yet, or it was taken away: then something else is still there. */
async function checkUntouched(files: LedgerFiles, snapshot: LedgerSnapshot): Promise<void> {
	let isUntouched = (snapshot.journal?.length ?? 0) === 0 && snapshot.previousJournal === undefined;
	for await (const path of files.list()) if (parseTilePath(path) !== undefined) isUntouched = false;
	if (!isUntouched) throw new LedgerDamagedError([{ file: CHECKPOINT_FILE, problem: 'the file is missing' }]);
}

async function findLeftovers(files: LedgerFiles, publishedSize: number, size: number): Promise<readonly string[]> {
	const needed = new Set(partialTiles(publishedSize).map(tilePath));
	const leftovers: string[] = [];
	for await (const path of files.list()) {
		const tile = parseTilePath(path);
		if (tile === undefined) {
			if (path.endsWith(TEMPORARY_SUFFIX)) leftovers.push(path);
			continue;
		}
		if (tile.index * TILE_WIDTH + tile.width > hashCount(size, tile.level)) {
			// Tiles are made from commits that are on disk: the journal held these entries and has lost them.
			const problem = 'the tile is of a larger tree than checkpoint and journal hold: commits are missing';
			throw new LedgerDamagedError([{ file: path, problem }]);
		}
		if (tile.width < TILE_WIDTH && !needed.has(path)) leftovers.push(path);
	}
	return leftovers;
}
