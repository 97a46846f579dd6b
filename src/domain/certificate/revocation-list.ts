// Writes certificate revocation lists (CRL version 2, RFC 5280 §5): numbered, with the key identifier of the
// authority and a moment by which the next one comes. It writes what it is given; which entries belong into a
// list is decided by `isListed`.
import {
	derBitString,
	derContextConstructed,
	derElement,
	derInteger,
	derObjectIdentifier,
	derSequence,
	derTime,
	TAG,
} from './der.ts';
import { OID } from './object-identifier.ts';
import { ALGORITHM_IDENTIFIER } from './signature-algorithm.ts';
import type { SignatureAlgorithm } from './signer.ts';
import { authorityKeyIdentifierExtension, extension } from './x509-extension.ts';

/** One entry: which certificate, since when, and why (a key of `CRL_REASON`). */
export interface RevocationEntry {
	/** Lower-case hexadecimal. */
	readonly serial: string;
	readonly revokedAtMs: number;
	readonly reason: string;
}

/** Everything that a list says. */
export interface RevocationListFields {
	readonly algorithm: SignatureAlgorithm;
	/** DER Name of the authority. */
	readonly issuer: Uint8Array;
	readonly authorityKeyId: Uint8Array;
	/** Rises with each list of the authority. */
	readonly number: number;
	readonly thisUpdateMs: number;
	readonly nextUpdateMs: number;
	readonly entries: readonly RevocationEntry[];
}

/** Reason codes (RFC 5280 §5.3.1). `unspecified` is said by saying nothing. */
export const CRL_REASON: Readonly<Record<string, number>> = {
	unspecified: 0,
	'key-compromise': 1,
	'affiliation-changed': 3,
	superseded: 4,
	'cessation-of-operation': 5,
	'certificate-hold': 6,
	'privilege-withdrawn': 9,
};

const ENUMERATED = 0x0a;
const VERSION_2 = derInteger(Uint8Array.of(1));
const CRL_NUMBER = derObjectIdentifier(OID.crlNumber);
const CRL_REASON_ID = derObjectIdentifier(OID.crlReason);

/** The extensions of an entry, written once for each reason; empty for the reason that is said by saying nothing. */
const ENTRY_EXTENSIONS: ReadonlyMap<string, Buffer> = new Map(
	Object.entries(CRL_REASON).map(([reason, code]) => [
		reason,
		code === 0
			? Buffer.alloc(0)
			: derSequence(extension(CRL_REASON_ID, false, derElement(ENUMERATED, Uint8Array.of(code)))),
	]),
);

/** Writes what is to be signed: the DER TBSCertList. */
export function encodeRevocationList(fields: RevocationListFields): Buffer {
	const { algorithm, issuer, entries } = fields;
	// An empty list of entries is left out (RFC 5280 §5.1.2.6).
	const revoked = entries.length === 0 ? [] : [derSequence(encodeEntries(entries))];
	const extensions = [
		authorityKeyIdentifierExtension(fields.authorityKeyId),
		extension(CRL_NUMBER, false, derInteger(bigEndian(fields.number))),
	];
	return derSequence(
		VERSION_2,
		ALGORITHM_IDENTIFIER[algorithm],
		issuer,
		derTime(fields.thisUpdateMs),
		derTime(fields.nextUpdateMs),
		...revoked,
		derContextConstructed(0, derSequence(...extensions)),
	);
}

/** Puts the signature under a TBSCertList: the DER CertificateList. */
export function encodeSignedList(tbs: Uint8Array, algorithm: SignatureAlgorithm, signature: Uint8Array): Buffer {
	return derSequence(tbs, ALGORITHM_IDENTIFIER[algorithm], derBitString(signature));
}

/** Serial numbers have at most 20 bytes (RFC 5280 §4.1.2.2), so an entry is always shorter than this. */
const ENTRY_BYTES_MAX = 64;
const SERIAL_HEX_DIGITS_MAX = 40;

/** Writes the entries one after the other into one buffer: a list may have a hundred thousand. */
function encodeEntries(entries: readonly RevocationEntry[]): Buffer {
	const out = Buffer.allocUnsafe(entries.length * ENTRY_BYTES_MAX);
	let end = 0;
	for (const { serial, revokedAtMs, reason } of entries) {
		const extensions = ENTRY_EXTENSIONS.get(reason);
		if (extensions === undefined) throw new TypeError(`a revocation list knows no reason ${reason}`);
		if (serial.length > SERIAL_HEX_DIGITS_MAX) throw new TypeError('a serial number is too long');
		const start = end;
		// The lengths are known once the entry is written; both are below 128 and take one byte.
		end += 4;
		const hex = serial.length % 2 === 0 ? serial : `0${serial}`;
		// A first byte from 80 on would be read as a negative number.
		if (Number.parseInt(hex.slice(0, 2), 16) >= 0x80) out[end++] = 0;
		end += out.write(hex, end, 'hex');
		out[start + 2] = TAG.integer;
		out[start + 3] = end - start - 4;
		end += derTime(revokedAtMs).copy(out, end);
		end += extensions.copy(out, end);
		out[start] = TAG.sequence;
		out[start + 1] = end - start - 2;
	}
	return out.subarray(0, end);
}

/** Writes a whole number as big-endian bytes. */
function bigEndian(value: number): Buffer {
	const hex = value.toString(16);
	return Buffer.from(hex.length % 2 === 0 ? hex : `0${hex}`, 'hex');
}

/**
 * Tells whether a certificate that is held or revoked belongs into a list of this moment. It stays for one whole
 * lifetime of a list beyond its own end, so that at least one regular list names it after that (RFC 5280 §3.3).
 */
export function isListed(notAfterMs: number, thisUpdateMs: number, listLifetimeMs: number): boolean {
	return notAfterMs + listLifetimeMs > thisUpdateMs;
}
