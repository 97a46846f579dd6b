// Port: revoked access tokens. A revocation is kept until the token would have expired anyway, so that the
// set is bounded by the token lifetime.

export interface TokenRevocation {
	/** The `jti` of the token. */
	readonly jti: string;
	/** Second after which nobody accepts the token in any case. */
	readonly expiresAtSeconds: number;
	readonly revokedAtMs: number;
}

export interface RevocationStore {
	/** Adds a revocation; the same jti again is no error and keeps the later expiry. */
	insert(revocation: TokenRevocation): Promise<void>;
	/** All revocations that have not expired at `nowSeconds`. */
	listLive(nowSeconds: number): Promise<readonly TokenRevocation[]>;
	deleteExpired(nowSeconds: number): Promise<void>;
}
