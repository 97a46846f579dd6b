// Port: where rotations are kept. A credential is in at most one that is `overlapping`, as the old or as the new one; the
// operations see to that, in transactions that run one after the other.
import type { ClientId, CredentialId, RotationId } from '../../kernel/ids.ts';
import type { Page, PageRequest } from '../registry/page.ts';
import type { Rotation, RotationStatus } from './rotation.ts';

export interface RotationStore {
	/** Throws StoreConflict('unique') when the id is taken. */
	insert(record: Rotation): Promise<void>;
	get(id: RotationId): Promise<Rotation | undefined>;
	/** Throws StoreConflict('revision') when the stored revision is another one. */
	update(record: Rotation, expectedRevision: number): Promise<void>;
	/** The rotation that is overlapping and has this credential, old or new. */
	findOpen(credentialId: CredentialId): Promise<Rotation | undefined>;
	/** Rotations whose overlap is over and that are not ended yet, by id, at most `limit`. */
	listDue(nowMs: number, limit: number): Promise<readonly Rotation[]>;
	list(
		page: PageRequest,
		filter?: { readonly clientId?: ClientId | undefined; readonly status?: RotationStatus | undefined },
	): Promise<Page<Rotation>>;
}
