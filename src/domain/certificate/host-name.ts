// Host names and addresses as a server certificate may carry them (RFC 5280 §4.2.1.6): no wildcards.

const LABEL = /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/;

/** Says whether `text` is a host name in lower case, without a wildcard and without a final dot. */
export function isDnsName(text: string): boolean {
	if (text.length > 253) return false;
	const labels = text.split('.');
	// A last label of digits only would be read as an IPv4 address by many.
	return labels.every((label) => LABEL.test(label)) && !/^\d+$/.test(labels.at(-1) ?? '');
}

/** Reads an IPv4 or IPv6 address into its 4 or 16 bytes; undefined when the text is not one. */
export function parseIpAddress(text: string): Buffer | undefined {
	if (/^\d{1,3}(?:\.\d{1,3}){3}$/.test(text)) {
		const octets = text.split('.').map(Number);
		return octets.every((octet) => octet <= 255) ? Buffer.from(octets) : undefined;
	}
	if (!/^[0-9a-fA-F:.]{2,45}$/.test(text) || !URL.canParse(`http://[${text}]/`)) return undefined;
	// The URL parser gives the canonical form (RFC 5952): groups in hexadecimal, at most one `::`.
	const canonical = new URL(`http://[${text}]/`).hostname.slice(1, -1);
	const [head = '', tail] = canonical.split('::');
	const left = head === '' ? [] : head.split(':');
	const right = tail === undefined || tail === '' ? [] : tail.split(':');
	const zeros = Array.from({ length: 8 - left.length - right.length }, () => '0');
	const groups = [...left, ...zeros, ...right].map((group) => group.padStart(4, '0'));
	return Buffer.from(groups.join(''), 'hex');
}
