// The mark of the ledger over Kysely: one row, which only a larger ledger replaces.
import type { Kysely } from 'kysely';
import type { LedgerMarkStore } from '../../../domain/ledger/ledger-mark-store.ts';
import type { SqlSchema } from './schema.ts';

/** Makes the store of the ledger's mark. */
export function createSqlLedgerMarkStore(database: Kysely<SqlSchema>): LedgerMarkStore {
	return {
		get: async () => {
			const row = await database.selectFrom('ledger_mark').selectAll().executeTakeFirst();
			if (row === undefined) return undefined;
			return { size: row.size, rootHash: row.root_hash, recordedAtMs: row.recorded_at_ms };
		},
		put: async ({ size, rootHash, recordedAtMs }) => {
			const values = { size, root_hash: rootHash, recorded_at_ms: recordedAtMs };
			await database
				.insertInto('ledger_mark')
				.values({ id: 1, ...values })
				// INVARIANT: the comparison is part of the statement, so that no two writers can lower the mark between them.
				.onConflict((conflict) => conflict.column('id').doUpdateSet(values).where('ledger_mark.size', '<', size))
				.execute();
		},
	};
}
