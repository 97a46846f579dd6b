// Reads X.509 certificates (RFC 5280) from untrusted bytes, strictly, and believes nothing: signature and
// meaning are judged by the callers. Shares no code with the writer, so that the linter is a second opinion.
import { MalformedDer, readBitStringBytes, readBoolean, readInside, readInteger } from './der-reader.ts';
import { readNamedBits, readObjectIdentifier, readOnly, readSmallInteger, readTime } from './der-reader.ts';
import type { DerElement } from './der-reader.ts';
import { TAG } from './der.ts';
import type { BasicConstraints } from './x509-extension.ts';

/** One extension, its value still DER. */
interface ParsedExtension {
	readonly isCritical: boolean;
	readonly value: Buffer;
}

/** A TBSCertificate, taken apart. Buffers are views of the input. */
export interface ParsedTbs {
	/** Lower-case hexadecimal, without leading zeros. */
	readonly serial: string;
	/** DER AlgorithmIdentifier. */
	readonly signatureAlgorithm: Buffer;
	readonly issuer: Buffer;
	readonly subject: Buffer;
	readonly notBeforeMs: number;
	readonly notAfterMs: number;
	/** DER SubjectPublicKeyInfo. */
	readonly publicKey: Buffer;
	/** By object identifier; none comes twice. */
	readonly extensions: ReadonlyMap<string, ParsedExtension>;
}

export interface ParsedCertificate {
	readonly tbs: ParsedTbs;
	/** The bytes that are signed. */
	readonly signed: Buffer;
	readonly signature: Buffer;
}

/** One name of a SAN. What is neither URI, DNS name nor address is `other`, with no value. */
export interface ParsedGeneralName {
	readonly type: 'uri' | 'dns' | 'ip' | 'other';
	readonly value: string;
}

const CERTIFICATE_BYTES_MAX = 16_384;
const EXTENSIONS_MAX = 32;
const NAMES_MAX = 100;

/** Reads a DER certificate; undefined when it is not one of version 3, exactly and through and through. */
export function parseCertificate(der: Buffer): ParsedCertificate | undefined {
	return orUndefined(() => {
		if (der.length > CERTIFICATE_BYTES_MAX) throw new MalformedDer('the certificate is too large');
		const fields = readInside(readOnly(der, TAG.sequence));
		const signed = fields.expect(TAG.sequence);
		const algorithm = fields.expect(TAG.sequence);
		const signature = readBitStringBytes(fields.expect(TAG.bitString));
		fields.end();
		const tbs = readTbs(signed);
		if (!tbs.signatureAlgorithm.equals(algorithm.raw)) throw new MalformedDer('the two algorithms differ');
		return { tbs, signed: signed.raw, signature };
	});
}

/** Reads a DER TBSCertificate; undefined when it is not one of version 3. */
export function parseTbs(der: Buffer): ParsedTbs | undefined {
	return orUndefined(() => readTbs(readOnly(der, TAG.sequence)));
}

function readTbs(element: DerElement): ParsedTbs {
	const fields = readInside(element);
	const version = readInside(fields.expect(0xa0));
	if (readSmallInteger(version.expect(TAG.integer)) !== 2) throw new MalformedDer('the version is not 3');
	version.end();
	const serial = readInteger(fields.expect(TAG.integer));
	if ((serial[0] ?? 0x80) >= 0x80 || serial.length > 20) throw new MalformedDer('the serial number is out of range');
	const signatureAlgorithm = fields.expect(TAG.sequence).raw;
	const issuer = fields.expect(TAG.sequence).raw;
	const validity = readInside(fields.expect(TAG.sequence));
	const notBeforeMs = readTime(validity.next());
	const notAfterMs = readTime(validity.next());
	validity.end();
	const subject = fields.expect(TAG.sequence).raw;
	const publicKey = fields.expect(TAG.sequence).raw;
	// Unique identifiers ([1], [2]) are not accepted: RFC 5280 §4.1.2.8 forbids issuing them.
	const extensions = readExtensions(readOnly(fields.expect(0xa3).body, TAG.sequence));
	fields.end();
	return {
		serial: serial.toString('hex').replace(/^0+/, ''),
		signatureAlgorithm,
		issuer,
		subject,
		notBeforeMs,
		notAfterMs,
		publicKey,
		extensions,
	};
}

function readExtensions(list: DerElement): Map<string, ParsedExtension> {
	const extensions = new Map<string, ParsedExtension>();
	const reader = readInside(list);
	while (!reader.isAtEnd) {
		const fields = readInside(reader.expect(TAG.sequence));
		const id = readObjectIdentifier(fields.expect(TAG.objectIdentifier));
		const critical = fields.optional(TAG.boolean);
		if (critical !== undefined && !readBoolean(critical)) throw new MalformedDer('a default is written out');
		const value = fields.expect(TAG.octetString).body;
		fields.end();
		if (extensions.has(id) || extensions.size >= EXTENSIONS_MAX) throw new MalformedDer('an extension comes twice');
		extensions.set(id, { isCritical: critical !== undefined, value });
	}
	return extensions;
}

/** Reads one extension with its own parser; undefined when it is absent or malformed. */
export function readExtension<T>(tbs: ParsedTbs, id: string, parse: (value: Buffer) => T | undefined): T | undefined {
	const extension = tbs.extensions.get(id);
	return extension === undefined ? undefined : parse(extension.value);
}

/** Reads the value of a basicConstraints extension. */
export function parseBasicConstraints(value: Buffer): BasicConstraints | undefined {
	return orUndefined(() => {
		const fields = readInside(readOnly(value, TAG.sequence));
		const ca = fields.optional(TAG.boolean);
		if (ca !== undefined && !readBoolean(ca)) throw new MalformedDer('a default is written out');
		const pathLength = fields.optional(TAG.integer);
		fields.end();
		const isAuthority = ca !== undefined;
		return pathLength === undefined
			? { ca: isAuthority }
			: { ca: isAuthority, pathLength: readSmallInteger(pathLength) };
	});
}

/** Reads the value of a keyUsage extension: the bits that are on. */
export function parseKeyUsage(value: Buffer): ReadonlySet<number> | undefined {
	return orUndefined(() => readNamedBits(readOnly(value, TAG.bitString)));
}

/** Reads the value of an extKeyUsage extension: dotted object identifiers. */
export function parseExtendedKeyUsage(value: Buffer): readonly string[] | undefined {
	return orUndefined(() => {
		const purposes: string[] = [];
		const reader = readInside(readOnly(value, TAG.sequence));
		while (!reader.isAtEnd && purposes.length < NAMES_MAX)
			purposes.push(readObjectIdentifier(reader.expect(TAG.objectIdentifier)));
		reader.end();
		return purposes;
	});
}

/** Reads the value of a subjectAltName extension. Text is taken byte for byte (latin1), addresses as hexadecimal. */
export function parseAlternativeNames(value: Buffer): readonly ParsedGeneralName[] | undefined {
	return orUndefined(() => {
		const names: ParsedGeneralName[] = [];
		const reader = readInside(readOnly(value, TAG.sequence));
		while (!reader.isAtEnd && names.length < NAMES_MAX) {
			const { tag, body } = reader.next();
			if (tag === 0x86) names.push({ type: 'uri', value: body.toString('latin1') });
			else if (tag === 0x82) names.push({ type: 'dns', value: body.toString('latin1') });
			else if (tag === 0x87) names.push({ type: 'ip', value: body.toString('hex') });
			else names.push({ type: 'other', value: '' });
		}
		reader.end();
		return names;
	});
}

/** Reads the value of a subjectKeyIdentifier extension. */
export function parseSubjectKeyIdentifier(value: Buffer): Buffer | undefined {
	return orUndefined(() => readOnly(value, TAG.octetString).body);
}

/** Reads the key identifier of an authorityKeyIdentifier extension; undefined when it has none. */
export function parseAuthorityKeyIdentifier(value: Buffer): Buffer | undefined {
	return orUndefined(() => readInside(readOnly(value, TAG.sequence)).optional(0x80)?.body);
}

/** Reads the value of a cRLDistributionPoints extension that holds full URI names and nothing else. */
export function parseDistributionPoints(value: Buffer): readonly string[] | undefined {
	return orUndefined(() => {
		const urls: string[] = [];
		const points = readInside(readOnly(value, TAG.sequence));
		while (!points.isAtEnd && urls.length < NAMES_MAX) {
			const point = readInside(points.expect(TAG.sequence));
			const names = readInside(readOnly(point.expect(0xa0).body, 0xa0));
			point.end();
			while (!names.isAtEnd && urls.length < NAMES_MAX) urls.push(names.expect(0x86).body.toString('latin1'));
			names.end();
		}
		points.end();
		return urls;
	});
}

/** Reads the value of an authorityInfoAccess extension: methods and their URIs, in order. */
export function parseInformationAccess(
	value: Buffer,
): readonly { readonly method: string; readonly url: string }[] | undefined {
	return orUndefined(() => {
		const accesses: { method: string; url: string }[] = [];
		const reader = readInside(readOnly(value, TAG.sequence));
		while (!reader.isAtEnd && accesses.length < NAMES_MAX) {
			const fields = readInside(reader.expect(TAG.sequence));
			const method = readObjectIdentifier(fields.expect(TAG.objectIdentifier));
			const url = fields.expect(0x86).body.toString('latin1');
			fields.end();
			accesses.push({ method, url });
		}
		reader.end();
		return accesses;
	});
}

function orUndefined<T>(read: () => T): T | undefined {
	try {
		return read();
	} catch (error) {
		if (error instanceof MalformedDer) return undefined;
		throw error;
	}
}
