// Port: where credentials are kept. Thumbprints and hashes of secrets are unique keys, and so is the `kid` of a public
// key among the active credentials of its client. One active link stands for each client of an external issuer, and one
// active credential for each URL of a client's keys.
import type { ClientId, CredentialId, TrustAnchorId } from '../../kernel/ids.ts';
import type { Page, PageRequest } from '../registry/page.ts';
import type { Credential, ExternalClientCredential, ThumbprintCredential } from './credential.ts';

/** Stores credentials. Every method sees what earlier calls of the same registry did. */
export interface CredentialStore {
	/** Adds a record; throws StoreConflict('unique') when the id or a unique key is taken. */
	insert(record: Credential): Promise<void>;
	get(id: CredentialId): Promise<Credential | undefined>;
	/** Replaces a record whose stored revision is `expectedRevision`; throws StoreConflict('revision') otherwise. */
	update(record: Credential, expectedRevision: number): Promise<void>;
	findByThumbprint(thumbprint: string): Promise<ThumbprintCredential | undefined>;
	/** The active link of a client of an external issuer, also when it is over. */
	findExternalClient(issuer: string, externalClientId: string): Promise<ExternalClientCredential | undefined>;
	/** All credentials that carry this public key themselves, to refuse a key that another partner uses. */
	listByPublicKey(publicKeyHash: string): Promise<readonly Credential[]>;
	/** Active credentials of a client whose `notAfterMs` is later than `nowMs`, oldest first. */
	listActive(clientId: ClientId, nowMs: number): Promise<readonly Credential[]>;
	/** How many active credentials are known by a name below this trust anchor. */
	countByTrustAnchor(trustAnchorId: TrustAnchorId): Promise<number>;
	/** `endsBeforeMs`: only active ones that are over before this moment, by `notAfterMs` or `retiresAtMs`. */
	list(
		page: PageRequest,
		filter?: { readonly clientId?: ClientId | undefined; readonly endsBeforeMs?: number | undefined },
	): Promise<Page<Credential>>;
}
