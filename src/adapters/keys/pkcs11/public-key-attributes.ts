// Makes a SubjectPublicKeyInfo of the attributes by which a token describes a public key (PKCS #11 v2.40 §2.1 and §2.3).
import { createPublicKey } from 'node:crypto';
import { derBitString, derObjectIdentifier, derSequence, TAG } from '../../../domain/certificate/der.ts';
import { MalformedDer, readOnly } from '../../../domain/certificate/der-reader.ts';
import { OID } from '../../../domain/certificate/object-identifier.ts';

const CKA = { keyType: 0x100, modulus: 0x120, publicExponent: 0x122, ecParams: 0x180, ecPoint: 0x181 } as const;
const CKK_RSA = 0n;

/** Curves by their CKA_EC_PARAMS, in hexadecimal; Ed25519 is written as an OID or, by older modules, as a name. */
const CURVES: Readonly<Record<string, { readonly algorithm: Buffer; readonly pointBytes: number } | undefined>> = {
	'06082a8648ce3d030107': ecCurve(OID.p256, 65),
	'06052b81040022': ecCurve(OID.p384, 97),
	'06032b6570': edCurve(),
	'06092b06010401da470f01': edCurve(),
	'130c656477617264733235353139': edCurve(),
};

function ecCurve(curve: string, pointBytes: number) {
	return { algorithm: derSequence(derObjectIdentifier(OID.ecPublicKey), derObjectIdentifier(curve)), pointBytes };
}

function edCurve() {
	return { algorithm: derSequence(derObjectIdentifier(OID.ed25519)), pointBytes: 32 };
}

/** Gives the DER SubjectPublicKeyInfo; undefined for kinds of keys that are not used here. */
export function encodePublicKey(attribute: (type: number) => Buffer | undefined): Buffer | undefined {
	const keyType = attribute(CKA.keyType);
	if (keyType === undefined || keyType.length !== 8) return undefined;
	if (keyType.readBigUInt64LE() === CKK_RSA) {
		const n = attribute(CKA.modulus)?.toString('base64url');
		const e = attribute(CKA.publicExponent)?.toString('base64url');
		if (n === undefined || e === undefined) return undefined;
		return createPublicKey({ key: { kty: 'RSA', n, e }, format: 'jwk' }).export({ type: 'spki', format: 'der' });
	}
	const curve = CURVES[attribute(CKA.ecParams)?.toString('hex') ?? ''];
	const point = attribute(CKA.ecPoint);
	if (curve === undefined || point === undefined) return undefined;
	const bytes = point.length === curve.pointBytes ? point : openOctetString(point);
	if (bytes?.length !== curve.pointBytes) return undefined;
	return derSequence(curve.algorithm, derBitString(bytes));
}

/** The standard wraps the point into an OCTET STRING; some modules do not, and some use a BIT STRING. */
function openOctetString(point: Buffer): Buffer | undefined {
	try {
		return readOnly(point, TAG.octetString).body;
	} catch (error) {
		if (error instanceof MalformedDer) return undefined;
		throw error;
	}
}
