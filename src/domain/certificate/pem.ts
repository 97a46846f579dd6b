// PEM (RFC 7468): text around DER.

/** What PEM blocks of the platform hold. */
type PemLabel = 'CERTIFICATE' | 'CERTIFICATE REQUEST' | 'X509 CRL';

/** Writes DER as one PEM block with `label`, ending in a line feed. */
export function encodePem(label: PemLabel, der: Uint8Array): string {
	const base64 = Buffer.from(der.buffer, der.byteOffset, der.byteLength).toString('base64');
	let lines = '';
	for (let offset = 0; offset < base64.length; offset += 64) lines += `${base64.slice(offset, offset + 64)}\n`;
	return `-----BEGIN ${label}-----\n${lines}-----END ${label}-----\n`;
}

/** Reads strict base64 with line breaks (RFC 4648 §4); undefined when any other character is in it. */
export function decodeBase64(text: string): Buffer | undefined {
	const compact = text.replace(/[\r\n\t ]+/g, '');
	if (compact.length % 4 !== 0 || !/^[A-Za-z0-9+/]+={0,2}$/.test(compact)) return undefined;
	return Buffer.from(compact, 'base64');
}
