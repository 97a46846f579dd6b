// Reads a certificate revocation list (RFC 5280 §5) of an authority that is not ours: whole lists of version 2 with a number
// and an end. Lists that speak for others (indirect), for a part of the certificates (partitioned), or of changes alone
// (delta) are refused, because a certificate that is not on them may be revoked all the same.
import { MalformedDer, readBoolean, readInside, readInteger, readObjectIdentifier } from '../certificate/der-reader.ts';
import { readBitStringBytes, readOnly, readSmallInteger, readTime } from '../certificate/der-reader.ts';
import type { DerElement, DerReader } from '../certificate/der-reader.ts';
import { TAG } from '../certificate/der.ts';
import { OID } from '../certificate/object-identifier.ts';
import { fail, ok, type Result } from '../../kernel/result.ts';

/** Bounds of a list that is taken. */
export const LIST_BOUNDS = { bytesMax: 8_388_608, entriesMax: 100_000 } as const;

/** A list, taken apart. Nothing in it is believed before its signature is verified. */
export interface ParsedList {
	readonly signatureAlgorithm: Buffer;
	readonly signed: Buffer;
	readonly signature: Buffer;
	/** DER Name. */
	readonly issuer: Buffer;
	/** Hexadecimal without leading zeros. */
	readonly number: string;
	readonly thisUpdateMs: number;
	readonly nextUpdateMs: number;
	/** The DER of the entries, which are read by `readRevokedSerials`. */
	readonly entries: Buffer;
}

const ID = { deltaIndicator: '2.5.29.27', issuingPoint: '2.5.29.28' } as const;
const NUMBER_BYTES_MAX = 20;

/** Reads a DER list; the failure is a sentence for whoever publishes it. */
export function parseRevocationList(der: Buffer): Result<ParsedList, string> {
	if (der.length > LIST_BOUNDS.bytesMax) return fail('The list is larger than is taken here.');
	try {
		const outer = readInside(readOnly(der, TAG.sequence));
		const signed = outer.expect(TAG.sequence);
		const algorithm = outer.expect(TAG.sequence);
		const signature = readBitStringBytes(outer.expect(TAG.bitString));
		outer.end();
		const fields = readInside(signed);
		const version = fields.optional(TAG.integer);
		if (version === undefined || readSmallInteger(version) !== 1) return fail('The list is not of version 2.');
		const inner = fields.expect(TAG.sequence);
		if (!inner.raw.equals(algorithm.raw)) return fail('The two algorithms of the list differ.');
		const issuer = fields.expect(TAG.sequence).raw;
		const thisUpdateMs = readTime(fields.next());
		const next = fields.optional(TAG.utcTime) ?? fields.optional(TAG.generalizedTime);
		if (next === undefined) return fail('The list does not say when the next one comes.');
		const entries = fields.optional(TAG.sequence)?.body ?? Buffer.alloc(0);
		const extensions = readInside(readOnly(fields.expect(0xa0).body, TAG.sequence));
		fields.end();
		const number = readListExtensions(extensions);
		if (!number.ok) return number;
		const nextUpdateMs = readTime(next);
		if (nextUpdateMs <= thisUpdateMs) return fail('The list ends before it begins.');
		const signatureAlgorithm = inner.raw;
		return ok({
			signatureAlgorithm,
			signed: signed.raw,
			signature,
			issuer,
			number: number.value,
			thisUpdateMs,
			nextUpdateMs,
			entries,
		});
	} catch (error) {
		if (error instanceof MalformedDer) return fail('The list is not strict DER.');
		throw error;
	}
}

function readListExtensions(reader: DerReader): Result<string, string> {
	let number: string | undefined;
	const seen = new Set<string>();
	while (!reader.isAtEnd) {
		const { id, isCritical, value } = readExtension(reader.expect(TAG.sequence));
		if (seen.has(id) || seen.size >= 16) throw new MalformedDer('an extension comes twice');
		seen.add(id);
		if (id === OID.crlNumber) {
			const bytes = readInteger(readOnly(value, TAG.integer));
			if ((bytes[0] ?? 0x80) >= 0x80 || bytes.length > NUMBER_BYTES_MAX)
				throw new MalformedDer('a number is out of range');
			number = bytes.toString('hex').replace(/^0+(?=.)/, '');
		} else if (id === ID.deltaIndicator) return fail('The list holds changes alone. Publish whole lists.');
		else if (id === ID.issuingPoint) {
			// SECURITY: a list for a part says nothing of the rest. src/services/admin/trust-anchor-routes.test.ts
			return fail('The list is for a part of the certificates, or for other authorities. Publish one whole list.');
		} else if (isCritical) return fail('The list has a critical extension that is not understood.');
	}
	return number === undefined ? fail('The list has no number.') : ok(number);
}

function readExtension(element: DerElement): {
	readonly id: string;
	readonly isCritical: boolean;
	readonly value: Buffer;
} {
	const fields = readInside(element);
	const id = readObjectIdentifier(fields.expect(TAG.objectIdentifier));
	const critical = fields.optional(TAG.boolean);
	const isCritical = critical !== undefined && readBoolean(critical);
	const value = fields.expect(TAG.octetString).body;
	fields.end();
	return { id, isCritical, value };
}

/**
 * Reads the serial numbers of the revoked certificates. Takes some time for long lists, and lets others work meanwhile by
 * `rest`. The failure is a sentence for whoever publishes the list.
 */
export async function readRevokedSerials(
	list: ParsedList,
	rest: () => Promise<void>,
): Promise<Result<readonly string[], string>> {
	const serials: string[] = [];
	try {
		const reader = readInside({ tag: TAG.sequence, raw: list.entries, body: list.entries });
		while (!reader.isAtEnd) {
			const serial = readEntry(readInside(reader.expect(TAG.sequence)));
			if (serial === undefined) return fail('An entry of the list has a critical extension that is not understood.');
			serials.push(serial);
			if (serials.length > LIST_BOUNDS.entriesMax) return fail('The list has more entries than are taken here.');
			if (serials.length % 4096 === 4095) await rest();
		}
		return ok(serials);
	} catch (error) {
		if (error instanceof MalformedDer) return fail('An entry of the list is not strict DER.');
		throw error;
	}
}

/** The serial number of one entry; undefined for what is not understood, such as an entry of another authority. */
function readEntry(fields: DerReader): string | undefined {
	const serial = readInteger(fields.expect(TAG.integer));
	readTime(fields.next());
	const extensions = fields.optional(TAG.sequence);
	fields.end();
	if (extensions !== undefined) {
		const reader = readInside(extensions);
		while (!reader.isAtEnd) if (readExtension(reader.expect(TAG.sequence)).isCritical) return undefined;
	}
	return serial.toString('hex').replace(/^0+/, '');
}
