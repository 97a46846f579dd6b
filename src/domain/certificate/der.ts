// A small writer of DER (ITU-T X.690): exactly what X.509 certificates need, and nothing that takes input
// on trust. It writes; `der-reader.ts` reads, and shares no code with it, so that one can check the other.

/** Identifier octets of the types that certificates use. */
export const TAG = {
	boolean: 0x01,
	integer: 0x02,
	bitString: 0x03,
	octetString: 0x04,
	null: 0x05,
	objectIdentifier: 0x06,
	utf8String: 0x0c,
	sequence: 0x30,
	set: 0x31,
	utcTime: 0x17,
	generalizedTime: 0x18,
} as const;

/** Writes one element: tag, shortest definite length, the parts one after the other. */
export function derElement(tag: number, ...parts: readonly Uint8Array[]): Buffer {
	let length = 0;
	for (const part of parts) length += part.length;
	const lengthBytes = length < 0x80 ? 0 : length < 0x100 ? 1 : length < 0x1_0000 ? 2 : 3;
	if (length > 0xff_ffff) throw new RangeError('a DER element of more than 16 MiB is not written');
	const out = Buffer.allocUnsafe(2 + lengthBytes + length);
	out[0] = tag;
	if (lengthBytes === 0) out[1] = length;
	else {
		out[1] = 0x80 | lengthBytes;
		out.writeUIntBE(length, 2, lengthBytes);
	}
	let offset = 2 + lengthBytes;
	for (const part of parts) {
		out.set(part, offset);
		offset += part.length;
	}
	return out;
}

/** Writes a SEQUENCE of elements that are already encoded. */
export function derSequence(...parts: readonly Uint8Array[]): Buffer {
	return derElement(TAG.sequence, ...parts);
}

/** Writes a SET of one element; more would have to be sorted. */
export function derSetOfOne(part: Uint8Array): Buffer {
	return derElement(TAG.set, part);
}

/** Writes a non-negative INTEGER from its big-endian bytes, in the fewest octets. */
export function derInteger(magnitude: Uint8Array): Buffer {
	let start = 0;
	while (start < magnitude.length - 1 && magnitude[start] === 0) start++;
	const body = magnitude.subarray(start);
	const first = body[0];
	if (first === undefined) return derElement(TAG.integer, Uint8Array.of(0));
	return first >= 0x80 ? derElement(TAG.integer, Uint8Array.of(0), body) : derElement(TAG.integer, body);
}

/** Writes BOOLEAN TRUE. FALSE is always a DEFAULT in X.509, and DER leaves defaults out. */
export function derTrue(): Buffer {
	return derElement(TAG.boolean, Uint8Array.of(0xff));
}

export function derNull(): Buffer {
	return derElement(TAG.null);
}

export function derOctetString(bytes: Uint8Array): Buffer {
	return derElement(TAG.octetString, bytes);
}

export function derUtf8String(text: string): Buffer {
	return derElement(TAG.utf8String, Buffer.from(text, 'utf8'));
}

/** Writes a BIT STRING; `unusedBits` are the low bits of the last byte that do not count (they must be 0). */
export function derBitString(bytes: Uint8Array, unusedBits = 0): Buffer {
	return derElement(TAG.bitString, Uint8Array.of(unusedBits), bytes);
}

/** Writes a BIT STRING of named bits (X.690 §11.2.2: trailing zero bits are left out); bit 0 comes first. */
export function derNamedBits(bits: readonly number[]): Buffer {
	const highest = Math.max(-1, ...bits);
	const bytes = Buffer.alloc(Math.floor(highest / 8) + 1);
	for (const bit of bits) bytes[bit >> 3] = (bytes[bit >> 3] ?? 0) | (0x80 >> (bit & 7));
	return derBitString(bytes, highest < 0 ? 0 : 7 - (highest & 7));
}

/** Writes an OBJECT IDENTIFIER from its dotted form. */
export function derObjectIdentifier(dotted: string): Buffer {
	const [first, second, ...rest] = dotted.split('.').map(Number);
	if (first === undefined || second === undefined) throw new TypeError('an object identifier has at least two arcs');
	const bytes: number[] = [];
	for (const arc of [first * 40 + second, ...rest]) {
		if (!Number.isSafeInteger(arc) || arc < 0) throw new TypeError('an object identifier is made of whole numbers');
		const digits = [arc % 128];
		for (let left = Math.floor(arc / 128); left > 0; left = Math.floor(left / 128)) digits.unshift((left % 128) | 0x80);
		bytes.push(...digits);
	}
	return derElement(TAG.objectIdentifier, Uint8Array.from(bytes));
}

/**
 * Writes a moment as RFC 5280 §4.1.2.5 wants it: UTCTime through 2049, GeneralizedTime from 2050 on, in
 * UTC, with seconds and without fractions (milliseconds are cut off).
 */
export function derTime(ms: number): Buffer {
	const iso = new Date(ms).toISOString();
	const year = Number(iso.slice(0, 4));
	// Years past 9999 are written with a sign and more digits.
	if (iso.length !== 24 || year < 1950) throw new RangeError('the year is outside of what X.509 can carry');
	const rest = `${iso.slice(5, 7)}${iso.slice(8, 10)}${iso.slice(11, 13)}${iso.slice(14, 16)}${iso.slice(17, 19)}Z`;
	const text = iso.slice(0, 4) + rest;
	return year < 2050
		? derElement(TAG.utcTime, Buffer.from(text.slice(2), 'latin1'))
		: derElement(TAG.generalizedTime, Buffer.from(text, 'latin1'));
}

/** Writes a moment as GeneralizedTime, in UTC, with seconds and without fractions, as OCSP wants every time. */
export function derGeneralizedTime(ms: number): Buffer {
	const iso = new Date(ms).toISOString();
	if (iso.length !== 24) throw new RangeError('the year is outside of what X.509 can carry');
	const text = `${iso.slice(0, 4)}${iso.slice(5, 7)}${iso.slice(8, 10)}${iso.slice(11, 13)}${iso.slice(14, 16)}${iso.slice(17, 19)}Z`;
	return derElement(TAG.generalizedTime, Buffer.from(text, 'latin1'));
}

/** Writes a context-specific element [`number`] whose content is constructed (EXPLICIT, or an IMPLICIT SEQUENCE). */
export function derContextConstructed(number: number, ...parts: readonly Uint8Array[]): Buffer {
	return derElement(0xa0 | number, ...parts);
}

/** Writes a context-specific element [`number`] with primitive content (IMPLICIT string). */
export function derContextPrimitive(number: number, bytes: Uint8Array): Buffer {
	return derElement(0x80 | number, bytes);
}
