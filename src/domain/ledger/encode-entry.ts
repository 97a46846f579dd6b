// Audit entries as bytes: canonical JSON (RFC 8785) of at most 16 KiB. Every request pays for it, so that flat entries
// take a short way; a property test holds it to `canonicalJson`, byte for byte. It never throws and never loses an
// entry: what cannot be written is cut down to who, what and when, with a mark that says so.
import { canonicalJson, type JsonValue } from '../../kernel/canonical-json.ts';
import { type AuditEntry, ENTRY_BYTES_MAX } from './audit-entry.ts';

// Every UTF-16 unit takes at most three bytes, so that shorter texts need not be measured.
const UNMEASURED_LENGTH_MAX = Math.floor(ENTRY_BYTES_MAX / 3);
const CUT_TEXT_LENGTH_MAX = 128;

/** Writes an entry as canonical JSON of at most `ENTRY_BYTES_MAX` bytes (UTF-8). */
export function encodeEntry(entry: AuditEntry): string {
	let text: string;
	try {
		text = encodeMembers(entry);
	} catch (error) {
		// A number that is not finite, a cycle, a BigInt: a bug of the caller, which must not cost the record.
		return encodeCutDown(entry, { entry_unencodable: error instanceof Error ? error.name : 'unknown' });
	}
	if (text.length <= UNMEASURED_LENGTH_MAX) return text;
	const bytes = Buffer.byteLength(text);
	return bytes <= ENTRY_BYTES_MAX ? text : encodeCutDown(entry, { entry_bytes: bytes, entry_truncated: true });
}

/** Reads an entry back from the ledger's bytes; undefined when they are not a JSON object with a type and a time. */
export function decodeEntry(bytes: Uint8Array): AuditEntry | undefined {
	let value: unknown;
	try {
		value = JSON.parse(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('utf8'));
	} catch {
		// Not JSON: the caller reports it with the entry's index, which is not known here.
		return undefined;
	}
	if (typeof value !== 'object' || value === null || !('type' in value) || !('time' in value)) return undefined;
	if (typeof value.type !== 'string' || typeof value.time !== 'string') return undefined;
	if (!('actor' in value) || typeof value.actor !== 'object' || value.actor === null) return undefined;
	return value as AuditEntry;
}

function encodeMembers(entry: AuditEntry): string {
	const { actor, facts } = entry;
	if (!isPlain(entry.status) || (facts !== undefined && !isFlat(facts)))
		return canonicalJson({ ...entry, actor: { ...actor } });
	// Listed in canonical order, JSON.stringify writes canonical JSON. It leaves out what is undefined, too.
	return JSON.stringify({
		actor: {
			address: actor.address,
			client: actor.client,
			credential: actor.credential,
			operator: actor.operator,
			partner: actor.partner,
			peer: actor.peer,
			service: actor.service,
			system: actor.system,
		},
		decision: entry.decision,
		facts,
		reason: entry.reason,
		requestId: entry.requestId,
		status: entry.status,
		time: entry.time,
		type: entry.type,
	});
}

/** Whether facts are in canonical order, as the callers on the hot path list them, and hold nothing nested. */
function isFlat(facts: NonNullable<AuditEntry['facts']>): boolean {
	let previous = '';
	for (const name in facts) {
		if (name < previous || !isPlain(facts[name])) return false;
		previous = name;
	}
	return true;
}

function isPlain(value: JsonValue | undefined): boolean {
	return typeof value === 'number' ? Number.isFinite(value) : typeof value !== 'object' || value === null;
}

function encodeCutDown(entry: AuditEntry, marks: { readonly [name: string]: JsonValue }): string {
	const actor: { [name: string]: JsonValue | undefined } = {};
	for (const name of ['address', 'client', 'credential', 'operator', 'partner', 'peer', 'system'] as const) {
		actor[name] = cut(entry.actor?.[name]);
	}
	return canonicalJson({
		actor,
		decision: cut(entry.decision),
		facts: marks,
		reason: cut(entry.reason),
		requestId: cut(entry.requestId),
		status: Number.isFinite(entry.status) ? entry.status : undefined,
		time: cut(entry.time),
		type: cut(entry.type),
	});
}

function cut(text: string | undefined): string | undefined {
	return text === undefined ? undefined : String(text).slice(0, CUT_TEXT_LENGTH_MAX);
}
