// Parses JSON bodies of requests in the one reading that every parser agrees on (I-JSON, RFC 7493): valid UTF-8, no byte
// order mark, no member twice, no lone surrogate, no number beyond a double, bounded nesting. Names that reach
// into JavaScript's prototypes are refused, for the sake of whatever runs behind the gateway.

/** A parsed body, or a sentence that says what is wrong with it (never echoing it). */
export type ParsedJson =
	| { readonly ok: true; readonly value: unknown }
	| { readonly ok: false; readonly problem: string };

/** Deepest nesting of arrays and objects. */
const JSON_DEPTH_MAX = 64;

/**
 * Most members of all objects together. Each costs JSON.parse a shape of its own when its name is new: a body of 10 MB that is
 * nothing but names would hold a thread up for seconds.
 */
const JSON_MEMBERS_MAX = 100_000;

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** Parses a JSON body. Costs about a nanosecond and a half per byte beyond JSON.parse. */
export function parseRequestJson(bytes: Buffer): ParsedJson {
	const scan = scanJson(bytes);
	if (scan.depth > JSON_DEPTH_MAX) return wrong(`The body nests deeper than ${JSON_DEPTH_MAX} levels.`);
	if (scan.members > JSON_MEMBERS_MAX) return wrong(`The body has more than ${JSON_MEMBERS_MAX} members.`);
	if (scan.hasOddName) return wrong('The body has a member with a quotation mark or a backslash in its name.');
	let value: unknown;
	try {
		value = JSON.parse(utf8.decode(bytes));
	} catch {
		// SyntaxError and bad UTF-8 alike; their messages quote the body, so they are not passed on.
		return wrong('The body is not valid JSON in UTF-8.');
	}
	const walk: Walk = { members: 0, problem: undefined, hasEscapes: scan.hasEscapes };
	walkValue(value, walk);
	if (walk.problem !== undefined) return wrong(walk.problem);
	// Each member has one colon outside of strings, and JSON.parse keeps one member of each name: the counts agree
	// exactly when no name is repeated.
	if (walk.members !== scan.members) return wrong('The body has an object with the same member twice.');
	return { ok: true, value };
}

function wrong(problem: string): ParsedJson {
	return { ok: false, problem };
}

interface Scan {
	depth: number;
	members: number;
	/** Whether there is a backslash: only an escape can smuggle a lone surrogate into valid UTF-8. */
	hasEscapes: boolean;
	/**
	 * Whether a member name holds an escaped quotation mark or backslash. Node 26 can read such a name as another one
	 * (V8 mistakes the escaped quotation mark for the end of a name that it has seen before), so none is let in.
	 */
	hasOddName: boolean;
}

const QUOTE = 0x22;
const BACKSLASH = 0x5c;

/** Counts what JSON.parse does not tell. Makes sense only of valid JSON; on anything else JSON.parse fails afterwards. */
function scanJson(bytes: Buffer): Scan {
	let depth = 0;
	let members = 0;
	let hasEscapes = false;
	let hasOddName = false;
	let open = 0;
	for (let index = 0; index < bytes.length; index++) {
		const byte = bytes[index] as number;
		if (byte === QUOTE) {
			index++;
			let isOdd = false;
			while (index < bytes.length && bytes[index] !== QUOTE) {
				if (bytes[index] === BACKSLASH) {
					hasEscapes = true;
					index++;
					isOdd ||= bytes[index] === QUOTE || bytes[index] === BACKSLASH;
				}
				index++;
			}
			if (isOdd && isFollowedByColon(bytes, index + 1)) hasOddName = true;
			continue;
		}
		if (byte === 0x3a) {
			members++;
			if (members > JSON_MEMBERS_MAX) break;
		} else if (byte === 0x7b || byte === 0x5b) {
			open++;
			if (open > depth) depth = open;
			// Nothing deeper is worth knowing, and nothing deeper is parsed.
			if (depth > JSON_DEPTH_MAX) break;
		} else if (byte === 0x7d || byte === 0x5d) open--;
	}
	return { depth, members, hasEscapes, hasOddName };
}

/** Tells whether the next byte that is not white space is a colon: then the string before it is a member name. */
function isFollowedByColon(bytes: Buffer, start: number): boolean {
	let index = start;
	while (bytes[index] === 0x20 || bytes[index] === 0x09 || bytes[index] === 0x0a || bytes[index] === 0x0d) index++;
	return bytes[index] === 0x3a;
}

interface Walk {
	members: number;
	problem: string | undefined;
	readonly hasEscapes: boolean;
}

/** Counts members and judges names, strings and numbers. Recursion is bounded by `JSON_DEPTH_MAX`. */
function walkValue(value: unknown, walk: Walk): void {
	if (typeof value === 'string') {
		if (walk.hasEscapes && !value.isWellFormed()) walk.problem = 'The body has a lone surrogate in a string.';
	} else if (typeof value === 'number') {
		if (!Number.isFinite(value)) walk.problem = 'The body has a number that is too large.';
	} else if (Array.isArray(value)) {
		for (let index = 0; index < value.length; index++) walkValue(value[index], walk);
	} else if (typeof value === 'object' && value !== null) {
		const members = value as Readonly<Record<string, unknown>>;
		for (const name in members) {
			walk.members++;
			if (isPrototypeName(name)) walk.problem = 'The body has a member with a name that is not allowed.';
			if (walk.hasEscapes && !name.isWellFormed()) walk.problem = 'The body has a lone surrogate in a name.';
			walkValue(members[name], walk);
		}
	}
}

/** Tells whether a member name reaches into prototypes when a careless program assigns it. */
export function isPrototypeName(name: string): boolean {
	const { length } = name;
	if (length !== 9 && length !== 11) return false;
	return name === '__proto__' || name === 'prototype' || name === 'constructor';
}
