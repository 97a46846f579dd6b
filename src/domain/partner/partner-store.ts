// Port: where partners are kept.
import type { PartnerId } from '../../kernel/ids.ts';
import type { Partner } from './partner.ts';
import type { Page, PageRequest } from '../registry/page.ts';

/** Stores partners; names are not unique. Every method sees what earlier calls of the same registry did. */
export interface PartnerStore {
	/** Adds a record; throws StoreConflict('unique') when the id or a unique key is taken. */
	insert(record: Partner): Promise<void>;
	get(id: PartnerId): Promise<Partner | undefined>;
	/** Replaces a record whose stored revision is `expectedRevision`; throws StoreConflict('revision') otherwise. */
	update(record: Partner, expectedRevision: number): Promise<void>;
	list(page: PageRequest): Promise<Page<Partner>>;
}
