// Remembers answers by Idempotency-Key (draft-ietf-httpapi-idempotency-key-header), so that a repeated
// command is answered again instead of carried out again.

export interface IdempotentAnswer {
	/** Operator and key, joined by the caller. */
	readonly key: string;
	/** SHA-256 (hex) of method, path and payload: another payload under the same key is refused. */
	readonly fingerprint: string;
	readonly status: number;
	/** JSON text of the answer; '' for none. */
	readonly body: string;
	/** Headers worth replaying, such as ETag and Location. */
	readonly headers: { readonly [name: string]: string };
	readonly expiresAtMs: number;
}

export interface IdempotencyStore {
	get(key: string): Promise<IdempotentAnswer | undefined>;
	/** Stores an answer; throws StoreConflict('unique') when the key is already there. */
	insert(answer: IdempotentAnswer): Promise<void>;
	deleteExpired(nowMs: number): Promise<void>;
}
