// Port: the records of signing keys. They are never deleted: which key signed on a day can be asked years later.
import type { SigningKeyRecord, SigningPurpose } from './signing-key.ts';

export interface SigningKeyStore {
	insert(key: SigningKeyRecord): Promise<void>;
	get(kid: string): Promise<SigningKeyRecord | undefined>;
	/** All keys of a purpose, in the order of their ids. */
	list(purpose: SigningPurpose): Promise<readonly SigningKeyRecord[]>;
	update(key: SigningKeyRecord, expectedRevision: number): Promise<void>;
}
