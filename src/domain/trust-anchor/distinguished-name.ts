// Distinguished names (X.501) of certificates, in the one spelling of RFC 4514 that is compared: attributes by their short
// name or their object identifier, most specific first, values as they are. Names that cannot be written in exactly one
// way (several values in one place, control characters, encodings of old) name nobody.
import { MalformedDer, readInside, readObjectIdentifier, readOnly } from '../certificate/der-reader.ts';
import { TAG } from '../certificate/der.ts';

/** One attribute of a name: dotted object identifier and text. */
export interface NameAttribute {
	readonly type: string;
	readonly value: string;
}

/** Short names of RFC 4514 §3, and no others: `emailAddress` and the like are written by their identifiers. */
const SHORT_NAMES: ReadonlyMap<string, string> = new Map([
	['2.5.4.3', 'CN'],
	['2.5.4.7', 'L'],
	['2.5.4.8', 'ST'],
	['2.5.4.10', 'O'],
	['2.5.4.11', 'OU'],
	['2.5.4.6', 'C'],
	['2.5.4.9', 'STREET'],
	['0.9.2342.19200300.100.1.25', 'DC'],
	['0.9.2342.19200300.100.1.1', 'UID'],
]);
const TYPES: ReadonlyMap<string, string> = new Map([...SHORT_NAMES].map(([type, name]) => [name, type]));

const ATTRIBUTES_MAX = 32;
const VALUE_LENGTH_MAX = 512;
const TEXT_LENGTH_MAX = 2048;
const STRING_TAG = { utf8: TAG.utf8String, printable: 0x13, ia5: 0x16 } as const;
const UTF8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
// Control characters, and what turns or hides text: two names must not look like one.
const UNPRINTABLE = /[\p{Cc}\p{Cf}\p{Co}\p{Cn}\p{Zl}\p{Zp}]/u;

/**
 * Reads a DER Name: its attributes in the order of the certificate, most general first. Undefined when it is empty of
 * meaning here: malformed, or with an attribute that has no single printable value.
 */
export function readName(der: Buffer): readonly NameAttribute[] | undefined {
	try {
		const attributes: NameAttribute[] = [];
		const places = readInside(readOnly(der, TAG.sequence));
		while (!places.isAtEnd) {
			const place = readInside(places.expect(TAG.set));
			const fields = readInside(place.expect(TAG.sequence));
			place.end();
			const type = readObjectIdentifier(fields.expect(TAG.objectIdentifier));
			const { tag, body } = fields.next();
			fields.end();
			const value = readText(tag, body);
			if (value === undefined || attributes.length >= ATTRIBUTES_MAX) return undefined;
			attributes.push({ type, value });
		}
		return attributes;
	} catch (error) {
		if (error instanceof MalformedDer) return undefined;
		throw error;
	}
}

function readText(tag: number, body: Buffer): string | undefined {
	let text: string;
	if (tag === STRING_TAG.utf8) {
		try {
			text = UTF8.decode(body);
		} catch {
			// What is no UTF-8 is no text.
			return undefined;
		}
	} else if (tag === STRING_TAG.printable || tag === STRING_TAG.ia5) {
		text = body.toString('latin1');
		if (/[^\x20-\x7e]/.test(text)) return undefined;
	} else return undefined;
	return isValue(text) ? text : undefined;
}

function isValue(text: string): boolean {
	return text !== '' && text.length <= VALUE_LENGTH_MAX && !UNPRINTABLE.test(text) && text.isWellFormed();
}

/** Writes a name in its one spelling (RFC 4514 §2), most specific attribute first. */
export function formatName(attributes: readonly NameAttribute[]): string {
	return attributes
		.toReversed()
		.map(({ type, value }) => `${SHORT_NAMES.get(type) ?? type}=${escapeValue(value)}`)
		.join(',');
}

function escapeValue(value: string): string {
	const escaped = value.replace(/["+,;<>\\]/g, '\\$&');
	return escaped.replace(/^[ #]/, '\\$&').replace(/(?<!\\) $/, '\\ ');
}

/**
 * Reads a name in the form of RFC 4514 §3, as an operator writes it, and gives its one spelling. Undefined when it is
 * none, is empty, or has several values in one place (`+`) or values in hexadecimal (`#`).
 */
export function canonicalName(text: string): string | undefined {
	if (text === '' || text.length > TEXT_LENGTH_MAX) return undefined;
	const attributes: NameAttribute[] = [];
	for (const part of splitAt(text, ',') ?? []) {
		const equals = part.indexOf('=');
		const name = part.slice(0, equals).trim();
		const type =
			TYPES.get(name.toUpperCase()) ?? (/^[0-2](?:\.(?:0|[1-9]\d{0,9})){1,15}$/.test(name) ? name : undefined);
		const value = equals < 1 ? undefined : unescapeValue(part.slice(equals + 1));
		if (type === undefined || value === undefined || !isValue(value) || attributes.length >= ATTRIBUTES_MAX)
			return undefined;
		attributes.push({ type, value });
	}
	return attributes.length === 0 ? undefined : formatName(attributes.reverse());
}

/** Splits at a character that is not escaped; undefined when the text ends within an escape. */
function splitAt(text: string, separator: string): readonly string[] | undefined {
	const parts: string[] = [];
	let start = 0;
	for (let index = 0; index < text.length; index++) {
		if (text[index] === '\\') {
			index++;
			if (index === text.length) return undefined;
		} else if (text[index] === separator) {
			parts.push(text.slice(start, index));
			start = index + 1;
		}
	}
	return [...parts, text.slice(start)];
}

/** Takes the escapes out of a value: `\,` and the like, and `\C3\A9` for bytes of UTF-8. */
function unescapeValue(text: string): string | undefined {
	// Spaces around a value do not belong to it, but for one that is escaped.
	const trimmed = text.replace(/^ +/, '').replace(/(?<!\\) +$/, '');
	if (trimmed.startsWith('#')) return undefined;
	const bytes: number[] = [];
	for (let index = 0; index < trimmed.length; index++) {
		const char = trimmed.charAt(index);
		if (char === '\\') {
			const pair = trimmed.slice(index + 1, index + 3);
			if (/^[0-9a-fA-F]{2}$/.test(pair)) {
				bytes.push(Number.parseInt(pair, 16));
				index += 2;
			} else if (/^["+,;<>\\ #=]/.test(pair)) {
				bytes.push(pair.charCodeAt(0));
				index++;
			} else return undefined;
		} else if (/["+,;<>]/.test(char)) return undefined;
		else {
			const point = String.fromCodePoint(trimmed.codePointAt(index) ?? 0);
			bytes.push(...Buffer.from(point, 'utf8'));
			index += point.length - 1;
		}
	}
	try {
		return UTF8.decode(Uint8Array.from(bytes));
	} catch {
		return undefined;
	}
}

/** The same attribute however it is cased or spaced (RFC 5280 §7.1), for name constraints. */
export function foldAttribute({ type, value }: NameAttribute): string {
	return `${type}=${value.normalize('NFKC').toLowerCase().trim().replace(/\s+/g, ' ')}`;
}
