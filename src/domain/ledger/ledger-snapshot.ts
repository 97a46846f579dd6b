// One consistent view of a ledger that may be growing meanwhile: the checkpoint, the partial tiles that belong to it,
// and the journals after it. Full tiles are immutable and need no snapshot. Nothing in here is verified.
import { type Checkpoint, parseCheckpoint } from './checkpoint.ts';
import { partialTiles } from './frontier.ts';
import type { LedgerDamage } from './ledger-damage.ts';
import {
	CHECKPOINT_FILE,
	CLEAN_STOP_FILE,
	JOURNAL_FILE,
	type LedgerFiles,
	PREVIOUS_JOURNAL_FILE,
} from './ledger-files.ts';
import { equalBytes } from './merkle-tree.ts';
import { tilePath } from './tile.ts';

// A publication takes a few dozen milliseconds and comes once a second, so that a second attempt is already rare.
const ATTEMPTS_MAX = 100;

/** Files of a ledger as they were at one moment; undefined where there was none. */
export interface LedgerSnapshot {
	readonly checkpointBytes: Uint8Array | undefined;
	/** What the checkpoint says. Its signature is not yet verified. */
	readonly checkpoint: Checkpoint | undefined;
	/** The partial tiles and the partial bundle of the checkpoint's tree, by path. */
	readonly edge: ReadonlyMap<string, Uint8Array | undefined>;
	readonly journal: Uint8Array | undefined;
	readonly previousJournal: Uint8Array | undefined;
	readonly cleanStop: Uint8Array | undefined;
}

/** Takes a snapshot. Throws when the ledger changes faster than it can be read, which means that it is not a ledger. */
export async function takeSnapshot(files: LedgerFiles): Promise<LedgerSnapshot> {
	for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt++) {
		const checkpointBytes = await files.read(CHECKPOINT_FILE);
		const checkpoint = checkpointBytes && parseCheckpoint(textOfNote(checkpointBytes));
		const edge = new Map<string, Uint8Array | undefined>();
		for (const tile of partialTiles(checkpoint?.size ?? 0)) edge.set(tilePath(tile), await files.read(tilePath(tile)));
		const cleanStop = await files.read(CLEAN_STOP_FILE);
		const previousJournal = await files.read(PREVIOUS_JOURNAL_FILE);
		const journal = await files.read(JOURNAL_FILE);
		// A publication that began or ended in between shows in one of these two.
		const isSame =
			areSame(previousJournal, await files.read(PREVIOUS_JOURNAL_FILE)) &&
			areSame(checkpointBytes, await files.read(CHECKPOINT_FILE));
		if (isSame) return { checkpointBytes, checkpoint, edge, journal, previousJournal, cleanStop };
	}
	throw new Error('the ledger changed each time it was read');
}

/** What contradicts the mark of a clean stop, where there is one: it repeats the checkpoint, and no commit waits. */
export function cleanStopDamage(snapshot: LedgerSnapshot): readonly LedgerDamage[] {
	const { cleanStop, checkpointBytes, journal, previousJournal } = snapshot;
	if (cleanStop === undefined) return [];
	const damage: LedgerDamage[] = [];
	if (checkpointBytes === undefined || !equalBytes(cleanStop, checkpointBytes)) {
		damage.push({ file: CLEAN_STOP_FILE, problem: 'it differs from the checkpoint' });
	}
	if (previousJournal !== undefined || (journal !== undefined && journal.length > 0)) {
		damage.push({ file: JOURNAL_FILE, problem: 'it is not empty after a clean stop' });
	}
	return damage;
}

function areSame(a: Uint8Array | undefined, b: Uint8Array | undefined): boolean {
	return a === undefined || b === undefined ? a === b : equalBytes(a, b);
}

function textOfNote(bytes: Uint8Array): string {
	const note = Buffer.from(bytes).toString('utf8');
	return note.slice(0, note.lastIndexOf('\n\n') + 1);
}
