// Signatures that are accepted below an authority that is not ours: SHA-2 with RSA (PKCS #1 or PSS), ECDSA on our curves,
// Ed25519 and ML-DSA-65. SHA-1, MD5 and everything else is not in the table, and so verifies nothing.
import { constants, verify } from 'node:crypto';
import { derElement, derInteger, derNull, derObjectIdentifier, derSequence } from '../certificate/der.ts';
import { OID } from '../certificate/object-identifier.ts';
import { openPublicKey, parsePublicKey, type KeyAlgorithm } from '../certificate/public-key.ts';
import type { KeyObject } from 'node:crypto';

type Hash = 'sha256' | 'sha384' | 'sha512';

interface ChainAlgorithm {
	readonly identifier: Buffer;
	readonly keys: readonly KeyAlgorithm[];
	readonly hash: Hash | null;
	/** Length of the salt, where the padding is PSS. */
	readonly saltLength?: number;
}

/** A key that signs certificates or lists of a partner's authority. */
export interface IssuingKey {
	readonly algorithm: KeyAlgorithm;
	readonly key: KeyObject;
	/** base64url SHA-256 of its DER SubjectPublicKeyInfo. */
	readonly hash: string;
}

const HASH_ID = {
	sha256: '2.16.840.1.101.3.4.2.1',
	sha384: '2.16.840.1.101.3.4.2.2',
	sha512: '2.16.840.1.101.3.4.2.3',
} as const satisfies Record<Hash, string>;

const EC: readonly KeyAlgorithm[] = ['P-256', 'P-384'];

/** RFC 4055 §3.1, with every parameter written out. */
function pss(hash: Hash, saltLength: number): ChainAlgorithm {
	const algorithm = derSequence(derObjectIdentifier(HASH_ID[hash]), derNull());
	const parameters = derSequence(
		derElement(0xa0, algorithm),
		derElement(0xa1, derSequence(derObjectIdentifier(OID.mgf1), algorithm)),
		derElement(0xa2, derInteger(Uint8Array.of(saltLength))),
	);
	const identifier = derSequence(derObjectIdentifier(OID.rsassaPss), parameters);
	return { identifier, keys: ['RSA'], hash, saltLength };
}

function rsa(id: string, hash: Hash): ChainAlgorithm {
	return { identifier: derSequence(derObjectIdentifier(id), derNull()), keys: ['RSA'], hash };
}

function bare(id: string, keys: readonly KeyAlgorithm[], hash: Hash | null): ChainAlgorithm {
	return { identifier: derSequence(derObjectIdentifier(id)), keys, hash };
}

const ALGORITHMS: readonly ChainAlgorithm[] = [
	bare(OID.ecdsaWithSha256, EC, 'sha256'),
	rsa(OID.sha256WithRsa, 'sha256'),
	bare(OID.ecdsaWithSha384, EC, 'sha384'),
	bare(OID.ecdsaWithSha512, EC, 'sha512'),
	rsa(OID.sha384WithRsa, 'sha384'),
	rsa(OID.sha512WithRsa, 'sha512'),
	pss('sha256', 32),
	pss('sha384', 48),
	pss('sha512', 64),
	bare(OID.ed25519, ['Ed25519'], null),
	bare(OID.mlDsa65, ['ML-DSA-65'], null),
];

/** Opens the key of an authority; undefined when it is too weak or cannot be used. */
export function openIssuingKey(spki: Buffer): IssuingKey | undefined {
	const parsed = parsePublicKey(spki);
	const key = parsed.ok ? openPublicKey(parsed.value) : undefined;
	return parsed.ok && key !== undefined
		? { algorithm: parsed.value.algorithm, key, hash: parsed.value.hash }
		: undefined;
}

/** Says whether an AlgorithmIdentifier is one of those that are accepted. */
export function isAcceptedAlgorithm(identifier: Buffer): boolean {
	return ALGORITHMS.some((one) => one.identifier.equals(identifier));
}

/** Tells whether `signature` over `signed` was made by this key, with the algorithm that it is said to be made with. */
export function isSignedBy(issuer: IssuingKey, identifier: Buffer, signed: Buffer, signature: Buffer): boolean {
	const algorithm = ALGORITHMS.find((one) => one.identifier.equals(identifier));
	if (algorithm === undefined || !algorithm.keys.includes(issuer.algorithm)) return false;
	const { hash, saltLength } = algorithm;
	const key =
		saltLength === undefined ? issuer.key : { key: issuer.key, padding: constants.RSA_PKCS1_PSS_PADDING, saltLength };
	return verify(hash, signed, key, signature);
}
