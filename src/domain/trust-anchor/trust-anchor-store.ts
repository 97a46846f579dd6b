// Port: where trust anchors of partners and the latest list of each of their keys are kept. The hash of the key is unique
// among the active anchors of all partners.
import type { PartnerId, TrustAnchorId } from '../../kernel/ids.ts';
import type { Page, PageRequest } from '../registry/page.ts';
import type { AnchorList, TrustAnchor } from './trust-anchor.ts';

/** Stores trust anchors. Every method sees what earlier calls of the same registry did. */
export interface TrustAnchorStore {
	/** Adds a record; throws StoreConflict('unique') when the id is taken, or the key by an active anchor. */
	insert(record: TrustAnchor): Promise<void>;
	get(id: TrustAnchorId): Promise<TrustAnchor | undefined>;
	/** Replaces a record whose stored revision is `expectedRevision`; throws StoreConflict('revision') otherwise. */
	update(record: TrustAnchor, expectedRevision: number): Promise<void>;
	/** The active anchors with this key. */
	findActiveByKey(publicKeyHash: string): Promise<TrustAnchor | undefined>;
	list(page: PageRequest, filter?: { readonly partnerId?: PartnerId | undefined }): Promise<Page<TrustAnchor>>;
}

/** Stores the latest list of each key below an anchor. */
export interface AnchorListStore {
	insert(record: AnchorList): Promise<void>;
	get(id: string): Promise<AnchorList | undefined>;
	update(record: AnchorList, expectedRevision: number): Promise<void>;
	listByAnchor(anchorId: TrustAnchorId): Promise<readonly AnchorList[]>;
}
