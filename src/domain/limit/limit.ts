// Limits of a plan. `burst` is how many requests may come at once, `sustained` the long-run rate.

export interface LimitRule {
	/** Name in the RateLimit fields, such as `burst` or `sustained`. Token characters only. */
	readonly name: string;
	/** Requests in each window. */
	readonly requests: number;
	/** Length of the window in seconds. */
	readonly windowSeconds: number;
	/** Whose calls are counted together. */
	readonly per: 'client' | 'subscription' | 'partner';
}
