// The step of the schema for the records of keys that hide what tokens say.
import type { Migration } from '../sql/migrate.ts';

export const PROTECTION_KEYS: Migration = {
	name: 'protection keys',
	statements: [
		`CREATE TABLE protection_keys (
			id TEXT NOT NULL PRIMARY KEY, body TEXT NOT NULL,
			revision INTEGER NOT NULL GENERATED ALWAYS AS (body ->> '$.revision') STORED,
			purpose TEXT NOT NULL GENERATED ALWAYS AS (body ->> '$.purpose') STORED) STRICT`,
		'CREATE INDEX protection_keys_by_purpose ON protection_keys (purpose, id)',
	],
};
