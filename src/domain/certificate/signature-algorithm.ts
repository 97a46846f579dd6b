// How the signature algorithms of a signer are written in certificates, and how they are verified (RFC 5758, RFC 8410,
// RFC 4055).
import { constants, type KeyObject, verify } from 'node:crypto';
import { derElement, derInteger, derNull, derObjectIdentifier, derSequence } from './der.ts';
import { OID } from './object-identifier.ts';
import type { SignatureAlgorithm } from './signer.ts';

const SHA256 = derSequence(derObjectIdentifier(OID.sha256), derNull());
/** RFC 4055 §3.1: the parameters of PSS are written out, each in a tag of its own. */
const PSS_PARAMETERS = derSequence(
	derElement(0xa0, SHA256),
	derElement(0xa1, derSequence(derObjectIdentifier(OID.mgf1), SHA256)),
	derElement(0xa2, derInteger(Uint8Array.of(32))),
);

/** DER AlgorithmIdentifier of each algorithm that a signer may have. */
export const ALGORITHM_IDENTIFIER: Readonly<Record<SignatureAlgorithm, Buffer>> = {
	'ecdsa-with-SHA256': derSequence(derObjectIdentifier(OID.ecdsaWithSha256)),
	'ecdsa-with-SHA384': derSequence(derObjectIdentifier(OID.ecdsaWithSha384)),
	Ed25519: derSequence(derObjectIdentifier(OID.ed25519)),
	sha256WithRSAEncryption: derSequence(derObjectIdentifier(OID.sha256WithRsa), derNull()),
	'rsassa-pss-SHA256': derSequence(derObjectIdentifier(OID.rsassaPss), PSS_PARAMETERS),
};

/** Hash that node:crypto needs to verify each algorithm; null where the algorithm has its own. */
export const SIGNATURE_HASH: Readonly<Record<SignatureAlgorithm, 'sha256' | 'sha384' | null>> = {
	'ecdsa-with-SHA256': 'sha256',
	'ecdsa-with-SHA384': 'sha384',
	Ed25519: null,
	sha256WithRSAEncryption: 'sha256',
	'rsassa-pss-SHA256': 'sha256',
};

/** What node:crypto has to be told, beside the key, to sign or verify with PSS. */
export const PSS_OPTIONS = { padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: 32 } as const;

/** Finds the algorithm of a DER AlgorithmIdentifier; undefined for every other, such as SHA-1 or MD5. */
export function signatureAlgorithmOf(identifier: Uint8Array): SignatureAlgorithm | undefined {
	for (const name of Object.keys(ALGORITHM_IDENTIFIER) as SignatureAlgorithm[])
		if (ALGORITHM_IDENTIFIER[name].equals(identifier)) return name;
	return undefined;
}

/** Tells whether `signature` over `data` was made with `algorithm` by the private half of `publicKey`. */
export function verifySignature(
	algorithm: SignatureAlgorithm,
	data: Uint8Array,
	publicKey: KeyObject,
	signature: Uint8Array,
): boolean {
	const key = algorithm === 'rsassa-pss-SHA256' ? { key: publicKey, ...PSS_OPTIONS } : publicKey;
	return verify(SIGNATURE_HASH[algorithm], data, key, signature);
}
