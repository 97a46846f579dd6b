// Port: where clients are kept.
import type { ClientId, PartnerId } from '../../kernel/ids.ts';
import type { Client } from './client.ts';
import type { Page, PageRequest } from '../registry/page.ts';

/** Stores clients. Every method sees what earlier calls of the same registry did. */
export interface ClientStore {
	/** Adds a record; throws StoreConflict('unique') when the id or a unique key is taken. */
	insert(record: Client): Promise<void>;
	get(id: ClientId): Promise<Client | undefined>;
	/** Replaces a record whose stored revision is `expectedRevision`; throws StoreConflict('revision') otherwise. */
	update(record: Client, expectedRevision: number): Promise<void>;
	list(page: PageRequest, filter?: { readonly partnerId?: PartnerId }): Promise<Page<Client>>;
}
