// Port: a private key that signs and is never seen. The embedded adapter holds it in memory; hardware and
// cloud keys implement the same port.
import type { KeyObject } from 'node:crypto';

export interface Signer {
	/** Algorithm of the signature, as X.509 names it. */
	readonly algorithm: 'ecdsa-with-SHA256' | 'ecdsa-with-SHA384' | 'Ed25519' | 'sha256WithRSAEncryption';
	readonly publicKey: KeyObject;
	/** Signs `data` (hashing it as the algorithm says). ECDSA signatures are DER, as X.509 wants them. */
	sign(data: Uint8Array): Promise<Uint8Array>;
}
