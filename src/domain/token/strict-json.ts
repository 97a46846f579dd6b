// Reads JSON objects of tokens with one meaning only: valid UTF-8, no byte order mark, no member twice, little nesting.
// Two parsers that disagree about a repeated `aud` or `alg` are how a token means one thing here and another there.
// RFC 8259 §4 leaves repeated names open, RFC 7519 §4 and RFC 7515 §4 let a strict reader refuse them.

/** A parsed JSON object. Its members are own properties, also one that is called `__proto__`. */
export type JsonObject = { readonly [name: string]: unknown };

const DEPTH_MAX = 8;
const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** Parses `bytes` as one JSON object; undefined when they are anything else, or when a member is repeated anywhere. */
export function parseJsonObject(bytes: Uint8Array): JsonObject | undefined {
	let text: string;
	let value: unknown;
	try {
		text = utf8.decode(bytes);
		value = JSON.parse(text);
	} catch {
		// Not UTF-8, or not JSON: both are the sender's mistake, and the caller needs to know no more.
		return undefined;
	}
	if (!isJsonObject(value)) return undefined;
	// Each member has one colon outside of strings, and JSON.parse keeps one member of each name: the counts agree
	// exactly when no name is repeated.
	return countMembers(value, 1) === countColons(text) ? value : undefined;
}

/** Tells whether a parsed JSON value is an object (no array, no null). */
export function isJsonObject(value: unknown): value is JsonObject {
	return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Members of all objects in `value`; NaN, which equals nothing, when it is nested too deeply. */
function countMembers(value: unknown, depth: number): number {
	if (typeof value !== 'object' || value === null) return 0;
	if (depth > DEPTH_MAX) return Number.NaN;
	let count = Array.isArray(value) ? 0 : Object.keys(value).length;
	for (const member of Object.values(value)) count += countMembers(member, depth + 1);
	return count;
}

/**
 * Colons outside of strings, in a text that JSON.parse has accepted; NaN when a member name holds an escape. No name of
 * ours needs one, and Node 26 can read a name with an escaped quotation mark as another name that it has seen before.
 */
function countColons(text: string): number {
	let count = 0;
	let insideString = false;
	let hasEscape = false;
	for (let index = 0; index < text.length; index++) {
		const code = text.charCodeAt(index);
		if (code === 0x22) {
			insideString = !insideString;
			if (insideString) hasEscape = false;
		} else if (insideString && code === 0x5c) {
			hasEscape = true;
			index++;
		} else if (!insideString && code === 0x3a) {
			if (hasEscape) return Number.NaN;
			count++;
		}
	}
	return count;
}
