// The step of the schema for key sets that are fetched from others, and for links to clients of external issuers.
import type { Migration } from '../sql/migrate.ts';

export const KEY_SETS_AND_LINKS: Migration = {
	name: 'key sets and links',
	statements: [
		`CREATE TABLE key_sets (
			owner TEXT NOT NULL PRIMARY KEY, source TEXT NOT NULL, keys TEXT NOT NULL, fetched_at_ms INTEGER NOT NULL) STRICT`,
		`CREATE TABLE key_set_keys (
			owner TEXT NOT NULL REFERENCES key_sets (owner) ON DELETE CASCADE, public_key_hash TEXT NOT NULL,
			PRIMARY KEY (owner, public_key_hash)) STRICT, WITHOUT ROWID`,
		'CREATE INDEX key_set_keys_by_hash ON key_set_keys (public_key_hash, owner)',
		// Whom only one active credential may stand for: a client of an external issuer, a URL of a client's keys.
		`ALTER TABLE credentials ADD COLUMN stands_for TEXT GENERATED ALWAYS AS (
			CASE WHEN (body ->> '$.status') <> 'active' THEN NULL
				WHEN (body ->> '$.kind') = 'external-client'
					THEN 'external ' || (body ->> '$.issuer') || ' ' || (body ->> '$.externalClientId')
				WHEN (body ->> '$.kind') = 'key-set' THEN 'keys ' || (body ->> '$.clientId') || ' ' || (body ->> '$.jwksUri')
			END) VIRTUAL`,
		'CREATE UNIQUE INDEX credentials_stands_for ON credentials (stands_for) WHERE stands_for IS NOT NULL',
	],
};
