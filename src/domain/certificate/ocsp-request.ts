// Reads OCSP requests (RFC 6960 §4.1) from untrusted bytes, strictly: DER only, bounded, nothing understood by
// half. The signature that a request may carry is not looked at: whether a certificate is revoked is no secret.
import { MalformedDer, readBoolean, readInside, readInteger } from './der-reader.ts';
import { readObjectIdentifier, readOnly } from './der-reader.ts';
import type { DerReader } from './der-reader.ts';
import { TAG } from './der.ts';
import { OID } from './object-identifier.ts';

/** Bound of a request. */
export const OCSP_REQUEST_BYTES_MAX = 8192;
/** Certificates that one request may ask for. */
export const OCSP_QUERIES_MAX = 16;
/** RFC 9654 §2.1. */
const NONCE_BYTES_MAX = 128;

/** One certificate that is asked for. */
export interface OcspQuery {
	/** The whole CertID, DER: the answer repeats it byte for byte. */
	readonly certId: Buffer;
	readonly hashAlgorithm: string;
	readonly issuerNameHash: Buffer;
	readonly issuerKeyHash: Buffer;
	/** Lower-case hexadecimal, without leading zeros. */
	readonly serial: string;
}

export interface OcspRequest {
	readonly queries: readonly OcspQuery[];
	/** Value of the nonce extension, an OCTET STRING in DER; undefined for none. */
	readonly nonce: Buffer | undefined;
}

/** Reads a DER OCSPRequest; undefined when it is malformed, too large, or wants what is not understood. */
export function parseOcspRequest(der: Buffer): OcspRequest | undefined {
	if (der.length > OCSP_REQUEST_BYTES_MAX) return undefined;
	try {
		const outer = readInside(readOnly(der, TAG.sequence));
		const tbs = readInside(outer.expect(TAG.sequence));
		outer.optional(0xa0);
		outer.end();
		return readTbs(tbs);
	} catch (error) {
		if (error instanceof MalformedDer) return undefined;
		throw error;
	}
}

function readTbs(tbs: DerReader): OcspRequest {
	const version = tbs.optional(0xa0);
	// Version 1 is the default, which DER leaves out; there is no other.
	if (version !== undefined) throw new MalformedDer('the version is not 1');
	tbs.optional(0xa1);
	const queries: OcspQuery[] = [];
	const list = readInside(tbs.expect(TAG.sequence));
	while (!list.isAtEnd) {
		if (queries.length === OCSP_QUERIES_MAX) throw new MalformedDer('too many certificates are asked for');
		queries.push(readQuery(readInside(list.expect(TAG.sequence))));
	}
	if (queries.length === 0) throw new MalformedDer('no certificate is asked for');
	const extensions = tbs.optional(0xa2);
	tbs.end();
	return { queries, nonce: extensions === undefined ? undefined : readNonce(extensions.body) };
}

function readQuery(request: DerReader): OcspQuery {
	const certId = request.expect(TAG.sequence);
	const single = request.optional(0xa0);
	request.end();
	if (single !== undefined) readExtensions(single.body, () => false);
	const fields = readInside(certId);
	const algorithm = readInside(fields.expect(TAG.sequence));
	const hashAlgorithm = readObjectIdentifier(algorithm.expect(TAG.objectIdentifier));
	const parameters = algorithm.optional(TAG.null);
	algorithm.end();
	const issuerNameHash = fields.expect(TAG.octetString).body;
	const issuerKeyHash = fields.expect(TAG.octetString).body;
	const serial = readInteger(fields.expect(TAG.integer));
	fields.end();
	if ((serial[0] ?? 0x80) >= 0x80 || serial.length > 20 || (parameters?.body.length ?? 0) > 0)
		throw new MalformedDer('a serial number or algorithm is malformed');
	return {
		certId: certId.raw,
		hashAlgorithm,
		issuerNameHash,
		issuerKeyHash,
		serial: serial.toString('hex').replace(/^0+(?=.)/, ''),
	};
}

function readNonce(extensions: Buffer): Buffer | undefined {
	let nonce: Buffer | undefined;
	readExtensions(extensions, (id, value) => {
		if (id !== OID.ocspNonce) return false;
		const { length } = readOnly(value, TAG.octetString).body;
		if (nonce !== undefined || length < 1 || length > NONCE_BYTES_MAX) throw new MalformedDer('the nonce is malformed');
		nonce = value;
		return true;
	});
	return nonce;
}

/** Walks a list of extensions; a critical one that `understand` does not take makes the request malformed. */
function readExtensions(list: Buffer, understand: (id: string, value: Buffer) => boolean): void {
	const reader = readInside(readOnly(list, TAG.sequence));
	while (!reader.isAtEnd) {
		const fields = readInside(reader.expect(TAG.sequence));
		const id = readObjectIdentifier(fields.expect(TAG.objectIdentifier));
		const critical = fields.optional(TAG.boolean);
		const isCritical = critical !== undefined && readBoolean(critical);
		const value = fields.expect(TAG.octetString).body;
		fields.end();
		if (!understand(id, value) && isCritical) throw new MalformedDer('a critical extension is not understood');
	}
}
