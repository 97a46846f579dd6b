// The schema of the embedded database, step by step. A released step is never edited: its checksum is recorded.
// Records of the registry are JSON documents; each column that is searched or must be unique is generated from the
// document by SQLite itself. References are checked at commit, so that a transaction may write in any order.
import type { Migration } from '../sql/migrate.ts';
import { CERTIFICATE_LIFE, ENROLMENTS, REVOCATION_LISTS } from './certificate-migration.ts';
import { KEY_SETS_AND_LINKS } from './key-set-migration.ts';
import { PROTECTION_KEYS } from './protection-key-migration.ts';
import { ROTATIONS_AND_EVENTS } from './rotation-migration.ts';
import { TRUST_ANCHORS } from './trust-anchor-migration.ts';

/** Made before anything else, if absent: the record of the steps themselves. */
export const MIGRATION_TABLE = `CREATE TABLE IF NOT EXISTS schema_migrations (
	number INTEGER NOT NULL PRIMARY KEY,
	name TEXT NOT NULL,
	checksum TEXT NOT NULL,
	applied_at_ms INTEGER NOT NULL
) STRICT`;

const REVISION = "revision INTEGER NOT NULL GENERATED ALWAYS AS (body ->> '$.revision') STORED";
const DOCUMENT = `id TEXT NOT NULL PRIMARY KEY, body TEXT NOT NULL CHECK (body ->> '$.id' = id), ${REVISION}`;

function text(column: string, member: string, nullability: 'NOT NULL' | '' = 'NOT NULL'): string {
	return `${column} TEXT ${nullability} GENERATED ALWAYS AS (body ->> '$.${member}') STORED`;
}

const PARTNER_ID = text('partner_id', 'partnerId');
const CLIENT_ID = text('client_id', 'clientId');
const DEFERRED = 'DEFERRABLE INITIALLY DEFERRED';
// INVARIANT: what belongs to a client belongs to the client's own partner.
const OF_CLIENT = `FOREIGN KEY (client_id, partner_id) REFERENCES clients (id, partner_id) ${DEFERRED}`;

const REGISTRY: Migration = {
	name: 'registry',
	statements: [
		`CREATE TABLE partners (${DOCUMENT}) STRICT`,
		`CREATE TABLE clients (${DOCUMENT}, ${PARTNER_ID}, UNIQUE (id, partner_id),
			FOREIGN KEY (partner_id) REFERENCES partners (id) ${DEFERRED}) STRICT`,
		'CREATE INDEX clients_by_partner ON clients (partner_id, id)',
		`CREATE TABLE certificates (${DOCUMENT}, ${text('partner_id', 'partnerId', '')}, ${text('client_id', 'clientId', '')},
			${text('thumbprint', 'thumbprint')} UNIQUE, ${text('issuer', 'issuer')}, ${text('serial', 'serial')},
			${text('public_key_hash', 'publicKeyHash')},
			not_after_ms INTEGER NOT NULL GENERATED ALWAYS AS (body ->> '$.notAfterMs') STORED,
			UNIQUE (issuer, serial), ${OF_CLIENT}) STRICT`,
		'CREATE INDEX certificates_by_partner ON certificates (partner_id, id)',
		'CREATE INDEX certificates_by_client ON certificates (client_id, id)',
		'CREATE INDEX certificates_by_public_key ON certificates (public_key_hash, id)',
		'CREATE INDEX certificates_by_expiry ON certificates (not_after_ms, id)',
		`CREATE TABLE credentials (${DOCUMENT}, ${PARTNER_ID}, ${CLIENT_ID},
			${text('certificate_id', 'certificateId')}, ${text('thumbprint', 'thumbprint')} UNIQUE,
			${OF_CLIENT}, FOREIGN KEY (certificate_id) REFERENCES certificates (id) ${DEFERRED}) STRICT`,
		'CREATE INDEX credentials_by_client ON credentials (client_id, id)',
		'CREATE INDEX credentials_by_certificate ON credentials (certificate_id)',
		`CREATE TABLE subscriptions (${DOCUMENT}, ${PARTNER_ID}, ${CLIENT_ID},
			${text('product_id', 'productId')}, ${text('status', 'status')}, ${OF_CLIENT}) STRICT`,
		"CREATE UNIQUE INDEX subscriptions_active ON subscriptions (client_id, product_id) WHERE status = 'active'",
		'CREATE INDEX subscriptions_by_partner ON subscriptions (partner_id, id)',
		'CREATE INDEX subscriptions_by_client ON subscriptions (client_id, id)',
		`CREATE TABLE operators (${DOCUMENT}, ${text('thumbprint', 'thumbprint')} UNIQUE) STRICT`,
		`CREATE TABLE token_revocations (
			jti TEXT NOT NULL PRIMARY KEY, expires_at_seconds INTEGER NOT NULL, revoked_at_ms INTEGER NOT NULL) STRICT`,
		'CREATE INDEX token_revocations_by_expiry ON token_revocations (expires_at_seconds)',
		`CREATE TABLE idempotent_answers (
			key TEXT NOT NULL PRIMARY KEY, fingerprint TEXT NOT NULL, status INTEGER NOT NULL, body TEXT NOT NULL,
			headers TEXT NOT NULL, expires_at_ms INTEGER NOT NULL) STRICT`,
		'CREATE INDEX idempotent_answers_by_expiry ON idempotent_answers (expires_at_ms)',
		'CREATE TABLE changes (sequence INTEGER NOT NULL PRIMARY KEY, kind TEXT NOT NULL, record TEXT NOT NULL) STRICT',
		'CREATE TABLE counters (name TEXT NOT NULL PRIMARY KEY, value INTEGER NOT NULL) STRICT',
		"INSERT INTO counters (name, value) VALUES ('change', 0), ('configuration', 0)",
		`CREATE TABLE keys (
			name TEXT NOT NULL PRIMARY KEY, purpose TEXT NOT NULL, private_key BLOB NOT NULL, key_version TEXT NOT NULL,
			certificate_pem TEXT NOT NULL, created_at_ms INTEGER NOT NULL) STRICT`,
		`CREATE TABLE configuration_revisions (
			number INTEGER NOT NULL PRIMARY KEY, digest TEXT NOT NULL, source TEXT NOT NULL, loaded_at_ms INTEGER NOT NULL) STRICT`,
	],
};

const LEDGER_MARK: Migration = {
	name: 'ledger mark',
	statements: [
		`CREATE TABLE ledger_mark (
			id INTEGER NOT NULL PRIMARY KEY CHECK (id = 1), size INTEGER NOT NULL CHECK (size >= 0),
			root_hash TEXT NOT NULL, recorded_at_ms INTEGER NOT NULL) STRICT`,
	],
};

const SIGNING_KEYS: Migration = {
	name: 'signing keys',
	statements: [
		`CREATE TABLE signing_keys (${DOCUMENT}, ${text('purpose', 'purpose')}) STRICT`,
		'CREATE INDEX signing_keys_by_purpose ON signing_keys (purpose, id)',
	],
};

/** Credentials of several kinds, each with what it is known by; clients with a method of authentication. */
const CREDENTIAL_KINDS: Migration = {
	name: 'credential kinds',
	statements: [
		`CREATE TABLE credentials_of_kinds (${DOCUMENT}, ${PARTNER_ID}, ${CLIENT_ID}, ${text('kind', 'kind')},
			${text('status', 'status')}, ${text('certificate_id', 'certificateId', '')},
			not_after_ms INTEGER NOT NULL GENERATED ALWAYS AS (body ->> '$.notAfterMs') STORED,
			${text('thumbprint', 'thumbprint', '')} UNIQUE, ${text('secret_hash', 'secretHash', '')} UNIQUE,
			${text('public_key_hash', 'publicKeyHash', '')}, ${text('key_id', 'keyId', '')},
			${OF_CLIENT}, FOREIGN KEY (certificate_id) REFERENCES certificates (id) ${DEFERRED}) STRICT`,
		'INSERT INTO credentials_of_kinds (id, body) SELECT id, body FROM credentials',
		'DROP TABLE credentials',
		'ALTER TABLE credentials_of_kinds RENAME TO credentials',
		'CREATE INDEX credentials_by_client ON credentials (client_id, id)',
		"CREATE INDEX credentials_active ON credentials (client_id, not_after_ms) WHERE status = 'active'",
		'CREATE INDEX credentials_by_certificate ON credentials (certificate_id)',
		'CREATE INDEX credentials_by_public_key ON credentials (public_key_hash, id) WHERE public_key_hash IS NOT NULL',
		"CREATE UNIQUE INDEX credentials_key_id ON credentials (client_id, key_id) WHERE status = 'active'",
		`CREATE TABLE credential_uses (
			credential_id TEXT NOT NULL PRIMARY KEY, last_used_at_ms INTEGER NOT NULL) STRICT, WITHOUT ROWID`,
		`UPDATE clients SET body = json_set(body,
			'$.authenticationMethod', 'tls_client_auth', '$.senderConstraint', 'mtls')`,
	],
};

/** All steps, oldest first. */
export const SQLITE_MIGRATIONS: readonly Migration[] = [
	REGISTRY,
	LEDGER_MARK,
	CERTIFICATE_LIFE,
	CREDENTIAL_KINDS,
	REVOCATION_LISTS,
	ENROLMENTS,
	ROTATIONS_AND_EVENTS,
	SIGNING_KEYS,
	TRUST_ANCHORS,
	PROTECTION_KEYS,
	KEY_SETS_AND_LINKS,
];
