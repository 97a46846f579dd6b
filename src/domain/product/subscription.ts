// A subscription is a client's right to a product under a plan, for the resources that it was granted.
import type { ClientId, PartnerId, SubscriptionId } from '../../kernel/ids.ts';
import type { ResourceGrants } from '../policy/resource-grant.ts';

/** How far a client has come with a product: sandbox, then a limited canary, then live. */
export type RolloutStage = 'sandbox' | 'canary' | 'live';

export interface Subscription {
	readonly id: SubscriptionId;
	readonly partnerId: PartnerId;
	readonly clientId: ClientId;
	readonly productId: string;
	readonly planId: string;
	readonly stage: RolloutStage;
	readonly status: 'active' | 'ended';
	/** Which resource ids of each type it covers. A type that is absent covers nothing. */
	readonly grants: ResourceGrants;
	readonly createdAtMs: number;
	readonly updatedAtMs: number;
	readonly revision: number;
}
