// The step of the schema for the authorities of partners' own, their revocation lists, and the credentials below them.
import type { Migration } from '../sql/migrate.ts';

function derived(column: string, member: string, type = 'TEXT'): string {
	return `${column} ${type} NOT NULL GENERATED ALWAYS AS (body ->> '$.${member}') STORED`;
}

export const TRUST_ANCHORS: Migration = {
	name: 'trust anchors',
	statements: [
		`CREATE TABLE trust_anchors (
			id TEXT NOT NULL PRIMARY KEY, body TEXT NOT NULL CHECK (body ->> '$.id' = id),
			${derived('revision', 'revision', 'INTEGER')}, ${derived('partner_id', 'partnerId')},
			${derived('status', 'status')}, ${derived('public_key_hash', 'publicKeyHash')},
			FOREIGN KEY (partner_id) REFERENCES partners (id) DEFERRABLE INITIALLY DEFERRED) STRICT`,
		'CREATE INDEX trust_anchors_by_partner ON trust_anchors (partner_id, id)',
		// INVARIANT: an authority speaks for one partner.
		"CREATE UNIQUE INDEX trust_anchors_active_key ON trust_anchors (public_key_hash) WHERE status = 'active'",
		`CREATE TABLE anchor_lists (
			id TEXT NOT NULL PRIMARY KEY, body TEXT NOT NULL CHECK (body ->> '$.id' = id),
			${derived('revision', 'revision', 'INTEGER')}, ${derived('anchor_id', 'anchorId')},
			FOREIGN KEY (anchor_id) REFERENCES trust_anchors (id) DEFERRABLE INITIALLY DEFERRED) STRICT`,
		'CREATE INDEX anchor_lists_by_anchor ON anchor_lists (anchor_id, id)',
		"ALTER TABLE credentials ADD COLUMN anchored_name TEXT GENERATED ALWAYS AS (body ->> '$.anchoredName') VIRTUAL",
		"ALTER TABLE credentials ADD COLUMN trust_anchor_id TEXT GENERATED ALWAYS AS (body ->> '$.trustAnchorId') VIRTUAL",
		"CREATE UNIQUE INDEX credentials_anchored_name ON credentials (anchored_name) WHERE status = 'active'",
		`CREATE INDEX credentials_by_trust_anchor ON credentials (trust_anchor_id, id)
			WHERE trust_anchor_id IS NOT NULL AND status = 'active'`,
	],
};
