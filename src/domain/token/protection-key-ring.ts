// The keys that hide tokens, as one thread holds them: which one is used now, and which ones open. The choice follows from
// the records of the change feed and the clock; a key is handed in before its record takes effect, and put away when it
// opens nothing any more.
import type { KeyObject } from 'node:crypto';
import type { Clock } from '../../kernel/clock.ts';
import type { Secret } from '../../kernel/secret.ts';
import {
	type EncryptionKey,
	type ProtectionKeyRecord,
	type ProtectionPurpose,
	readEncryptionKey,
	readSealingKey,
	type SealingKey,
} from './protection-key.ts';
import type { ProtectionKeyIndex } from './protection-key-index.ts';

/** The keys that new tokens are made with at this moment. */
export interface CurrentProtectionKeys {
	sealing(): SealingKey;
	encryption(): EncryptionKey;
}

interface Held<K> {
	readonly key: K;
	readonly opener: KeyObject;
	/** A key is handed in before its record is here; it is put away only once the record was. */
	hadRecord: boolean;
}

/** The keys of one purpose. */
class PurposeRing<K> {
	readonly #purpose: ProtectionPurpose;
	readonly #index: ProtectionKeyIndex;
	readonly #clock: Clock;
	readonly #held = new Map<string, Held<K>>();
	/** What opens, for the records that it was worked out from. */
	#openers:
		| { readonly records: readonly ProtectionKeyRecord[]; readonly keys: ReadonlyMap<string, KeyObject> }
		| undefined;

	constructor(purpose: ProtectionPurpose, index: ProtectionKeyIndex, clock: Clock) {
		this.#purpose = purpose;
		this.#index = index;
		this.#clock = clock;
	}

	add(id: string, key: K, opener: KeyObject): void {
		if (this.#held.has(id)) return;
		this.#held.set(id, { key, opener, hadRecord: false });
		this.#openers = undefined;
	}

	has(id: string): boolean {
		return this.#held.has(id);
	}

	/** INVARIANT: a revoked key opens nothing, and one without a record does not either. */
	openers(): ReadonlyMap<string, KeyObject> {
		const records = this.#index.live(this.#purpose);
		if (this.#openers?.records !== records) this.#openers = { records, keys: this.#openersFor(records) };
		return this.#openers.keys;
	}

	#openersFor(records: readonly ProtectionKeyRecord[]): ReadonlyMap<string, KeyObject> {
		const keys = new Map<string, KeyObject>();
		for (const { id } of records) {
			const held = this.#held.get(id);
			if (held !== undefined) keys.set(id, held.opener);
		}
		return keys;
	}

	/**
	 * INVARIANT: never a key that not every thread knows yet, and never a revoked one. Where the active key has not arrived,
	 * the one before it goes on: it opens still. Throws when there is none.
	 */
	current(): K {
		const nowMs = this.#clock.nowMs();
		for (const { id, activeFromMs } of this.#index.live(this.#purpose)) {
			const held = activeFromMs <= nowMs ? this.#held.get(id) : undefined;
			if (held !== undefined) return held.key;
		}
		throw new Error(`there is no key of ${this.#purpose}`);
	}

	forgetUnused(): void {
		const live = new Set(this.#index.live(this.#purpose).map(({ id }) => id));
		for (const [id, held] of this.#held) {
			if (!live.has(id) && held.hadRecord) this.#held.delete(id);
			held.hadRecord ||= live.has(id);
		}
	}
}

export class ProtectionKeyRing implements CurrentProtectionKeys {
	readonly #sealing: PurposeRing<SealingKey>;
	readonly #encryption: PurposeRing<EncryptionKey>;

	constructor(index: ProtectionKeyIndex, clock: Clock) {
		this.#sealing = new PurposeRing('token-sealing', index, clock);
		this.#encryption = new PurposeRing('token-encryption', index, clock);
	}

	/** Hands in a key, as the key store keeps it. */
	add(purpose: ProtectionPurpose, text: Secret): void {
		if (purpose === 'token-sealing') {
			const key = readSealingKey(text);
			this.#sealing.add(key.id, key, key.secret);
		} else {
			const key = readEncryptionKey(text);
			this.#encryption.add(key.kid, key, key.privateKey);
		}
	}

	has({ purpose, id }: Pick<ProtectionKeyRecord, 'purpose' | 'id'>): boolean {
		return purpose === 'token-sealing' ? this.#sealing.has(id) : this.#encryption.has(id);
	}

	sealing(): SealingKey {
		return this.#sealing.current();
	}

	encryption(): EncryptionKey {
		return this.#encryption.current();
	}

	/** Secret keys that open opaque tokens, by id. */
	sealingKeys(): ReadonlyMap<string, KeyObject> {
		return this.#sealing.openers();
	}

	/** Private keys that open encrypted tokens, by `kid`. */
	decryptionKeys(): ReadonlyMap<string, KeyObject> {
		return this.#encryption.openers();
	}

	/** Puts away the keys that open nothing any more; call it now and then. */
	forgetUnused(): void {
		this.#sealing.forgetUnused();
		this.#encryption.forgetUnused();
	}
}
