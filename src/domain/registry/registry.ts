// The registry is the store of what changes at run time. One port per aggregate stands beside its domain;
// this file puts them together and states what a store owes to all of them.
import type { CertificateStore } from '../certificate/certificate-store.ts';
import type { CompromisedKeyStore } from '../certificate/compromised-key-store.ts';
import type { EnrolmentStore } from '../certificate/enrolment-store.ts';
import type { KeySetStore } from '../issuer/key-set-store.ts';
import type { ClientStore } from '../client/client-store.ts';
import type { RotationStore } from '../client/rotation-store.ts';
import type { EventStore } from '../event/event-store.ts';
import type { CredentialStore } from '../client/credential-store.ts';
import type { CredentialUseStore } from '../client/credential-use-store.ts';
import type { PartnerStore } from '../partner/partner-store.ts';
import type { SubscriptionStore } from '../product/subscription-store.ts';
import type { AnchorListStore, TrustAnchorStore } from '../trust-anchor/trust-anchor-store.ts';
import type { RevocationStore } from '../token/revocation-store.ts';
import type { ProtectionKeyStore } from '../token/protection-key-store.ts';
import type { SigningKeyStore } from '../token/signing-key-store.ts';
import type { ChangeFeed } from './change-feed.ts';
import type { IdempotencyStore } from './idempotency-store.ts';
import type { OperatorStore } from './operator-store.ts';

/** All aggregates of one store, seen in one transaction or outside of any. */
export interface Registry {
	readonly partners: PartnerStore;
	readonly clients: ClientStore;
	readonly credentials: CredentialStore;
	readonly certificates: CertificateStore;
	readonly compromisedKeys: CompromisedKeyStore;
	readonly enrolments: EnrolmentStore;
	readonly keySets: KeySetStore;
	readonly rotations: RotationStore;
	readonly trustAnchors: TrustAnchorStore;
	readonly anchorLists: AnchorListStore;
	readonly events: EventStore;
	readonly subscriptions: SubscriptionStore;
	readonly revocations: RevocationStore;
	readonly signingKeys: SigningKeyStore;
	readonly protectionKeys: ProtectionKeyStore;
	readonly operators: OperatorStore;
	readonly credentialUses: CredentialUseStore;
	readonly idempotency: IdempotencyStore;
	readonly changes: ChangeFeed;
}

/**
 * A registry that lasts.
 * - What `transaction` returned is durable: it survives `kill -9` and a power cut.
 * - A transaction whose work throws leaves no trace. Transactions of one store run one after the other.
 */
export interface RegistryStore extends Registry {
	transaction<T>(work: (registry: Registry) => Promise<T>): Promise<T>;
}
