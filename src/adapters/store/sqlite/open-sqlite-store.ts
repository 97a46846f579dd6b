// Opens the embedded store on a connection that somebody else made (a thread, or this process in tests): checks that
// the database is ours, brings its schema up to date, and checks that its sealed keys can be opened.
import { Kysely, SqliteAdapter, SqliteIntrospector, SqliteQueryCompiler } from 'kysely';
import type { Clock } from '../../../kernel/clock.ts';
import { type Envelope, EnvelopeError } from '../../keys/envelope.ts';
import { type Migration, migrate } from '../sql/migrate.ts';
import type { SqlSchema } from '../sql/schema.ts';
import { type SqlConnection, SqlError } from '../sql/sql-connection.ts';
import { createSqlDialect } from '../sql/sql-dialect.ts';
import { listSealedKeyVersions } from '../sql/sql-key-store.ts';
import { createSqlStore } from '../sql/sql-store.ts';
import type { Store } from '../store.ts';
import { TransactionScope } from '../transaction-scope.ts';
import { MIGRATION_TABLE, SQLITE_MIGRATIONS } from './migrations.ts';

/**
 * Opens the store. `envelope` is called once, after the migrations, with what the store holds: a key-encryption key may
 * be made up only where nothing is sealed. The connection is stopped when opening fails, and by `close`.
 * Throws SqlError, EnvelopeError for the wrong key-encryption key, and whatever `envelope` throws.
 */
export async function openSqliteStore(options: {
	readonly connection: SqlConnection;
	readonly envelope: Envelope | ((sealed: { readonly keyVersions: readonly string[] }) => Envelope | Promise<Envelope>);
	readonly clock: Clock;
	/** The steps of the schema; for tests. */
	readonly migrations?: readonly Migration[];
}): Promise<Store> {
	const { connection, clock } = options;
	const scope = new TransactionScope();
	const dialect = createSqlDialect(
		connection,
		{
			createAdapter: () => new QueuedSqliteAdapter(),
			createIntrospector: (database) => new SqliteIntrospector(database),
			createQueryCompiler: () => new SqliteQueryCompiler(),
		},
		() => scope.checkOutside(),
	);
	const database = new Kysely<SqlSchema>({ dialect });
	try {
		await checkOwnership(connection);
		await connection.execute(MIGRATION_TABLE, []);
		await migrate(database, options.migrations ?? SQLITE_MIGRATIONS, clock);
		const keyVersions = await listSealedKeyVersions(database);
		const envelope =
			typeof options.envelope === 'function' ? await options.envelope({ keyVersions }) : options.envelope;
		checkKeyVersions(keyVersions, envelope);
		return createSqlStore(database, envelope, scope);
	} catch (error) {
		await connection.stop();
		throw error;
	}
}

/** Lets statements reach the connection at once: it queues, bounds and excludes them itself, in the order of arrival. */
class QueuedSqliteAdapter extends SqliteAdapter {
	override get supportsMultipleConnections(): boolean {
		return true;
	}
}

/** Refuses a database that has tables but was not made by this program, before anything is written into it. */
async function checkOwnership(connection: SqlConnection): Promise<void> {
	const { rows } = await connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'", []);
	if (rows.length > 0 && !rows.some((row) => row['name'] === 'schema_migrations')) {
		throw new SqlError('schema', 'The file of the store is the database of another program. Move it away.');
	}
}

function checkKeyVersions(versions: readonly string[], envelope: Envelope): void {
	const unknown = versions.filter((version) => !envelope.hasKey(version));
	if (unknown.length > 0) {
		throw new EnvelopeError(
			'unknown-key',
			`The store holds private keys that were sealed with another key-encryption key (${unknown.join(', ')}; the one ` +
				`given is ${envelope.keyVersion}). Give the key that belongs to this store.`,
		);
	}
}
