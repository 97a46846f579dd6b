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

/** How sure a plan wants to be of who calls; what it means for a client is in authentication-method.ts. */
export type Assurance = 'high' | 'low';

/** What API keys may do under a plan. `read-only` = operations with GET and HEAD. */
export type ApiKeyUse = 'never' | 'read-only' | 'all';

/** Limits and token lifetime of a subscription, and how its clients may prove themselves. */
export interface Plan {
	readonly id: string;
	readonly title: string;
	readonly limits: readonly LimitRule[];
	readonly tokenTtlSeconds: number;
	readonly assurance: Assurance;
	readonly apiKeys: ApiKeyUse;
}
