// Port: key sets that were fetched, so that a restart during an outage of their owner goes on with them. Only public keys;
// what they are good for is judged again by whoever takes them out.
import type { FetchedKey } from './key-set.ts';

/** A key set as it was last fetched. */
export interface StoredKeySet {
	/** Whose it is: `issuer:` and the issuer, or the id of a credential. */
	readonly owner: string;
	/** Where it was fetched from. */
	readonly source: string;
	readonly keys: readonly FetchedKey[];
	readonly fetchedAtMs: number;
}

/** Stores the latest key set of each owner. */
export interface KeySetStore {
	get(owner: string): Promise<StoredKeySet | undefined>;
	/** Replaces the set of its owner. */
	put(set: StoredKeySet): Promise<void>;
	/** Owners whose latest set holds this key (`publicKeyHash`), in order. */
	ownersOf(publicKeyHash: string): Promise<readonly string[]>;
}
