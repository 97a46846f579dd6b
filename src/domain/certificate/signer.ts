// Port: a private key that signs and is never seen. It may lie in this process's memory, in a hardware token or
// with a cloud provider; whoever signs cannot tell, but for what is said here.
import type { KeyObject } from 'node:crypto';

/**
 * The algorithms that a signer may have, as X.509 names them (RFC 5758, RFC 8410, RFC 4055). PSS is with SHA-256,
 * MGF1 with SHA-256, and a salt of 32 bytes, which is what JOSE calls PS256.
 */
export type SignatureAlgorithm =
	| 'ecdsa-with-SHA256'
	| 'ecdsa-with-SHA384'
	| 'Ed25519'
	| 'sha256WithRSAEncryption'
	| 'rsassa-pss-SHA256';

/**
 * One private key, used with one algorithm for as long as the signer lives.
 * - `publicKey` belongs to the key that signs: whoever opens a signer has proved it with a signature.
 * - What `sign` gives has been made over exactly `data` and verifies with `publicKey`, or nothing is given.
 * - Calls may run side by side. Each ends within the signer's own deadline, which is at most some seconds.
 */
export interface Signer {
	readonly algorithm: SignatureAlgorithm;
	readonly publicKey: KeyObject;
	/**
	 * Signs `data` (hashing it as the algorithm says). ECDSA signatures are DER, as X.509 wants them.
	 * Rejects with `SignerUnavailable` when the key cannot be used now; anything else that it throws is a bug.
	 */
	sign(data: Uint8Array): Promise<Uint8Array>;
	/** The same without waiting. Only there when the key lies in this process's memory. */
	readonly signSync?: (data: Uint8Array) => Uint8Array;
	/** True for a key that never comes here, such as that of an offline root: nothing is to be asked of it. */
	readonly isOffline?: true;
	/** Whether the latest use worked, from memory: it asks nobody and never waits. */
	isAvailable(): boolean;
	/** Lets go of sessions and connections. Signing afterwards rejects with `SignerUnavailable`. Safe to call twice. */
	close(): Promise<void>;
}

/** Thrown by `sign` when the key cannot be used now: a token that was removed, a provider that does not answer. */
export class SignerUnavailable extends Error {
	/** Seconds after which another attempt makes sense. */
	readonly retryAfterSeconds: number;
	/** `message` is for the operator. It holds no PIN, token or key. */
	constructor(message: string, options: { readonly cause?: unknown; readonly retryAfterSeconds?: number } = {}) {
		super(message, { cause: options.cause });
		this.name = 'SignerUnavailable';
		this.retryAfterSeconds = options.retryAfterSeconds ?? 5;
	}
}
