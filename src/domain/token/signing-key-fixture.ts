// Signing keys for tests: both halves in hand, and a record as the change feed would bring it.
import { createPrivateKey, type KeyObject } from 'node:crypto';
import {
	generateSigningKey,
	type SigningAlgorithm,
	type SigningKeyRecord,
	type SigningPurpose,
} from './signing-key.ts';

/** A signing key that no store keeps. */
export interface SigningKeyFixture {
	readonly kid: string;
	readonly privateKey: KeyObject;
	readonly record: SigningKeyRecord;
}

/** Makes a key that is active from the beginning of time, unless `more` says otherwise. */
export function signingKeyFixture(
	purpose: SigningPurpose,
	more: Partial<SigningKeyRecord> = {},
	algorithm: SigningAlgorithm = 'ES256',
): SigningKeyFixture {
	const { privateKeyPem, publicJwk } = generateSigningKey(algorithm);
	const { kid } = publicJwk;
	const times = { activeFromMs: 1, createdAtMs: 1, updatedAtMs: 1 };
	return {
		kid,
		privateKey: createPrivateKey(privateKeyPem.reveal()),
		record: { id: kid, purpose, algorithm, publicJwk, keyName: `${purpose}/${kid}`, revision: 1, ...times, ...more },
	};
}
