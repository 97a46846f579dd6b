// The change feed over Kysely. Its numbers come from a counter row: the transaction that has raised it keeps the row
// until it commits, so that numbers follow the commit order on every database, and never fall when changes are pruned.
import type { Kysely } from 'kysely';
import type { ChangeFeed, RegistryChange } from '../../../domain/registry/change-feed.ts';
import { checkChangeLimit } from '../paging.ts';
import { nextNumber } from './counter.ts';
import type { Atomically, SqlSchema } from './schema.ts';

/** Makes the change feed that reads and writes through `database`, which may be a transaction. */
export function createSqlChangeFeed(database: Kysely<SqlSchema>, atomically: Atomically): ChangeFeed {
	return {
		append: (change) =>
			atomically(async (transaction) => {
				const sequence = await nextNumber(transaction, 'change');
				await transaction
					.insertInto('changes')
					.values({ sequence, kind: change.kind, record: JSON.stringify(change.record) })
					.execute();
				return sequence;
			}),
		after: async (sequence, limit) => {
			const rows = await database
				.selectFrom('changes')
				.selectAll()
				.where('sequence', '>', sequence)
				.orderBy('sequence')
				.limit(checkChangeLimit(limit))
				.execute();
			return rows.map((row) => ({ sequence: row.sequence, change: decodeChange(row.kind, row.record) }));
		},
		latest: async () => {
			const row = await database.selectFrom('counters').select('value').where('name', '=', 'change').executeTakeFirst();
			return row?.value ?? 0;
		},
		prune: async (sequence) => {
			await database.deleteFrom('changes').where('sequence', '<=', sequence).execute();
		},
	};
}

/** Both parts were written by `append` from one change. */
function decodeChange(kind: string, record: string): RegistryChange {
	return { kind, record: JSON.parse(record) } as RegistryChange;
}
