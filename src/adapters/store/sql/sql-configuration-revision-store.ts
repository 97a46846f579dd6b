// The configurations that were loaded, over Kysely.
import type { Kysely } from 'kysely';
import type {
	ConfigurationRevision,
	ConfigurationRevisionStore,
} from '../../../domain/registry/configuration-revision-store.ts';
import { nextNumber } from './counter.ts';
import type { Atomically, SqlSchema } from './schema.ts';

/** Makes the store of configuration revisions. */
export function createSqlConfigurationRevisionStore(
	database: Kysely<SqlSchema>,
	atomically: Atomically,
): ConfigurationRevisionStore {
	return {
		record: ({ digest, source, loadedAtMs }) =>
			atomically(async (transaction) => {
				const newest = await readNewest(transaction);
				if (newest?.digest === digest) return newest.number;
				const number = await nextNumber(transaction, 'configuration');
				await transaction
					.insertInto('configuration_revisions')
					.values({ number, digest, source, loaded_at_ms: loadedAtMs })
					.execute();
				return number;
			}),
		latest: () => readNewest(database),
	};
}

async function readNewest(database: Kysely<SqlSchema>): Promise<ConfigurationRevision | undefined> {
	const row = await database
		.selectFrom('configuration_revisions')
		.selectAll()
		.orderBy('number', 'desc')
		.limit(1)
		.executeTakeFirst();
	if (row === undefined) return undefined;
	return { number: row.number, digest: row.digest, source: row.source, loadedAtMs: row.loaded_at_ms };
}
