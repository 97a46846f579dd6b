// The private keys that one thread signs with, and which of them signs now. The choice follows from the records of the
// change feed and the clock; a key is handed in before its record takes effect, and put away when it signs no more.
import { createPrivateKey, type KeyObject } from 'node:crypto';
import type { Clock } from '../../kernel/clock.ts';
import type { Secret } from '../../kernel/secret.ts';
import { createJwtSigner, type JwtSigner, type TokenSigner } from './jwt-sign.ts';
import { isSpent, type SigningKeyRecord, type SigningPurpose } from './signing-key.ts';
import type { SigningKeyIndex } from './signing-key-index.ts';

/** What a ring needs. */
export interface SigningKeyRingDeps {
	readonly purpose: SigningPurpose;
	/** The `typ` header of what is signed. */
	readonly type: string;
	readonly index: SigningKeyIndex;
	readonly clock: Clock;
}

interface HeldKey<Sign> {
	readonly sign: Sign;
	/** A key is handed in before its record is here; it is put away only once the record was. */
	hadRecord: boolean;
}

interface Choice<Sign> {
	readonly kid: string;
	readonly sign: Sign;
	readonly records: readonly SigningKeyRecord[];
	/** Until when the choice holds while the records stay the same. */
	readonly fromMs: number;
	readonly untilMs: number;
}

/** The keys of one purpose. `Sign` is what they sign by: from memory at once, or also with keys elsewhere. */
export class SigningKeyRing<Sign extends TokenSigner = JwtSigner> {
	readonly #deps: SigningKeyRingDeps;
	readonly #keys = new Map<string, HeldKey<Sign>>();
	#choice: Choice<Sign> | undefined;

	constructor(deps: SigningKeyRingDeps) {
		this.#deps = deps;
	}

	/** Hands in the private half of a key. */
	add(kid: string, privateKey: Secret | KeyObject): void {
		if (this.#keys.has(kid)) return;
		const key = 'reveal' in privateKey ? createPrivateKey(privateKey.reveal()) : privateKey;
		// Every ring takes a signer from memory, whatever else it takes.
		this.hold(kid, (type) => createJwtSigner({ kid, privateKey: key }, type) as JwtSigner as Sign);
	}

	/** Hands in a key as the signer that `open` makes for the type of what is signed here. */
	hold(kid: string, open: (type: string) => Sign): void {
		if (!this.#keys.has(kid)) this.#keys.set(kid, { sign: open(this.#deps.type), hadRecord: false });
	}

	has(kid: string): boolean {
		return this.#keys.has(kid);
	}

	/**
	 * Gives the signer of this moment. INVARIANT: never one of a key that is not published yet, and never one of a revoked
	 * key. Where the private half of the active key has not arrived, the one before it goes on: it is published still. Where the
	 * active key was revoked without another, none does: what the ones before it would sign outlives their publication.
	 * Throws when there is none: a platform that cannot sign must say so, and not sign with something else.
	 */
	signer(): Sign {
		const current = this.#current();
		if (current === undefined) throw new Error(`no key of ${this.#deps.purpose} can sign`);
		return current.sign;
	}

	/** Names the key that `signer` gives; undefined when there is none. */
	kid(): string | undefined {
		return this.#current()?.kid;
	}

	#current(): Pick<Choice<Sign>, 'sign' | 'kid'> | undefined {
		const nowMs = this.#deps.clock.nowMs();
		const records = this.#deps.index.published(this.#deps.purpose);
		const choice = this.#choice;
		if (choice?.records === records && nowMs >= choice.fromMs && nowMs < choice.untilMs) return choice;
		return this.#choose(records, nowMs);
	}

	/** Puts away the private keys that sign no more; call it now and then. */
	forgetUnused(): void {
		const nowMs = this.#deps.clock.nowMs();
		const records = new Map(this.#deps.index.published(this.#deps.purpose).map((record) => [record.id, record]));
		for (const [kid, held] of this.#keys) {
			const record = records.get(kid);
			if (record === undefined ? held.hadRecord : isSpent(record, nowMs)) this.#keys.delete(kid);
			held.hadRecord ||= record !== undefined;
		}
	}

	#choose(records: readonly SigningKeyRecord[], nowMs: number): Pick<Choice<Sign>, 'sign' | 'kid'> | undefined {
		// Newest first.
		const begun = records.filter((record) => record.activeFromMs <= nowMs);
		const newest = begun[0];
		if (newest?.retiresAtMs !== undefined && newest.retiresAtMs <= nowMs) return undefined;
		const chosen = begun.find((record) => this.#keys.has(record.id));
		const sign = chosen === undefined ? undefined : this.#keys.get(chosen.id)?.sign;
		if (chosen === undefined || sign === undefined) return undefined;
		const untilMs = records.reduce(
			(earliest, { activeFromMs }) => (activeFromMs > nowMs ? Math.min(earliest, activeFromMs) : earliest),
			Number.POSITIVE_INFINITY,
		);
		const { id: kid, activeFromMs: fromMs } = chosen;
		// A newer key whose private half is missing may arrive without a change of the records.
		if (newest === chosen) this.#choice = { kid, sign, records, fromMs, untilMs };
		return { kid, sign };
	}
}
