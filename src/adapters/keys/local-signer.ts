// Signs with a private key held in this process's memory (node:crypto). The embedded default; a key in
// hardware or at a cloud provider implements the same port.
import { createPrivateKey, createPublicKey, sign } from 'node:crypto';
import type { KeyObject } from 'node:crypto';
import type { Signer } from '../../domain/certificate/signer.ts';
import type { Secret } from '../../kernel/secret.ts';

/** Opens a PKCS#8 PEM key (P-256, P-384, Ed25519 or RSA) for signing. Throws on any other key. */
export function openLocalSigner(pkcs8Pem: Secret): Signer {
	const privateKey = createPrivateKey(pkcs8Pem.reveal());
	const { algorithm, hash } = algorithmOf(privateKey);
	return {
		algorithm,
		publicKey: createPublicKey(privateKey),
		// Signing is synchronous: 20 µs on this thread cost less than a trip to another one.
		sign: async (data) => sign(hash, data, privateKey),
	};
}

interface SigningAlgorithm {
	readonly algorithm: Signer['algorithm'];
	readonly hash: 'sha256' | 'sha384' | null;
}

function algorithmOf(key: KeyObject): SigningAlgorithm {
	const curve = key.asymmetricKeyDetails?.namedCurve;
	if (key.asymmetricKeyType === 'ed25519') return { algorithm: 'Ed25519', hash: null };
	if (key.asymmetricKeyType === 'rsa') return { algorithm: 'sha256WithRSAEncryption', hash: 'sha256' };
	if (curve === 'prime256v1') return { algorithm: 'ecdsa-with-SHA256', hash: 'sha256' };
	if (curve === 'secp384r1') return { algorithm: 'ecdsa-with-SHA384', hash: 'sha384' };
	throw new TypeError('a signing key must be P-256, P-384, Ed25519 or RSA');
}
