// Reads a chunked body byte by byte, strictly (RFC 9112 §7.1, narrowed): a size is one to eight hexadecimal digits and
// nothing else, so that there are no extensions in which another parser could see a line break; trailers are bounded.
import { FIELD_NAME_BYTES, FIELD_VALUE_BYTES } from './syntax-bytes.ts';

const SIZE_DIGITS_MAX = 8;
const TRAILER_BYTES_MAX = 4096;
/** So many chunks may be as small as they like; beyond that they must hold BYTES_PER_CHUNK_MIN on average. */
const SMALL_CHUNKS_MAX = 8192;
const BYTES_PER_CHUNK_MIN = 16;
const CR = 0x0d;
const LF = 0x0a;
const COLON = 0x3a;

/** What the next byte belongs to. */
const SIZE = 0;
const SIZE_LF = 1;
const DATA = 2;
const DATA_CR = 3;
const DATA_LF = 4;
const TRAILER_START = 5;
const TRAILER_NAME = 6;
const TRAILER_VALUE = 7;
const TRAILER_LF = 8;
const END_LF = 9;

export class ChunkReader {
	/** Whether the body has come to its end; the next `read` begins another one. */
	isComplete = false;
	/** Whether the byte after what was read breaks the rules. */
	isBroken = false;

	#expects = SIZE;
	#digits = 0;
	/** Size of the chunk while it is read, then what is left of the chunk. */
	#left = 0;
	#chunks = 0;
	#bytes = 0;
	#trailerBytes = 0;

	/** Reads from `from` on; gives the position after what belongs to the body and is in order. */
	read(bytes: Buffer, from: number): number {
		if (this.isComplete) this.#begin();
		let index = from;
		while (index < bytes.length) {
			if (this.#expects === DATA) {
				const taken = Math.min(this.#left, bytes.length - index);
				index += taken;
				this.#left -= taken;
				if (this.#left === 0) this.#expects = DATA_CR;
				continue;
			}
			if (!this.#step(bytes[index] as number)) {
				this.isBroken = true;
				return index;
			}
			index++;
			if (this.isComplete) return index;
		}
		return index;
	}

	#begin(): void {
		this.isComplete = false;
		this.#expects = SIZE;
		this.#digits = 0;
		this.#left = 0;
		this.#chunks = 0;
		this.#bytes = 0;
		this.#trailerBytes = 0;
	}

	/** Takes one byte that is no data; false when it must not stand there. */
	#step(byte: number): boolean {
		switch (this.#expects) {
			case SIZE:
				return this.#stepSize(byte);
			case SIZE_LF:
				return byte === LF && this.#beginChunk();
			case DATA_CR:
				return byte === CR && this.#expect(DATA_LF);
			case DATA_LF:
				this.#digits = 0;
				return byte === LF && this.#expect(SIZE);
			case END_LF:
				this.isComplete = byte === LF;
				return this.isComplete;
			default:
				return ++this.#trailerBytes <= TRAILER_BYTES_MAX && this.#stepTrailer(byte);
		}
	}

	#stepSize(byte: number): boolean {
		if (byte === CR) return this.#digits > 0 && this.#expect(SIZE_LF);
		const digit = hexDigit(byte);
		if (digit === -1 || this.#digits === SIZE_DIGITS_MAX) return false;
		this.#digits++;
		this.#left = this.#left * 16 + digit;
		return true;
	}

	#beginChunk(): boolean {
		if (this.#left === 0) return this.#expect(TRAILER_START);
		this.#chunks++;
		this.#bytes += this.#left;
		// A body of one-byte chunks costs us a hundred times what it costs its sender.
		if (this.#chunks > SMALL_CHUNKS_MAX && this.#bytes < this.#chunks * BYTES_PER_CHUNK_MIN) return false;
		return this.#expect(DATA);
	}

	#stepTrailer(byte: number): boolean {
		switch (this.#expects) {
			case TRAILER_START:
				if (byte === CR) return this.#expect(END_LF);
				return FIELD_NAME_BYTES[byte] === 1 && this.#expect(TRAILER_NAME);
			case TRAILER_NAME:
				if (byte === COLON) return this.#expect(TRAILER_VALUE);
				return FIELD_NAME_BYTES[byte] === 1;
			case TRAILER_VALUE:
				if (byte === CR) return this.#expect(TRAILER_LF);
				return FIELD_VALUE_BYTES[byte] === 1;
			default:
				return byte === LF && this.#expect(TRAILER_START);
		}
	}

	#expect(next: number): true {
		this.#expects = next;
		return true;
	}
}

function hexDigit(byte: number): number {
	if (byte >= 0x30 && byte <= 0x39) return byte - 0x30;
	const lower = byte | 0x20;
	return lower >= 0x61 && lower <= 0x66 ? lower - 0x57 : -1;
}
