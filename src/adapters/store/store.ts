// What a store adapter opens: the ports that share one database, and the way to close it.
import type { RevocationListStore } from '../../domain/certificate/revocation-list-store.ts';
import type { LedgerMarkStore } from '../../domain/ledger/ledger-mark-store.ts';
import type { ConfigurationRevisionStore } from '../../domain/registry/configuration-revision-store.ts';
import type { KeyStore } from '../../domain/registry/key-store.ts';
import type { RegistryStore } from '../../domain/registry/registry.ts';

/** An open store. Every adapter opens this shape, and passes the contract suite of store-contract.ts. */
export interface Store {
	readonly registry: RegistryStore;
	readonly keys: KeyStore;
	readonly revisions: ConfigurationRevisionStore;
	readonly ledgerMarks: LedgerMarkStore;
	readonly revocationLists: RevocationListStore;
	/** Waits for the transactions that are running, then lets go of the database. Whatever is asked later is refused. */
	close(): Promise<void>;
}
