// What the gateway decides from: the configuration compiled once into maps and closures, and the directory of live records.
// A request parses nothing but itself and scans nothing; a route pays only for the stages that it uses.
import type { ApiVersion } from '../../domain/api/api.ts';
import type { RequestMetrics } from '../../domain/api/request-metrics.ts';
import { renderResourceMetadata } from '../../domain/api/resource-metadata.ts';
import { createRouteTable, type RouteTable } from '../../domain/api/route-table.ts';
import type { UpstreamClient } from '../../domain/api/upstream-client.ts';
import type { AuditSink } from '../../domain/ledger/audit-sink.ts';
import type { LimitCounter } from '../../domain/limit/limit-counter.ts';
import { type CompiledLimits, compileLimits } from '../../domain/limit/spend-limit.ts';
import type { SourceProtection } from '../../domain/network/request-origin.ts';
import type { AuthorizationDetailType } from '../../domain/policy/authorization-detail.ts';
import { compileDetailPolicy } from '../../domain/policy/detail-policy.ts';
import { areGranted, type CompiledGrants, compileGrants } from '../../domain/policy/authorize-resource.ts';
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
import { createPooledRandom } from '../../kernel/pooled-random.ts';
import type { Random } from '../../kernel/random.ts';
import { fail, ok, type Result } from '../../kernel/result.ts';
import { compileRoute, type GatewayRoute } from './compile-route.ts';
import { OpenStreams } from './open-streams.ts';
import { judgeStream } from './rejudge-stream.ts';

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
interface ProductRights {
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

/** Compiles the context. Fails, naming the operation, when a contract or a mask cannot be compiled. */
export function createGatewayContext(deps: GatewayDependencies): Result<GatewayContext, string> {
	const { catalogue } = deps;
	const details = compileDetailPolicy(deps.detailTypes);
	if (!details.ok) return details;
	const indexes = new Map([...catalogue.operations.keys()].map((key, index) => [key, index]));
	const compiled = new Map<string, GatewayRoute>();
	for (const api of catalogue.apis) {
		const upstream = deps.upstreamOf(api);
		for (const operation of api.operations) {
			const route = compileRoute(api, operation, {
				upstream,
				index: indexes.get(operation.key) ?? 0,
				details: details.value.ruleOf(operation.key),
			});
			if (!route.ok) return fail(`${operation.key}: ${route.fault}`);
			compiled.set(operation.key, route.value);
		}
	}
	const routes = createRouteTable(catalogue.apis, (_api, operation) => compiled.get(operation.key) as GatewayRoute);
	if (!routes.ok) return routes;
	const products = new Map<string, ProductRights>();
	for (const [id, product] of catalogue.products) {
		products.set(id, { operations: new Set(product.operations), scopes: new Set(product.scopes) });
	}
	const context: GatewayContext = {
		...deps,
		resourceMetadata: renderResourceMetadata(catalogue.apis, deps.issuer, deps.detailTypes),
		streams: new OpenStreams(deps.tick, (exchange) => judgeStream(exchange, context)),
		// Trace and span ids, the only thing that the stages draw, are no secrets.
		random: createPooledRandom(deps.random),
		routes: routes.value,
		products,
		plans: catalogue.plans,
		grants: createGrants(),
		limits: createLimits(deps),
	};
	return ok(context);
}

/** Compiled once per record: a changed subscription is another record, so that nothing old is ever asked. */
function createGrants(): GatewayContext['grants'] {
	const compiled = new WeakMap<Subscription, CompiledGrants>();
	return {
		areGranted(subscription, resources) {
			if (resources.length === 0) return true;
			let grants = compiled.get(subscription);
			if (grants === undefined) {
				grants = compileGrants(subscription.grants);
				compiled.set(subscription, grants);
			}
			return areGranted(grants, resources);
		},
	};
}

function createLimits(deps: GatewayDependencies): GatewayContext['limits'] {
	const compiled = new WeakMap<Subscription, CompiledLimits>();
	const ofKeys = new WeakMap<Subscription, WeakMap<ApiKeyCredential, CompiledLimits>>();
	const ofPlan = (subscription: Subscription): CompiledLimits | undefined => {
		let limits = compiled.get(subscription);
		if (limits !== undefined) return limits;
		const plan = deps.catalogue.plans.get(subscription.planId);
		if (plan === undefined) return undefined;
		const { partnerId, clientId, id: subscriptionId } = subscription;
		limits = compileLimits(plan.limits, { partnerId, clientId, subscriptionId });
		compiled.set(subscription, limits);
		return limits;
	};
	return {
		counter: deps.limitCounter,
		of(subscription, apiKey) {
			const plan = ofPlan(subscription);
			if (apiKey === undefined || plan === undefined) return plan;
			const known = ofKeys.get(subscription)?.get(apiKey);
			if (known !== undefined) return known;
			const own = compileKeyLimits(apiKey);
			const policyField = [plan.policyField, own.policyField].filter((field) => field !== '').join(', ');
			const limits = { limits: [...plan.limits, ...own.limits], policyField };
			const ofSubscription = ofKeys.get(subscription) ?? new WeakMap<ApiKeyCredential, CompiledLimits>();
			ofKeys.set(subscription, ofSubscription.set(apiKey, limits));
			return limits;
		},
	};
}

/** The limits of one key count the requests of this key, under names of their own in the RateLimit fields. */
function compileKeyLimits({ id, clientId, partnerId, limits }: ApiKeyCredential): CompiledLimits {
	const rules = limits.map((rule) => ({ ...rule, name: `key-${rule.name}`, per: 'subscription' as const }));
	return compileLimits(rules, { partnerId, clientId, subscriptionId: id });
}
