// Port: proofs that may be used once (client assertions, RFC 7523 §3 rule 7; DPoP proofs, RFC 9449 §11.1). It remembers
// that each was used until nobody would accept it any more.

/** One proof that may be used once. */
export interface OneTimeProof {
	readonly kind: 'client-assertion' | 'dpop-token' | 'dpop-resource';
	/** Whose it is: a client id, or the thumbprint of a key. No spaces. Two owners never share a `jti`. */
	readonly owner: string;
	/** As the owner chose it; any text. */
	readonly jti: string;
	/**
	 * Second from which on nobody accepts the proof, also by a clock that is a little behind. INVARIANT: the caller
	 * checks the proof's own expiry before, so that a proof is never accepted again once it was forgotten here.
	 */
	readonly staleAtSeconds: number;
}

/**
 * Remembers used proofs.
 * - `use` is one atomic step: of all calls for one proof, in all processes that share the store, exactly one gives true.
 * - What gave true is durable: after a crash and a restart the same proof gives false.
 * - `use` rejects when it cannot know. The caller then refuses; whether the proof counts as used is open.
 */
export interface UsedProofs {
	use(proof: OneTimeProof): Promise<boolean>;
	/** Forgets proofs that are stale at `nowSeconds`; call it now and then. */
	forgetStale(nowSeconds: number): Promise<void>;
}

/** Thrown by `use` when the store is full or cannot keep up: nothing was remembered. */
export class UsedProofsOverloaded extends Error {
	constructor(message: string) {
		super(message);
		this.name = 'UsedProofsOverloaded';
	}
}
