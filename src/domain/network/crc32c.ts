// CRC-32C (Castagnoli, RFC 9260 appendix A), as the PROXY protocol uses it. node:zlib has the other CRC-32.

const POLYNOMIAL_REVERSED = 0x82f6_3b78;

const TABLE = Uint32Array.from({ length: 256 }, (_, byte) => {
	let rest = byte;
	for (let bit = 0; bit < 8; bit++) rest = (rest & 1) === 1 ? (rest >>> 1) ^ POLYNOMIAL_REVERSED : rest >>> 1;
	return rest;
});

/** Computes the CRC-32C of `bytes`, as an unsigned number. */
export function crc32c(bytes: Uint8Array): number {
	let rest = 0xffff_ffff;
	for (const byte of bytes) rest = (TABLE[(rest ^ byte) & 0xff] as number) ^ (rest >>> 8);
	return (rest ^ 0xffff_ffff) >>> 0;
}
