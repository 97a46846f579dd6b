// Crockford base32 in lower case: letters and digits that nobody mistakes for one another, safe in URLs, headers and
// file names. Written most significant bit first; bits that do not fill a character are left out.
const ALPHABET = '0123456789abcdefghjkmnpqrstvwxyz';

/** Encodes `bytes`, five bits to a character. Lengths that are a multiple of five lose nothing. */
export function encodeBase32(bytes: Uint8Array): string {
	let bits = 0;
	let held = 0;
	let text = '';
	for (const byte of bytes) {
		held = (held << 8) | byte;
		bits += 8;
		while (bits >= 5) {
			bits -= 5;
			text += ALPHABET.charAt((held >> bits) & 31);
		}
		held &= (1 << bits) - 1;
	}
	return text;
}
