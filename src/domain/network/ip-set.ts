// Networks in CIDR notation, and sets of them compiled for look-up: sorted ranges that do not overlap, one list for each
// family, so that asking costs a binary search however long the list is.
import { type AddressWords, compareWords, formatIpAddress, type IpAddress, parseIpAddress } from './ip-address.ts';

/** A network: every address from `first` to `last`. */
export interface IpNetwork {
	readonly family: 4 | 6;
	readonly first: AddressWords;
	readonly last: AddressWords;
	/** Its one spelling, such as `10.0.0.0/8`. */
	readonly text: string;
}

/** A set of addresses. */
export interface IpSet {
	readonly isEmpty: boolean;
	has(address: IpAddress): boolean;
}

const CIDR = /^([0-9A-Fa-f.:]{2,45})(?:\/(0|[1-9][0-9]{0,2}))?$/;
const MAPPED_BITS = 96;

/**
 * Reads `10.0.0.0/8`, `2001:db8::/32` or a single address. Bits beyond the prefix must be zero: `10.1.2.3/8` is a slip
 * that would open a whole network. undefined when the text is not one network.
 */
export function parseIpNetwork(text: string): IpNetwork | undefined {
	const match = CIDR.exec(text);
	const address = match === null ? undefined : parseIpAddress(match[1] as string);
	if (match === null || address === undefined) return undefined;
	const isMappedText = address.family === 4 && (match[1] as string).includes(':');
	const bits = match[2] === undefined ? undefined : Number(match[2]);
	const prefix = prefixBits(address, bits, isMappedText);
	if (prefix === undefined) return undefined;
	const [first, last] = boundsOf(address.words, prefix);
	if (compareWords(first, address.words) !== 0) return undefined;
	const shown = address.family === 4 ? prefix - MAPPED_BITS : prefix;
	return { family: address.family, first, last, text: `${formatIpAddress(address)}/${shown}` };
}

/** The address with all but its first `bits` bits cleared; `bits` counts in the family of the address. */
export function networkPart(address: IpAddress, bits: number): IpAddress {
	const [first] = boundsOf(address.words, address.family === 4 ? bits + MAPPED_BITS : bits);
	return { family: address.family, words: first };
}

/** Compiles networks into a set. */
export function compileIpSet(networks: readonly IpNetwork[]): IpSet {
	const four = mergeRanges(networks.filter(({ family }) => family === 4));
	const six = mergeRanges(networks.filter(({ family }) => family === 6));
	return {
		isEmpty: networks.length === 0,
		// INVARIANT: `::/0` holds no IPv4 address and `0.0.0.0/0` no IPv6 address, also in the mapped spelling.
		has: (address) => isInside(address.family === 4 ? four : six, address.words),
	};
}

/** Compiles a list of texts that have been checked before; throws on one that is no network. */
export function ipSetOf(texts: readonly string[]): IpSet {
	return compileIpSet(
		texts.map((text) => {
			const network = parseIpNetwork(text);
			if (network === undefined) throw new TypeError('a text in a list of networks is no network');
			return network;
		}),
	);
}

/** A set without members. */
export const EMPTY_IP_SET: IpSet = compileIpSet([]);

interface Range {
	readonly first: AddressWords;
	readonly last: AddressWords;
}

/** Prefix length in 128 bits; undefined when it does not fit the family. */
function prefixBits(address: IpAddress, bits: number | undefined, isMappedText: boolean): number | undefined {
	if (bits === undefined) return 128;
	if (address.family === 6) return bits <= 128 ? bits : undefined;
	// `::ffff:10.0.0.0/104` is 10.0.0.0/8; a shorter prefix would mix the families.
	if (isMappedText) return bits >= MAPPED_BITS && bits <= 128 ? bits : undefined;
	return bits <= 32 ? bits + MAPPED_BITS : undefined;
}

function boundsOf(words: AddressWords, prefix: number): readonly [AddressWords, AddressWords] {
	const first: number[] = [];
	const last: number[] = [];
	for (let index = 0; index < 4; index++) {
		const kept = Math.min(32, Math.max(0, prefix - index * 32));
		const hostMask = kept === 32 ? 0 : 0xffff_ffff >>> kept;
		const word = words[index] as number;
		first.push((word & ~hostMask) >>> 0);
		last.push((word | hostMask) >>> 0);
	}
	return [first as unknown as AddressWords, last as unknown as AddressWords];
}

function mergeRanges(ranges: readonly Range[]): readonly Range[] {
	const sorted = ranges.toSorted((a, b) => compareWords(a.first, b.first));
	const merged: { first: AddressWords; last: AddressWords }[] = [];
	for (const { first, last } of sorted) {
		const previous = merged.at(-1);
		if (previous !== undefined && compareWords(first, previous.last) <= 0) {
			if (compareWords(last, previous.last) > 0) previous.last = last;
		} else merged.push({ first, last });
	}
	return merged;
}

function isInside(ranges: readonly Range[], words: AddressWords): boolean {
	let low = 0;
	let high = ranges.length - 1;
	while (low <= high) {
		const middle = (low + high) >>> 1;
		const range = ranges[middle] as Range;
		if (compareWords(words, range.first) < 0) high = middle - 1;
		else if (compareWords(words, range.last) > 0) low = middle + 1;
		else return true;
	}
	return false;
}
