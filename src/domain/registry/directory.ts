// The registry as decisions see it: all live records in memory, indexed for constant-time look-ups and kept
// current by the change feed, one record per change. The gateway threads and the authorization server each
// hold one; none of them asks the store on a request.
import type { CertificateId, ClientId, CredentialId, PartnerId, SubscriptionId } from '../../kernel/ids.ts';
import type { Client } from '../client/client.ts';
import {
	type AnchoredCertificateCredential,
	type ApiKeyCredential,
	type Credential,
	type CredentialKind,
	credentialEndMs,
	type ExternalClientCredential,
	type ThumbprintCredential,
} from '../client/credential.ts';
import type { Partner } from '../partner/partner.ts';
import type { Subscription } from '../product/subscription.ts';
import { TOKEN_LIFE_SECONDS_MAX } from '../token/revoke-token.ts';
import { REVOCATION_MARGIN_SECONDS } from '../token/token-lifetime.ts';
import { type CutScope, readTokenCut } from '../token/token-cut.ts';
import type { TokenRevocation } from '../token/revocation-store.ts';
import type { ProtectionKeyRecord } from '../token/protection-key.ts';
import { ProtectionKeyIndex } from '../token/protection-key-index.ts';
import type { SigningKeyRecord } from '../token/signing-key.ts';
import { SigningKeyIndex } from '../token/signing-key-index.ts';
import type { AnchorList, TrustAnchor } from '../trust-anchor/trust-anchor.ts';
import { TrustAnchorIndex } from '../trust-anchor/trust-anchor-index.ts';
import type { NumberedChange, RegistryChange } from './change-feed.ts';

/** Everything a directory starts from, as of `sequence` of the change feed. */
export interface DirectoryState {
	readonly sequence: number;
	readonly partners: readonly Partner[];
	readonly clients: readonly Client[];
	readonly credentials: readonly Credential[];
	readonly subscriptions: readonly Subscription[];
	readonly tokenRevocations: readonly TokenRevocation[];
	/** The published ones. */
	readonly signingKeys: readonly SigningKeyRecord[];
	readonly trustAnchors?: readonly TrustAnchor[];
	readonly anchorLists?: readonly AnchorList[];
	/** The live ones; absent: encrypted and opaque tokens do not open. */
	readonly protectionKeys?: readonly ProtectionKeyRecord[];
}

const NONE: readonly Credential[] = [];
const CUT_SECONDS_MAX = TOKEN_LIFE_SECONDS_MAX + REVOCATION_MARGIN_SECONDS;

export class Directory {
	readonly #partners = new Map<PartnerId, Partner>();
	readonly #clients = new Map<ClientId, Client>();
	readonly #credentials = new Map<CredentialId, Credential>();
	readonly #credentialsByThumbprint = new Map<string, ThumbprintCredential>();
	readonly #credentialsByCertificate = new Map<CertificateId, Credential>();
	/** Active ones by the name that is compared. */
	readonly #anchoredByName = new Map<string, AnchoredCertificateCredential>();
	readonly #apiKeysByHash = new Map<string, ApiKeyCredential>();
	/** By issuer and id of the client there: the link that is active, or the last one that was. */
	readonly #externalClients = new Map<string, ExternalClientCredential>();
	/** The active credentials of each client, oldest first. Most clients have one or two. */
	readonly #credentialsByClient = new Map<ClientId, readonly Credential[]>();
	readonly #subscriptions = new Map<ClientId, Map<SubscriptionId, Subscription>>();
	/** From jti to the second after which the revocation no longer matters. */
	readonly #revokedTokens = new Map<string, number>();
	readonly #signingKeys = new SigningKeyIndex();
	readonly #trustAnchors = new TrustAnchorIndex();
	readonly #protectionKeys = new ProtectionKeyIndex();
	/** From platform, partner or client to the second before which no token of theirs may have been issued. */
	readonly #cuts = new Map<CutScope, number>();
	#sequence: number;

	constructor(state: DirectoryState) {
		for (const record of state.partners) this.#apply({ kind: 'partner', record });
		for (const record of state.clients) this.#apply({ kind: 'client', record });
		for (const record of state.credentials) this.#apply({ kind: 'credential', record });
		for (const record of state.subscriptions) this.#apply({ kind: 'subscription', record });
		for (const record of state.tokenRevocations) this.#apply({ kind: 'token-revocation', record });
		for (const record of state.signingKeys) this.#apply({ kind: 'signing-key', record });
		for (const record of state.trustAnchors ?? []) this.#apply({ kind: 'trust-anchor', record });
		for (const record of state.anchorLists ?? []) this.#apply({ kind: 'anchor-list', record });
		for (const record of state.protectionKeys ?? []) this.#apply({ kind: 'protection-key', record });
		this.#sequence = state.sequence;
	}

	/** The change up to which this directory is current. */
	get sequence(): number {
		return this.#sequence;
	}

	/** Applies one change. A change that is already in (its sequence is not higher) is passed over. */
	apply(numbered: NumberedChange): void {
		if (numbered.sequence <= this.#sequence) return;
		this.#apply(numbered.change);
		this.#sequence = numbered.sequence;
	}

	/** Everything in it, to start another directory from. Ended subscriptions are left out: they decide nothing. */
	state(): DirectoryState {
		return {
			sequence: this.#sequence,
			partners: [...this.#partners.values()],
			clients: [...this.#clients.values()],
			credentials: [...this.#credentials.values()],
			subscriptions: [...this.#subscriptions.values()].flatMap((ofClient) => [...ofClient.values()]),
			tokenRevocations: [...this.#revokedTokens].map(([jti, expiresAtSeconds]) => ({
				jti,
				expiresAtSeconds,
				revokedAtMs: 0,
			})),
			signingKeys: this.#signingKeys.records(),
			trustAnchors: this.#trustAnchors.records(),
			anchorLists: this.#trustAnchors.lists(),
			protectionKeys: this.#protectionKeys.records(),
		};
	}

	partner(id: PartnerId): Partner | undefined {
		return this.#partners.get(id);
	}

	client(id: ClientId): Client | undefined {
		return this.#clients.get(id);
	}

	/** All credentials, in no particular order, also those that are revoked or over. */
	credentials(): IteratorObject<Credential, undefined> {
		return this.#credentials.values();
	}

	credential(id: CredentialId): Credential | undefined {
		return this.#credentials.get(id);
	}

	credentialByThumbprint(thumbprint: string): ThumbprintCredential | undefined {
		return this.#credentialsByThumbprint.get(thumbprint);
	}

	credentialByCertificate(id: CertificateId): Credential | undefined {
		return this.#credentialsByCertificate.get(id);
	}

	/** The active credential with this name below an anchor; it may be over. */
	anchoredCredential(name: string): AnchoredCertificateCredential | undefined {
		return this.#anchoredByName.get(name);
	}

	/** The API key whose base64url SHA-256 this is; it may be revoked or over. */
	apiKeyByHash(secretHash: string): ApiKeyCredential | undefined {
		return this.#apiKeysByHash.get(secretHash);
	}

	/** What a client of an external issuer is linked to; it may be revoked or over. */
	externalClient(issuer: string, externalClientId: string): ExternalClientCredential | undefined {
		return this.#externalClients.get(`${issuer} ${externalClientId}`);
	}

	/** Active credentials of a client, oldest first; some may not have begun, or may be over. */
	activeCredentials(client: ClientId): readonly Credential[] {
		return this.#credentialsByClient.get(client) ?? NONE;
	}

	/** Active credentials of one kind, as `activeCredentials`. */
	activeCredentialsOfKind<K extends CredentialKind>(
		client: ClientId,
		kind: K,
	): readonly Extract<Credential, { readonly kind: K }>[] {
		return this.activeCredentials(client).filter(
			(credential): credential is Extract<Credential, { readonly kind: K }> => credential.kind === kind,
		);
	}

	/** Active subscriptions of a client, oldest first. */
	subscriptions(client: ClientId): IteratorObject<Subscription, undefined> {
		return (this.#subscriptions.get(client) ?? new Map<SubscriptionId, Subscription>()).values();
	}

	/** The published signing keys. */
	get signingKeys(): SigningKeyIndex {
		return this.#signingKeys;
	}

	/** The authorities of partners' own. */
	get trustAnchors(): TrustAnchorIndex {
		return this.#trustAnchors;
	}

	/** The live keys that hide tokens. */
	get protectionKeys(): ProtectionKeyIndex {
		return this.#protectionKeys;
	}

	/** Tokens of this client that were issued before this second are refused; 0 when nothing was cut off. */
	tokensNotBeforeSeconds(client: Client): number {
		if (this.#cuts.size === 0) return client.tokensNotBeforeSeconds;
		return Math.max(
			client.tokensNotBeforeSeconds,
			this.#cuts.get('platform') ?? 0,
			this.#cuts.get(client.partnerId) ?? 0,
			this.#cuts.get(client.id) ?? 0,
		);
	}

	/** The latest cut that concerns any token of the scope. For making a cut only: for all but a client it looks at every client. */
	latestTokenCut(scope: CutScope): number {
		const own = this.#clients.get(scope as ClientId);
		if (own !== undefined) return this.tokensNotBeforeSeconds(own);
		let latest = Math.max(this.#cuts.get('platform') ?? 0, this.#cuts.get(scope) ?? 0);
		for (const client of this.#clients.values()) {
			if (scope !== 'platform' && scope !== client.partnerId) continue;
			latest = Math.max(latest, this.tokensNotBeforeSeconds(client));
		}
		return latest;
	}

	isTokenRevoked(jti: string): boolean {
		return this.#revokedTokens.has(jti);
	}

	/** Forgets what has expired: revocations of tokens, credentials, signing keys. Call it now and then. */
	forgetExpired(nowSeconds: number): void {
		for (const [client, credentials] of this.#credentialsByClient) {
			const lasting = credentials.filter((credential) => credentialEndMs(credential) > nowSeconds * 1000);
			if (lasting.length < credentials.length) this.#credentialsByClient.set(client, lasting);
		}
		for (const [jti, expiresAt] of this.#revokedTokens) if (expiresAt < nowSeconds) this.#revokedTokens.delete(jti);
		this.#signingKeys.forgetGone(nowSeconds * 1000);
		this.#protectionKeys.forgetGone(nowSeconds * 1000);
		// A cut that is older than any token decides nothing.
		for (const [scope, cut] of this.#cuts) if (cut + CUT_SECONDS_MAX < nowSeconds) this.#cuts.delete(scope);
	}

	#apply(change: RegistryChange): void {
		switch (change.kind) {
			case 'partner':
				this.#partners.set(change.record.id, change.record);
				return;
			case 'client':
				this.#clients.set(change.record.id, change.record);
				return;
			case 'credential':
				this.#applyCredential(change.record);
				return;
			case 'certificate':
			case 'authority':
				// For whoever publishes revocations; what is decided here follows the credential.
				return;
			case 'subscription':
				this.#applySubscription(change.record);
				return;
			case 'token-revocation':
				this.#applyRevocation(change.record);
				return;
			case 'signing-key':
				this.#signingKeys.apply(change.record);
				return;
			case 'trust-anchor':
				this.#trustAnchors.apply(change.record);
				return;
			case 'anchor-list':
				this.#trustAnchors.applyList(change.record);
				return;
			case 'protection-key':
				this.#protectionKeys.apply(change.record);
				return;
		}
	}

	#applyCredential(credential: Credential): void {
		this.#credentials.set(credential.id, credential);
		if (credential.kind === 'certificate') this.#credentialsByCertificate.set(credential.certificateId, credential);
		if (credential.kind === 'certificate' || credential.kind === 'self-signed-certificate') {
			this.#credentialsByThumbprint.set(credential.thumbprint, credential);
		}
		if (credential.kind === 'anchored-certificate') this.#applyAnchored(credential);
		if (credential.kind === 'api-key') this.#apiKeysByHash.set(credential.secretHash, credential);
		if (credential.kind === 'external-client') this.#applyExternalClient(credential);
		const before = this.#credentialsByClient.get(credential.clientId) ?? NONE;
		const index = before.findIndex((one) => one.id === credential.id);
		if (credential.status !== 'active') {
			if (index >= 0) this.#credentialsByClient.set(credential.clientId, before.toSpliced(index, 1));
		} else if (index >= 0) this.#credentialsByClient.set(credential.clientId, before.with(index, credential));
		else this.#credentialsByClient.set(credential.clientId, [...before, credential]);
	}

	#applyAnchored(credential: AnchoredCertificateCredential): void {
		const { anchoredName: name, id, status } = credential;
		if (status === 'active') this.#anchoredByName.set(name, credential);
		// Another one may have the name by now.
		else if (this.#anchoredByName.get(name)?.id === id) this.#anchoredByName.delete(name);
	}

	#applyExternalClient(link: ExternalClientCredential): void {
		const key = `${link.issuer} ${link.externalClientId}`;
		// INVARIANT: one that is revoked takes the place of no other, in whatever order the records come.
		const before = this.#externalClients.get(key);
		if (link.status === 'active' || before?.status !== 'active' || before.id === link.id) {
			this.#externalClients.set(key, link);
		}
	}

	#applyRevocation(revocation: TokenRevocation): void {
		const { jti, expiresAtSeconds } = revocation;
		// The later expiry counts, as in the store: what was revoked for longer stays revoked for longer.
		this.#revokedTokens.set(jti, Math.max(expiresAtSeconds, this.#revokedTokens.get(jti) ?? 0));
		const cut = readTokenCut(revocation);
		// INVARIANT: a cut never moves back, in whatever order cuts come.
		if (cut !== undefined) this.#cuts.set(cut.scope, Math.max(cut.notBeforeSeconds, this.#cuts.get(cut.scope) ?? 0));
	}

	#applySubscription(subscription: Subscription): void {
		let ofClient = this.#subscriptions.get(subscription.clientId);
		if (subscription.status === 'ended') {
			ofClient?.delete(subscription.id);
			return;
		}
		if (ofClient === undefined) {
			ofClient = new Map();
			this.#subscriptions.set(subscription.clientId, ofClient);
		}
		ofClient.set(subscription.id, subscription);
	}
}
