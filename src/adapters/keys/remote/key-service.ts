// What a place that keeps keys can do with one of them: a cloud provider's key service, Vault, or a hardware token.
// Adapters speak the protocols; `openServiceSigner` and `KeyWrapper` make of them what the domain knows.
import type { KeyObject } from 'node:crypto';
import type { SignatureAlgorithm } from '../../../domain/certificate/signer.ts';

/**
 * One key at one place. Every method rejects with `KeyServiceFailure` when the place cannot or will not do it, and ends
 * within the deadline of the service. Calls may run side by side.
 */
export interface KeyService {
	/** Provider and key, for the operator; holds no credential. */
	readonly name: string;
	/** The public half. The place is asked each time. */
	publicKey(): Promise<KeyObject>;
	/** Signs `data`, hashing it as the algorithm says. ECDSA signatures are DER. */
	sign(data: Uint8Array, algorithm: SignatureAlgorithm): Promise<Uint8Array>;
	/** Encrypts at most 32 bytes so that only this key, and only with the same `context`, gives them back. */
	wrap(plain: Uint8Array, context: string): Promise<Buffer>;
	unwrap(sealed: Uint8Array, context: string): Promise<Buffer>;
	/** Whether the latest use worked, from memory. */
	isAvailable(): boolean;
	close(): Promise<void>;
}

/** Longest plain text of `wrap`: one AES-256 key. RSA wrapping would take little more. */
export const WRAPPED_BYTES_MAX = 32;

/**
 * Why a place did not do what it was asked for. `unavailable`: it may work later. `refused`: it will not, until somebody
 * changes something there or here. `credentials`: it does not know us; fresh credentials may help.
 */
export type FailureKind = 'unavailable' | 'refused' | 'credentials';

/** Thrown by key services. The message is for the operator and holds no credential, and no text of the peer's choosing. */
export class KeyServiceFailure extends Error {
	readonly kind: FailureKind;
	readonly retryAfterMs: number | undefined;
	constructor(
		kind: FailureKind,
		message: string,
		options: { readonly cause?: unknown; readonly retryAfterMs?: number | undefined } = {},
	) {
		super(message, { cause: options.cause });
		this.name = 'KeyServiceFailure';
		this.kind = kind;
		this.retryAfterMs = options.retryAfterMs;
	}
}
