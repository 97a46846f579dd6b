// Writes X.509 v3 certificates (RFC 5280 §4.1). What is to be signed is written first and looked at by the
// linter; this file judges nothing.
import { derBitString, derContextConstructed, derInteger, derObjectIdentifier, derSequence } from './der.ts';
import { derSetOfOne, derTime, derUtf8String } from './der.ts';
import { OID } from './object-identifier.ts';
import type { SubjectPublicKey } from './public-key.ts';
import { ALGORITHM_IDENTIFIER } from './signature-algorithm.ts';
import type { SignatureAlgorithm } from './signer.ts';

/** The parts of a distinguished name that our certificates use; without any, the name is empty. */
export interface DistinguishedName {
	readonly organization?: string;
	readonly commonName?: string;
}

/** Everything that a TBSCertificate says. */
export interface TbsFields {
	/** Big-endian bytes of the serial number, positive. */
	readonly serial: Uint8Array;
	readonly algorithm: SignatureAlgorithm;
	/** DER Name of the issuer, byte for byte as in its own certificate. */
	readonly issuer: Uint8Array;
	/** DER Name of the subject. */
	readonly subject: Uint8Array;
	readonly notBeforeMs: number;
	readonly notAfterMs: number;
	readonly publicKey: SubjectPublicKey;
	/** DER extensions, in the order in which they are written. */
	readonly extensions: readonly Uint8Array[];
}

const ORGANIZATION = derObjectIdentifier(OID.organization);
const COMMON_NAME = derObjectIdentifier(OID.commonName);
const VERSION_3 = derContextConstructed(0, derInteger(Uint8Array.of(2)));

/** Writes a distinguished name, organization first. */
export function encodeName(name: DistinguishedName): Buffer {
	const relative = (type: Buffer, value: string | undefined) =>
		value === undefined ? [] : [derSetOfOne(derSequence(type, derUtf8String(value)))];
	return derSequence(...relative(ORGANIZATION, name.organization), ...relative(COMMON_NAME, name.commonName));
}

/** Writes what is to be signed: the DER TBSCertificate. */
export function encodeTbs(fields: TbsFields): Buffer {
	return derSequence(
		VERSION_3,
		derInteger(fields.serial),
		ALGORITHM_IDENTIFIER[fields.algorithm],
		fields.issuer,
		derSequence(derTime(fields.notBeforeMs), derTime(fields.notAfterMs)),
		fields.subject,
		fields.publicKey.spki,
		derContextConstructed(3, derSequence(...fields.extensions)),
	);
}

/** Puts the signature under a TBSCertificate: the DER certificate. */
export function encodeCertificate(tbs: Uint8Array, algorithm: SignatureAlgorithm, signature: Uint8Array): Buffer {
	return derSequence(tbs, ALGORITHM_IDENTIFIER[algorithm], derBitString(signature));
}
