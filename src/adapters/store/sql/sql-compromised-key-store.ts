// Keys that must never be certified, over Kysely.
import type { Kysely } from 'kysely';
import type { CompromisedKeyStore } from '../../../domain/certificate/compromised-key-store.ts';
import type { SqlSchema } from './schema.ts';

/** Makes the store that reads and writes through `database`, which may be a transaction. */
export function createSqlCompromisedKeyStore(database: Kysely<SqlSchema>): CompromisedKeyStore {
	return {
		add: async (keys) => {
			let added = 0;
			for (const { publicKeyHash, source, addedAtMs } of keys) {
				const result = await database
					.insertInto('compromised_keys')
					.values({ public_key_hash: publicKeyHash, source, added_at_ms: addedAtMs })
					.onConflict((conflict) => conflict.doNothing())
					.executeTakeFirst();
				added += Number(result.numInsertedOrUpdatedRows ?? 0n);
			}
			return added;
		},
		find: async (publicKeyHash) => {
			const row = await database
				.selectFrom('compromised_keys')
				.selectAll()
				.where('public_key_hash', '=', publicKeyHash)
				.executeTakeFirst();
			if (row === undefined) return undefined;
			return { publicKeyHash: row.public_key_hash, source: row.source, addedAtMs: row.added_at_ms };
		},
		count: async () => {
			const row = await database
				.selectFrom('compromised_keys')
				.select((count) => count.fn.countAll<number>().as('count'))
				.executeTakeFirstOrThrow();
			return Number(row.count);
		},
	};
}
