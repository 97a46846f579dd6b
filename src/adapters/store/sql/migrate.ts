// Brings a database to the schema of this program: numbered steps, each in one transaction with its own record, so
// that a crash leaves a step done or not begun. What was applied is compared by checksum: a step is never edited.
import { createHash } from 'node:crypto';
import { type Kysely, sql } from 'kysely';
import type { Clock } from '../../../kernel/clock.ts';
import type { SqlSchema } from './schema.ts';
import { SqlError } from './sql-connection.ts';

/** One step of the schema. Steps are numbered from 1 without gaps by their place in the list. */
export interface Migration {
	readonly name: string;
	/** Single statements, in order. Never edited once released: add a step instead. */
	readonly statements: readonly string[];
}

/** Applies the steps that are missing. Throws SqlError('schema') for a newer or a foreign database. */
export async function migrate(
	database: Kysely<SqlSchema>,
	migrations: readonly Migration[],
	clock: Clock,
): Promise<void> {
	const applied = await database.selectFrom('schema_migrations').selectAll().orderBy('number').execute();
	if (applied.length > migrations.length) {
		throw new SqlError(
			'schema',
			`The store was written by a newer version of Sallyport: its schema has ${applied.length} steps and this version ` +
				`knows ${migrations.length}. Run the newer version, or restore a backup from before the upgrade.`,
		);
	}
	for (const [index, migration] of migrations.entries()) {
		const number = index + 1;
		const checksum = checksumOf(migration);
		const record = applied[index];
		if (record === undefined) {
			await applyMigration(database, migration, { number, name: migration.name, checksum, clock });
		} else if (record.number !== number || record.checksum !== checksum) {
			throw new SqlError(
				'schema',
				`Step ${number} (${migration.name}) of the store's schema is not the one that this version knows. ` +
					'The store belongs to another build of Sallyport: run that one, or restore a backup.',
			);
		}
	}
}

async function applyMigration(
	database: Kysely<SqlSchema>,
	migration: Migration,
	record: { number: number; name: string; checksum: string; clock: Clock },
): Promise<void> {
	await database.transaction().execute(async (transaction) => {
		for (const statement of migration.statements) await sql.raw(statement).execute(transaction);
		await transaction
			.insertInto('schema_migrations')
			.values({
				number: record.number,
				name: record.name,
				checksum: record.checksum,
				applied_at_ms: record.clock.nowMs(),
			})
			.execute();
	});
}

function checksumOf(migration: Migration): string {
	return createHash('sha256').update(migration.statements.join(';\n')).digest('hex');
}
