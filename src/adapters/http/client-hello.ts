// Reads of a ClientHello which groups for the key exchange the client supports, to tell which one a connection uses: node:tls
// does not say it on the side of the server. Decides nothing, and believes nothing: OpenSSL negotiates. RFC 8446 §4.1.2.

/** What of a ClientHello says how keys are exchanged: code points of groups and versions. */
export interface ClientHello {
	readonly groups: readonly number[];
	/** Groups for which the client has sent a key already. */
	readonly shares: readonly number[];
	readonly versions: readonly number[];
}

const HANDSHAKE_RECORD = 22;
const CLIENT_HELLO = 1;
const RECORD_HEAD = 5;
/** Record head, handshake head, version and random. */
const FIXED_BYTES = RECORD_HEAD + 4 + 2 + 32;
const SUPPORTED_GROUPS = 10;
const SUPPORTED_VERSIONS = 43;
const KEY_SHARE = 51;
const TLS_1_3 = 0x0304;

/** Reads a ClientHello that lies in one record; `incomplete` while the record is, undefined for anything else. */
export function parseClientHello(bytes: Buffer): ClientHello | 'incomplete' | undefined {
	if (bytes.length < RECORD_HEAD)
		return bytes[0] === undefined || bytes[0] === HANDSHAKE_RECORD ? 'incomplete' : undefined;
	if (bytes[0] !== HANDSHAKE_RECORD) return undefined;
	const end = RECORD_HEAD + bytes.readUInt16BE(3);
	if (bytes.length < end) return 'incomplete';
	if (end < FIXED_BYTES || bytes[RECORD_HEAD] !== CLIENT_HELLO) return undefined;
	try {
		return readExtensions(bytes.subarray(0, end));
	} catch (thrown) {
		// A length that points beyond the record: OpenSSL will say so to the client.
		if (thrown instanceof RangeError) return undefined;
		throw thrown;
	}
}

function readExtensions(record: Buffer): ClientHello {
	const groups: number[] = [];
	const shares: number[] = [];
	const versions: number[] = [];
	let at = FIXED_BYTES;
	at += 1 + record.readUInt8(at);
	at += 2 + record.readUInt16BE(at);
	at += 1 + record.readUInt8(at);
	at += 2;
	while (at < record.length) {
		const type = record.readUInt16BE(at);
		const end = at + 4 + record.readUInt16BE(at + 2);
		if (type === SUPPORTED_GROUPS) for (let i = at + 6; i < end; i += 2) groups.push(record.readUInt16BE(i));
		if (type === SUPPORTED_VERSIONS) for (let i = at + 5; i < end; i += 2) versions.push(record.readUInt16BE(i));
		if (type === KEY_SHARE) {
			for (let i = at + 6; i < end; i += 4 + record.readUInt16BE(i + 2)) shares.push(record.readUInt16BE(i));
		}
		at = end;
	}
	return { groups, shares, versions };
}

/**
 * The groups that are offered, best first, with their code points. INVARIANT: `TLS_GROUPS` says the same to OpenSSL: the hybrid
 * group first, even where it costs a client another round trip; then the classical ones for which there is a key already.
 */
const HYBRID = { name: 'X25519MLKEM768', code: 0x11ec } as const;
const CLASSICAL = [
	{ name: 'X25519', code: 0x001d },
	{ name: 'secp256r1', code: 0x0017 },
	{ name: 'secp384r1', code: 0x0018 },
] as const;

/** The groups in the words of OpenSSL. */
export const TLS_GROUPS = 'X25519MLKEM768 / X25519:secp256r1:secp384r1';
export const HYBRID_GROUP = HYBRID.name;

/** Names of the groups that a connection can be reported with. */
export const GROUP_NAMES = [HYBRID.name, ...CLASSICAL.map(({ name }) => name), 'unknown'] as const;
export type GroupName = (typeof GROUP_NAMES)[number];

/** The group with which a connection of `protocol` (as node:tls says it) has exchanged its keys. */
export function negotiatedGroup(hello: ClientHello | undefined, protocol: string | null): GroupName {
	if (hello === undefined) return 'unknown';
	const { groups, shares, versions } = hello;
	const supported = CLASSICAL.filter(({ code }) => groups.includes(code));
	if (protocol !== 'TLSv1.3' || !versions.includes(TLS_1_3)) return supported[0]?.name ?? 'unknown';
	if (groups.includes(HYBRID.code)) return HYBRID.name;
	return (supported.find(({ code }) => shares.includes(code)) ?? supported[0])?.name ?? 'unknown';
}
