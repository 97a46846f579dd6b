// When credentials were last used, over Kysely.
import type { Kysely } from 'kysely';
import type { CredentialUseStore } from '../../../domain/client/credential-use-store.ts';
import type { CredentialId } from '../../../kernel/ids.ts';
import type { SqlSchema } from './schema.ts';

/** Rows of one statement: below the bound that databases set on parameters. */
const ROWS_MAX = 200;

/** Makes the store of uses that reads and writes through `database`, which may be a transaction. */
export function createSqlCredentialUseStore(database: Kysely<SqlSchema>): CredentialUseStore {
	return {
		record: async (uses) => {
			for (let start = 0; start < uses.length; start += ROWS_MAX) {
				const rows = uses
					.slice(start, start + ROWS_MAX)
					.map(({ credentialId, lastUsedAtMs }) => ({ credential_id: credentialId, last_used_at_ms: lastUsedAtMs }));
				await database
					.insertInto('credential_uses')
					.values(rows)
					.onConflict((conflict) =>
						conflict
							.column('credential_id')
							.doUpdateSet({ last_used_at_ms: (given) => given.ref('excluded.last_used_at_ms') })
							.whereRef('credential_uses.last_used_at_ms', '<', 'excluded.last_used_at_ms'),
					)
					.execute();
			}
		},
		find: async (ids) => {
			if (ids.length === 0) return [];
			const rows = await database
				.selectFrom('credential_uses')
				.selectAll()
				.where('credential_id', 'in', [...ids])
				.execute();
			return rows.map((row) => ({
				credentialId: row.credential_id as CredentialId,
				lastUsedAtMs: row.last_used_at_ms,
			}));
		},
	};
}
