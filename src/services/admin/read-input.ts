// Reads what a request brings, and only what its route knows: path parameters, query parameters and a JSON body, each
// held to a strict schema. An unknown member, a repeated query parameter or a second meaning is refused, never dropped.
import type { z } from '@hono/zod-openapi';
import { parseRequestJson } from '../../domain/contract/request-json.ts';
import type { JsonValue } from '../../kernel/canonical-json.ts';
import { type Fault, fault } from '../../kernel/faults.ts';
import { fail, ok, type Result } from '../../kernel/result.ts';

/** Bound of a request body in bytes, unless a route says otherwise. */
export const BODY_BYTES_MAX = 65_536;

const ERRORS_MAX = 20;
const POINTER_LENGTH_MAX = 200;

/** One place that is wrong: `pointer` into the body (RFC 6901, as a fragment), or the name of a `parameter`. */
interface InputError {
	readonly pointer?: string;
	readonly parameter?: string;
	readonly detail: string;
}

/** Holds path parameters to their schema. Faults: `not_found`, because a malformed id names nothing. */
export function readParams<T>(schema: z.ZodType<T>, params: Record<string, string>): Result<T, Fault> {
	const parsed = schema.safeParse(params);
	return parsed.success ? ok(parsed.data) : fail(fault('not_found', 'The path holds a malformed id.'));
}

/** Holds the query to its schema; each parameter may appear once. Faults: `input_invalid`. */
export function readQuery<T>(schema: z.ZodType<T>, url: string): Result<T, Fault> {
	const found: [string, string][] = [];
	const names = new Set<string>();
	for (const [name, value] of new URL(url).searchParams) {
		if (names.has(name)) return fail(invalidQuery([{ parameter: name.slice(0, 64), detail: 'must appear once only' }]));
		names.add(name);
		found.push([name, value]);
	}
	const parsed = schema.safeParse(Object.fromEntries(found));
	if (parsed.success) return ok(parsed.data);
	const errors = errorsOf(parsed.error, (path) => ({ parameter: path.join('.').slice(0, POINTER_LENGTH_MAX) }));
	return fail(invalidQuery(errors));
}

function invalidQuery(errors: readonly InputError[]): Fault {
	return fault('input_invalid', 'A query parameter is not valid; see errors.', { members: { errors } });
}

/**
 * Reads the bytes of a JSON body of at most `bytesMax` into a value; undefined when there is no body.
 * Faults: `body_too_large`, `media_type_unsupported`, `body_malformed`.
 */
export async function readJson(request: Request, bytesMax: number): Promise<Result<JsonValue | undefined, Fault>> {
	const bytes = await readBytes(request, bytesMax);
	if (!bytes.ok) return bytes;
	if (bytes.value.length === 0) return ok(undefined);
	if (!isJson(request.headers.get('content-type')) || request.headers.has('content-encoding')) {
		return fail(fault('media_type_unsupported', 'Send the body as application/json in UTF-8, not compressed.'));
	}
	return parseJson(bytes.value);
}

async function readBytes(request: Request, bytesMax: number): Promise<Result<Uint8Array, Fault>> {
	const tooLarge = fail(fault('body_too_large', `The body may have ${bytesMax} bytes at most.`));
	const announced = request.headers.get('content-length');
	if (announced !== null && Number(announced) > bytesMax) return tooLarge;
	if (request.body === null) return ok(new Uint8Array());
	const pieces: Uint8Array[] = [];
	let length = 0;
	try {
		for await (const piece of request.body as ReadableStream<Uint8Array>) {
			length += piece.length;
			// Leaving the loop cancels the stream: the rest is not read.
			if (length > bytesMax) return tooLarge;
			pieces.push(piece);
		}
	} catch {
		// Only the connection can fail here: the caller went away, or its body ended too early.
		return fail(fault('malformed_request', 'The body did not arrive as announced.'));
	}
	return ok(Buffer.concat(pieces));
}

function isJson(contentType: string | null): boolean {
	return contentType !== null && /^application\/json(?:\s*;\s*charset="?utf-8"?)?$/i.test(contentType.trim());
}

/** One reading only: a member that comes twice, a name that reaches into prototypes, and bad UTF-8 are refused. */
function parseJson(bytes: Uint8Array): Result<JsonValue, Fault> {
	const parsed = parseRequestJson(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength));
	return parsed.ok ? ok(parsed.value as JsonValue) : fail(fault('body_malformed', parsed.problem));
}

/** Holds a body to its schema. Faults: `input_invalid` with a pointer to each error. */
export function checkBody<T>(schema: z.ZodType<T>, body: JsonValue | undefined): Result<T, Fault> {
	const parsed = schema.safeParse(body);
	if (body === undefined && !parsed.success) {
		return fail(fault('input_invalid', 'This operation needs a JSON body.'));
	}
	if (parsed.success) return ok(parsed.data);
	const errors = errorsOf(parsed.error, (path) => ({ pointer: pointerOf(path) }));
	return fail(fault('input_invalid', 'The body is not valid; see errors.', { members: { errors } }));
}

function errorsOf(
	error: z.ZodError,
	place: (path: readonly PropertyKey[]) => { pointer: string } | { parameter: string },
): readonly InputError[] {
	const errors: InputError[] = [];
	for (const issue of error.issues) {
		const paths = issue.code === 'unrecognized_keys' ? issue.keys.map((key) => [...issue.path, key]) : [issue.path];
		const detail = issue.code === 'unrecognized_keys' ? 'is not known here' : issue.message;
		for (const path of paths) errors.push({ ...place(path), detail });
		if (errors.length >= ERRORS_MAX) break;
	}
	return errors.slice(0, ERRORS_MAX);
}

function pointerOf(path: readonly PropertyKey[]): string {
	const pointer = path.map((step) => `/${String(step).replaceAll('~', '~0').replaceAll('/', '~1')}`).join('');
	return `#${pointer}`.slice(0, POINTER_LENGTH_MAX);
}
