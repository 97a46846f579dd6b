// Port: keys that must never be certified, by hash. It grows by each revocation for compromise and by lists
// that operators import.

export interface CompromisedKey {
	/** base64url SHA-256 of the DER SubjectPublicKeyInfo. */
	readonly publicKeyHash: string;
	/** Where it is known from, such as `revocation` or the name of a list. */
	readonly source: string;
	readonly addedAtMs: number;
}

export interface CompromisedKeyStore {
	/** Adds keys; those that are there already stay as they are. Resolves with the number of new ones. */
	add(keys: readonly CompromisedKey[]): Promise<number>;
	find(publicKeyHash: string): Promise<CompromisedKey | undefined>;
	count(): Promise<number>;
}
