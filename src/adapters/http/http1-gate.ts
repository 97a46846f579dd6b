// A strict reader of HTTP/1.1 requests that runs over the decrypted bytes of a connection before Node's parser sees any of
// them. Node's parser repairs in silence what a stricter or a laxer one reads differently (leading line breaks, several
// spaces, chunk extensions); here it is a violation. A head is passed on only when it is whole and in order.
// RFC 9112 §3, §5, §6, §7, narrowed: nothing is repaired.
import { type Fault, fault } from '../../kernel/faults.ts';
import { ChunkReader } from './chunk-reader.ts';
import { MALFORMED, TOO_MANY_FIELDS } from './raw-answer.ts';
import { FIELD_NAME_BYTES, FIELD_VALUE_BYTES, TARGET_BYTES } from './syntax-bytes.ts';

/** Longest head in bytes, request line included. */
export const HEAD_BYTES_MAX = 16_384;
/** Most header fields that the gate reads; the admission of a service may be stricter, and says so more clearly. */
export const FIELDS_MAX = 200;

const METHOD_LENGTH_MAX = 16;
const LENGTH_DIGITS_MAX = 15;
const HELD_BYTES_FIRST = 1024;
const CR = 0x0d;
const LF = 0x0a;
const SPACE = 0x20;
const TAB = 0x09;
const COLON = 0x3a;
const VERSION = Buffer.from('HTTP/1.1');
const CONTENT_LENGTH = Buffer.from('content-length');
const TRANSFER_ENCODING = Buffer.from('transfer-encoding');
const UPGRADE = Buffer.from('upgrade');
const CHUNKED = Buffer.from('chunked');

/** The length of a chunked body, which announces none. */
export const CHUNKED_LENGTH = -1;

const BAD_LENGTH = fault('malformed_request', 'Content-Length must be one decimal number.');
const BAD_ENCODING = fault('malformed_request', 'Transfer-Encoding must be chunked, once.');
const TWO_FRAMINGS = fault('malformed_request', 'Send Content-Length or Transfer-Encoding, not both.');
const BAD_CHUNK = fault('malformed_request', 'The chunks of the body are not well formed.');

/** Where in a message a connection stands: before its first byte, in its head, or in its body. */
export type GatePhase = 'between' | 'head' | 'body';

export class Http1Gate {
	phase: GatePhase = 'between';
	/** What is wrong with the bytes after `piece`; nothing more is read then. */
	violation: Fault | undefined = undefined;
	/** What `take` has found in order; undefined where it needs more bytes before it can tell. */
	piece: Buffer | undefined = undefined;

	// The head that was read last.
	method = '';
	target = '';
	fieldCount = 0;
	/** Announced bytes of the body, or CHUNKED_LENGTH. */
	bodyLength = 0;
	hasUpgrade = false;

	#bodyLeft = 0;
	#chunks: ChunkReader | undefined = undefined;
	/** The beginning of a head that came in several pieces: `#heldLength` bytes of it are in use. */
	#held: Buffer | undefined = undefined;
	#heldLength = 0;
	/** Where the first line begins that is not read yet, counted from the beginning of the head. */
	#line = 0;
	#hasLength = false;
	#isChunked = false;

	/** Judges `bytes` from `from`, up to the end of one message at most. Gives the position after what it has judged. */
	take(bytes: Buffer, from: number): number {
		this.piece = undefined;
		if (this.phase === 'body') return this.#takeBody(bytes, from, from);
		if (this.phase === 'between') this.#beginHead();
		if (this.#heldLength > 0) return this.#takeHeld(bytes, from);
		const end = this.#readHead(bytes, from, bytes.length);
		if (end !== -1) return this.#takeBody(bytes, from, end);
		if (this.violation === undefined) this.#hold(bytes, from);
		return bytes.length;
	}

	/** Goes on with a head of which a part is held; passes it on by itself once it is whole. */
	#takeHeld(bytes: Buffer, from: number): number {
		const before = this.#heldLength;
		const held = this.#hold(bytes, from);
		const end = this.#readHead(held, 0, this.#heldLength, before);
		if (end === -1) return bytes.length;
		this.#held = undefined;
		this.#heldLength = 0;
		this.piece = held.subarray(0, end);
		return from + end - before;
	}

	/** Passes on what begins at `start`: a head that ends before `from`, if there is one, and what is there of the body. */
	#takeBody(bytes: Buffer, start: number, from: number): number {
		let end = from;
		if (this.phase === 'body') {
			if (this.#isChunked) {
				const chunks = (this.#chunks ??= new ChunkReader());
				end = chunks.read(bytes, from);
				if (chunks.isBroken) this.violation = BAD_CHUNK;
				else if (chunks.isComplete) this.phase = 'between';
			} else {
				end += Math.min(this.#bodyLeft, bytes.length - from);
				this.#bodyLeft -= end - from;
				if (this.#bodyLeft === 0) this.phase = 'between';
			}
		}
		if (end > start) this.piece = start === 0 && end === bytes.length ? bytes : bytes.subarray(start, end);
		return end;
	}

	#beginHead(): void {
		this.phase = 'head';
		this.method = '';
		this.fieldCount = 0;
		this.bodyLength = 0;
		this.hasUpgrade = false;
		this.#line = 0;
		this.#hasLength = false;
		this.#isChunked = false;
	}

	/** Keeps bytes of a head until the rest of it comes; gives all that is kept. */
	#hold(bytes: Buffer, from: number): Buffer {
		const length = this.#heldLength + bytes.length - from;
		let room = this.#held;
		if (room === undefined || room.length < length) {
			const grown = Buffer.allocUnsafeSlow(Math.max(length, HELD_BYTES_FIRST, this.#heldLength * 2));
			room?.copy(grown, 0, 0, this.#heldLength);
			room = grown;
			this.#held = grown;
		}
		bytes.copy(room, this.#heldLength, from);
		this.#heldLength = length;
		return room;
	}

	/**
	 * Reads the lines of a head that begins at `start`. Gives the position after its empty line; -1 when it is not whole, or
	 * not in order. Bytes before `start + seen` have been looked at already.
	 */
	#readHead(bytes: Buffer, start: number, end: number, seen = 0): number {
		// Without a line break among the new bytes no line can be whole: nothing is read twice.
		let position = start + this.#line;
		let isWhole: boolean = seen === 0 || bytes.indexOf(LF, start + seen) !== -1;
		while (isWhole) {
			const next =
				position === start ? this.#readRequestLine(bytes, start, end) : this.#readField(bytes, position, end);
			if (this.violation !== undefined) return -1;
			isWhole = next !== -1;
			if (!isWhole) break;
			const isLast = next - position === 2;
			position = next;
			if (position - start > HEAD_BYTES_MAX) break;
			if (isLast) return this.#endHead(position);
		}
		this.#line = position - start;
		if (end - start > HEAD_BYTES_MAX || this.fieldCount > FIELDS_MAX) this.violation = TOO_MANY_FIELDS;
		else if (!isUnfinishedLine(bytes, Math.max(position, start + seen - 1), end)) this.violation = MALFORMED;
		return -1;
	}

	/** Reads `METHOD SP target SP HTTP/1.1 CR LF`; gives the position after it, or -1 when it is not whole. */
	#readRequestLine(bytes: Buffer, start: number, end: number): number {
		let index = start;
		while (index < end && isUpperCase(bytes[index] as number)) index++;
		const methodEnd = index;
		if (methodEnd - start > METHOD_LENGTH_MAX) return this.#refuse();
		if (index === end) return -1;
		if (methodEnd === start || bytes[index++] !== SPACE) return this.#refuse();
		const targetStart = index;
		while (index < end && TARGET_BYTES[bytes[index] as number] === 1) index++;
		const targetEnd = index;
		if (index === end) return -1;
		if (targetEnd === targetStart || bytes[index++] !== SPACE) return this.#refuse();
		for (let at = 0; at < VERSION.length; at++, index++) {
			if (index === end) return -1;
			if (bytes[index] !== VERSION[at]) return this.#refuse();
		}
		const next = this.#readLineEnd(bytes, index, end);
		if (next !== -1) {
			this.method = bytes.toString('latin1', start, methodEnd);
			this.target = bytes.toString('latin1', targetStart, targetEnd);
		}
		return next;
	}

	/** Reads `name ":" value CR LF`, or the empty line; gives the position after it, or -1 when it is not whole. */
	#readField(bytes: Buffer, start: number, end: number): number {
		let index = start;
		while (index < end && FIELD_NAME_BYTES[bytes[index] as number] === 1) index++;
		if (index === end) return -1;
		const nameEnd = index;
		if (nameEnd === start) return this.#readLineEnd(bytes, index, end);
		if (bytes[index++] !== COLON) return this.#refuse();
		const valueStart = index;
		while (index < end && FIELD_VALUE_BYTES[bytes[index] as number] === 1) index++;
		const next = this.#readLineEnd(bytes, index, end);
		if (next === -1) return -1;
		this.fieldCount++;
		const length = nameEnd - start;
		if (length === CONTENT_LENGTH.length && isNamed(bytes, start, CONTENT_LENGTH)) {
			this.#readLength(bytes, valueStart, index);
		} else if (length === TRANSFER_ENCODING.length && isNamed(bytes, start, TRANSFER_ENCODING)) {
			this.#readEncoding(bytes, valueStart, index);
		} else if (length === UPGRADE.length && isNamed(bytes, start, UPGRADE)) {
			this.hasUpgrade = true;
		}
		return next;
	}

	#readLineEnd(bytes: Buffer, index: number, end: number): number {
		if (index === end) return -1;
		if (bytes[index] !== CR) return this.#refuse();
		if (index + 1 === end) return -1;
		return bytes[index + 1] === LF ? index + 2 : this.#refuse();
	}

	/** `0` or digits without a leading zero, once (T2). */
	#readLength(bytes: Buffer, from: number, to: number): void {
		const start = skipSpace(bytes, from, to);
		const end = trimSpace(bytes, start, to);
		const digits = end - start;
		let value = 0;
		for (let index = start; index < end; index++) {
			const digit = (bytes[index] as number) - 0x30;
			if (digit < 0 || digit > 9) this.violation = BAD_LENGTH;
			value = value * 10 + digit;
		}
		const hasLeadingZero = digits > 1 && bytes[start] === 0x30;
		if (this.#hasLength || digits === 0 || digits > LENGTH_DIGITS_MAX || hasLeadingZero) this.violation = BAD_LENGTH;
		this.#hasLength = true;
		this.bodyLength = value;
	}

	/** `chunked` in this spelling, once and alone (T3). */
	#readEncoding(bytes: Buffer, from: number, to: number): void {
		const start = skipSpace(bytes, from, to);
		const end = trimSpace(bytes, start, to);
		const isChunked = end - start === CHUNKED.length && CHUNKED.compare(bytes, start, end) === 0;
		if (this.#isChunked || !isChunked) this.violation = BAD_ENCODING;
		this.#isChunked = true;
	}

	#endHead(position: number): number {
		if (this.fieldCount > FIELDS_MAX) this.violation = TOO_MANY_FIELDS;
		else if (this.#isChunked && this.#hasLength) this.violation = TWO_FRAMINGS;
		if (this.violation !== undefined) return -1;
		if (this.#isChunked) this.bodyLength = CHUNKED_LENGTH;
		this.#bodyLeft = this.bodyLength;
		this.#line = 0;
		this.phase = this.bodyLength === 0 ? 'between' : 'body';
		return position;
	}

	#refuse(): number {
		this.violation = MALFORMED;
		return -1;
	}
}

function isUpperCase(byte: number): boolean {
	return byte >= 0x41 && byte <= 0x5a;
}

/** Compares a name in any case with one in lower case of the same length. */
function isNamed(bytes: Buffer, start: number, name: Buffer): boolean {
	for (let index = 0; index < name.length; index++) {
		const byte = bytes[start + index] as number;
		if ((isUpperCase(byte) ? byte | 0x20 : byte) !== name[index]) return false;
	}
	return true;
}

function skipSpace(bytes: Buffer, from: number, to: number): number {
	let index = from;
	while (index < to && (bytes[index] === SPACE || bytes[index] === TAB)) index++;
	return index;
}

function trimSpace(bytes: Buffer, from: number, to: number): number {
	let index = to;
	while (index > from && (bytes[index - 1] === SPACE || bytes[index - 1] === TAB)) index--;
	return index;
}

/** Whether what has come of a line can still become one: no control character but a CR at its end. */
function isUnfinishedLine(bytes: Buffer, from: number, to: number): boolean {
	for (let index = from; index < to; index++) {
		const byte = bytes[index] as number;
		if (FIELD_VALUE_BYTES[byte] !== 1 && !(byte === CR && index === to - 1)) return false;
	}
	return true;
}
