// Signs with a private key in the one algorithm that it is for. The counterpart of jws-verify.ts: RFC 7518 §3, RFC 8037
// (EdDSA), and ML-DSA as FIPS 204 has it.
import { constants, type KeyObject, sign } from 'node:crypto';
import type { JwsAlgorithm } from './jws-verify.ts';

/** The algorithm of a key, and the function that signs with it. */
export interface JwsSigner {
	readonly algorithm: JwsAlgorithm;
	readonly sign: (data: Uint8Array) => Buffer;
}

/** Makes the signer of a private key. Throws on a key of a kind that nothing of ours would verify. */
export function createJwsSigner(privateKey: KeyObject): JwsSigner {
	const curve = privateKey.asymmetricKeyDetails?.namedCurve;
	switch (privateKey.asymmetricKeyType) {
		case 'ec':
			if (curve === 'prime256v1') return { algorithm: 'ES256', sign: ecdsaSigner('sha256', privateKey) };
			if (curve === 'secp384r1') return { algorithm: 'ES384', sign: ecdsaSigner('sha384', privateKey) };
			break;
		case 'ed25519':
			return { algorithm: 'EdDSA', sign: (data) => sign(null, data, privateKey) };
		case 'ml-dsa-65':
			return { algorithm: 'ML-DSA-65', sign: (data) => sign(null, data, privateKey) };
		case 'rsa': {
			const { RSA_PKCS1_PSS_PADDING: padding, RSA_PSS_SALTLEN_DIGEST: saltLength } = constants;
			const key = { key: privateKey, padding, saltLength };
			return { algorithm: 'PS256', sign: (data) => sign('sha256', data, key) };
		}
		default:
	}
	throw new TypeError('a signing key must be P-256, P-384, Ed25519, RSA or ML-DSA-65');
}

function ecdsaSigner(hash: string, privateKey: KeyObject): JwsSigner['sign'] {
	const key = { key: privateKey, dsaEncoding: 'ieee-p1363' } as const;
	return (data) => sign(hash, data, key);
}
