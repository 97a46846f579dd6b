// The tables as Kysely sees them; the migrations of each database make them. A record of the registry is one JSON
// document in `body`; what is searched for are columns that the database itself derives from it, so that a
// document and its columns cannot disagree.
import type { GeneratedAlways, Kysely } from 'kysely';

interface DocumentRow {
	id: string;
	/** JSON text of the whole record. */
	body: string;
	revision: GeneratedAlways<number>;
}

interface PartnerRow extends DocumentRow {}

interface ClientRow extends DocumentRow {
	partner_id: GeneratedAlways<string>;
}

interface CredentialRow extends DocumentRow {
	/** The earlier of `notAfterMs` and `retiresAtMs`. */
	ends_at_ms: GeneratedAlways<number>;
	client_id: GeneratedAlways<string>;
	status: GeneratedAlways<string>;
	not_after_ms: GeneratedAlways<number>;
	thumbprint: GeneratedAlways<string | null>;
	public_key_hash: GeneratedAlways<string | null>;
	trust_anchor_id: GeneratedAlways<string | null>;
	/** Whom only one active credential may stand for. */
	stands_for: GeneratedAlways<string | null>;
}

interface KeySetRow {
	owner: string;
	source: string;
	/** JSON text of the keys. */
	keys: string;
	fetched_at_ms: number;
}

interface KeySetKeyRow {
	owner: string;
	public_key_hash: string;
}

interface CredentialUseRow {
	credential_id: string;
	last_used_at_ms: number;
}

interface CertificateRow extends DocumentRow {
	partner_id: GeneratedAlways<string | null>;
	client_id: GeneratedAlways<string | null>;
	thumbprint: GeneratedAlways<string>;
	issuer: GeneratedAlways<string>;
	serial: GeneratedAlways<string>;
	public_key_hash: GeneratedAlways<string>;
	not_after_ms: GeneratedAlways<number>;
	status: GeneratedAlways<string>;
	profile: GeneratedAlways<string>;
	subject: GeneratedAlways<string>;
	created_at_ms: GeneratedAlways<number>;
	superseded_at_ms: GeneratedAlways<number | null>;
}

interface EnrolmentRow extends DocumentRow {
	client_id: GeneratedAlways<string>;
	code_hash: GeneratedAlways<string>;
	status: GeneratedAlways<string>;
	expires_at_ms: GeneratedAlways<number>;
}

/** A key that must never be certified. */
interface CompromisedKeyRow {
	public_key_hash: string;
	source: string;
	added_at_ms: number;
}

interface SubscriptionRow extends DocumentRow {
	partner_id: GeneratedAlways<string>;
	client_id: GeneratedAlways<string>;
}

interface OperatorRow extends DocumentRow {
	thumbprint: GeneratedAlways<string>;
}

interface RotationRow extends DocumentRow {
	client_id: GeneratedAlways<string>;
	status: GeneratedAlways<string>;
	old_credential_id: GeneratedAlways<string>;
	new_credential_id: GeneratedAlways<string>;
	ends_at_ms: GeneratedAlways<number>;
}

interface TrustAnchorRow extends DocumentRow {
	partner_id: GeneratedAlways<string>;
	status: GeneratedAlways<string>;
	public_key_hash: GeneratedAlways<string>;
}

interface AnchorListRow extends DocumentRow {
	anchor_id: GeneratedAlways<string>;
}

interface EventRow {
	sequence: number;
	key: string;
	at_ms: number;
	/** JSON text of the whole event. */
	body: string;
}

interface ProtectionKeyRow extends DocumentRow {
	purpose: GeneratedAlways<string>;
}

interface SigningKeyRow extends DocumentRow {
	purpose: GeneratedAlways<string>;
}

interface TokenRevocationRow {
	jti: string;
	expires_at_seconds: number;
	revoked_at_ms: number;
}

interface IdempotencyRow {
	key: string;
	fingerprint: string;
	status: number;
	body: string;
	/** JSON object. */
	headers: string;
	expires_at_ms: number;
}

interface ChangeRow {
	sequence: number;
	kind: string;
	/** JSON text of the whole record. */
	record: string;
}

/** Running numbers that never fall, whatever is deleted. */
interface CounterRow {
	name: 'change' | 'configuration' | 'event';
	value: number;
}

interface KeyRow {
	name: string;
	purpose: string;
	/** The PKCS#8 PEM, sealed by the envelope. */
	private_key: Uint8Array;
	/** Version of the key-encryption key that `private_key` names. */
	key_version: string;
	certificate_pem: string;
	created_at_ms: number;
}

interface ConfigurationRevisionRow {
	number: number;
	digest: string;
	source: string;
	loaded_at_ms: number;
}

/** The largest known state of the ledger: one row at most. */
interface LedgerMarkRow {
	id: 1;
	size: number;
	/** Base64. */
	root_hash: string;
	recorded_at_ms: number;
}

/** The latest revocation list of an authority. */
interface RevocationListRow {
	authority: string;
	number: number;
	this_update_ms: number;
	next_update_ms: number;
	entries: number;
	der: Uint8Array;
}

interface MigrationRow {
	number: number;
	name: string;
	/** SHA-256 (hex) of the migration's statements. */
	checksum: string;
	applied_at_ms: number;
}

/** All tables by name. */
export interface SqlSchema {
	partners: PartnerRow;
	clients: ClientRow;
	credentials: CredentialRow;
	credential_uses: CredentialUseRow;
	key_sets: KeySetRow;
	key_set_keys: KeySetKeyRow;
	certificates: CertificateRow;
	subscriptions: SubscriptionRow;
	operators: OperatorRow;
	enrolments: EnrolmentRow;
	rotations: RotationRow;
	trust_anchors: TrustAnchorRow;
	anchor_lists: AnchorListRow;
	events: EventRow;
	compromised_keys: CompromisedKeyRow;
	signing_keys: SigningKeyRow;
	protection_keys: ProtectionKeyRow;
	token_revocations: TokenRevocationRow;
	idempotent_answers: IdempotencyRow;
	changes: ChangeRow;
	counters: CounterRow;
	keys: KeyRow;
	configuration_revisions: ConfigurationRevisionRow;
	ledger_mark: LedgerMarkRow;
	revocation_lists: RevocationListRow;
	schema_migrations: MigrationRow;
}

/** Tables whose rows are documents of the registry. */
export type DocumentTableName =
	| 'partners'
	| 'clients'
	| 'credentials'
	| 'certificates'
	| 'subscriptions'
	| 'operators'
	| 'enrolments'
	| 'rotations'
	| 'trust_anchors'
	| 'anchor_lists'
	| 'signing_keys'
	| 'protection_keys';

/** Runs work in the transaction that is running already, or in one of its own. */
export type Atomically = <T>(work: (database: Kysely<SqlSchema>) => Promise<T>) => Promise<T>;
