// Canonical JSON after RFC 8785 (JCS): members sorted by UTF-16 code units, no white space, numbers as
// ECMAScript prints them. What is hashed or signed is written by this function and no other.

/** A value that JSON can carry. Members whose value is undefined are left out. */
export type JsonValue =
	| null
	| boolean
	| number
	| string
	| readonly JsonValue[]
	| { readonly [name: string]: JsonValue | undefined };

/** Writes `value` as canonical JSON. Throws on NaN and infinities, which JSON cannot carry. */
export function canonicalJson(value: JsonValue): string {
	if (value === null || typeof value === 'boolean') return String(value);
	if (typeof value === 'number') {
		if (!Number.isFinite(value)) throw new TypeError('canonical JSON cannot carry a number that is not finite');
		return JSON.stringify(value);
	}
	if (typeof value === 'string') return JSON.stringify(value);
	if (isArray(value)) return `[${value.map(canonicalJson).join(',')}]`;
	const members: string[] = [];
	for (const name of Object.keys(value).sort()) {
		const member = value[name];
		if (member !== undefined) members.push(`${JSON.stringify(name)}:${canonicalJson(member)}`);
	}
	return `{${members.join(',')}}`;
}

function isArray(value: JsonValue): value is readonly JsonValue[] {
	return Array.isArray(value);
}
