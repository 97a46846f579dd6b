// Makes the OCSP answer that a TLS server staples to its own certificate (RFC 6066 §8), so that its clients need not
// ask anybody.
import { createHash } from 'node:crypto';
import { derInteger, derNull, derObjectIdentifier, derOctetString, derSequence } from './der.ts';
import { OID } from './object-identifier.ts';
import type { OcspAuthority } from './ocsp-responder.ts';
import { encodeOcspResponse, encodeResponseData } from './ocsp-response.ts';
import type { OcspStatus } from './ocsp-response.ts';

const SHA1 = derSequence(derObjectIdentifier(OID.sha1), derNull());

/** Signs what `status` says about the certificate with this serial number (hexadecimal), valid for `validityMs` from now. */
export function createStaple(
	{ subject, keyBits, responder }: OcspAuthority,
	serial: string,
	status: OcspStatus,
	{ nowMs, validityMs }: { readonly nowMs: number; readonly validityMs: number },
): Buffer {
	// Clients look an answer up by the SHA-1 form of the CertID (RFC 5019 §2.1.1).
	const digest = (bytes: Buffer) => derOctetString(createHash('sha1').update(bytes).digest());
	const bytes = Buffer.from(serial.length % 2 === 0 ? serial : `0${serial}`, 'hex');
	const certId = derSequence(SHA1, digest(subject), digest(keyBits), derInteger(bytes));
	const producedAtMs = Math.floor(nowMs / 1000) * 1000;
	const data = encodeResponseData({
		algorithm: responder.algorithm,
		responderKeyHash: responder.keyHash,
		producedAtMs,
		nextUpdateMs: producedAtMs + validityMs,
		answers: [{ certId, status }],
		nonce: undefined,
		isExtendedRevoke: false,
	});
	return encodeOcspResponse(data, responder.algorithm, responder.sign(data), responder.certificate);
}
