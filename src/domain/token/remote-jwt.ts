// Signs tokens with a key that lies elsewhere and is reached by a `Signer`, which has verified each signature before it
// gives it. RFC 7515 §5.1, RFC 7518 §3, RFC 8037 §3.1.
import type { KeyObject } from 'node:crypto';
import { ecdsaFromDer } from '../certificate/ecdsa-signature.ts';
import type { SignatureAlgorithm, Signer } from '../certificate/signer.ts';
import { encodeJson, type TokenSigner } from './jwt-sign.ts';
import type { SigningAlgorithm } from './signing-key.ts';

const ES256_NUMBER_BYTES = 32;

/** The JOSE name of an algorithm that tokens are signed with; undefined for those that no token of ours has. */
export function tokenAlgorithmOf(algorithm: SignatureAlgorithm): SigningAlgorithm | undefined {
	switch (algorithm) {
		case 'ecdsa-with-SHA256':
			return 'ES256';
		case 'Ed25519':
			return 'EdDSA';
		case 'rsassa-pss-SHA256':
			return 'PS256';
		case 'ecdsa-with-SHA384':
		case 'sha256WithRSAEncryption':
			return undefined;
	}
}

/** A key elsewhere, as tokens name it. */
export interface RemoteTokenKey {
	readonly kid: string;
	readonly signer: Signer;
	/** The public half in the record of the key. */
	readonly publicKey: KeyObject;
}

/** Makes a signer of tokens of one type. Throws on a key that no token is signed with, or that is another than recorded. */
export function createRemoteJwtSigner({ kid, signer, publicKey }: RemoteTokenKey, typ: string): TokenSigner {
	const alg = tokenAlgorithmOf(signer.algorithm);
	if (alg === undefined) throw new TypeError(`no token is signed with ${signer.algorithm}`);
	// INVARIANT: what the signer verifies its signatures with is what is published under this kid.
	if (!signer.publicKey.equals(publicKey)) throw new TypeError(`the key of ${kid} is another than its record says`);
	const header = encodeJson({ alg, typ, kid });
	return async (claims) => {
		const input = `${header}.${encodeJson(claims)}`;
		const signature = await signer.sign(Buffer.from(input, 'latin1'));
		const raw = alg === 'ES256' ? ecdsaFromDer(signature, ES256_NUMBER_BYTES) : Buffer.from(signature);
		// The signer has verified it, so it is one; but a verifier in node:crypto reads more than JOSE writes.
		if (raw === undefined) throw new Error(`a signature of ${kid} is not written as DER has it`);
		return `${input}.${raw.toString('base64url')}`;
	};
}
