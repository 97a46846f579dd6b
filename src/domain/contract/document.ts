// Reads OpenAPI documents (3.0, 3.1, 3.2): members by name, local references by JSON Pointer (RFC 6901). What does not
// fit is a problem with its place, so that the owner finds it; problems stop the load.
import type { OpenApiDocument } from '../api/api.ts';

/** A JSON object of a document. */
export type Json = Readonly<Record<string, unknown>>;

/** Problems found while compiling, each a sentence that names its place in the document. */
export type Problems = string[];

const REFERENCES_MAX = 64;

/** Tells whether a value of a document is an object. */
export function isObject(value: unknown): value is Json {
	return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Gives an own member; members of Object.prototype are no members of a document. */
export function member(object: Json, name: string): unknown {
	return Object.hasOwn(object, name) ? object[name] : undefined;
}

/** Puts a name behind a JSON Pointer. */
export function pointerTo(place: string, ...names: readonly (string | number)[]): string {
	return names.reduce<string>(
		(path, name) => `${path}/${String(name).replaceAll('~', '~0').replaceAll('/', '~1')}`,
		place,
	);
}

/** Gives what a local reference such as `#/components/schemas/Account` names; undefined when it names nothing. */
export function resolvePointer(document: OpenApiDocument, reference: string): unknown {
	if (reference === '#') return document;
	if (!reference.startsWith('#/')) return undefined;
	let value: unknown = document;
	for (const part of reference.slice(2).split('/')) {
		const name = decodePointerPart(part);
		if (name === undefined) return undefined;
		if (Array.isArray(value)) value = /^(?:0|[1-9]\d*)$/.test(name) ? value[Number(name)] : undefined;
		else if (isObject(value)) value = member(value, name);
		else return undefined;
	}
	return value;
}

function decodePointerPart(part: string): string | undefined {
	try {
		return decodeURIComponent(part).replaceAll('~1', '/').replaceAll('~0', '~');
	} catch {
		// A reference with broken escapes names nothing; the caller reports it with its place.
		return undefined;
	}
}

/** Follows `$ref`s from `value` to an object; adds a problem and gives undefined when they lead nowhere. */
export function dereference(
	document: OpenApiDocument,
	value: unknown,
	place: string,
	problems: Problems,
): { readonly object: Json; readonly place: string } | undefined {
	let current = value;
	let where = place;
	for (let count = 0; count < REFERENCES_MAX; count++) {
		if (!isObject(current)) {
			problems.push(`${where}: an object is expected here`);
			return undefined;
		}
		const reference = member(current, '$ref');
		if (typeof reference !== 'string') return { object: current, place: where };
		where = reference;
		current = resolvePointer(document, reference);
		if (current === undefined) {
			problems.push(`${place}: the reference ${reference} names nothing in this document`);
			return undefined;
		}
	}
	problems.push(`${place}: the reference leads in a circle`);
	return undefined;
}
