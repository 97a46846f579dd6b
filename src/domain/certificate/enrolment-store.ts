// Port: where enrolments are kept. The hash of the code is a unique key.
import type { CertificateId, ClientId, EnrolmentId, PartnerId } from '../../kernel/ids.ts';
import type { Page, PageRequest } from '../registry/page.ts';

/** An enrolment: the leave of a client to fetch its first certificate by itself. */
export interface Enrolment {
	readonly id: EnrolmentId;
	readonly clientId: ClientId;
	readonly partnerId: PartnerId;
	/** base64url SHA-256 of the code. */
	readonly codeHash: string;
	readonly status: 'open' | 'used' | 'cancelled';
	readonly expiresAtMs: number;
	/** The certificate that it was used for. */
	readonly certificateId?: CertificateId;
	readonly createdAtMs: number;
	readonly updatedAtMs: number;
	readonly revision: number;
}

/** Stores enrolments. Every method sees what earlier calls of the same registry did. */
export interface EnrolmentStore {
	/** Adds a record; throws StoreConflict('unique') when the id or a unique key is taken. */
	insert(record: Enrolment): Promise<void>;
	get(id: EnrolmentId): Promise<Enrolment | undefined>;
	/** Replaces a record whose stored revision is `expectedRevision`; throws StoreConflict('revision') otherwise. */
	update(record: Enrolment, expectedRevision: number): Promise<void>;
	findByCodeHash(codeHash: string): Promise<Enrolment | undefined>;
	/** How many enrolments of a client are open and have not expired. */
	countOpen(clientId: ClientId, nowMs: number): Promise<number>;
	list(page: PageRequest, filter?: { readonly clientId?: ClientId }): Promise<Page<Enrolment>>;
}
