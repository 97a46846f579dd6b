// What is wrong with a ledger, said so that an operator can look at the very bytes, or find the copy that is right.
import type { LedgerMark } from './ledger-mark-store.ts';

/** One damaged place. */
export interface LedgerDamage {
	/** Path within the ledger's folder. */
	readonly file: string;
	/** Index of the damaged entry, or of the first one of several. */
	readonly entry?: number;
	/** Index of the last of several damaged entries. */
	readonly lastEntry?: number;
	/** Position of the damaged hash within its tile. */
	readonly hash?: number;
	readonly problem: string;
}

/** Writes a damage in one line: `tile/entries/003: entry 781: …`. */
export function describeDamage(damage: LedgerDamage): string {
	const parts = [damage.file];
	if (damage.hash !== undefined) parts.push(`hash ${damage.hash}`);
	if (damage.lastEntry !== undefined) parts.push(`entries ${damage.entry ?? 0}–${damage.lastEntry}`);
	else if (damage.entry !== undefined) parts.push(`entry ${damage.entry}`);
	return `${parts.join(': ')}: ${damage.problem}`;
}

/** Thrown where a ledger is not opened because it is damaged: appending to it would bury the evidence. */
export class LedgerDamagedError extends Error {
	override readonly name = 'LedgerDamagedError';
	readonly damage: readonly LedgerDamage[];

	constructor(damage: readonly LedgerDamage[]) {
		super(`the ledger is damaged and is not opened: ${damage.map(describeDamage).join('; ')}`);
		this.damage = damage;
	}
}

/**
 * Thrown where a ledger is whole and yet not the one that the store remembers: appending to it would make a second history.
 * `found` is its size, or `differs` when its first entries are others than those that were there.
 */
export class LedgerRolledBackError extends Error {
	override readonly name = 'LedgerRolledBackError';

	constructor(directory: string, remembered: LedgerMark, found: number | 'differs') {
		const { size, recordedAtMs } = remembered;
		const finding =
			found === 'differs'
				? `The first ${size} of its entries are not the ones that were there then (or a tile of it is damaged: ` +
					'`sallyport audit verify` tells).'
				: `Now it has ${found}.`;
		super(
			`The ledger in ${directory} is not the one that the store remembers: it had ${size} entries on ` +
				`${new Date(recordedAtMs).toISOString()}. ${finding} An older or foreign copy was put in its place, or entries were ` +
				'lost. Nothing was started, and nothing in the folder was changed.\n' +
				'Put the newest copy of the ledger folder back. If there is none, the entries are lost: keep the whole data folder ' +
				'as evidence, and start with a new one, or with a backup whose store and ledger were copied together.',
		);
	}
}
