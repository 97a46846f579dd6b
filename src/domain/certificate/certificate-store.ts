// Port: where issued certificates are kept. Thumbprint, and issuer with serial, are unique keys.
import type { CertificateId, ClientId, PartnerId } from '../../kernel/ids.ts';
import type { Certificate, CertificateProfileName } from './certificate.ts';
import type { Page, PageRequest } from '../registry/page.ts';

/** Those who hold certificates of an authority that are neither revoked nor over. */
export interface HolderCount {
	readonly certificates: number;
	readonly clients: number;
}

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
	/** The certificate that the authority with this id gave this serial number (lower-case hexadecimal). */
	findBySerial(issuer: string, serial: string): Promise<Certificate | undefined>;
	/** Certificates of an authority that are held or revoked, as a revocation list needs them. */
	listRevoked(issuer: string, page: RevokedPageRequest): Promise<Page<RevokedCertificate>>;
	/** How many certificates of a client were made at or after a moment. */
	countCreatedSince(clientId: ClientId, sinceMs: number): Promise<number>;
	/** How many certificates that are neither held nor revoked end before each of the moments. */
	countExpiring(beforeMs: readonly number[]): Promise<readonly number[]>;
	/** How many certificates of clients, and of how many clients, this authority has issued that are neither revoked nor over. */
	countHolders(issuer: string, nowMs: number): Promise<HolderCount>;
	/** Valid certificates whose successor has taken over by now, at most `limit`. */
	listSuperseded(nowMs: number, limit: number): Promise<readonly Certificate[]>;
	list(page: PageRequest, filter?: CertificateFilter): Promise<Page<Certificate>>;
}

/** What a list of certificates is searched by; all given members must fit. */
export interface CertificateFilter {
	readonly partnerId?: PartnerId;
	readonly clientId?: ClientId;
	readonly profile?: CertificateProfileName;
	readonly status?: Certificate['status'];
	readonly issuer?: string;
	readonly serial?: string;
	readonly thumbprint?: string;
	readonly subject?: string;
	readonly expiresBeforeMs?: number;
	readonly expiresFromMs?: number;
}

/** Pages of a revocation list may be larger than those that people read. */
export interface RevokedPageRequest {
	readonly after?: string;
	/** 1 … 5000. */
	readonly limit: number;
}

/** What a revocation list says about a certificate, and when it may stop saying it. */
export interface RevokedCertificate {
	readonly id: CertificateId;
	readonly serial: string;
	readonly revokedAtMs: number;
	readonly reason: string;
	readonly notAfterMs: number;
}
