// The client's address in the words of HTTP proxies: `Forwarded` (RFC 7239) or `X-Forwarded-For`. Each proxy adds the
// address that it was called from at the right end. The list is walked from there: as long as an address is one of our own
// hops, the entry before it was written by that hop and is believed; the first other address is the client, and everything
// left of it is the client's own invention. Read only on connections from configured hops; what cannot be read is malformed.
import { type IpAddress, parseIpAddress } from './ip-address.ts';
import type { IpSet } from './ip-set.ts';

/** Which of the two fields the hops write. The other one is not looked at. */
export type ForwardingField = 'forwarded' | 'x-forwarded-for';

/** Whose word is believed, and in which field. */
export interface TrustedHops {
	readonly hops: IpSet;
	readonly field: ForwardingField;
}

const ENTRIES_MAX = 32;
const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;
const NODE = /^(?:([0-9.]{7,15})|\[([0-9A-Fa-f:.]{2,45})\])(?::[0-9]{1,5}|:_[A-Za-z0-9._-]+)?$/;

/**
 * Finds the client behind `peer`, which is one of the hops. `value` is the whole field, repeated ones joined by a comma;
 * undefined when there is none: then the hop speaks for itself. Gives undefined when the field is malformed.
 */
export function findForwardedClient(
	value: string | undefined,
	peer: IpAddress,
	{ hops, field }: TrustedHops,
): IpAddress | undefined {
	if (value === undefined) return peer;
	const entries = field === 'forwarded' ? readForwarded(value) : readForwardedFor(value);
	if (entries === undefined || entries.length > ENTRIES_MAX) return undefined;
	let client = peer;
	for (const entry of entries.toReversed()) {
		if (!hops.has(client)) break;
		const address = entry === undefined ? undefined : parseNode(entry, field);
		// A hop that hides or does not know its client leaves nothing that could be judged.
		if (address === undefined) return undefined;
		client = address;
	}
	return client;
}

function readForwardedFor(value: string): readonly string[] {
	return value.split(',').map((entry) => entry.trim());
}

/** The `for` of each element; undefined instead of the list when the field breaks the grammar of RFC 7239 §4. */
function readForwarded(value: string): readonly (string | undefined)[] | undefined {
	const entries: (string | undefined)[] = [];
	let names = new Map<string, string>();
	let at = 0;
	for (;;) {
		at = skipSpace(value, at);
		const pair = readPair(value, at);
		if (pair === undefined || names.has(pair.name)) return undefined;
		names.set(pair.name, pair.value);
		at = skipSpace(value, pair.end);
		const separator = value[at];
		if (separator === ';') {
			at++;
			continue;
		}
		entries.push(names.get('for'));
		if (separator === undefined) return entries;
		if (separator !== ',' || entries.length > ENTRIES_MAX) return undefined;
		names = new Map();
		at++;
	}
}

interface Pair {
	readonly name: string;
	readonly value: string;
	readonly end: number;
}

function readPair(text: string, start: number): Pair | undefined {
	const equals = text.indexOf('=', start);
	if (equals === -1) return undefined;
	const name = text.slice(start, equals);
	if (!TOKEN.test(name)) return undefined;
	const read = text[equals + 1] === '"' ? readQuoted(text, equals + 1) : readToken(text, equals + 1);
	return read === undefined ? undefined : { name: name.toLowerCase(), ...read };
}

function readToken(text: string, start: number): Omit<Pair, 'name'> | undefined {
	let end = start;
	while (end < text.length && TOKEN.test(text[end] as string)) end++;
	return end === start ? undefined : { value: text.slice(start, end), end };
}

/** A quoted string. Escapes are refused: no address needs one, and two readers could disagree on where the string ends. */
function readQuoted(text: string, start: number): Omit<Pair, 'name'> | undefined {
	const end = text.indexOf('"', start + 1);
	if (end === -1) return undefined;
	const value = text.slice(start + 1, end);
	return value.includes('\\') ? undefined : { value, end: end + 1 };
}

function skipSpace(text: string, start: number): number {
	let at = start;
	while (text[at] === ' ' || text[at] === '\t') at++;
	return at;
}

function parseNode(entry: string, field: ForwardingField): IpAddress | undefined {
	// Without brackets RFC 7239 has no IPv6 address; X-Forwarded-For has nothing but habit.
	if (field === 'x-forwarded-for' && entry.includes(':') && !entry.startsWith('[')) {
		const bare = parseIpAddress(entry);
		if (bare !== undefined) return bare;
	}
	const match = NODE.exec(entry);
	return match === null ? undefined : parseIpAddress(match[1] ?? (match[2] as string));
}
