// The registry over the state in memory. Each call is one step of a transaction, or a transaction of its own.
import type { Enter } from './memory-step.ts';
import {
	type Credential,
	credentialEndMs,
	type ExternalClientCredential,
	type ThumbprintCredential,
} from '../../../domain/client/credential.ts';
import type { RegistryChange } from '../../../domain/registry/change-feed.ts';
import type { Page, PageRequest } from '../../../domain/registry/page.ts';
import type { Registry } from '../../../domain/registry/registry.ts';
import { StoreConflict } from '../../../domain/registry/store-conflict.ts';
import { checkChangeLimit, pageOf, recordsToRead } from '../paging.ts';
import { createMemoryCertificateStore, createMemoryCompromisedKeyStore } from './memory-certificate-store.ts';
import { createMemoryKeySetStore } from './memory-key-set-store.ts';
import { createMemoryAnchorListStore, createMemoryTrustAnchorStore } from './memory-trust-anchor-store.ts';
import { createMemoryEventStore, createMemoryRotationStore } from './memory-rotation-store.ts';
import { CREDENTIAL_KEY, type MemoryState } from './memory-state.ts';
import { frozenCopy, type MemoryRecord, type MemoryTable } from './memory-table.ts';

/** Makes the registry that reads and changes `state` by steps that `enter` runs. */
export function createMemoryRegistry(state: MemoryState, enter: Enter): Registry {
	return {
		...createAggregateStores(state, enter),
		certificates: createMemoryCertificateStore(state, enter),
		compromisedKeys: createMemoryCompromisedKeyStore(state, enter),
		enrolments: createEnrolmentStore(state, enter),
		credentialUses: createCredentialUseStore(state, enter),
		keySets: createMemoryKeySetStore(state, enter),
		rotations: createMemoryRotationStore(state, enter),
		trustAnchors: createMemoryTrustAnchorStore(state, enter),
		anchorLists: createMemoryAnchorListStore(state, enter),
		events: createMemoryEventStore(state, enter),
		revocations: createRevocationStore(state, enter),
		idempotency: createIdempotencyStore(state, enter),
		changes: createChangeFeed(state, enter),
	};
}

function createAggregateStores(
	state: MemoryState,
	enter: Enter,
): Pick<
	Registry,
	'partners' | 'clients' | 'credentials' | 'subscriptions' | 'operators' | 'signingKeys' | 'protectionKeys'
> {
	const { partners, clients, credentials, subscriptions, operators, signingKeys, protectionKeys } = state;
	return {
		partners: {
			...basics(partners, enter),
			list: (page) => enter(() => list(partners, page, {})),
		},
		clients: {
			...basics(clients, enter),
			list: (page, filter = {}) => enter(() => list(clients, page, filter)),
		},
		credentials: {
			...basics(credentials, enter),
			findByThumbprint: (thumbprint) =>
				enter(
					() => credentials.findByUnique(CREDENTIAL_KEY.thumbprint, thumbprint) as ThumbprintCredential | undefined,
				),
			findExternalClient: (issuer, externalClientId) =>
				enter(
					() =>
						credentials.findByUnique(CREDENTIAL_KEY.standsFor, `external ${issuer} ${externalClientId}`) as
							| ExternalClientCredential
							| undefined,
				),
			listByPublicKey: (hash) =>
				enter(() => credentials.select((one) => 'publicKeyHash' in one && one.publicKeyHash === hash)),
			listActive: (clientId, nowMs) =>
				enter(() =>
					credentials.select((one) => one.clientId === clientId && one.status === 'active' && one.notAfterMs > nowMs),
				),
			countByTrustAnchor: (trustAnchorId) =>
				enter(
					() =>
						credentials.select(
							(one) =>
								one.kind === 'anchored-certificate' && one.trustAnchorId === trustAnchorId && one.status === 'active',
						).length,
				),
			list: (page, { clientId, endsBeforeMs } = {}) =>
				enter(() => {
					const isWanted = (one: Credential): boolean =>
						(clientId === undefined || one.clientId === clientId) &&
						(endsBeforeMs === undefined || (one.status === 'active' && credentialEndMs(one) < endsBeforeMs));
					return pageOf(credentials.select(isWanted, page.after, recordsToRead(page)), page);
				}),
		},
		subscriptions: {
			...basics(subscriptions, enter),
			list: (page, filter = {}) => enter(() => list(subscriptions, page, filter)),
		},
		signingKeys: {
			...basics(signingKeys, enter),
			list: (purpose) => enter(() => signingKeys.select((key) => key.purpose === purpose)),
		},
		protectionKeys: {
			...basics(protectionKeys, enter),
			list: (purpose) => enter(() => protectionKeys.select((key) => key.purpose === purpose)),
		},
		operators: {
			...basics(operators, enter),
			findByThumbprint: (thumbprint) => enter(() => operators.findByUnique(0, thumbprint)),
			list: () => enter(() => operators.select(() => true)),
		},
	};
}

function createEnrolmentStore({ enrolments }: MemoryState, enter: Enter): Registry['enrolments'] {
	return {
		...basics(enrolments, enter),
		findByCodeHash: (codeHash) => enter(() => enrolments.findByUnique(0, codeHash)),
		countOpen: (clientId, nowMs) =>
			enter(
				() =>
					enrolments.select((one) => one.clientId === clientId && one.status === 'open' && one.expiresAtMs > nowMs)
						.length,
			),
		list: (page, filter = {}) => enter(() => list(enrolments, page, filter)),
	};
}

/** What every aggregate's port has in common. */
function basics<T extends MemoryRecord>(table: MemoryTable<T>, enter: Enter) {
	return {
		insert: (record: T) => enter((transaction) => table.insert(transaction, record)),
		get: (id: T['id']) => enter(() => table.get(id)),
		update: (record: T, expectedRevision: number) =>
			enter((transaction) => table.update(transaction, record, expectedRevision)),
	};
}

/** Reads one page of the records whose members equal those of `filter`; a member that is undefined matches all. */
function list<T extends MemoryRecord>(
	table: MemoryTable<T>,
	page: PageRequest,
	filter: { readonly [K in keyof T]?: T[K] | undefined },
): Page<T> {
	const wanted = Object.entries(filter).filter(([, value]) => value !== undefined) as [keyof T, unknown][];
	const isWanted = (record: T): boolean => wanted.every(([member, value]) => record[member] === value);
	return pageOf(table.select(isWanted, page.after, recordsToRead(page)), page);
}

function createCredentialUseStore({ credentialUses }: MemoryState, enter: Enter): Registry['credentialUses'] {
	return {
		record: (uses) =>
			enter((transaction) => {
				for (const use of uses) {
					const stored = credentialUses.get(use.credentialId);
					if (stored !== undefined && stored.lastUsedAtMs >= use.lastUsedAtMs) continue;
					credentialUses.set(transaction, use.credentialId, frozenCopy(use));
				}
			}),
		find: (ids) => enter(() => ids.map((id) => credentialUses.get(id)).filter((use) => use !== undefined)),
	};
}

function createRevocationStore({ revocations }: MemoryState, enter: Enter): Registry['revocations'] {
	return {
		insert: (revocation) =>
			enter((transaction) => {
				const stored = revocations.get(revocation.jti);
				const expiresAtSeconds = Math.max(revocation.expiresAtSeconds, stored?.expiresAtSeconds ?? 0);
				revocations.set(transaction, revocation.jti, frozenCopy({ ...revocation, ...stored, expiresAtSeconds }));
			}),
		listLive: (nowSeconds) =>
			enter(() =>
				revocations
					.entries()
					.map(([, revocation]) => revocation)
					.filter((revocation) => revocation.expiresAtSeconds >= nowSeconds)
					.toArray()
					.sort((a, b) => (a.jti < b.jti ? -1 : 1)),
			),
		deleteExpired: (nowSeconds) =>
			enter((transaction) =>
				revocations.deleteWhere(transaction, (revocation) => revocation.expiresAtSeconds < nowSeconds),
			),
	};
}

function createIdempotencyStore({ answers }: MemoryState, enter: Enter): Registry['idempotency'] {
	return {
		get: (key) => enter(() => answers.get(key)),
		insert: (answer) =>
			enter((transaction) => {
				if (answers.get(answer.key) !== undefined) {
					throw new StoreConflict('unique', 'an answer is stored under this idempotency key');
				}
				answers.set(transaction, answer.key, frozenCopy(answer));
			}),
		deleteExpired: (nowMs) =>
			enter((transaction) => answers.deleteWhere(transaction, (answer) => answer.expiresAtMs <= nowMs)),
	};
}

function createChangeFeed({ changes, counter }: MemoryState, enter: Enter): Registry['changes'] {
	return {
		append: (change: RegistryChange) =>
			enter((transaction) => {
				const before = counter.sequence;
				counter.sequence = before + 1;
				transaction.onRollback(() => {
					counter.sequence = before;
				});
				changes.set(transaction, counter.sequence, frozenCopy(change));
				return counter.sequence;
			}),
		after: (sequence, limit) =>
			enter(() =>
				changes
					.entries()
					.filter(([at]) => at > sequence)
					.toArray()
					.sort(([a], [b]) => a - b)
					.slice(0, checkChangeLimit(limit))
					.map(([at, change]) => ({ sequence: at, change })),
			),
		latest: () => enter(() => counter.sequence),
		prune: (sequence) => enter((transaction) => changes.deleteWhere(transaction, (_, at) => at <= sequence)),
	};
}
