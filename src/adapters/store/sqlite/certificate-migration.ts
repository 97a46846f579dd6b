// The step of the schema for the life of certificates: searching them by what people know of them, revocation lists, and
// keys that must never be certified. Columns that are added to a table cannot be stored by SQLite, so they are virtual;
// their indexes are stored all the same.
import type { Migration } from '../sql/migrate.ts';

function added(column: string, member: string): string {
	return `ALTER TABLE certificates ADD COLUMN ${column} GENERATED ALWAYS AS (body ->> '$.${member}') VIRTUAL`;
}

export const REVOCATION_LISTS: Migration = {
	name: 'revocation lists',
	statements: [
		`CREATE TABLE revocation_lists (
			authority TEXT NOT NULL PRIMARY KEY, number INTEGER NOT NULL, this_update_ms INTEGER NOT NULL,
			next_update_ms INTEGER NOT NULL, entries INTEGER NOT NULL, der BLOB NOT NULL) STRICT`,
	],
};

export const ENROLMENTS: Migration = {
	name: 'enrolments',
	statements: [
		`CREATE TABLE enrolments (
			id TEXT NOT NULL PRIMARY KEY, body TEXT NOT NULL CHECK (body ->> '$.id' = id),
			revision INTEGER NOT NULL GENERATED ALWAYS AS (body ->> '$.revision') STORED,
			partner_id TEXT NOT NULL GENERATED ALWAYS AS (body ->> '$.partnerId') STORED,
			client_id TEXT NOT NULL GENERATED ALWAYS AS (body ->> '$.clientId') STORED,
			code_hash TEXT NOT NULL GENERATED ALWAYS AS (body ->> '$.codeHash') STORED UNIQUE,
			status TEXT NOT NULL GENERATED ALWAYS AS (body ->> '$.status') STORED,
			expires_at_ms INTEGER NOT NULL GENERATED ALWAYS AS (body ->> '$.expiresAtMs') STORED,
			FOREIGN KEY (client_id, partner_id) REFERENCES clients (id, partner_id) DEFERRABLE INITIALLY DEFERRED) STRICT`,
		'CREATE INDEX enrolments_by_client ON enrolments (client_id, id)',
		added('superseded_at_ms INTEGER', 'supersededAtMs'),
		`CREATE INDEX certificates_superseded ON certificates (superseded_at_ms, id)
			WHERE status = 'active' AND superseded_at_ms IS NOT NULL`,
	],
};

export const CERTIFICATE_LIFE: Migration = {
	name: 'certificate life',
	statements: [
		added('status TEXT', 'status'),
		added('profile TEXT', 'profile'),
		added('subject TEXT', 'subject'),
		added('created_at_ms INTEGER', 'createdAtMs'),
		// A revocation list reads a few of many certificates, and nothing of them but what stands in this index.
		"CREATE INDEX certificates_not_active ON certificates (issuer, id) WHERE status <> 'active'",
		"CREATE INDEX certificates_active_by_expiry ON certificates (not_after_ms, id) WHERE status = 'active'",
		'CREATE INDEX certificates_by_serial ON certificates (serial, id)',
		'CREATE INDEX certificates_by_subject ON certificates (subject, id)',
		`CREATE TABLE compromised_keys (
			public_key_hash TEXT NOT NULL PRIMARY KEY, source TEXT NOT NULL, added_at_ms INTEGER NOT NULL) STRICT`,
	],
};
