// Lets Kysely run what it builds on an SqlConnection. Kysely builds and types the statements; order, exclusion and
// durability are the connection's business.
import type { CompiledQuery, DatabaseConnection, Dialect, Driver, QueryCompiler, QueryResult } from 'kysely';
import { SqlError } from './sql-connection.ts';
import type { SqlConnection, SqlTransaction, SqlValue } from './sql-connection.ts';

/**
 * Makes a Kysely dialect over `connection`. `flavour` brings the parts that depend on the database's SQL;
 * `beforeUse` is called before each statement or transaction that starts outside of a transaction.
 */
export function createSqlDialect(
	connection: SqlConnection,
	flavour: Pick<Dialect, 'createAdapter' | 'createIntrospector'> & { createQueryCompiler(): QueryCompiler },
	beforeUse: () => void,
): Dialect {
	return {
		createDriver: () => new SqlDriver(connection, beforeUse),
		createQueryCompiler: () => flavour.createQueryCompiler(),
		createAdapter: () => flavour.createAdapter(),
		createIntrospector: (database) => flavour.createIntrospector(database),
	};
}

class SqlDriver implements Driver {
	readonly #connection: SqlConnection;
	readonly #beforeUse: () => void;

	constructor(connection: SqlConnection, beforeUse: () => void) {
		this.#connection = connection;
		this.#beforeUse = beforeUse;
	}

	async init(): Promise<void> {}

	async acquireConnection(): Promise<DatabaseConnection> {
		this.#beforeUse();
		return new SqlDatabaseConnection(this.#connection);
	}

	async beginTransaction(connection: DatabaseConnection): Promise<void> {
		await own(connection).begin();
	}

	async commitTransaction(connection: DatabaseConnection): Promise<void> {
		await own(connection).commit();
	}

	async rollbackTransaction(connection: DatabaseConnection): Promise<void> {
		await own(connection).rollback();
	}

	async releaseConnection(): Promise<void> {}

	async destroy(): Promise<void> {
		await this.#connection.stop();
	}
}

class SqlDatabaseConnection implements DatabaseConnection {
	readonly #connection: SqlConnection;
	#transaction: SqlTransaction | undefined;

	constructor(connection: SqlConnection) {
		this.#connection = connection;
	}

	async executeQuery<R>(query: CompiledQuery): Promise<QueryResult<R>> {
		// INVARIANT: a transaction is never forgotten here, so that a statement after its end is refused by the connection
		// instead of running by itself.
		const target = this.#transaction ?? this.#connection;
		const result = await target.execute(query.sql, query.parameters.map(toSqlValue));
		return { rows: result.rows as R[], numAffectedRows: BigInt(result.changes) };
	}

	streamQuery<R>(): AsyncIterableIterator<QueryResult<R>> {
		throw new Error('results are read page by page, never streamed');
	}

	async begin(): Promise<void> {
		this.#transaction = await this.#connection.begin();
	}

	async commit(): Promise<void> {
		await this.#transaction?.commit();
	}

	async rollback(): Promise<void> {
		try {
			await this.#transaction?.rollback();
		} catch (error) {
			// A store that is gone has rolled back. What the work threw must not be hidden by that.
			if (!(error instanceof SqlError) || error.kind !== 'closed') throw error;
		}
	}
}

function own(connection: DatabaseConnection): SqlDatabaseConnection {
	if (connection instanceof SqlDatabaseConnection) return connection;
	throw new TypeError('a connection of another driver');
}

function toSqlValue(value: unknown): SqlValue {
	if (value === null || typeof value === 'string' || value instanceof Uint8Array) return value;
	if (typeof value === 'number' && Number.isFinite(value)) return value;
	throw new TypeError(`a statement cannot take a parameter of type ${typeof value}`);
}
