// The names that a certificate gives its subject, each as it is compared: exactly, and only where there is exactly one of its
// kind (RFC 8705 §2.1.2). A certificate with a name that two programs could read differently (NUL, wildcard, odd
// SPIFFE id) is refused as a whole.
import { MalformedDer, readInside, readOnly } from '../certificate/der-reader.ts';
import { TAG } from '../certificate/der.ts';
import { isDnsName } from '../certificate/host-name.ts';
import { OID } from '../certificate/object-identifier.ts';
import type { ParsedTbs } from '../certificate/x509-parse.ts';
import { addressFromBytes, formatIpAddress, parseIpAddress } from '../network/ip-address.ts';
import { canonicalName, formatName, type NameAttribute, readName } from './distinguished-name.ts';

/** What a client can be known by in certificates of its partner's own authority. */
export const SUBJECT_ATTRIBUTES = ['san_uri', 'san_dns', 'san_email', 'san_ip', 'subject_dn'] as const;

export type SubjectAttribute = (typeof SUBJECT_ATTRIBUTES)[number];

/** Types of a GeneralName (RFC 5280 §4.2.1.6), by the number of their tag. */
export const NAME_TYPE = { email: 1, dns: 2, directory: 4, uri: 6, ip: 7 } as const;

/** One name of the extension subjectAltName. */
export interface AlternativeName {
	readonly type: number;
	readonly body: Buffer;
}

/** All that a certificate calls its subject. */
export interface SubjectNames {
	readonly alternative: readonly AlternativeName[];
	/** Undefined when the distinguished name cannot be written in one way; empty when there is none. */
	readonly directory: readonly NameAttribute[] | undefined;
}

const NAMES_MAX = 64;
const LENGTH_MAX = 512;
const VISIBLE = /^[\x21-\x7e]+$/;
const EMAIL = /^[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@([A-Za-z0-9.-]{1,253})$/;
const SPIFFE_ID = /^spiffe:\/\/[a-z0-9._-]{1,255}(?:\/[A-Za-z0-9._-]{1,255})+$/;
const DOT_SEGMENT = /\/\.{1,2}(?:\/|$)/;

/** Reads the names of a certificate; undefined when one of them is not safe to be compared. */
export function readSubjectNames(tbs: ParsedTbs): SubjectNames | undefined {
	const extension = tbs.extensions.get(OID.subjectAlternativeName);
	const alternative = extension === undefined ? [] : readAlternativeNames(extension.value);
	if (alternative === undefined) return undefined;
	return { alternative, directory: readName(tbs.subject) };
}

function readAlternativeNames(value: Buffer): readonly AlternativeName[] | undefined {
	try {
		const names: AlternativeName[] = [];
		const reader = readInside(readOnly(value, TAG.sequence));
		while (!reader.isAtEnd) {
			const { tag, body } = reader.next();
			if ((tag & 0xc0) !== 0x80 || names.length >= NAMES_MAX) return undefined;
			const name = { type: tag & 0x1f, body };
			if (!isSafe(name)) return undefined;
			names.push(name);
		}
		return names.length === 0 ? undefined : names;
	} catch (error) {
		if (error instanceof MalformedDer) return undefined;
		throw error;
	}
}

function isSafe({ type, body }: AlternativeName): boolean {
	const text = body.toString('latin1');
	switch (type) {
		case NAME_TYPE.uri:
			return isUri(text);
		case NAME_TYPE.dns:
			return isDnsName(text.toLowerCase());
		case NAME_TYPE.email:
			return isEmail(text);
		case NAME_TYPE.ip:
			return addressFromBytes(body) !== undefined;
		default:
			// Nobody is known by it, so nothing hangs on how it is read.
			return true;
	}
}

/** SPIFFE-ID §2: no query, fragment, port, upper case, percent sign or empty segment. */
function isUri(text: string): boolean {
	if (text.length > LENGTH_MAX || !VISIBLE.test(text) || text.includes('*')) return false;
	if (!/^[a-z][a-z0-9+.-]*:./i.test(text)) return false;
	return !/^spiffe:/i.test(text) || (SPIFFE_ID.test(text) && !DOT_SEGMENT.test(text));
}

function isEmail(text: string): boolean {
	const host = EMAIL.exec(text)?.[1];
	return host !== undefined && isDnsName(host.toLowerCase());
}

const SINGLE = {
	san_uri: NAME_TYPE.uri,
	san_dns: NAME_TYPE.dns,
	san_email: NAME_TYPE.email,
	san_ip: NAME_TYPE.ip,
} as const;

/**
 * Gives the attributes by which a certificate can stand for a client: those of which it has exactly one.
 * SECURITY: one of several is none. src/domain/trust-anchor/subject-names.test.ts
 */
export function identifyingNames(names: SubjectNames): ReadonlyMap<SubjectAttribute, string> {
	const found = new Map<SubjectAttribute, string>();
	for (const attribute of SUBJECT_ATTRIBUTES) {
		if (attribute === 'subject_dn') {
			if (names.directory !== undefined && names.directory.length > 0)
				found.set(attribute, formatName(names.directory));
			continue;
		}
		const ofType = names.alternative.filter(({ type }) => type === SINGLE[attribute]);
		const [only] = ofType;
		if (only !== undefined && ofType.length === 1) found.set(attribute, textOf(attribute, only.body));
	}
	return found;
}

function textOf(attribute: Exclude<SubjectAttribute, 'subject_dn'>, body: Buffer): string {
	if (attribute === 'san_ip') {
		const address = addressFromBytes(body);
		return address === undefined ? '' : formatIpAddress(address);
	}
	const text = body.toString('latin1');
	return attribute === 'san_dns' ? text.toLowerCase() : text;
}

/** Reads the value by which a client is to be known, in the one form that is compared; undefined when it is none. */
export function readAttributeValue(attribute: SubjectAttribute, text: string): string | undefined {
	switch (attribute) {
		case 'san_uri':
			return isUri(text) ? text : undefined;
		case 'san_dns':
			return isDnsName(text.toLowerCase()) ? text.toLowerCase() : undefined;
		case 'san_email':
			return isEmail(text) ? text : undefined;
		case 'san_ip': {
			const address = parseIpAddress(text);
			return address === undefined ? undefined : formatIpAddress(address);
		}
		case 'subject_dn':
			return canonicalName(text);
	}
}
