// IP addresses with one spelling each. Reading is strict: four decimal numbers without leading zeros (no octal, no short
// or hexadecimal forms, which other programs read differently), IPv6 as RFC 4291 §2.2 without a zone. An IPv4-mapped IPv6
// address is the IPv4 address that it stands for, everywhere: else a list of addresses could be passed by spelling.

/** An address. `words` are its 128 bits, most significant first; IPv4 stands in its IPv4-mapped form `::ffff:a.b.c.d`. */
export interface IpAddress {
	readonly family: 4 | 6;
	readonly words: AddressWords;
}

/** Four unsigned 32-bit words. */
export type AddressWords = readonly [number, number, number, number];

const MAPPED_PREFIX = 0xffff;
const OCTET = /^(?:0|[1-9][0-9]{0,2})$/;
const GROUP = /^[0-9a-fA-F]{1,4}$/;
const TEXT_LENGTH_MAX = 45;

/** Reads an address; undefined when the text is not exactly one. */
export function parseIpAddress(text: string): IpAddress | undefined {
	if (text.length > TEXT_LENGTH_MAX) return undefined;
	if (!text.includes(':')) {
		const word = parseIpv4(text);
		return word === undefined ? undefined : ipv4Address(word);
	}
	const words = parseIpv6(text);
	if (words === undefined) return undefined;
	return addressOf(words);
}

/**
 * Reads the address of a socket as Node gives it. A zone (`fe80::1%eth0`) says by which interface a link-local address
 * came; it is left off, since no list names one.
 */
export function parseSocketAddress(text: string | undefined): IpAddress | undefined {
	if (text === undefined) return undefined;
	const zone = text.indexOf('%');
	return parseIpAddress(zone === -1 ? text : text.slice(0, zone));
}

/** Makes an address of its 32 bits. */
export function ipv4Address(word: number): IpAddress {
	return { family: 4, words: [0, 0, MAPPED_PREFIX, word >>> 0] };
}

/** Makes an address of four words; IPv4-mapped ones become IPv4. */
export function addressOf(words: AddressWords): IpAddress {
	const isMapped = words[0] === 0 && words[1] === 0 && words[2] === MAPPED_PREFIX;
	return { family: isMapped ? 4 : 6, words };
}

/** Makes an address of its 4 or 16 bytes in network order; undefined for another length. */
export function addressFromBytes(bytes: Uint8Array): IpAddress | undefined {
	if (bytes.length !== 4 && bytes.length !== 16) return undefined;
	const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
	if (bytes.length === 4) return ipv4Address(view.getUint32(0));
	return addressOf([view.getUint32(0), view.getUint32(4), view.getUint32(8), view.getUint32(12)]);
}

/** The 4 or 16 bytes of an address in network order, as certificates hold them (RFC 5280 §4.2.1.6). */
export function addressBytes({ family, words }: IpAddress): Buffer {
	const bytes = Buffer.alloc(16);
	for (const [index, word] of words.entries()) bytes.writeUInt32BE(word, index * 4);
	return family === 4 ? bytes.subarray(12) : bytes;
}

/** Writes an address in its one spelling: dotted decimal, or RFC 5952. */
export function formatIpAddress({ family, words }: IpAddress): string {
	if (family === 4) return formatIpv4(words[3]);
	const groups = words.flatMap((word) => [word >>> 16, word & 0xffff]);
	const [start, length] = longestZeroRun(groups);
	const write = (part: readonly number[]): string => part.map((group) => group.toString(16)).join(':');
	// RFC 5952 §4.2.2: a single zero group is written out.
	if (length < 2) return write(groups);
	return `${write(groups.slice(0, start))}::${write(groups.slice(start + length))}`;
}

/** Compares two 128-bit numbers: negative, zero or positive. */
export function compareWords(a: AddressWords, b: AddressWords): number {
	return a[0] - b[0] || a[1] - b[1] || a[2] - b[2] || a[3] - b[3];
}

function parseIpv4(text: string): number | undefined {
	const octets = text.split('.');
	if (octets.length !== 4) return undefined;
	let word = 0;
	for (const octet of octets) {
		if (!OCTET.test(octet)) return undefined;
		const value = Number(octet);
		if (value > 255) return undefined;
		word = word * 256 + value;
	}
	return word;
}

function parseIpv6(text: string): AddressWords | undefined {
	const halves = text.split('::');
	if (halves.length > 2) return undefined;
	const head = parseGroups(halves[0] as string, halves.length === 1);
	const tail = halves.length === 2 ? parseGroups(halves[1] as string, true) : [];
	if (head === undefined || tail === undefined) return undefined;
	const missing = 8 - head.length - tail.length;
	// `::` stands for at least one group (RFC 5952 §4.2.2 writes at least two; readers take one).
	if (halves.length === 2 ? missing < 1 : missing !== 0) return undefined;
	const groups = [...head, ...Array.from({ length: missing }, () => 0), ...tail];
	const word = (index: number): number => (groups[index] as number) * 0x1_0000 + (groups[index + 1] as number);
	return [word(0), word(2), word(4), word(6)];
}

/** The 16-bit groups of one side of `::`. An IPv4 ending is allowed at the end of the whole address only. */
function parseGroups(text: string, isEnd: boolean): number[] | undefined {
	if (text === '') return [];
	const parts = text.split(':');
	const groups: number[] = [];
	for (const [index, part] of parts.entries()) {
		if (GROUP.test(part)) {
			groups.push(Number.parseInt(part, 16));
			continue;
		}
		const word = isEnd && index === parts.length - 1 ? parseIpv4(part) : undefined;
		if (word === undefined) return undefined;
		groups.push(word >>> 16, word & 0xffff);
	}
	return groups.length > 8 ? undefined : groups;
}

function formatIpv4(word: number): string {
	return `${word >>> 24}.${(word >>> 16) & 0xff}.${(word >>> 8) & 0xff}.${word & 0xff}`;
}

/** Start and length of the longest run of zero groups, the first of several. */
function longestZeroRun(groups: readonly number[]): readonly [number, number] {
	let best: readonly [number, number] = [0, 0];
	for (let start = 0; start < groups.length; start++) {
		let end = start;
		while (end < groups.length && groups[end] === 0) end++;
		if (end - start > best[1]) best = [start, end - start];
		if (end > start) start = end;
	}
	return best;
}
