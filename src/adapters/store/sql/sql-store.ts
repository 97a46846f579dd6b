// Puts the SQL ports together: what runs outside of a transaction, what runs inside of one, and which envelope opens
// the keys. Independent of the database behind the dialect.
import type { Kysely } from 'kysely';
import type { Envelope } from '../../keys/envelope.ts';
import type { Store } from '../store.ts';
import type { TransactionScope } from '../transaction-scope.ts';
import type { Atomically, SqlSchema } from './schema.ts';
import { createSqlConfigurationRevisionStore } from './sql-configuration-revision-store.ts';
import { createSqlKeyStore } from './sql-key-store.ts';
import { createSqlLedgerMarkStore } from './sql-ledger-mark-store.ts';
import { createSqlRegistry } from './sql-registry.ts';
import { createSqlRevocationListStore } from './sql-revocation-list-store.ts';

/** Makes a store of a migrated database. `scope` must be the one that the dialect checks before each use. */
export function createSqlStore(database: Kysely<SqlSchema>, envelope: Envelope, scope: TransactionScope): Store {
	const transact: Atomically = (work) =>
		database.transaction().execute((transaction) => scope.run(() => work(transaction)));
	return {
		registry: {
			...createSqlRegistry(database, transact),
			transaction: (work) =>
				transact((transaction) => work(createSqlRegistry(transaction, (part) => part(transaction)))),
		},
		keys: createSqlKeyStore(database, envelope),
		revisions: createSqlConfigurationRevisionStore(database, transact),
		ledgerMarks: createSqlLedgerMarkStore(database),
		revocationLists: createSqlRevocationListStore(database),
		close: () => database.destroy(),
	};
}
