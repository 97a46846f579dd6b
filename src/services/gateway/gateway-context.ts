// What the stages are given beside the exchange, and what that is made from.
import type { ApiVersion } from '../../domain/api/api.ts';
import type { RequestMetrics } from '../../domain/api/request-metrics.ts';
import type { RouteTable } from '../../domain/api/route-table.ts';
import type { UpstreamClient } from '../../domain/api/upstream-client.ts';
import type { AuditSink } from '../../domain/ledger/audit-sink.ts';
import type { LimitCounter } from '../../domain/limit/limit-counter.ts';
import type { CompiledLimits } from '../../domain/limit/spend-limit.ts';
import type { SourceProtection } from '../../domain/network/request-origin.ts';
import type { AuthorizationDetailType } from '../../domain/policy/authorization-detail.ts';
import type { RequestedResource } from '../../domain/policy/resource-grant.ts';
import type { CredentialUses } from '../../domain/client/credential-uses.ts';
import type { ApiKeyCredential } from '../../domain/client/credential.ts';
import type { Plan } from '../../domain/product/product.ts';
import type { Catalogue } from '../../domain/product/catalogue.ts';
import type { Subscription } from '../../domain/product/subscription.ts';
import type { Directory } from '../../domain/registry/directory.ts';
import type { DpopNonces } from '../../domain/token/dpop-nonce.ts';
import type { DpopVerifier } from '../../domain/token/dpop-proof.ts';
import type { ReplayGuard } from '../../domain/token/replay-guard.ts';
import type { AccessTokenVerifier } from '../../domain/token/verify-access-token.ts';
import type { AssertionMinter } from '../../domain/token/assertion.ts';
import type { Clock } from '../../kernel/clock.ts';
import type { Log } from '../../kernel/log.ts';
import type { Random } from '../../kernel/random.ts';
import type { GatewayRoute } from './gateway-route.ts';
import type { OpenStreams } from './open-streams.ts';

/** What DPoP proofs are judged with. */
export interface DpopGuard {
	readonly verifier: DpopVerifier;
	readonly nonces: DpopNonces;
	/** Whether every proof must hold a nonce of the gateway; each answer then tells the current one. */
	readonly isNonceRequired: boolean;
	readonly replays: ReplayGuard;
}

export interface GatewayDependencies {
	/** The authorization server that tokens come from. */
	readonly issuer: string;
	readonly catalogue: Catalogue;
	/** Types of authorization details that operations demand. */
	readonly detailTypes: readonly AuthorizationDetailType[];
	readonly directory: Directory;
	/** Accepted Host values, lower case, each with the name that the TLS server name must equal. */
	readonly hosts: ReadonlyMap<string, string>;
	/** Names that the certificate of a connection without a TLS server name does not hold. */
	readonly namesOfOtherCertificates: ReadonlySet<string>;
	/** Whether the authority with this key identifier still stands behind certificates of clients. */
	readonly trustsAuthority: (keyId: string) => boolean;
	readonly tokens: AccessTokenVerifier;
	readonly dpop: DpopGuard;
	readonly assertions: AssertionMinter;
	readonly limitCounter: LimitCounter;
	readonly upstreamOf: (api: ApiVersion) => UpstreamClient;
	readonly sources: SourceProtection;
	/** Told which credentials are used. */
	readonly uses: CredentialUses;
	readonly audit: AuditSink;
	readonly metrics: RequestMetrics;
	readonly clock: Clock;
	/** Monotonic milliseconds with a fraction, for latencies. */
	readonly tick: () => number;
	readonly random: Random;
	readonly newRequestId: () => string;
	readonly log: Log;
}

/** A product as decisions need it. */
export interface ProductRights {
	readonly operations: ReadonlySet<string>;
	readonly scopes: ReadonlySet<string>;
}

/** What every stage is given beside the exchange. */
export interface GatewayContext
	extends Omit<GatewayDependencies, 'catalogue' | 'detailTypes' | 'issuer' | 'upstreamOf' | 'limitCounter'> {
	readonly streams: OpenStreams;
	/** Metadata of the resources, by `<authority><path>`. */
	readonly resourceMetadata: ReadonlyMap<string, string>;
	readonly routes: RouteTable<GatewayRoute>;
	readonly products: ReadonlyMap<string, ProductRights>;
	readonly plans: ReadonlyMap<string, Plan>;
	readonly grants: {
		/** Whether a subscription covers all of these resources. */
		areGranted(subscription: Subscription, resources: readonly RequestedResource[]): boolean;
	};
	readonly limits: {
		readonly counter: LimitCounter;
		/** The limits of a subscription, and of an API key; undefined when the plan is not offered any more. */
		of(subscription: Subscription, apiKey: ApiKeyCredential | undefined): CompiledLimits | undefined;
	};
}
