// Port: where enrolments are kept. The hash of the code is a unique key.
import type { ClientId, EnrolmentId } from '../../kernel/ids.ts';
import type { Page, PageRequest } from '../registry/page.ts';
import type { Enrolment } from './enrolment.ts';

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
