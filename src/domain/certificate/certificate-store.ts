// Port: where issued certificates are kept. Thumbprint, and issuer with serial, are unique keys.
import type { CertificateId, ClientId, PartnerId } from '../../kernel/ids.ts';
import type { Certificate } from './certificate.ts';
import type { Page, PageRequest } from '../registry/page.ts';

/** Stores certificates. Every method sees what earlier calls of the same registry did. */
export interface CertificateStore {
	/** Adds a record; throws StoreConflict('unique') when the id or a unique key is taken. */
	insert(record: Certificate): Promise<void>;
	get(id: CertificateId): Promise<Certificate | undefined>;
	/** Replaces a record whose stored revision is `expectedRevision`; throws StoreConflict('revision') otherwise. */
	update(record: Certificate, expectedRevision: number): Promise<void>;
	findByThumbprint(thumbprint: string): Promise<Certificate | undefined>;
	/** All certificates that carry this public key, to refuse a key that another partner uses. */
	listByPublicKey(publicKeyHash: string): Promise<readonly Certificate[]>;
	list(
		page: PageRequest,
		filter?: { readonly partnerId?: PartnerId; readonly clientId?: ClientId; readonly expiresBeforeMs?: number },
	): Promise<Page<Certificate>>;
}
