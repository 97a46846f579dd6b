// Port: the records of keys that hide what tokens say. They are never deleted: which key was used on a day can be asked later.
import type { ProtectionKeyRecord, ProtectionPurpose } from './protection-key.ts';

export interface ProtectionKeyStore {
	insert(key: ProtectionKeyRecord): Promise<void>;
	get(id: string): Promise<ProtectionKeyRecord | undefined>;
	/** All keys of a purpose, in the order of their ids. */
	list(purpose: ProtectionPurpose): Promise<readonly ProtectionKeyRecord[]>;
	update(key: ProtectionKeyRecord, expectedRevision: number): Promise<void>;
}
