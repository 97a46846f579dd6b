// Follows the messages of a gRPC call as their bytes pass: each is a flag, a length of four bytes, and so many bytes. Nothing is
// copied or held back; what breaks a rule, or a bound, is noticed at the first byte that does.

/** Why a message may not pass. */
export type MessageViolation = 'compressed' | 'too-large' | 'too-many';

const PREFIX_BYTES = 5;

export class GrpcMessages {
	readonly #bytesMax: number;
	readonly #countMax: number;
	/** Messages that have begun. */
	count = 0;
	#prefix = 0;
	#length = 0;
	/** Bytes of the message that are still to come. */
	#rest = 0;

	/** `bytesMax` bounds one message, `countMax` how many there are. */
	constructor(bytesMax: number, countMax: number) {
		this.#bytesMax = bytesMax;
		this.#countMax = countMax;
	}

	/** Whether everything that came is whole messages. */
	get isWhole(): boolean {
		return this.#prefix === 0 && this.#rest === 0;
	}

	/** Follows one piece. After a violation nothing more may be taken. */
	take(chunk: Uint8Array): MessageViolation | undefined {
		let index = 0;
		while (index < chunk.length) {
			if (this.#rest > 0) {
				const passed = Math.min(this.#rest, chunk.length - index);
				this.#rest -= passed;
				index += passed;
				continue;
			}
			const byte = chunk[index++] as number;
			const violation = this.#takePrefix(byte);
			if (violation !== undefined) return violation;
		}
		return undefined;
	}

	#takePrefix(byte: number): MessageViolation | undefined {
		if (this.#prefix === 0) {
			// SECURITY: a compressed message has another size once it is unpacked, and no encoding was agreed on.
			// test/attack/grpc.test.ts
			if (byte !== 0) return 'compressed';
			if (++this.count > this.#countMax) return 'too-many';
			this.#length = 0;
			this.#prefix = 1;
			return undefined;
		}
		this.#length = this.#length * 256 + byte;
		if (++this.#prefix < PREFIX_BYTES) return undefined;
		this.#prefix = 0;
		if (this.#length > this.#bytesMax) return 'too-large';
		this.#rest = this.#length;
		return undefined;
	}
}
