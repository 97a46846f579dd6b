// A strict reader of DER (ITU-T X.690 §10, §11) for hostile bytes: definite minimal lengths, one-byte tags,
// minimal integers and object identifiers, no trailing bytes. BER that is not DER is refused, because two
// parsers that read it differently are how a certificate gets to mean two things.

/** Thrown for bytes that are not the DER that was asked for. Caught by the parser that was handed the bytes. */
export class MalformedDer extends Error {
	override readonly name = 'MalformedDer';
}

/** One element; `raw` is the element with its header, `body` its content. Both are views, not copies. */
export interface DerElement {
	readonly tag: number;
	readonly raw: Buffer;
	readonly body: Buffer;
}

/** Reads elements one after the other and insists that all bytes are used up. */
export class DerReader {
	readonly #bytes: Buffer;
	#offset = 0;

	constructor(bytes: Buffer) {
		this.#bytes = bytes;
	}

	get isAtEnd(): boolean {
		return this.#offset === this.#bytes.length;
	}

	/** Reads the next element, whatever it is. */
	next(): DerElement {
		const bytes = this.#bytes;
		const start = this.#offset;
		const tag = bytes[start];
		const first = bytes[start + 1];
		if (tag === undefined || first === undefined) throw new MalformedDer('the bytes end inside a header');
		if ((tag & 0x1f) === 0x1f || tag === 0) throw new MalformedDer('the tag is not one of X.509');
		let length = first;
		let bodyStart = start + 2;
		if (first >= 0x80) {
			const lengthBytes = first & 0x7f;
			// 0 is the indefinite length of BER; what is longer than three bytes does not fit our bounds.
			if (lengthBytes === 0 || lengthBytes > 3) throw new MalformedDer('the length is indefinite or too long');
			bodyStart += lengthBytes;
			if (bodyStart > bytes.length) throw new MalformedDer('the bytes end inside a length');
			length = bytes.readUIntBE(start + 2, lengthBytes);
			if (length < 0x80 || length < 2 ** (8 * (lengthBytes - 1)))
				throw new MalformedDer('the length is not in its shortest form');
		}
		const end = bodyStart + length;
		if (end > bytes.length) throw new MalformedDer('the bytes end inside an element');
		this.#offset = end;
		return { tag, raw: bytes.subarray(start, end), body: bytes.subarray(bodyStart, end) };
	}

	/** Reads the next element, which must have `tag`. */
	expect(tag: number): DerElement {
		const element = this.next();
		if (element.tag !== tag) throw new MalformedDer('an element has another type than expected');
		return element;
	}

	/** Reads the next element when it has `tag`; leaves it where it is otherwise. */
	optional(tag: number): DerElement | undefined {
		return this.#bytes[this.#offset] === tag ? this.next() : undefined;
	}

	/** Insists that nothing is left. */
	end(): void {
		if (!this.isAtEnd) throw new MalformedDer('there are bytes after the end');
	}
}

/** Reads bytes that are exactly one element with `tag`. */
export function readOnly(bytes: Buffer, tag: number): DerElement {
	const reader = new DerReader(bytes);
	const element = reader.expect(tag);
	reader.end();
	return element;
}

/** Opens a constructed element for reading. */
export function readInside(element: DerElement): DerReader {
	return new DerReader(element.body);
}

/** Reads an INTEGER as its two's complement octets, which must be the fewest possible. */
export function readInteger(element: DerElement): Buffer {
	const { body } = element;
	const [first, second] = body;
	if (element.tag !== 0x02 || first === undefined) throw new MalformedDer('an integer is missing');
	if (second !== undefined && ((first === 0 && second < 0x80) || (first === 0xff && second >= 0x80)))
		throw new MalformedDer('an integer is not in its shortest form');
	return body;
}

/** Reads a small non-negative INTEGER (0 … 2³¹−1). */
export function readSmallInteger(element: DerElement): number {
	const body = readInteger(element);
	if (body.length > 4 || (body[0] ?? 0x80) >= 0x80) throw new MalformedDer('an integer is out of range');
	return body.readUIntBE(0, body.length);
}

export function readBoolean(element: DerElement): boolean {
	const value = element.body[0];
	if (element.tag !== 0x01 || element.body.length !== 1 || (value !== 0 && value !== 0xff))
		throw new MalformedDer('a boolean is neither true nor false');
	return value === 0xff;
}

/** Reads a BIT STRING that is made of whole bytes (keys and signatures are). */
export function readBitStringBytes(element: DerElement): Buffer {
	if (element.tag !== 0x03 || element.body[0] !== 0) throw new MalformedDer('a bit string is not made of whole bytes');
	return element.body.subarray(1);
}

/** Reads a BIT STRING of named bits into the set of bits that are on; trailing zero bits are refused. */
export function readNamedBits(element: DerElement): ReadonlySet<number> {
	const { body } = element;
	const unused = body[0];
	const last = body[body.length - 1];
	if (element.tag !== 0x03 || unused === undefined || last === undefined || unused > 7 || body.length > 5)
		throw new MalformedDer('a list of bits is malformed');
	if (body.length === 1 ? unused !== 0 : (last & ((2 << unused) - 1)) !== 1 << unused)
		throw new MalformedDer('a list of bits has trailing zeros');
	const bits = new Set<number>();
	for (let bit = 0; bit < (body.length - 1) * 8; bit++)
		if (((body[1 + (bit >> 3)] ?? 0) & (0x80 >> (bit & 7))) !== 0) bits.add(bit);
	return bits;
}

/** Reads an OBJECT IDENTIFIER into its dotted form. */
export function readObjectIdentifier(element: DerElement): string {
	const { body } = element;
	if (element.tag !== 0x06 || body.length === 0 || body.length > 39 || (body[body.length - 1] ?? 0x80) >= 0x80)
		throw new MalformedDer('an object identifier is malformed');
	const arcs: number[] = [];
	let arc = 0;
	let isFirstOctet = true;
	for (const byte of body) {
		if (isFirstOctet && byte === 0x80) throw new MalformedDer('an object identifier is not in its shortest form');
		arc = arc * 128 + (byte & 0x7f);
		if (arc > 0xffff_ffff) throw new MalformedDer('an arc of an object identifier is too large');
		isFirstOctet = byte < 0x80;
		if (!isFirstOctet) continue;
		if (arcs.length === 0) {
			const top = Math.min(2, Math.floor(arc / 40));
			arcs.push(top, arc - top * 40);
		} else arcs.push(arc);
		arc = 0;
	}
	return arcs.join('.');
}

/** Reads a UTCTime or GeneralizedTime as RFC 5280 §4.1.2.5 restricts them, into milliseconds since the epoch. */
export function readTime(element: DerElement): number {
	const text = element.body.toString('latin1');
	const isUtc = element.tag === 0x17;
	if (!(isUtc ? /^\d{12}Z$/ : /^\d{14}Z$/).test(text) || (!isUtc && element.tag !== 0x18))
		throw new MalformedDer('a time is malformed');
	const full = isUtc ? (Number(text.slice(0, 2)) < 50 ? '20' : '19') + text : text;
	const part = (start: number, end: number) => Number(full.slice(start, end));
	const ms = Date.UTC(part(0, 4), part(4, 6) - 1, part(6, 8), part(8, 10), part(10, 12), part(12, 14));
	// Date.UTC turns 31 February into 3 March; X.509 does not.
	const date = new Date(ms);
	const isReal =
		date.getUTCMonth() === part(4, 6) - 1 &&
		date.getUTCDate() === part(6, 8) &&
		date.getUTCHours() === part(8, 10) &&
		date.getUTCMinutes() === part(10, 12) &&
		date.getUTCSeconds() === part(12, 14);
	if (!isReal || (!isUtc && part(0, 4) < 2050)) throw new MalformedDer('a time is malformed');
	return ms;
}

const DEPTH_MAX = 16;
const UNIVERSAL_CONSTRUCTED = new Set([0x30, 0x31]);

/** Insists that `bytes` are one element of strict DER through and through, at most 16 levels deep. */
export function checkStrictDer(bytes: Buffer): void {
	const reader = new DerReader(bytes);
	checkElement(reader.next(), 1);
	reader.end();
}

function checkElement(element: DerElement, depth: number): void {
	const { tag, body } = element;
	if (depth > DEPTH_MAX) throw new MalformedDer('the elements are nested too deeply');
	const isConstructed = (tag & 0x20) !== 0;
	if ((tag & 0xc0) === 0) {
		if (isConstructed !== UNIVERSAL_CONSTRUCTED.has(tag | 0x20)) throw new MalformedDer('a string is in pieces');
		if (tag === 0x01) readBoolean(element);
		if (tag === 0x02) readInteger(element);
		if (tag === 0x05 && body.length > 0) throw new MalformedDer('a null has content');
		if (tag === 0x06) readObjectIdentifier(element);
	}
	if (!isConstructed) return;
	const reader = new DerReader(body);
	while (!reader.isAtEnd) checkElement(reader.next(), depth + 1);
}
