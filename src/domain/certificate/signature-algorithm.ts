// How the signature algorithms of a signer are written in certificates (RFC 5758, RFC 8410, RFC 4055).
import { derNull, derObjectIdentifier, derSequence } from './der.ts';
import { OID } from './object-identifier.ts';
import type { Signer } from './signer.ts';

/** DER AlgorithmIdentifier of each algorithm that a signer may have. */
export const ALGORITHM_IDENTIFIER: Readonly<Record<Signer['algorithm'], Buffer>> = {
	'ecdsa-with-SHA256': derSequence(derObjectIdentifier(OID.ecdsaWithSha256)),
	'ecdsa-with-SHA384': derSequence(derObjectIdentifier(OID.ecdsaWithSha384)),
	Ed25519: derSequence(derObjectIdentifier(OID.ed25519)),
	sha256WithRSAEncryption: derSequence(derObjectIdentifier(OID.sha256WithRsa), derNull()),
};

/** Hash that node:crypto needs to verify each algorithm; null where the algorithm has its own. */
export const SIGNATURE_HASH: Readonly<Record<Signer['algorithm'], 'sha256' | 'sha384' | null>> = {
	'ecdsa-with-SHA256': 'sha256',
	'ecdsa-with-SHA384': 'sha384',
	Ed25519: null,
	sha256WithRSAEncryption: 'sha256',
};

/** Finds the algorithm of a DER AlgorithmIdentifier; undefined for every other, such as SHA-1 or MD5. */
export function signatureAlgorithmOf(identifier: Uint8Array): Signer['algorithm'] | undefined {
	for (const name of Object.keys(ALGORITHM_IDENTIFIER) as Signer['algorithm'][])
		if (ALGORITHM_IDENTIFIER[name].equals(identifier)) return name;
	return undefined;
}
