// Remembered answers over Kysely.
import type { Kysely } from 'kysely';
import type { IdempotencyStore } from '../../../domain/registry/idempotency-store.ts';
import { StoreConflict } from '../../../domain/registry/store-conflict.ts';
import type { SqlSchema } from './schema.ts';

/** Makes the idempotency store that reads and writes through `database`, which may be a transaction. */
export function createSqlIdempotencyStore(database: Kysely<SqlSchema>): IdempotencyStore {
	return {
		get: async (key) => {
			const row = await database.selectFrom('idempotent_answers').selectAll().where('key', '=', key).executeTakeFirst();
			if (row === undefined) return undefined;
			return {
				key: row.key,
				fingerprint: row.fingerprint,
				status: row.status,
				body: row.body,
				headers: JSON.parse(row.headers) as { readonly [name: string]: string },
				expiresAtMs: row.expires_at_ms,
			};
		},
		insert: async (answer) => {
			const result = await database
				.insertInto('idempotent_answers')
				.values({
					key: answer.key,
					fingerprint: answer.fingerprint,
					status: answer.status,
					body: answer.body,
					headers: JSON.stringify(answer.headers),
					expires_at_ms: answer.expiresAtMs,
				})
				.onConflict((conflict) => conflict.doNothing())
				.executeTakeFirst();
			if (result.numInsertedOrUpdatedRows !== 1n) {
				throw new StoreConflict('unique', 'an answer is stored under this idempotency key');
			}
		},
		deleteExpired: async (nowMs) => {
			await database.deleteFrom('idempotent_answers').where('expires_at_ms', '<=', nowMs).execute();
		},
	};
}
