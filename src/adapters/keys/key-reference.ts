// What stands in the key store for a key that lies elsewhere: which one it is, and its public half, so that the platform
// starts, and verifies, while the place of the key does not answer.
import { createPublicKey, type KeyObject } from 'node:crypto';
import type { SignatureAlgorithm } from '../../domain/certificate/signer.ts';
import { Secret } from '../../kernel/secret.ts';

const LABEL = 'SALLYPORT KEY REFERENCE';
const REFERENCE = new RegExp(`^-----BEGIN ${LABEL}-----\\n([A-Za-z0-9+/=]+)\\n-----END ${LABEL}-----\\n$`);

/** A key that lies elsewhere. */
export interface KeyReference {
	readonly use: string;
	readonly algorithm: SignatureAlgorithm;
	readonly publicKey: KeyObject;
}

/** Tells whether a stored text refers to a key elsewhere. */
export function isKeyReference(text: string): boolean {
	return text.startsWith(`-----BEGIN ${LABEL}-----`);
}

/** Writes a reference as a text for the key store. */
export function formatKeyReference({ use, algorithm, publicKey }: KeyReference): Secret {
	const spki = publicKey.export({ type: 'spki', format: 'der' }).toString('base64');
	const encoded = Buffer.from(JSON.stringify({ use, algorithm, spki }), 'utf8').toString('base64');
	return new Secret(`-----BEGIN ${LABEL}-----\n${encoded}\n-----END ${LABEL}-----\n`);
}

/** Reads what `formatKeyReference` wrote. Throws on anything else: the store holds what we put there. */
export function readKeyReference(stored: Secret): KeyReference {
	const encoded = REFERENCE.exec(stored.reveal())?.[1];
	if (encoded === undefined) throw new Error('a reference to a key in the store is damaged');
	const { use, algorithm, spki } = JSON.parse(Buffer.from(encoded, 'base64').toString('utf8')) as {
		readonly use: string;
		readonly algorithm: SignatureAlgorithm;
		readonly spki: string;
	};
	const publicKey = createPublicKey({ key: Buffer.from(spki, 'base64'), format: 'der', type: 'spki' });
	return { use, algorithm, publicKey };
}
