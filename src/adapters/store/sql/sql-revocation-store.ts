// Revoked access tokens over Kysely.
import type { Kysely } from 'kysely';
import type { RevocationStore } from '../../../domain/token/revocation-store.ts';
import type { SqlSchema } from './schema.ts';

/** Makes the revocation store that reads and writes through `database`, which may be a transaction. */
export function createSqlRevocationStore(database: Kysely<SqlSchema>): RevocationStore {
	return {
		insert: async ({ jti, expiresAtSeconds, revokedAtMs }) => {
			await database
				.insertInto('token_revocations')
				.values({ jti, expires_at_seconds: expiresAtSeconds, revoked_at_ms: revokedAtMs })
				.onConflict((conflict) =>
					conflict
						.column('jti')
						.doUpdateSet({ expires_at_seconds: expiresAtSeconds })
						.where('token_revocations.expires_at_seconds', '<', expiresAtSeconds),
				)
				.execute();
		},
		listLive: async (nowSeconds) => {
			const rows = await database
				.selectFrom('token_revocations')
				.selectAll()
				.where('expires_at_seconds', '>=', nowSeconds)
				.orderBy('jti')
				.execute();
			return rows.map((row) => ({
				jti: row.jti,
				expiresAtSeconds: row.expires_at_seconds,
				revokedAtMs: row.revoked_at_ms,
			}));
		},
		deleteExpired: async (nowSeconds) => {
			await database.deleteFrom('token_revocations').where('expires_at_seconds', '<', nowSeconds).execute();
		},
	};
}
