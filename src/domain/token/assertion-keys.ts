// The public keys that client assertions are verified with, opened once for each registered credential. For a client
// that does not exist there is a key that nobody has, so that refusing it takes as long as refusing one that does.
import { createPublicKey, generateKeyPairSync, type JsonWebKeyInput, type KeyObject } from 'node:crypto';
import type { PublicKeyCredential } from '../client/credential.ts';
import type { Random } from '../../kernel/random.ts';
import type { JwsAlgorithm } from './jws-verify.ts';

/** Opens keys. */
export interface AssertionKeys {
	/** The key of a credential. Throws when it cannot be opened: what is registered was judged before. */
	of(credential: PublicKeyCredential): KeyObject;
	/** A key of this algorithm whose private half does not exist. INVARIANT: nobody is let in by it, whatever it verifies. */
	ofNobody(algorithm: JwsAlgorithm): KeyObject;
}

/** Makes the keys of one server. What is opened lives as long as the record of its credential. */
export function createAssertionKeys(random: Random): AssertionKeys {
	const opened = new WeakMap<PublicKeyCredential, KeyObject>();
	const nobody = new Map<JwsAlgorithm, KeyObject>();
	return {
		of: (credential) => {
			let key = opened.get(credential);
			if (key === undefined) {
				key = openJwk({ ...credential.jwk });
				opened.set(credential, key);
			}
			return key;
		},
		ofNobody: (algorithm) => {
			let key = nobody.get(algorithm);
			if (key === undefined) {
				key = makeKeyOfNobody(algorithm, random);
				nobody.set(algorithm, key);
			}
			return key;
		},
	};
}

function makeKeyOfNobody(algorithm: JwsAlgorithm, random: Random): KeyObject {
	switch (algorithm) {
		case 'ES256':
			return generateKeyPairSync('ec', { namedCurve: 'P-256' }).publicKey;
		case 'ES384':
			return generateKeyPairSync('ec', { namedCurve: 'P-384' }).publicKey;
		case 'EdDSA':
			return generateKeyPairSync('ed25519').publicKey;
		case 'ML-DSA-65':
			return generateKeyPairSync('ml-dsa-65').publicKey;
		case 'PS256':
			return openJwk({ kty: 'RSA', e: 'AQAB', n: makeModulus(random).toString('base64url') });
	}
}

/** 2048 random bits, odd: to find two primes would take a tenth of a second, and nobody needs them. */
function makeModulus(random: Random): Buffer {
	const modulus = Buffer.from(random.bytes(256));
	modulus[0] = (modulus[0] ?? 0) | 0x80;
	modulus[255] = (modulus[255] ?? 0) | 1;
	return modulus;
}

function openJwk(jwk: { readonly [name: string]: string }): KeyObject {
	return createPublicKey({ key: jwk as JsonWebKeyInput['key'], format: 'jwk' });
}
