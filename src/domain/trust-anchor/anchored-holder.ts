// Who a certificate below a partner's own authority is: the anchor that it hangs on, and the names by which it may stand for
// a client of that partner.
import type { PartnerId, TrustAnchorId } from '../../kernel/ids.ts';
import type { SubjectAttribute } from './subject-names.ts';

/** One certificate of a path and the key that signed it. */
export interface SignedLink {
	/** Lower-case hexadecimal. */
	readonly serial: string;
	/** base64url SHA-256 of the SubjectPublicKeyInfo of its issuer. */
	readonly issuerKeyHash: string;
}

/** What a certificate below a trust anchor says of its holder. */
export interface AnchoredHolder {
	readonly anchorId: TrustAnchorId;
	readonly partnerId: PartnerId;
	/** The names by which it may stand for a client, as `anchoredName` writes them. */
	readonly names: readonly string[];
	/** The certificates of its path and who signed them, the holder's own first, for their revocation. */
	readonly links: readonly SignedLink[];
}

/** The name of a client below an anchor: exact, and the anchor is a part of it. */
export function anchoredName(anchorId: TrustAnchorId, attribute: SubjectAttribute, value: string): string {
	return `${anchorId} ${attribute} ${value}`;
}
