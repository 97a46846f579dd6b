// Finds bodies that may hold a whole number of 16 digits or more: beyond 2^53 a double changes its last digits. Every answer
// pays for this look, so it looks at every sixteenth byte only: a run of sixteen digits cannot step over all of those.

const DIGITS_MIN = 16;
const ZERO = 0x30;
const NINE = 0x39;
const MINUS = 0x2d;

/**
 * Tells whether JSON text has sixteen digits in a row where a number may begin: at the start, or after white space, `:`, `,`
 * or `[`, with or without a minus sign. False is certain; true may as well come from digits in a string.
 */
export function mayHaveLongNumber(json: Uint8Array): boolean {
	let from = 0;
	for (let at = DIGITS_MIN - 1; at < json.length; at += DIGITS_MIN) {
		if (!isDigit(json[at])) continue;
		let start = at;
		while (start > from && isDigit(json[start - 1])) start--;
		let end = at + 1;
		while (end < json.length && isDigit(json[end])) end++;
		if (end - start >= DIGITS_MIN && mayBeginNumber(json, start)) return true;
		// A run is looked at once, however long it is.
		from = end;
		at += Math.floor((end - at) / DIGITS_MIN) * DIGITS_MIN;
	}
	return false;
}

function isDigit(byte: number | undefined): boolean {
	return byte !== undefined && byte >= ZERO && byte <= NINE;
}

function mayBeginNumber(json: Uint8Array, start: number): boolean {
	const before = json[start - 1] === MINUS ? json[start - 2] : json[start - 1];
	switch (before) {
		case undefined:
		case 0x09:
		case 0x0a:
		case 0x0d:
		case 0x20:
		case 0x2c:
		case 0x3a:
		case 0x5b:
			return true;
		default:
			return false;
	}
}
