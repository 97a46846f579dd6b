// A trust anchor: the authority of a partner's own, by which its clients' certificates are known. It is pinned by its key, and
// it is confined: what stands below it speaks for clients of this partner and of nobody else.
import type { OperatorId, PartnerId, TrustAnchorId } from '../../kernel/ids.ts';

/**
 * What is asked of the revocation lists of the partner's authority. `required`: without a current list nobody is let in.
 * `best-effort`: a list that is missing or out of date is announced, and not waited for. `none`: there is none.
 */
export const REVOCATION_RULES = ['required', 'best-effort', 'none'] as const;

export type RevocationRule = (typeof REVOCATION_RULES)[number];

export const TRUST_ANCHOR_BOUNDS = {
	/** Active anchors of one partner, so that it can roll its authority over. */
	activeMax: 8,
	intermediatesMax: 8,
	listUrlsMax: 4,
} as const;

export interface TrustAnchor {
	readonly id: TrustAnchorId;
	readonly partnerId: PartnerId;
	readonly name: string;
	/** DER, base64. */
	readonly certificate: string;
	/** base64url SHA-256 of its DER SubjectPublicKeyInfo. Among active anchors it is there once. */
	readonly publicKeyHash: string;
	/** Its distinguished name (RFC 4514), for people: nothing is decided by it. */
	readonly subject: string;
	/** Certificates of authorities below it (DER, base64), for clients that do not send them, and for their lists. */
	readonly intermediates: readonly string[];
	readonly revocation: RevocationRule;
	/** Where its lists are fetched from; without any they are uploaded. */
	readonly listUrls: readonly string[];
	readonly status: 'active' | 'revoked';
	readonly notBeforeMs: number;
	readonly notAfterMs: number;
	readonly addedBy: OperatorId;
	readonly createdAtMs: number;
	readonly updatedAtMs: number;
	readonly revokedAtMs?: number;
	readonly revocationReason?: string;
	readonly revision: number;
}

/** What a list of revoked certificates says, as every thread needs it. One for each key that signs lists below an anchor. */
export interface AnchorList {
	/** Anchor and key, `ANCHOR/KEY HASH`. */
	readonly id: string;
	readonly anchorId: TrustAnchorId;
	readonly partnerId: PartnerId;
	/** base64url SHA-256 of the SubjectPublicKeyInfo of the authority that signed it. */
	readonly issuerKeyHash: string;
	/** CRL number, hexadecimal without leading zeros. */
	readonly number: string;
	readonly thisUpdateMs: number;
	readonly nextUpdateMs: number;
	readonly entries: number;
	/** The revoked serial numbers as `packSerials` writes them. */
	readonly revoked: string;
	/** SHA-256 of the signed list, base64url. */
	readonly digest: string;
	readonly takenAtMs: number;
	readonly revision: number;
}

/** Names a list by the anchor and the key that it belongs to. */
export function anchorListId(anchorId: TrustAnchorId, issuerKeyHash: string): string {
	return `${anchorId}/${issuerKeyHash}`;
}
