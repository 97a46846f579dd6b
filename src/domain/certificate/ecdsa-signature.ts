// The two spellings of an ECDSA signature: DER, as X.509 has it (RFC 3279 §2.2.3), and the two numbers side by side,
// as JOSE, PKCS#11 and some key services have it (RFC 7518 §3.4).
import { derInteger, derSequence, TAG } from './der.ts';
import { MalformedDer, readInteger, readInside, readOnly } from './der-reader.ts';

/** Writes a signature of two numbers side by side as DER; undefined when it has not `2 · numberBytes` bytes. */
export function ecdsaToDer(raw: Uint8Array, numberBytes: number): Buffer | undefined {
	if (raw.length !== 2 * numberBytes) return undefined;
	return derSequence(derInteger(raw.subarray(0, numberBytes)), derInteger(raw.subarray(numberBytes)));
}

/** Writes a signature in DER as two numbers side by side; undefined when it is none, or has larger numbers. */
export function ecdsaFromDer(der: Uint8Array, numberBytes: number): Buffer | undefined {
	try {
		const fields = readInside(readOnly(Buffer.from(der), TAG.sequence));
		const raw = Buffer.alloc(2 * numberBytes);
		for (const end of [numberBytes, 2 * numberBytes]) {
			const number = stripSign(readInteger(fields.expect(TAG.integer)));
			if (number === undefined || number.length > numberBytes) return undefined;
			number.copy(raw, end - number.length);
		}
		fields.end();
		return raw;
	} catch (error) {
		if (error instanceof MalformedDer) return undefined;
		throw error;
	}
}

/** A positive number without the zero byte that keeps it positive; undefined for a negative one. */
function stripSign(number: Buffer): Buffer | undefined {
	const first = number[0] ?? 0x80;
	if (first >= 0x80) return undefined;
	return first === 0 ? number.subarray(1) : number;
}
