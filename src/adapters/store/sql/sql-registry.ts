// The registry over Kysely: each port is a table of documents, searched by the columns that the ports name.
import type { Kysely } from 'kysely';
import type { Enrolment } from '../../../domain/certificate/enrolment-store.ts';
import type { EnrolmentStore } from '../../../domain/certificate/enrolment-store.ts';
import type { Client } from '../../../domain/client/client.ts';
import type { ClientStore } from '../../../domain/client/client-store.ts';
import type { Credential, ExternalClientCredential, ThumbprintCredential } from '../../../domain/client/credential.ts';
import type { CredentialStore } from '../../../domain/client/credential-store.ts';
import type { Partner } from '../../../domain/partner/partner.ts';
import type { PartnerStore } from '../../../domain/partner/partner-store.ts';
import type { Subscription } from '../../../domain/product/subscription.ts';
import type { SubscriptionStore } from '../../../domain/product/subscription-store.ts';
import type { Operator, OperatorStore } from '../../../domain/registry/operator-store.ts';
import type { Registry } from '../../../domain/registry/registry.ts';
import type { ProtectionKeyRecord } from '../../../domain/token/protection-key.ts';
import type { ProtectionKeyStore } from '../../../domain/token/protection-key-store.ts';
import type { SigningKeyRecord } from '../../../domain/token/signing-key.ts';
import type { SigningKeyStore } from '../../../domain/token/signing-key-store.ts';
import { DocumentTable, type RegistryRecord } from './document-table.ts';
import type { Atomically, DocumentTableName, SqlSchema } from './schema.ts';
import { createSqlCertificateStore } from './sql-certificate-store.ts';
import { createSqlChangeFeed } from './sql-change-feed.ts';
import { createSqlCompromisedKeyStore } from './sql-compromised-key-store.ts';
import { createSqlCredentialUseStore } from './sql-credential-use-store.ts';
import { createSqlEventStore } from './sql-event-store.ts';
import { createSqlIdempotencyStore } from './sql-idempotency-store.ts';
import { createSqlKeySetStore } from './sql-key-set-store.ts';
import { createSqlRevocationStore } from './sql-revocation-store.ts';
import { createSqlRotationStore } from './sql-rotation-store.ts';
import { createSqlAnchorListStore, createSqlTrustAnchorStore } from './sql-trust-anchor-store.ts';

/** Makes the registry that reads and writes through `database`, which may be a transaction. */
export function createSqlRegistry(database: Kysely<SqlSchema>, atomically: Atomically): Registry {
	return {
		partners: createPartnerStore(database),
		clients: createClientStore(database),
		credentials: createCredentialStore(database),
		certificates: createSqlCertificateStore(database),
		compromisedKeys: createSqlCompromisedKeyStore(database),
		enrolments: createEnrolmentStore(database),
		subscriptions: createSubscriptionStore(database),
		signingKeys: createSigningKeyStore(database),
		protectionKeys: createProtectionKeyStore(database),
		operators: createOperatorStore(database),
		credentialUses: createSqlCredentialUseStore(database),
		keySets: createSqlKeySetStore(database, atomically),
		rotations: createSqlRotationStore(database),
		trustAnchors: createSqlTrustAnchorStore(database),
		anchorLists: createSqlAnchorListStore(database),
		events: createSqlEventStore(database, atomically),
		revocations: createSqlRevocationStore(database),
		idempotency: createSqlIdempotencyStore(database),
		changes: createSqlChangeFeed(database, atomically),
	};
}

function createPartnerStore(database: Kysely<SqlSchema>): PartnerStore {
	const table = new DocumentTable<Partner, 'partners'>(database, 'partners');
	return { ...basics(table), list: (page) => table.list(page, []) };
}

function createClientStore(database: Kysely<SqlSchema>): ClientStore {
	const table = new DocumentTable<Client, 'clients'>(database, 'clients');
	return {
		...basics(table),
		list: (page, filter) => table.list(page, [{ column: 'partner_id', operator: '=', value: filter?.partnerId }]),
	};
}

function createCredentialStore(database: Kysely<SqlSchema>): CredentialStore {
	const table = new DocumentTable<Credential, 'credentials'>(database, 'credentials');
	return {
		...basics(table),
		// Only these kinds have a thumbprint.
		findByThumbprint: async (thumbprint) =>
			(await table.findBy('thumbprint', thumbprint)) as ThumbprintCredential | undefined,
		findExternalClient: async (issuer, externalClientId) =>
			(await table.findBy('stands_for', `external ${issuer} ${externalClientId}`)) as
				| ExternalClientCredential
				| undefined,
		listByPublicKey: (publicKeyHash) => table.all([{ column: 'public_key_hash', operator: '=', value: publicKeyHash }]),
		listActive: (clientId, nowMs) =>
			table.all([
				{ column: 'client_id', operator: '=', value: clientId },
				{ column: 'status', operator: '=', value: 'active' },
				{ column: 'not_after_ms', operator: '>', value: nowMs },
			]),
		countByTrustAnchor: async (trustAnchorId) => {
			const row = await database
				.selectFrom('credentials')
				.select((count) => count.fn.countAll<number>().as('count'))
				.where('trust_anchor_id', '=', trustAnchorId)
				.where('status', '=', 'active')
				.executeTakeFirstOrThrow();
			return Number(row.count);
		},
		list: (page, filter) =>
			table.list(page, [
				{ column: 'client_id', operator: '=', value: filter?.clientId },
				{ column: 'status', operator: '=', value: filter?.endsBeforeMs === undefined ? undefined : 'active' },
				{ column: 'ends_at_ms', operator: '<', value: filter?.endsBeforeMs },
			]),
	};
}

function createEnrolmentStore(database: Kysely<SqlSchema>): EnrolmentStore {
	const table = new DocumentTable<Enrolment, 'enrolments'>(database, 'enrolments');
	return {
		...basics(table),
		findByCodeHash: (codeHash) => table.findBy('code_hash', codeHash),
		countOpen: async (clientId, nowMs) => {
			const row = await database
				.selectFrom('enrolments')
				.select((count) => count.fn.countAll<number>().as('count'))
				.where('client_id', '=', clientId)
				.where('status', '=', 'open')
				.where('expires_at_ms', '>', nowMs)
				.executeTakeFirstOrThrow();
			return Number(row.count);
		},
		list: (page, filter) => table.list(page, [{ column: 'client_id', operator: '=', value: filter?.clientId }]),
	};
}

function createSubscriptionStore(database: Kysely<SqlSchema>): SubscriptionStore {
	const table = new DocumentTable<Subscription, 'subscriptions'>(database, 'subscriptions');
	return {
		...basics(table),
		list: (page, filter) =>
			table.list(page, [
				{ column: 'partner_id', operator: '=', value: filter?.partnerId },
				{ column: 'client_id', operator: '=', value: filter?.clientId },
			]),
	};
}

function createSigningKeyStore(database: Kysely<SqlSchema>): SigningKeyStore {
	const table = new DocumentTable<SigningKeyRecord, 'signing_keys'>(database, 'signing_keys');
	return { ...basics(table), list: (purpose) => table.all([{ column: 'purpose', operator: '=', value: purpose }]) };
}

function createProtectionKeyStore(database: Kysely<SqlSchema>): ProtectionKeyStore {
	const table = new DocumentTable<ProtectionKeyRecord, 'protection_keys'>(database, 'protection_keys');
	return { ...basics(table), list: (purpose) => table.all([{ column: 'purpose', operator: '=', value: purpose }]) };
}

function createOperatorStore(database: Kysely<SqlSchema>): OperatorStore {
	const table = new DocumentTable<Operator, 'operators'>(database, 'operators');
	return {
		...basics(table),
		findByThumbprint: (thumbprint) => table.findBy('thumbprint', thumbprint),
		list: () => table.all([]),
	};
}

/** What every aggregate's port has in common. */
function basics<T extends RegistryRecord, N extends DocumentTableName>(table: DocumentTable<T, N>) {
	return {
		insert: (record: T) => table.insert(record),
		get: (id: T['id']) => table.get(id),
		update: (record: T, expectedRevision: number) => table.update(record, expectedRevision),
	};
}
