// A store that lives as long as the process: for tests and simulations. It keeps every promise of the ports but
// durability, and passes the same contract suite as the stores that last.
import type { PublishedRevocationList } from '../../../domain/certificate/revocation-list-store.ts';
import type { LedgerMark } from '../../../domain/ledger/ledger-mark-store.ts';
import type { ConfigurationRevision } from '../../../domain/registry/configuration-revision-store.ts';
import type { StoredKey } from '../../../domain/registry/key-store.ts';
import { StoreConflict } from '../../../domain/registry/store-conflict.ts';
import type { Store } from '../store.ts';
import { TransactionScope } from '../transaction-scope.ts';
import { MemoryMap } from './memory-map.ts';
import { createMemoryRegistry } from './memory-registry.ts';
import type { Enter } from './memory-step.ts';
import { createMemoryState } from './memory-state.ts';
import { TransactionQueue } from './memory-transaction.ts';

/** Opens an empty store. */
export function openMemoryStore(): Store {
	const queue = new TransactionQueue(new TransactionScope());
	const state = createMemoryState();
	const enter: Enter = (step) => queue.run(step);
	return {
		registry: {
			...createMemoryRegistry(state, enter),
			transaction: (work) =>
				queue.run((transaction) =>
					work(
						createMemoryRegistry(state, async (step) => {
							transaction.checkRunning();
							return step(transaction);
						}),
					),
				),
		},
		keys: createMemoryKeyStore(enter),
		revisions: createMemoryConfigurationRevisionStore(enter),
		ledgerMarks: createMemoryLedgerMarkStore(enter),
		revocationLists: createMemoryRevocationListStore(enter),
		close: () => queue.close(),
	};
}

function createMemoryKeyStore(enter: Enter): Store['keys'] {
	const keys = new MemoryMap<string, StoredKey>();
	// A secret does not survive being copied as JSON, on purpose; it cannot be changed either.
	const copy = (key: StoredKey): StoredKey => Object.freeze({ ...key });
	return {
		insert: (key) =>
			enter((transaction) => {
				if (keys.get(key.name) !== undefined) throw new StoreConflict('unique', 'the name of a key is taken');
				keys.set(transaction, key.name, copy(key));
			}),
		get: (name) => enter(() => keys.get(name)),
		list: (purpose) =>
			enter(() =>
				keys
					.entries()
					.map(([, key]) => key)
					.filter((key) => key.purpose === purpose)
					.toArray()
					.sort((a, b) => (a.name < b.name ? -1 : 1)),
			),
		put: (key) => enter((transaction) => keys.set(transaction, key.name, copy(key))),
		delete: (name) => enter((transaction) => keys.deleteWhere(transaction, (_, at) => at === name)),
	};
}

function createMemoryConfigurationRevisionStore(enter: Enter): Store['revisions'] {
	const revisions: ConfigurationRevision[] = [];
	return {
		record: (revision) =>
			enter(() => {
				const newest = revisions.at(-1);
				if (newest?.digest === revision.digest) return newest.number;
				const number = revisions.length + 1;
				revisions.push(Object.freeze({ ...revision, number }));
				return number;
			}),
		latest: () => enter(() => revisions.at(-1)),
	};
}

function createMemoryRevocationListStore(enter: Enter): Store['revocationLists'] {
	const lists = new Map<string, PublishedRevocationList>();
	return {
		get: (authority) => enter(() => lists.get(authority)),
		put: (list) =>
			enter(() => {
				if ((lists.get(list.authority)?.number ?? 0) >= list.number)
					throw new StoreConflict('revision', 'a revocation list with this number, or a higher one, is stored');
				lists.set(list.authority, Object.freeze({ ...list }));
			}),
	};
}

function createMemoryLedgerMarkStore(enter: Enter): Store['ledgerMarks'] {
	let stored: LedgerMark | undefined;
	return {
		get: () => enter(() => stored),
		put: (mark) =>
			enter(() => {
				if (stored === undefined || mark.size > stored.size) stored = Object.freeze({ ...mark });
			}),
	};
}
