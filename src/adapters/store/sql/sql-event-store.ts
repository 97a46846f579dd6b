// Events over Kysely. Their numbers come from a counter row, as those of the change feed do: whoever has read up to a number
// has missed nothing that commits later.
import type { Kysely } from 'kysely';
import type { PlatformEvent } from '../../../domain/event/event.ts';
import type { EventStore } from '../../../domain/event/event-store.ts';
import { checkChangeLimit } from '../paging.ts';
import { nextNumber } from './counter.ts';
import type { Atomically, SqlSchema } from './schema.ts';

/** Makes the store of events that reads and writes through `database`, which may be a transaction. */
export function createSqlEventStore(database: Kysely<SqlSchema>, atomically: Atomically): EventStore {
	return {
		append: (event) =>
			atomically(async (transaction) => {
				const known = await transaction.selectFrom('events').select('sequence').where('key', '=', event.key).execute();
				if (known.length > 0) return false;
				const sequence = await nextNumber(transaction, 'event');
				await transaction
					.insertInto('events')
					.values({ sequence, key: event.key, at_ms: event.atMs, body: JSON.stringify(event) })
					.execute();
				return true;
			}),
		after: async (sequence, limit) => {
			const rows = await database
				.selectFrom('events')
				.select(['sequence', 'body'])
				.where('sequence', '>', sequence)
				.orderBy('sequence')
				.limit(checkChangeLimit(limit))
				.execute();
			return rows.map((row) => ({ sequence: row.sequence, event: JSON.parse(row.body) as PlatformEvent }));
		},
		findKeys: async (keys) => {
			if (keys.length === 0) return [];
			const rows = await database
				.selectFrom('events')
				.select('key')
				.where('key', 'in', [...keys])
				.execute();
			return rows.map(({ key }) => key);
		},
		prune: async (atMs) => {
			await database.deleteFrom('events').where('at_ms', '<', atMs).execute();
		},
	};
}
