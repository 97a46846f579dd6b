// Writes certificate requests (PKCS #10, RFC 2986): what a partner's own machine sends. The request says
// nothing but its key; what the certificate says comes from the registry.
import { createPublicKey, sign } from 'node:crypto';
import type { KeyObject } from 'node:crypto';
import { derBitString, derContextConstructed, derInteger, derNull, derObjectIdentifier, derSequence } from './der.ts';
import { OID } from './object-identifier.ts';
import { encodeName } from './x509-certificate.ts';
import type { DistinguishedName } from './x509-certificate.ts';

interface Algorithm {
	readonly identifier: Buffer;
	readonly hash: 'sha256' | 'sha384' | null;
}

function algorithmOf(key: KeyObject): Algorithm {
	const plain = (id: string, hash: Algorithm['hash']): Algorithm => ({
		identifier: derSequence(derObjectIdentifier(id)),
		hash,
	});
	switch (key.asymmetricKeyType) {
		case 'ec':
			if (key.asymmetricKeyDetails?.namedCurve === 'secp384r1') return plain(OID.ecdsaWithSha384, 'sha384');
			return plain(OID.ecdsaWithSha256, 'sha256');
		case 'rsa':
			return { identifier: derSequence(derObjectIdentifier(OID.sha256WithRsa), derNull()), hash: 'sha256' };
		case 'ed25519':
			return plain(OID.ed25519, null);
		case 'ml-dsa-65':
			return plain(OID.mlDsa65, null);
		default:
			throw new TypeError('a certificate is requested for an EC, Ed25519, RSA or ML-DSA-65 key');
	}
}

/** Writes and signs a request for the key. Throws on a key of a kind that gets no certificates. */
export function encodeCsr(privateKey: KeyObject, subject: DistinguishedName): Buffer {
	const { identifier, hash } = algorithmOf(privateKey);
	const spki = createPublicKey(privateKey).export({ type: 'spki', format: 'der' });
	const info = derSequence(derInteger(Uint8Array.of(0)), encodeName(subject), spki, derContextConstructed(0));
	return derSequence(info, identifier, derBitString(sign(hash, info, privateKey)));
}
