// Conditional requests and repeated commands: If-Match (RFC 9110 §13.1.1) and Idempotency-Key
// (draft-ietf-httpapi-idempotency-key-header-06).
import { createHash } from 'node:crypto';
import { canonicalJson, type JsonValue } from '../../kernel/canonical-json.ts';
import { type Fault, fault } from '../../kernel/faults.ts';
import { fail, ok, type Result } from '../../kernel/result.ts';

/** How long the answer to a command is kept for repeats, in milliseconds. */
export const IDEMPOTENCY_TTL_MS = 24 * 3_600_000;

/** Writes the entity tag of a revision. */
export function entityTag(revision: number): string {
	return `"${revision}"`;
}

/**
 * Reads the revision that the caller expects: undefined for `*` or, unless `isRequired`, for no header at all.
 * Faults: `precondition_required`, `revision_mismatch` (a weak or foreign tag never matches), `input_invalid`.
 */
export function readExpectedRevision(
	header: string | undefined,
	isRequired: boolean,
): Result<number | undefined, Fault> {
	if (header === undefined) {
		if (!isRequired) return ok(undefined);
		return fail(fault('precondition_required', 'Send If-Match with the ETag that you last read, or "*" to overwrite.'));
	}
	if (header.trim() === '*') return ok(undefined);
	const match = /^\s*"(\d{1,15})"\s*$/.exec(header);
	if (match !== null) return ok(Number(match[1]));
	if (header.includes(',')) return fail(fault('input_invalid', 'If-Match takes one entity tag here.'));
	return fail(fault('revision_mismatch', 'If-Match holds no entity tag of this record. Read it again.'));
}

/** Reads an Idempotency-Key, quoted (a structured-field string) or bare, of 1 to 200 visible ASCII characters. */
export function readIdempotencyKey(header: string | undefined): Result<string | undefined, Fault> {
	if (header === undefined) return ok(undefined);
	const text = header.trim();
	const quoted = /^"((?:[\x20-\x21\x23-\x5b\x5d-\x7e]|\\["\\])*)"$/.exec(text);
	const key = quoted === null ? text : (quoted[1] ?? '').replaceAll(/\\(["\\])/g, '$1');
	if (key.length < 1 || key.length > 200 || (quoted === null && !/^[\x21\x23-\x2b\x2d-\x5b\x5d-\x7e]+$/.test(key))) {
		return fail(fault('input_invalid', 'Idempotency-Key takes 1 to 200 visible ASCII characters.'));
	}
	return ok(key);
}

/** SHA-256 (hex) of everything that makes a command what it is: two commands with one key must be the same command. */
export function fingerprintOf(command: {
	readonly method: string;
	readonly path: string;
	readonly ifMatch: string | undefined;
	readonly body: JsonValue | undefined;
}): string {
	const { method, path, ifMatch, body } = command;
	return createHash('sha256')
		.update(canonicalJson([method, path, ifMatch ?? null, body ?? null]))
		.digest('hex');
}
