// Rotations of credentials over Kysely: one table of documents.
import type { Kysely } from 'kysely';
import type { Rotation } from '../../../domain/client/rotation.ts';
import type { RotationStore } from '../../../domain/client/rotation-store.ts';
import { DocumentTable } from './document-table.ts';
import type { SqlSchema } from './schema.ts';

/** Makes the store of rotations that reads and writes through `database`, which may be a transaction. */
export function createSqlRotationStore(database: Kysely<SqlSchema>): RotationStore {
	const table = new DocumentTable<Rotation, 'rotations'>(database, 'rotations');
	return {
		insert: (record) => table.insert(record),
		get: (id) => table.get(id),
		update: (record, expectedRevision) => table.update(record, expectedRevision),
		findOpen: async (credentialId) => {
			const row = await database
				.selectFrom('rotations')
				.select('body')
				.where('status', '=', 'overlapping')
				.where((of) => of.or([of('old_credential_id', '=', credentialId), of('new_credential_id', '=', credentialId)]))
				.executeTakeFirst();
			return row === undefined ? undefined : (JSON.parse(row.body) as Rotation);
		},
		listDue: async (nowMs, limit) => {
			const rows = await database
				.selectFrom('rotations')
				.select('body')
				.where('status', '=', 'overlapping')
				.where('ends_at_ms', '<=', nowMs)
				.orderBy('id')
				.limit(limit)
				.execute();
			return rows.map((row) => JSON.parse(row.body) as Rotation);
		},
		list: (page, filter) =>
			table.list(page, [
				{ column: 'client_id', operator: '=', value: filter?.clientId },
				{ column: 'status', operator: '=', value: filter?.status },
			]),
	};
}
