// What the admin API is given. It never opens a store, a socket or a file by itself.
import type { Connection } from '../../domain/certificate/connection.ts';
import type { Authorities, AuthoritySet } from '../../domain/certificate/authority.ts';
import type { Profiles } from '../../domain/certificate/profile.ts';
import type { ExternalIssuer } from '../../domain/issuer/external-issuer.ts';
import type { KeySetState } from '../../domain/issuer/key-set-keeper.ts';
import type { AuditSink } from '../../domain/ledger/audit-sink.ts';
import type { LedgerReader } from '../../domain/ledger/ledger-reader.ts';
import type { Catalogue } from '../../domain/product/catalogue.ts';
import type { ChangePublisher } from '../../domain/registry/change-publisher.ts';
import type { KeyStore } from '../../domain/registry/key-store.ts';
import type { RegistryStore } from '../../domain/registry/registry.ts';
import type { JwsAlgorithm } from '../../domain/token/jws-verify.ts';
import type { RemoteSigningKeys } from '../../domain/token/remote-signing-key.ts';
import type { SigningKeyPolicies } from '../../domain/token/signing-key-keeper.ts';
import type { CutScope } from '../../domain/token/token-cut.ts';
import type { Clock } from '../../kernel/clock.ts';
import type { Log } from '../../kernel/log.ts';
import type { Random } from '../../kernel/random.ts';

export interface AdminDependencies {
	readonly store: RegistryStore;
	/** Where the private halves of new signing keys go. */
	readonly keys: KeyStore;
	/** Signing keys that lie elsewhere. Default: all keys are made here. */
	readonly remoteSigningKeys?: RemoteSigningKeys;
	readonly signingKeyPolicies: SigningKeyPolicies;
	/** The external issuers of the running configuration. */
	readonly issuers: readonly ExternalIssuer[];
	/** How a key set stands that is fetched for an owner: an issuer, or a credential. */
	readonly keySetOf: (owner: string) => KeySetState | undefined;
	/** What client assertions may be signed with; the classical algorithms when absent. */
	readonly assertionAlgorithms?: readonly JwsAlgorithm[];
	/** The catalogue of the running configuration. */
	readonly catalogue: () => Catalogue;
	readonly authorities: Authorities & Pick<AuthoritySet, 'isPrepared' | 'prepare' | 'planRetirement'>;
	/** The certificate profiles of the running configuration. */
	readonly profiles: Profiles;
	/** SPIFFE trust domain, such as `bank.example`. */
	readonly trustDomain: string;
	readonly publisher: ChangePublisher;
	/** The latest cut that concerns any token of a scope: `Directory.latestTokenCut`. */
	readonly latestTokenCut: (scope: CutScope) => number;
	readonly audit: AuditSink;
	readonly ledger: LedgerReader;
	readonly clock: Clock;
	readonly random: Random;
	/** Makes the id of a new request. */
	readonly requestId: () => string;
	/** Host names (lower case, no port) that the admin API answers to; others are refused with 421. */
	readonly hosts: readonly string[];
	/** Web origins, such as `https://localhost:8445`, that a browser may call from. Empty: none. */
	readonly origins: readonly string[];
	readonly log: Log;
}

/** What the platform knows of the connection that a request came on. */
export interface AdminBindings {
	readonly connection: Connection;
}
