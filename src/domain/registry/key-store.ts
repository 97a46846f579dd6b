// Port: private keys of the platform (certificate authorities, token and assertion signing keys, server
// keys). A store encrypts the private part at rest (shared envelope format) and decrypts it on reading.
import type { Secret } from '../../kernel/secret.ts';

export type KeyPurpose =
	| 'certificate-authority'
	/** A root that is not trusted any more: its certificate is kept, its key is gone. */
	| 'retired-authority'
	| 'token-signing'
	| 'assertion-signing'
	| 'dpop-nonce'
	| 'token-sealing'
	| 'token-encryption'
	| 'ledger-signing'
	| 'ocsp-signing'
	| 'server'
	| 'service';

export interface StoredKey {
	/** Unique name, such as `ca/root`, `token/2026-11-23-1`, `server/gateway`. */
	readonly name: string;
	readonly purpose: KeyPurpose;
	/** PKCS#8 PEM; for `token-sealing`, which is symmetric, base64url of the key. */
	readonly privateKeyPem: Secret;
	/** Certificate chain that belongs to it (PEM, leaf first); '' for none. */
	readonly certificatePem: string;
	readonly createdAtMs: number;
}

export interface KeyStore {
	/** Throws StoreConflict('unique') when the name is taken. */
	insert(key: StoredKey): Promise<void>;
	get(name: string): Promise<StoredKey | undefined>;
	list(purpose: KeyPurpose): Promise<readonly StoredKey[]>;
	/** Replaces key and certificate of an existing name; adds it when absent. */
	put(key: StoredKey): Promise<void>;
	/** Forgets a key for good; a name that is not there is no error. */
	delete(name: string): Promise<void>;
}
