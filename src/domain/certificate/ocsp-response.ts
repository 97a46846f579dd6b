// Writes OCSP responses (RFC 6960 §4.2): signed ones by a delegated responder, and the few unsigned ones that say
// why there is no answer. Times are whole seconds. It writes what it is told; who may say what is decided
// elsewhere.
import {
	derBitString,
	derContextConstructed,
	derContextPrimitive,
	derElement,
	derGeneralizedTime,
	derNull,
} from './der.ts';
import { derObjectIdentifier, derOctetString, derSequence } from './der.ts';
import { OID } from './object-identifier.ts';
import { CRL_REASON } from './revocation-list.ts';
import { ALGORITHM_IDENTIFIER } from './signature-algorithm.ts';
import type { SignatureAlgorithm } from './signer.ts';
import { extension } from './x509-extension.ts';

/** Answers without a signature. */
export const OCSP_ERROR = { malformedRequest: 1, internalError: 2, tryLater: 3, unauthorized: 6 } as const;

const ENUMERATED = 0x0a;
const BASIC = derObjectIdentifier(OID.ocspBasic);
const NONCE = derObjectIdentifier(OID.ocspNonce);
const EXTENDED_REVOKE = extension(derObjectIdentifier(OID.ocspExtendedRevoke), false, derNull());

/** What is said about one certificate. */
export type OcspStatus =
	| { readonly kind: 'good' }
	| { readonly kind: 'unknown' }
	| { readonly kind: 'revoked'; readonly revokedAtMs: number; readonly reason: string };

/** What an unknown serial number gets where the platform answers `revoked` for it (RFC 6960 §2.2). */
export const NEVER_ISSUED: OcspStatus = { kind: 'revoked', revokedAtMs: 0, reason: 'certificate-hold' };

export interface SingleAnswer {
	/** The CertID of the request, DER. */
	readonly certId: Buffer;
	readonly status: OcspStatus;
}

/** Everything that a response says. */
export interface OcspResponseFields {
	readonly algorithm: SignatureAlgorithm;
	/** SHA-1 of the responder's key bits: RFC 6960 §4.2.1 fixes the hash, which protects nothing here. */
	readonly responderKeyHash: Buffer;
	readonly producedAtMs: number;
	readonly nextUpdateMs: number;
	readonly answers: readonly SingleAnswer[];
	readonly nonce: Buffer | undefined;
	/** Says that `revoked` may be the answer to a serial number that was never issued. */
	readonly isExtendedRevoke: boolean;
}

/** Writes what is to be signed: the DER ResponseData. */
export function encodeResponseData(fields: OcspResponseFields): Buffer {
	const thisUpdate = derGeneralizedTime(fields.producedAtMs);
	const nextUpdate = derContextConstructed(0, derGeneralizedTime(fields.nextUpdateMs));
	const singles = fields.answers.map(({ certId, status }) =>
		derSequence(certId, encodeStatus(status), thisUpdate, nextUpdate),
	);
	const extensions = [
		...(fields.nonce === undefined ? [] : [extension(NONCE, false, fields.nonce)]),
		...(fields.isExtendedRevoke ? [EXTENDED_REVOKE] : []),
	];
	return derSequence(
		derContextConstructed(2, derOctetString(fields.responderKeyHash)),
		thisUpdate,
		derSequence(...singles),
		...(extensions.length === 0 ? [] : [derContextConstructed(1, derSequence(...extensions))]),
	);
}

/** Puts signature and responder certificate to a ResponseData: the DER OCSPResponse. */
export function encodeOcspResponse(
	data: Buffer,
	algorithm: SignatureAlgorithm,
	signature: Uint8Array,
	responderCertificate: Uint8Array,
): Buffer {
	const certificates = derContextConstructed(0, derSequence(responderCertificate));
	const basic = derSequence(data, ALGORITHM_IDENTIFIER[algorithm], derBitString(signature), certificates);
	return derSequence(
		derElement(ENUMERATED, Uint8Array.of(0)),
		derContextConstructed(0, derSequence(BASIC, derOctetString(basic))),
	);
}

/** Writes an answer without a signature. */
export function encodeOcspError(error: keyof typeof OCSP_ERROR): Buffer {
	return derSequence(derElement(ENUMERATED, Uint8Array.of(OCSP_ERROR[error])));
}

function encodeStatus(status: OcspStatus): Buffer {
	if (status.kind === 'good') return derContextPrimitive(0, new Uint8Array());
	if (status.kind === 'unknown') return derContextPrimitive(2, new Uint8Array());
	const code = CRL_REASON[status.reason];
	if (code === undefined) throw new TypeError(`OCSP knows no reason ${status.reason}`);
	const reason = code === 0 ? [] : [derContextConstructed(0, derElement(ENUMERATED, Uint8Array.of(code)))];
	return derContextConstructed(1, derGeneralizedTime(status.revokedAtMs), ...reason);
}
