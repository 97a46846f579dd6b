// The ordered feed of what changed: one small message per changed record, in commit order. Gateways keep
// their snapshot current from it, however many records there are.
import type { AuthorityAdded } from '../certificate/authority.ts';
import type { CertificateStatus } from '../certificate/certificate.ts';
import type { Client } from '../client/client.ts';
import type { Credential } from '../client/credential.ts';
import type { Partner } from '../partner/partner.ts';
import type { Subscription } from '../product/subscription.ts';
import type { AnchorList, TrustAnchor } from '../trust-anchor/trust-anchor.ts';
import type { TokenRevocation } from '../token/revocation-store.ts';
import type { ProtectionKeyRecord } from '../token/protection-key.ts';
import type { SigningKeyRecord } from '../token/signing-key.ts';

/** One changed record, whole. */
export type RegistryChange =
	| { readonly kind: 'partner'; readonly record: Partner }
	| { readonly kind: 'client'; readonly record: Client }
	| { readonly kind: 'credential'; readonly record: Credential }
	| { readonly kind: 'certificate'; readonly record: CertificateStatus }
	| { readonly kind: 'authority'; readonly record: AuthorityAdded }
	| { readonly kind: 'subscription'; readonly record: Subscription }
	| { readonly kind: 'token-revocation'; readonly record: TokenRevocation }
	| { readonly kind: 'trust-anchor'; readonly record: TrustAnchor }
	| { readonly kind: 'anchor-list'; readonly record: AnchorList }
	| { readonly kind: 'signing-key'; readonly record: SigningKeyRecord }
	| { readonly kind: 'protection-key'; readonly record: ProtectionKeyRecord };

export interface NumberedChange {
	/** Rises by commit order, without reuse; gaps are allowed. */
	readonly sequence: number;
	readonly change: RegistryChange;
}

export interface ChangeFeed {
	/** Adds a change; call it in the transaction that makes the change. Resolves with its sequence. */
	append(change: RegistryChange): Promise<number>;
	/** Changes after `sequence`, in order, at most `limit`. */
	after(sequence: number, limit: number): Promise<readonly NumberedChange[]>;
	/** The highest sequence so far; 0 when there is none. */
	latest(): Promise<number>;
	/** Forgets changes up to and including `sequence`. `latest` never falls. */
	prune(sequence: number): Promise<void>;
}
