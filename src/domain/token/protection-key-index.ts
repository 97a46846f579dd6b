// The keys that hide tokens as decisions see them: their records in memory, kept current by the change feed. Only what is in
// it may open anything; the keys themselves are held by a ring (protection-key-ring.ts).
import { PROTECTION_PURPOSES, type ProtectionKeyRecord, type ProtectionPurpose } from './protection-key.ts';
import { isPublished } from './signing-key.ts';

export class ProtectionKeyIndex {
	readonly #byPurpose = new Map<ProtectionPurpose, readonly ProtectionKeyRecord[]>();

	/** Takes in a record; one that was revoked leaves, and everything that was hidden with it. */
	apply(record: ProtectionKeyRecord): void {
		const others = this.live(record.purpose).filter(({ id }) => id !== record.id);
		const live = record.revokedAtMs === undefined ? [...others, record] : others;
		this.#byPurpose.set(
			record.purpose,
			live.toSorted((a, b) => b.activeFromMs - a.activeFromMs || (a.id < b.id ? 1 : -1)),
		);
	}

	/** The keys that may open tokens now or soon, newest first. The same list until one of them changes. */
	live(purpose: ProtectionPurpose): readonly ProtectionKeyRecord[] {
		return this.#byPurpose.get(purpose) ?? NONE;
	}

	/** All of them, to start another index from. */
	records(): readonly ProtectionKeyRecord[] {
		return PROTECTION_PURPOSES.flatMap((purpose) => this.live(purpose));
	}

	/** Forgets the keys whose last token has expired; call it now and then. */
	forgetGone(nowMs: number): void {
		for (const [purpose, live] of this.#byPurpose) {
			const lasting = live.filter((record) => isPublished(record, nowMs));
			if (lasting.length < live.length) this.#byPurpose.set(purpose, lasting);
		}
	}
}

const NONE: readonly ProtectionKeyRecord[] = [];
