// Which algorithm a key signs with. It follows from the key, but for RSA, where the owner chooses the padding.
import type { KeyObject } from 'node:crypto';
import type { SignatureAlgorithm } from '../../domain/certificate/signer.ts';

const RSA_BITS_MIN = 2048;

/** Gives the algorithm of a key; throws TypeError for a key that nothing here signs with. */
export function signatureAlgorithmOfKey(
	publicKey: KeyObject,
	options: { readonly pss?: boolean } = {},
): SignatureAlgorithm {
	const { namedCurve, modulusLength } = publicKey.asymmetricKeyDetails ?? {};
	if (publicKey.asymmetricKeyType === 'ed25519') return 'Ed25519';
	if (publicKey.asymmetricKeyType === 'rsa' && (modulusLength ?? 0) >= RSA_BITS_MIN) {
		return options.pss === true ? 'rsassa-pss-SHA256' : 'sha256WithRSAEncryption';
	}
	if (namedCurve === 'prime256v1') return 'ecdsa-with-SHA256';
	if (namedCurve === 'secp384r1') return 'ecdsa-with-SHA384';
	throw new TypeError('a signing key must be P-256, P-384, Ed25519, or RSA with at least 2048 bits');
}
