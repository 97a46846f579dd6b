// Port: where subscriptions are kept. A client has at most one active subscription of a product.
import type { ClientId, PartnerId, SubscriptionId } from '../../kernel/ids.ts';
import type { Subscription } from './subscription.ts';
import type { Page, PageRequest } from '../registry/page.ts';

/** Stores subscriptions. Every method sees what earlier calls of the same registry did. */
export interface SubscriptionStore {
	/** Adds a record; throws StoreConflict('unique') when the id or a unique key is taken. */
	insert(record: Subscription): Promise<void>;
	get(id: SubscriptionId): Promise<Subscription | undefined>;
	/** Replaces a record whose stored revision is `expectedRevision`; throws StoreConflict('revision') otherwise. */
	update(record: Subscription, expectedRevision: number): Promise<void>;
	list(
		page: PageRequest,
		filter?: { readonly partnerId?: PartnerId; readonly clientId?: ClientId },
	): Promise<Page<Subscription>>;
}
