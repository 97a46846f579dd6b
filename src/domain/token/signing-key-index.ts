// The published signing keys as decisions see them: in memory, kept current by the change feed. Whoever verifies asks for
// the keys by `kid`; whoever publishes asks for all of them.
import { createPublicKey, type KeyObject } from 'node:crypto';
import {
	isPublished,
	type PublicJwkSet,
	SIGNING_PURPOSES,
	type SigningKeyRecord,
	type SigningPurpose,
} from './signing-key.ts';

interface OfPurpose {
	/** Newest first; another list after each change. */
	records: readonly SigningKeyRecord[];
	/** One map for good, so that whoever holds it sees every change. */
	readonly verification: Map<string, KeyObject>;
}

export class SigningKeyIndex {
	readonly #byPurpose: ReadonlyMap<SigningPurpose, OfPurpose> = new Map(
		SIGNING_PURPOSES.map((purpose) => [purpose, { records: [], verification: new Map() }]),
	);

	/** Takes in a record; one that was revoked leaves, and everything that it has signed with it. */
	apply(record: SigningKeyRecord): void {
		const of = this.#of(record.purpose);
		const others = of.records.filter(({ id }) => id !== record.id);
		if (record.revokedAtMs !== undefined) {
			of.records = others;
			of.verification.delete(record.id);
			return;
		}
		of.records = [...others, record].toSorted((a, b) => b.activeFromMs - a.activeFromMs || (a.id < b.id ? 1 : -1));
		if (!of.verification.has(record.id)) {
			of.verification.set(record.id, createPublicKey({ key: record.publicJwk, format: 'jwk' }));
		}
	}

	/** The published keys of a purpose, newest first. The same list until one of them changes. */
	published(purpose: SigningPurpose): readonly SigningKeyRecord[] {
		return this.#of(purpose).records;
	}

	/** The keys that signatures of a purpose are verified with, by `kid`: one map, which follows every change. */
	verificationKeys(purpose: SigningPurpose): ReadonlyMap<string, KeyObject> {
		return this.#of(purpose).verification;
	}

	/** All of them, to start another index from. */
	records(): readonly SigningKeyRecord[] {
		return [...this.#byPurpose.values()].flatMap(({ records }) => records);
	}

	/** Forgets the keys whose last token has expired; call it now and then. */
	forgetGone(nowMs: number): void {
		for (const of of this.#byPurpose.values()) {
			const gone = of.records.filter((record) => !isPublished(record, nowMs));
			if (gone.length === 0) continue;
			of.records = of.records.filter((record) => !gone.includes(record));
			for (const { id } of gone) of.verification.delete(id);
		}
	}

	#of(purpose: SigningPurpose): OfPurpose {
		return this.#byPurpose.get(purpose) as OfPurpose;
	}
}

/** Gives the public halves as a JWK Set. */
export function publicJwkSet(records: readonly SigningKeyRecord[]): PublicJwkSet {
	return { keys: records.map((record) => record.publicJwk) };
}
