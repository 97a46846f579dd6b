// The step of the schema for the rotation of credentials, and for events that wait to be delivered.
import type { Migration } from '../sql/migrate.ts';

function derived(column: string, type: string, member: string): string {
	return `${column} ${type} NOT NULL GENERATED ALWAYS AS (body ->> '$.${member}') STORED`;
}

export const ROTATIONS_AND_EVENTS: Migration = {
	name: 'rotations and events',
	statements: [
		`CREATE TABLE rotations (
			id TEXT NOT NULL PRIMARY KEY, body TEXT NOT NULL, ${derived('revision', 'INTEGER', 'revision')},
			${derived('client_id', 'TEXT', 'clientId')}, ${derived('status', 'TEXT', 'status')},
			${derived('old_credential_id', 'TEXT', 'oldCredentialId')}, ${derived('new_credential_id', 'TEXT', 'newCredentialId')},
			${derived('ends_at_ms', 'INTEGER', 'endsAtMs')}) STRICT`,
		'CREATE INDEX rotations_by_client ON rotations (client_id, id)',
		// A credential is in one open rotation at most, on either side.
		"CREATE UNIQUE INDEX rotations_open_old ON rotations (old_credential_id) WHERE status = 'overlapping'",
		"CREATE UNIQUE INDEX rotations_open_new ON rotations (new_credential_id) WHERE status = 'overlapping'",
		"CREATE INDEX rotations_due ON rotations (ends_at_ms) WHERE status = 'overlapping'",
		`CREATE TABLE events (
			sequence INTEGER NOT NULL PRIMARY KEY, key TEXT NOT NULL UNIQUE, at_ms INTEGER NOT NULL, body TEXT NOT NULL) STRICT`,
		'CREATE INDEX events_by_time ON events (at_ms)',
		`ALTER TABLE credentials ADD COLUMN ends_at_ms INTEGER GENERATED ALWAYS AS (
			min(body ->> '$.notAfterMs', coalesce(body ->> '$.retiresAtMs', body ->> '$.notAfterMs'))) VIRTUAL`,
		"CREATE INDEX credentials_by_end ON credentials (ends_at_ms, id) WHERE status = 'active'",
		"INSERT INTO counters (name, value) VALUES ('event', 0)",
	],
};
