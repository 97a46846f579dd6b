// The PROXY protocol, versions 1 and 2 (HAProxy's specification): the few bytes that a load balancer puts before the bytes
// of its client, to say who that is. Pure and incremental: it is given what has come so far. It is believed only on
// connections from configured hops, which the caller sees to. Strict: what is not exactly one header of a TCP connection
// is malformed; a checksum that is there must be right.
import { crc32c } from './crc32c.ts';
import { addressFromBytes, type IpAddress, parseIpAddress } from './ip-address.ts';

/** A field of version 2 that says more of the connection, such as the id of a private link. */
export interface ProxyField {
	readonly type: number;
	readonly value: Buffer;
}

export interface ProxyHeader {
	/** Bytes of the header; what follows belongs to the client. */
	readonly length: number;
	/** Address of the client; undefined when the hop speaks for itself (a health check) or does not know. */
	readonly client: IpAddress | undefined;
	readonly fields: readonly ProxyField[];
}

export type ProxyReading =
	| { readonly kind: 'header'; readonly header: ProxyHeader }
	| { readonly kind: 'incomplete' }
	| { readonly kind: 'malformed'; readonly internal: string };

/** Most bytes of a header. Version 2 could have 64 KiB, of which nobody uses more than a few hundred. */
export const PROXY_HEADER_BYTES_MAX = 4096;

const V1_BYTES_MAX = 107;
const V1_START = Buffer.from('PROXY ', 'latin1');
const V1_LINE = /^PROXY TCP([46]) ([0-9A-Fa-f.:]{2,45}) ([0-9A-Fa-f.:]{2,45}) (0|[1-9][0-9]{0,4}) (0|[1-9][0-9]{0,4})$/;
const V1_UNKNOWN = /^PROXY UNKNOWN(?: [\x20-\x7e]*)?$/;
const PORT_MAX = 65_535;

const V2_SIGNATURE = Buffer.from('0d0a0d0a000d0a515549540a', 'hex');
const V2_HEAD_BYTES = 16;
const V2_LOCAL = 0x20;
const V2_PROXY = 0x21;
const UNSPECIFIED = 0x00;
/** Bytes of the two addresses and ports, by family and transport: TCP over IPv4 and over IPv6. */
const ADDRESS_BYTES: ReadonlyMap<number, number> = new Map([
	[UNSPECIFIED, 0],
	[0x11, 12],
	[0x21, 36],
]);
const FIELD_CRC32C = 0x03;
const FIELD_NOOP = 0x04;
const FIELDS_MAX = 64;

const INCOMPLETE: ProxyReading = { kind: 'incomplete' };

/** Reads the header at the start of `bytes`. */
export function readProxyHeader(bytes: Buffer): ProxyReading {
	if (startsAlike(bytes, V2_SIGNATURE)) return readVersion2(bytes);
	if (startsAlike(bytes, V1_START)) return readVersion1(bytes);
	return malformed('no PROXY header');
}

/** Whether `bytes` begins as `start` does, as far as it has come. */
function startsAlike(bytes: Buffer, start: Buffer): boolean {
	const length = Math.min(bytes.length, start.length);
	return bytes.subarray(0, length).equals(start.subarray(0, length));
}

function readVersion1(bytes: Buffer): ProxyReading {
	const end = bytes.subarray(0, V1_BYTES_MAX).indexOf('\r\n', 0, 'latin1');
	if (end === -1) return bytes.length < V1_BYTES_MAX ? INCOMPLETE : malformed('a line of version 1 that is too long');
	const line = bytes.toString('latin1', 0, end);
	const length = end + 2;
	if (V1_UNKNOWN.test(line)) return { kind: 'header', header: { length, client: undefined, fields: [] } };
	const match = V1_LINE.exec(line);
	if (match === null) return malformed('a line of version 1 that is none');
	const [, family, from = '', to = '', ...ports] = match;
	const [client, server] = [parseIpAddress(from), parseIpAddress(to)];
	if (client === undefined || server === undefined) return malformed('an address of version 1 that is none');
	// The family is that of the text: a hop may write an IPv4 client of an IPv6 socket in the mapped form.
	if (from.includes(':') !== (family === '6') || to.includes(':') !== (family === '6')) {
		return malformed('an address of another family');
	}
	if (ports.some((port) => Number(port) > PORT_MAX)) return malformed('a port that is none');
	return { kind: 'header', header: { length, client, fields: [] } };
}

function readVersion2(bytes: Buffer): ProxyReading {
	if (bytes.length < V2_HEAD_BYTES) return INCOMPLETE;
	const command = bytes[12] as number;
	if (command !== V2_LOCAL && command !== V2_PROXY) return malformed('an unknown version or command');
	const length = V2_HEAD_BYTES + bytes.readUInt16BE(14);
	if (length > PROXY_HEADER_BYTES_MAX) return malformed('a header that is too long');
	const addressBytes = ADDRESS_BYTES.get(bytes[13] as number);
	// A hop that speaks for itself may name any family; what follows is passed over.
	if (command === V2_PROXY && addressBytes === undefined) return malformed('a family or transport other than TCP/IP');
	if (bytes.length < length) return INCOMPLETE;
	if (command === V2_LOCAL) return { kind: 'header', header: { length, client: undefined, fields: [] } };
	const addressEnd = V2_HEAD_BYTES + (addressBytes ?? 0);
	if (addressEnd > length) return malformed('a header that is too short for its addresses');
	const fields = readFields(bytes.subarray(0, length), addressEnd);
	if (fields === undefined) return malformed('fields that do not fit, or a wrong checksum');
	const half = addressBytes === 12 ? 4 : 16;
	const client = addressBytes === 0 ? undefined : addressFromBytes(bytes.subarray(V2_HEAD_BYTES, V2_HEAD_BYTES + half));
	return { kind: 'header', header: { length, client, fields } };
}

/** The fields behind the addresses; undefined when they do not end with the header, or its checksum is wrong. */
function readFields(header: Buffer, start: number): readonly ProxyField[] | undefined {
	const fields: ProxyField[] = [];
	let isChecked = false;
	let at = start;
	while (at < header.length) {
		if (at + 3 > header.length || fields.length >= FIELDS_MAX) return undefined;
		const type = header[at] as number;
		const valueStart = at + 3;
		const end = valueStart + header.readUInt16BE(at + 1);
		if (end > header.length) return undefined;
		if (type === FIELD_CRC32C) {
			if (isChecked || end - valueStart !== 4 || !hasChecksum(header, valueStart)) return undefined;
			isChecked = true;
		} else if (type !== FIELD_NOOP) {
			// A copy: the bytes of the connection are not kept for it.
			fields.push({ type, value: Buffer.from(header.subarray(valueStart, end)) });
		}
		at = end;
	}
	return fields;
}

/** The checksum covers the whole header, its own four bytes counted as zero. */
function hasChecksum(header: Buffer, at: number): boolean {
	const zeroed = Buffer.from(header);
	zeroed.writeUInt32BE(0, at);
	return crc32c(zeroed) === header.readUInt32BE(at);
}

function malformed(internal: string): ProxyReading {
	return { kind: 'malformed', internal };
}
