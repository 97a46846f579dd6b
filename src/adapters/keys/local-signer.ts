// Signs with a private key held in this process's memory (node:crypto). The embedded default; a key in
// hardware or at a cloud provider implements the same port.
import { createPrivateKey, createPublicKey, sign } from 'node:crypto';
import type { KeyObject } from 'node:crypto';
import { PSS_OPTIONS, SIGNATURE_HASH } from '../../domain/certificate/signature-algorithm.ts';
import { type SignatureAlgorithm, type Signer, SignerUnavailable } from '../../domain/certificate/signer.ts';
import type { Secret } from '../../kernel/secret.ts';
import { signatureAlgorithmOfKey } from './key-algorithm.ts';

/**
 * Opens a PKCS#8 PEM key (P-256, P-384, Ed25519 or RSA) for signing. An RSA key signs with PKCS #1 unless `pss` is
 * true. Throws TypeError on any other key.
 */
export function openLocalSigner(pkcs8Pem: Secret, options: { readonly pss?: boolean } = {}): Signer {
	const privateKey = createPrivateKey(pkcs8Pem.reveal());
	const publicKey = createPublicKey(privateKey);
	const algorithm = signatureAlgorithmOfKey(publicKey, options);
	let isClosed = false;
	const signSync = (data: Uint8Array): Uint8Array => {
		if (isClosed) throw new SignerUnavailable('the key was closed');
		return signWith(privateKey, algorithm, data);
	};
	return {
		algorithm,
		publicKey,
		// Signing is synchronous: 20 µs on this thread cost less than a trip to another one.
		sign: async (data) => signSync(data),
		signSync,
		isAvailable: () => !isClosed,
		close: async () => {
			isClosed = true;
		},
	};
}

function signWith(privateKey: KeyObject, algorithm: SignatureAlgorithm, data: Uint8Array): Uint8Array {
	const key = algorithm === 'rsassa-pss-SHA256' ? { key: privateKey, ...PSS_OPTIONS } : privateKey;
	return sign(SIGNATURE_HASH[algorithm], data, key);
}
