// Fetched key sets over Kysely: one row each, and one for each key, by which a key is found again whose it is.
import type { Kysely } from 'kysely';
import type { FetchedKey } from '../../../domain/issuer/key-set.ts';
import type { KeySetStore } from '../../../domain/issuer/key-set-store.ts';
import type { Atomically, SqlSchema } from './schema.ts';

/** Makes the store of fetched key sets. */
export function createSqlKeySetStore(database: Kysely<SqlSchema>, atomically: Atomically): KeySetStore {
	return {
		get: async (owner) => {
			const row = await database.selectFrom('key_sets').selectAll().where('owner', '=', owner).executeTakeFirst();
			if (row === undefined) return undefined;
			const keys = JSON.parse(row.keys) as readonly FetchedKey[];
			return { owner, source: row.source, keys, fetchedAtMs: row.fetched_at_ms };
		},
		put: ({ owner, source, keys, fetchedAtMs }) =>
			atomically(async (transaction) => {
				const values = { source, keys: JSON.stringify(keys), fetched_at_ms: fetchedAtMs };
				await transaction
					.insertInto('key_sets')
					.values({ owner, ...values })
					.onConflict((conflict) => conflict.column('owner').doUpdateSet(values))
					.execute();
				await transaction.deleteFrom('key_set_keys').where('owner', '=', owner).execute();
				const hashes = [...new Set(keys.map(({ publicKeyHash }) => publicKeyHash))];
				if (hashes.length === 0) return;
				const rows = hashes.map((hash) => ({ owner, public_key_hash: hash }));
				await transaction.insertInto('key_set_keys').values(rows).execute();
			}),
		ownersOf: async (publicKeyHash) => {
			const rows = await database
				.selectFrom('key_set_keys')
				.select('owner')
				.where('public_key_hash', '=', publicKeyHash)
				.orderBy('owner')
				.execute();
			return rows.map(({ owner }) => owner);
		},
	};
}
