// The safe subset of JSONPath (RFC 9535) that masks and resource rules are written in: `$`, `.name`, `['name']`, `[0]`,
// `[-1]`, `.*`, `[*]`, and one descendant step `..`. Whoever walks such a path visits each node of a value at most once
// per step. Slices, filters, unions and functions are refused with a sentence that says so.
import { fail, ok, type Result } from '../../kernel/result.ts';

/** Selects children of one node. */
export type Selector =
	| { readonly kind: 'name'; readonly name: string }
	/** Negative indexes count from the end. */
	| { readonly kind: 'index'; readonly index: number }
	| { readonly kind: 'wildcard' };

/** One step of a path. */
export interface Segment {
	readonly selector: Selector;
	/** Whether the step starts from the node and all nodes below it (`..`). */
	readonly isDescendant: boolean;
}

/** A parsed path; no segments for `$`. */
export interface JsonPath {
	readonly text: string;
	readonly segments: readonly Segment[];
}

const LENGTH_MAX = 1024;
const SEGMENTS_MAX = 32;
const BLANKS = /[ \t\n\r]*/y;
// RFC 9535 §2.5.1.1: letters, `_` and everything beyond ASCII, digits but at the start.
const SHORTHAND = /[A-Za-z_\u0080-\u{d7ff}\u{e000}-\u{10ffff}][A-Za-z0-9_\u0080-\u{d7ff}\u{e000}-\u{10ffff}]*/uy;
const INDEX = /-?[0-9]+/y;
const ESCAPES: Readonly<Record<string, string>> = { b: '\b', f: '\f', n: '\n', r: '\r', t: '\t', '/': '/', '\\': '\\' };

/** Parses a path; the fault says what is wrong, or which part of JSONPath is not supported. */
export function parseJsonPath(text: string): Result<JsonPath, string> {
	if (text.length > LENGTH_MAX) return fail(`a path has at most ${LENGTH_MAX} characters`);
	if (!text.isWellFormed()) return fail('a path is valid Unicode');
	if (!text.startsWith('$')) return fail('a path begins with $');
	const segments: Segment[] = [];
	const reader = { text, at: 1 };
	while (reader.at < text.length) {
		skipBlanks(reader);
		if (segments.length === SEGMENTS_MAX) return fail(`a path has at most ${SEGMENTS_MAX} steps`);
		const segment = readSegment(reader);
		if (!segment.ok) return segment;
		if (segment.value.isDescendant && segments.some((earlier) => earlier.isDescendant)) {
			return fail('a path has at most one descendant step (..)');
		}
		segments.push(segment.value);
	}
	return ok({ text, segments });
}

interface Reader {
	readonly text: string;
	at: number;
}

function readSegment(reader: Reader): Result<Segment, string> {
	const { text } = reader;
	const isDescendant = text.startsWith('..', reader.at);
	if (isDescendant) reader.at += 2;
	else if (text[reader.at] === '.') reader.at++;
	else if (text[reader.at] !== '[') return unsupported(reader);
	const hasDot = isDescendant || text[reader.at - 1] === '.';
	// `.[` is no JSONPath; `..[` is.
	const selector = text[reader.at] === '[' && (isDescendant || !hasDot) ? readBracket(reader) : readShorthand(reader);
	return selector.ok ? ok({ selector: selector.value, isDescendant }) : selector;
}

function readShorthand(reader: Reader): Result<Selector, string> {
	if (reader.text[reader.at] === '*') {
		reader.at++;
		return ok({ kind: 'wildcard' });
	}
	const name = match(reader, SHORTHAND);
	return name === undefined ? unsupported(reader) : ok({ kind: 'name', name });
}

function readBracket(reader: Reader): Result<Selector, string> {
	reader.at++;
	skipBlanks(reader);
	const selector = readSelector(reader);
	if (!selector.ok) return selector;
	skipBlanks(reader);
	if (reader.text[reader.at] !== ']') return unsupported(reader);
	reader.at++;
	return selector;
}

function readSelector(reader: Reader): Result<Selector, string> {
	const first = reader.text[reader.at];
	if (first === '*') {
		reader.at++;
		return ok({ kind: 'wildcard' });
	}
	if (first === '"' || first === "'") return readQuoted(reader, first);
	const digits = match(reader, INDEX);
	if (digits === undefined) return unsupported(reader);
	const index = Number(digits);
	if (String(index) !== digits || !Number.isSafeInteger(index)) {
		return fail('an index is a whole number without leading zeros, within 53 bits');
	}
	return ok({ kind: 'index', index });
}

/** RFC 9535 §2.3.1.1: the escapes of JSON, and the quote that encloses the name. */
function readQuoted(reader: Reader, quote: string): Result<Selector, string> {
	const { text } = reader;
	let name = '';
	for (let at = reader.at + 1; at < text.length; at++) {
		const unit = text[at] as string;
		if (unit === quote) {
			reader.at = at + 1;
			return name.isWellFormed() ? ok({ kind: 'name', name }) : fail('a name in a path has a lone surrogate');
		}
		if (unit < ' ') return fail('a name in a path has a control character');
		if (unit !== '\\') {
			name += unit;
			continue;
		}
		at++;
		const escape = text[at] ?? '';
		const hex = text.slice(at + 1, at + 5);
		if (escape === quote) name += quote;
		else if (Object.hasOwn(ESCAPES, escape)) name += ESCAPES[escape];
		else if (escape === 'u' && /^[0-9A-Fa-f]{4}$/.test(hex)) {
			name += String.fromCharCode(Number.parseInt(hex, 16));
			at += 4;
		} else return fail('a name in a path has an escape that JSONPath does not know');
	}
	return fail('a name in a path has no closing quote');
}

function match(reader: Reader, pattern: RegExp): string | undefined {
	pattern.lastIndex = reader.at;
	const found = pattern.exec(reader.text)?.[0];
	if (found !== undefined) reader.at += found.length;
	return found;
}

function skipBlanks(reader: Reader): void {
	match(reader, BLANKS);
}

function unsupported(reader: Reader): Result<never, string> {
	return fail(
		`at character ${reader.at + 1}: supported are $, .name, ['name'], [0], [-1], .*, [*] and one ..; ` +
			'filters, slices, lists of selectors and functions are not',
	);
}

/** Gives the values that a path selects, each once, in the order of the document. */
export function selectValues(path: JsonPath, value: unknown): unknown[] {
	let nodes: unknown[] = [value];
	for (const { selector, isDescendant } of path.segments) {
		const selected: unknown[] = [];
		for (const node of nodes) {
			if (isDescendant) selectBelow(node, selector, selected);
			else selectChildren(node, selector, selected);
		}
		nodes = selected;
	}
	return nodes;
}

function selectBelow(node: unknown, selector: Selector, into: unknown[]): void {
	// A list of what is still to be visited, not recursion: a value of any depth is walked.
	const pending: unknown[] = [node];
	while (pending.length > 0) {
		const current = pending.pop();
		if (typeof current !== 'object' || current === null) continue;
		selectChildren(current, selector, into);
		const children: unknown[] = Array.isArray(current) ? current : Object.values(current);
		for (let index = children.length - 1; index >= 0; index--) pending.push(children[index]);
	}
}

function selectChildren(node: unknown, selector: Selector, into: unknown[]): void {
	if (typeof node !== 'object' || node === null) return;
	if (selector.kind === 'wildcard') {
		for (const child of Array.isArray(node) ? node : Object.values(node)) into.push(child);
	} else if (selector.kind === 'index') {
		if (!Array.isArray(node)) return;
		const index = selector.index < 0 ? node.length + selector.index : selector.index;
		if (index >= 0 && index < node.length) into.push(node[index]);
	} else if (!Array.isArray(node) && Object.hasOwn(node, selector.name)) {
		into.push((node as Readonly<Record<string, unknown>>)[selector.name]);
	}
}
