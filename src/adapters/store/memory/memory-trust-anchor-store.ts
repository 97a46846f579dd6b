// Trust anchors of partners and the lists of their authorities, over the state in memory.
import type { AnchorListStore, TrustAnchorStore } from '../../../domain/trust-anchor/trust-anchor-store.ts';
import { pageOf, recordsToRead } from '../paging.ts';
import type { Enter } from './memory-step.ts';
import type { MemoryState } from './memory-state.ts';

/** Makes the store of trust anchors that reads and changes `state` by steps that `enter` runs. */
export function createMemoryTrustAnchorStore({ trustAnchors }: MemoryState, enter: Enter): TrustAnchorStore {
	return {
		insert: (record) => enter((transaction) => trustAnchors.insert(transaction, record)),
		get: (id) => enter(() => trustAnchors.get(id)),
		update: (record, expectedRevision) =>
			enter((transaction) => trustAnchors.update(transaction, record, expectedRevision)),
		findActiveByKey: (publicKeyHash) => enter(() => trustAnchors.findByUnique(0, publicKeyHash)),
		list: (page, { partnerId } = {}) =>
			enter(() => {
				const isWanted = (one: { readonly partnerId: string }): boolean =>
					partnerId === undefined || one.partnerId === partnerId;
				return pageOf(trustAnchors.select(isWanted, page.after, recordsToRead(page)), page);
			}),
	};
}

/** Makes the store of their lists. */
export function createMemoryAnchorListStore({ anchorLists }: MemoryState, enter: Enter): AnchorListStore {
	return {
		insert: (record) => enter((transaction) => anchorLists.insert(transaction, record)),
		get: (id) => enter(() => anchorLists.get(id)),
		update: (record, expectedRevision) =>
			enter((transaction) => anchorLists.update(transaction, record, expectedRevision)),
		listByAnchor: (anchorId) => enter(() => anchorLists.select((one) => one.anchorId === anchorId)),
	};
}
