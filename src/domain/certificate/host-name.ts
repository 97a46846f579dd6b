// Host names as a server certificate may carry them (RFC 5280 §4.2.1.6): no wildcards.

const LABEL = /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/;

/** Says whether `text` is a host name in lower case, without a wildcard and without a final dot. */
export function isDnsName(text: string): boolean {
	if (text.length > 253) return false;
	const labels = text.split('.');
	// A last label of digits only would be read as an IPv4 address by many.
	return labels.every((label) => LABEL.test(label)) && !/^\d+$/.test(labels.at(-1) ?? '');
}
