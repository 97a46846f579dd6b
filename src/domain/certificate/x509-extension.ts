// Writes the certificate extensions of RFC 5280 §4.2.1 that the profiles use.
import { derContextConstructed, derContextPrimitive, derInteger, derNamedBits, derNull } from './der.ts';
import { derObjectIdentifier, derOctetString, derSequence, derTrue } from './der.ts';
import { OID } from './object-identifier.ts';

/** Bits of the key usage extension (RFC 5280 §4.2.1.3). */
export const KEY_USAGE_BIT = { digitalSignature: 0, keyCertSign: 5, cRLSign: 6 } as const;
export type KeyUsage = keyof typeof KEY_USAGE_BIT;

/** Key purposes (RFC 5280 §4.2.1.12). */
export type ExtendedKeyUsage = 'serverAuth' | 'clientAuth' | 'OCSPSigning';

/** Says whether the key is an authority's, and how many authorities may follow below it. */
export interface BasicConstraints {
	readonly ca: boolean;
	readonly pathLength?: number;
}

/** What a certificate calls its subject, beside the distinguished name. */
export interface AlternativeNames {
	readonly uris?: readonly string[];
	readonly dnsNames?: readonly string[];
	/** Addresses in network byte order: 4 or 16 bytes. */
	readonly ipAddresses?: readonly Uint8Array[];
}

const ID = {
	basicConstraints: derObjectIdentifier(OID.basicConstraints),
	keyUsage: derObjectIdentifier(OID.keyUsage),
	extendedKeyUsage: derObjectIdentifier(OID.extendedKeyUsage),
	subjectAlternativeName: derObjectIdentifier(OID.subjectAlternativeName),
	subjectKeyIdentifier: derObjectIdentifier(OID.subjectKeyIdentifier),
	authorityKeyIdentifier: derObjectIdentifier(OID.authorityKeyIdentifier),
	crlDistributionPoints: derObjectIdentifier(OID.crlDistributionPoints),
	authorityInformationAccess: derObjectIdentifier(OID.authorityInformationAccess),
	ocsp: derObjectIdentifier(OID.ocsp),
	caIssuers: derObjectIdentifier(OID.caIssuers),
	ocspNoCheck: derObjectIdentifier(OID.ocspNoCheck),
} as const;

/** Where the world finds the revocations and the certificate of an authority: plain http URLs (RFC 5280 §8). */
export interface Publication {
	readonly crlUrl: string;
	/** Undefined where nobody answers for the authority: one that is offline. */
	readonly ocspUrl: string | undefined;
	readonly certificateUrl: string;
}

export function basicConstraintsExtension(constraints: BasicConstraints): Buffer {
	const fields = constraints.ca ? [derTrue()] : [];
	if (constraints.pathLength !== undefined) fields.push(derInteger(Uint8Array.of(constraints.pathLength)));
	return extension(ID.basicConstraints, true, derSequence(...fields));
}

export function keyUsageExtension(usages: readonly KeyUsage[]): Buffer {
	return extension(ID.keyUsage, true, derNamedBits(usages.map((usage) => KEY_USAGE_BIT[usage])));
}

export function extendedKeyUsageExtension(purposes: readonly ExtendedKeyUsage[]): Buffer {
	const ids = purposes.map((purpose) => derObjectIdentifier(OID[purpose]));
	return extension(ID.extendedKeyUsage, false, derSequence(...ids));
}

/** Writes the SAN; it is critical when the distinguished name is empty (RFC 5280 §4.2.1.6). */
export function alternativeNamesExtension(names: AlternativeNames, isCritical: boolean): Buffer {
	const general = [
		...(names.uris ?? []).map((uri) => derContextPrimitive(6, Buffer.from(uri, 'latin1'))),
		...(names.dnsNames ?? []).map((name) => derContextPrimitive(2, Buffer.from(name, 'latin1'))),
		...(names.ipAddresses ?? []).map((address) => derContextPrimitive(7, address)),
	];
	return extension(ID.subjectAlternativeName, isCritical, derSequence(...general));
}

export function subjectKeyIdentifierExtension(keyId: Uint8Array): Buffer {
	return extension(ID.subjectKeyIdentifier, false, derOctetString(keyId));
}

export function authorityKeyIdentifierExtension(keyId: Uint8Array): Buffer {
	return extension(ID.authorityKeyIdentifier, false, derSequence(derContextPrimitive(0, keyId)));
}

/** Writes where the CRL of the issuer is found: one full name, for all reasons. */
export function crlDistributionPointsExtension({ crlUrl }: Publication): Buffer {
	const name = derContextConstructed(0, derContextConstructed(0, uriName(crlUrl)));
	return extension(ID.crlDistributionPoints, false, derSequence(derSequence(name)));
}

/** Writes where OCSP and the certificate of the issuer are found. */
export function authorityInformationAccessExtension({ ocspUrl, certificateUrl }: Publication): Buffer {
	const ocsp = ocspUrl === undefined ? [] : [derSequence(ID.ocsp, uriName(ocspUrl))];
	const issuer = derSequence(ID.caIssuers, uriName(certificateUrl));
	return extension(ID.authorityInformationAccess, false, derSequence(...ocsp, issuer));
}

/** Says that nobody needs to ask for the revocation of this OCSP responder (RFC 6960 §4.2.2.2.1). */
export function ocspNoCheckExtension(): Buffer {
	return extension(ID.ocspNoCheck, false, derNull());
}

function uriName(url: string): Buffer {
	return derContextPrimitive(6, Buffer.from(url, 'latin1'));
}

/** Writes one extension, of a certificate or of a CRL. */
export function extension(id: Buffer, isCritical: boolean, value: Uint8Array): Buffer {
	const critical = isCritical ? [derTrue()] : [];
	return derSequence(id, ...critical, derOctetString(value));
}
