// Products and plans come from configuration; a subscription gives one client a product under a plan.
import type { LimitRule } from '../limit/limit.ts';

/** A bundle of scopes and operations that is sold, or granted, as one. */
export interface Product {
	readonly id: string;
	readonly title: string;
	/** Scopes that a subscription may ask tokens for. */
	readonly scopes: readonly string[];
	/** Operations in it, as `<api>/<version>/<operationId>`. */
	readonly operations: readonly string[];
}

/** Limits and token lifetime of a subscription. */
export interface Plan {
	readonly id: string;
	readonly title: string;
	readonly limits: readonly LimitRule[];
	readonly tokenTtlSeconds: number;
}
