// Writes the certificate extensions of RFC 5280 §4.2.1 that the profiles use.
import { derContextPrimitive, derInteger, derNamedBits } from './der.ts';
import { derObjectIdentifier, derOctetString, derSequence, derTrue } from './der.ts';
import { OID } from './object-identifier.ts';

/** Bits of the key usage extension (RFC 5280 §4.2.1.3). */
export const KEY_USAGE_BIT = { digitalSignature: 0, keyCertSign: 5, cRLSign: 6 } as const;
export type KeyUsage = keyof typeof KEY_USAGE_BIT;

/** Key purposes (RFC 5280 §4.2.1.12). */
export type ExtendedKeyUsage = 'serverAuth' | 'clientAuth';

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
} as const;

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

function extension(id: Buffer, isCritical: boolean, value: Uint8Array): Buffer {
	const critical = isCritical ? [derTrue()] : [];
	return derSequence(id, ...critical, derOctetString(value));
}
