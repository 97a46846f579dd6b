// The latest revocation list of each authority, over Kysely: one row each, which only a higher number replaces.
import type { Kysely } from 'kysely';
import type { RevocationListStore } from '../../../domain/certificate/revocation-list-store.ts';
import { StoreConflict } from '../../../domain/registry/store-conflict.ts';
import type { SqlSchema } from './schema.ts';

/** Makes the store of revocation lists. */
export function createSqlRevocationListStore(database: Kysely<SqlSchema>): RevocationListStore {
	return {
		get: async (authority) => {
			const row = await database
				.selectFrom('revocation_lists')
				.selectAll()
				.where('authority', '=', authority)
				.executeTakeFirst();
			if (row === undefined) return undefined;
			return {
				authority,
				number: row.number,
				thisUpdateMs: row.this_update_ms,
				nextUpdateMs: row.next_update_ms,
				entries: row.entries,
				der: row.der,
			};
		},
		put: async ({ authority, number, thisUpdateMs, nextUpdateMs, entries, der }) => {
			const values = { number, this_update_ms: thisUpdateMs, next_update_ms: nextUpdateMs, entries, der };
			const result = await database
				.insertInto('revocation_lists')
				.values({ authority, ...values })
				// INVARIANT: the comparison is part of the statement, so that no two writers give the same number.
				.onConflict((conflict) =>
					conflict.column('authority').doUpdateSet(values).where('revocation_lists.number', '<', number),
				)
				.executeTakeFirst();
			if (result.numInsertedOrUpdatedRows !== 1n)
				throw new StoreConflict('revision', 'a revocation list with this number, or a higher one, is stored');
		},
	};
}
