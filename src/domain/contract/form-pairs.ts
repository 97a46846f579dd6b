// Name-value pairs of queries and forms (WHATWG URL §5.1, narrowed): one meaning or none. Percent-escapes must be valid
// UTF-8, `;` is no separator and must be escaped, pairs are never empty, their number is bounded.

/** Pairs in the order in which they came: names decoded, values raw. */
export interface FormPairs {
	readonly names: readonly string[];
	readonly rawValues: readonly string[];
}

/** Most pairs of one query or form. */
const PAIRS_MAX = 256;

const NO_PAIRS: FormPairs = { names: [], rawValues: [] };

/** Splits a query or a form into pairs; undefined when it is malformed or has more than `PAIRS_MAX` pairs. */
export function splitPairs(text: string): FormPairs | undefined {
	if (text === '') return NO_PAIRS;
	if (text.includes(';')) return undefined;
	const names: string[] = [];
	const rawValues: string[] = [];
	let start = 0;
	while (start <= text.length) {
		if (names.length === PAIRS_MAX) return undefined;
		let end = text.indexOf('&', start);
		if (end === -1) end = text.length;
		let equals = text.indexOf('=', start);
		if (equals === -1 || equals > end) equals = end;
		const name = decodeFormText(text.slice(start, equals));
		if (name === undefined || name === '') return undefined;
		names.push(name);
		rawValues.push(equals === end ? '' : text.slice(equals + 1, end));
		start = end + 1;
	}
	return { names, rawValues };
}

/** Decodes a name or value: `+` is a space, escapes are UTF-8. Undefined for bad escapes, bad UTF-8 and NUL. */
export function decodeFormText(raw: string): string | undefined {
	if (!raw.includes('%') && !raw.includes('+')) return raw;
	try {
		const text = decodeURIComponent(raw.replaceAll('+', ' '));
		return text.includes('\0') ? undefined : text;
	} catch {
		// URIError is the only way in which decodeURIComponent says that escapes are not UTF-8.
		return undefined;
	}
}
