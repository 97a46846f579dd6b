// A set of serial numbers that takes little room: eight bytes of a hash for each, sorted. Two numbers with one hash would
// refuse a certificate that is not revoked, and never let one in that is; who could bring that about is the partner itself.
import { hash } from 'node:crypto';

const WIDTH = 8;

/** Gives what stands for a serial number (lower-case hexadecimal, without leading zeros). */
function markOf(serial: string): Buffer {
	return hash('sha256', serial, 'buffer').subarray(0, WIDTH);
}

/** Writes a set of serial numbers as base64; `rest` is called now and then, to let others work. */
export async function packSerials(serials: readonly string[], rest: () => Promise<void>): Promise<string> {
	const marks: Buffer[] = [];
	for (const [index, serial] of serials.entries()) {
		marks.push(markOf(serial));
		if (index % 4096 === 4095) await rest();
	}
	return Buffer.concat(marks.sort((one, other) => one.compare(other))).toString('base64');
}

/** Reads what `packSerials` wrote into a test for one serial number, which takes as many steps as the set has digits in base 2. */
export function openSerials(packed: string): (serial: string) => boolean {
	const bytes = Buffer.from(packed, 'base64');
	const count = Math.floor(bytes.length / WIDTH);
	return (serial) => {
		if (count === 0) return false;
		const mark = markOf(serial);
		let [low, high] = [0, count - 1];
		while (low <= high) {
			const middle = (low + high) >> 1;
			const order = bytes.compare(mark, 0, WIDTH, middle * WIDTH, (middle + 1) * WIDTH);
			if (order === 0) return true;
			if (order < 0) low = middle + 1;
			else high = middle - 1;
		}
		return false;
	};
}
