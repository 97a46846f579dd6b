// The frames of a WebSocket (RFC 6455 §5) as one side sends them: what breaks the rules or a bound is found before its first
// byte is passed on. Payloads are not looked at. No extension is negotiated, so that a size is a size.

/** Close codes (RFC 6455 §7.4.1) that are sent or told here. */
export const CLOSE_GOING_AWAY = 1001;
export const CLOSE_PROTOCOL_ERROR = 1002;
export const CLOSE_POLICY = 1008;
export const CLOSE_TOO_BIG = 1009;
export const CLOSE_BAD_GATEWAY = 1014;

const CONTINUATION = 0;
const BINARY = 2;
const CLOSE = 8;
const PONG = 10;
const CONTROL_BYTES_MAX = 125;
const NOTHING = Buffer.alloc(0);

/** Reads what one side sends. */
export class FrameReader {
	/** The close code of the rule that was broken; nothing more is passed then. */
	violation: number | undefined = undefined;
	/** Whether a close frame has passed; no frame may follow it. */
	hasClosed = false;
	readonly #isMasked: boolean;
	readonly #messageBytesMax: number;
	/** The beginning of a frame's header that is not whole yet. */
	#held: Buffer = NOTHING;
	#payloadLeft = 0;
	#isInMessage = false;
	#messageBytes = 0;

	/** `isMasked`: frames of a client are masked, those of a server are not (§5.1). */
	constructor(isMasked: boolean, messageBytesMax: number) {
		this.#isMasked = isMasked;
		this.#messageBytesMax = messageBytesMax;
	}

	/** Whether what has passed ends with a whole frame, so that another may follow it. */
	get isBetweenFrames(): boolean {
		return this.#payloadLeft === 0;
	}

	/** Takes bytes; gives those that may pass. */
	take(chunk: Buffer): Buffer {
		if (this.violation !== undefined) return NOTHING;
		const bytes = this.#held.length === 0 ? chunk : Buffer.concat([this.#held, chunk]);
		this.#held = NOTHING;
		let position = 0;
		while (position < bytes.length) {
			if (this.#payloadLeft === 0) {
				const length = this.#readHeader(bytes, position);
				if (this.violation !== undefined) break;
				if (length === 0) {
					this.#held = Buffer.from(bytes.subarray(position));
					break;
				}
				position += length;
			}
			const payload = Math.min(this.#payloadLeft, bytes.length - position);
			this.#payloadLeft -= payload;
			position += payload;
		}
		return position === bytes.length ? bytes : bytes.subarray(0, position);
	}

	/** Reads a header; gives its length, 0 when it is not whole. */
	#readHeader(bytes: Buffer, start: number): number {
		if (bytes.length - start < 2) return 0;
		const first = bytes[start] as number;
		const second = bytes[start + 1] as number;
		const short = second & 0x7f;
		const extended = short === 126 ? 2 : short === 127 ? 8 : 0;
		const length = 2 + extended + (this.#isMasked ? 4 : 0);
		const opcode = first & 0x0f;
		const isFinal = (first & 0x80) !== 0;
		// Reserved bits belong to extensions, and none was agreed on.
		if ((first & 0x70) !== 0 || ((second & 0x80) !== 0) !== this.#isMasked) return this.#refuse(CLOSE_PROTOCOL_ERROR);
		if (bytes.length - start < length) return 0;
		const size = readSize(bytes, start + 2, short);
		if (size === undefined || this.hasClosed) return this.#refuse(CLOSE_PROTOCOL_ERROR);
		if (opcode >= CLOSE) {
			if (opcode > PONG || !isFinal || size > CONTROL_BYTES_MAX) return this.#refuse(CLOSE_PROTOCOL_ERROR);
			if (opcode === CLOSE) this.hasClosed = true;
		} else {
			const isKnown = opcode === CONTINUATION ? this.#isInMessage : !this.#isInMessage;
			if (!isKnown || opcode > BINARY) return this.#refuse(CLOSE_PROTOCOL_ERROR);
			this.#messageBytes = (opcode === CONTINUATION ? this.#messageBytes : 0) + size;
			if (this.#messageBytes > this.#messageBytesMax) return this.#refuse(CLOSE_TOO_BIG);
			this.#isInMessage = !isFinal;
		}
		this.#payloadLeft = size;
		return length;
	}

	#refuse(code: number): number {
		this.violation = code;
		return 0;
	}
}

/** The payload length, in its shortest form (§5.2); undefined for any other. */
function readSize(bytes: Buffer, at: number, short: number): number | undefined {
	if (short < 126) return short;
	if (short === 126) {
		const size = bytes.readUInt16BE(at);
		return size < 126 ? undefined : size;
	}
	const size = bytes.readBigUInt64BE(at);
	return size < 65_536n || size > BigInt(Number.MAX_SAFE_INTEGER) ? undefined : Number(size);
}

/** Writes a close frame. `reason` is ASCII of at most 123 characters; `mask` is four random bytes for a client's frame. */
export function closeFrame(code: number, reason: string, mask?: Buffer): Buffer {
	const payload = Buffer.alloc(2 + reason.length);
	payload.writeUInt16BE(code);
	payload.write(reason, 2, 'latin1');
	const head = Buffer.from([0x80 | CLOSE, (mask === undefined ? 0 : 0x80) | payload.length]);
	if (mask === undefined) return Buffer.concat([head, payload]);
	for (const [index, byte] of payload.entries()) payload[index] = byte ^ (mask[index & 3] as number);
	return Buffer.concat([head, mask, payload]);
}
