// What is wrong with a ledger, said so that an operator can look at the very bytes.

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
