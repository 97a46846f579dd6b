// Port: where credentials are kept. The thumbprint is a unique key.
import type { ClientId, CredentialId } from '../../kernel/ids.ts';
import type { Credential } from './credential.ts';
import type { Page, PageRequest } from '../registry/page.ts';

/** Stores credentials. Every method sees what earlier calls of the same registry did. */
export interface CredentialStore {
	/** Adds a record; throws StoreConflict('unique') when the id or a unique key is taken. */
	insert(record: Credential): Promise<void>;
	get(id: CredentialId): Promise<Credential | undefined>;
	/** Replaces a record whose stored revision is `expectedRevision`; throws StoreConflict('revision') otherwise. */
	update(record: Credential, expectedRevision: number): Promise<void>;
	findByThumbprint(thumbprint: string): Promise<Credential | undefined>;
	list(page: PageRequest, filter?: { readonly clientId?: ClientId }): Promise<Page<Credential>>;
}
