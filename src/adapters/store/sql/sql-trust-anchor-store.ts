// Trust anchors of partners and the lists of their authorities, over Kysely: two tables of documents.
import type { Kysely } from 'kysely';
import type { AnchorListStore, TrustAnchorStore } from '../../../domain/trust-anchor/trust-anchor-store.ts';
import type { AnchorList, TrustAnchor } from '../../../domain/trust-anchor/trust-anchor.ts';
import { DocumentTable } from './document-table.ts';
import type { SqlSchema } from './schema.ts';

/** Makes the store of trust anchors that reads and writes through `database`, which may be a transaction. */
export function createSqlTrustAnchorStore(database: Kysely<SqlSchema>): TrustAnchorStore {
	const table = new DocumentTable<TrustAnchor, 'trust_anchors'>(database, 'trust_anchors');
	return {
		insert: (record) => table.insert(record),
		get: (id) => table.get(id),
		update: (record, expectedRevision) => table.update(record, expectedRevision),
		findActiveByKey: async (publicKeyHash) => {
			const [found] = await table.all([
				{ column: 'public_key_hash', operator: '=', value: publicKeyHash },
				{ column: 'status', operator: '=', value: 'active' },
			]);
			return found;
		},
		list: (page, filter) => table.list(page, [{ column: 'partner_id', operator: '=', value: filter?.partnerId }]),
	};
}

/** Makes the store of their lists. */
export function createSqlAnchorListStore(database: Kysely<SqlSchema>): AnchorListStore {
	const table = new DocumentTable<AnchorList, 'anchor_lists'>(database, 'anchor_lists');
	return {
		insert: (record) => table.insert(record),
		get: (id) => table.get(id),
		update: (record, expectedRevision) => table.update(record, expectedRevision),
		listByAnchor: (anchorId) => table.all([{ column: 'anchor_id', operator: '=', value: anchorId }]),
	};
}
