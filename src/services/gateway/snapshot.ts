// What the gateway decides from: the configuration compiled once into maps and closures, and the directory of live records.
// A request parses nothing but itself and scans nothing; a route pays only for the stages that it uses.
import type { GatewayContext, GatewayDependencies, ProductRights } from './gateway-context.ts';
import { renderResourceMetadata } from '../../domain/api/resource-metadata.ts';
import { createRouteTable } from '../../domain/api/route-table.ts';
import { type CompiledLimits, compileLimits } from '../../domain/limit/spend-limit.ts';
import { compileDetailPolicy } from '../../domain/policy/detail-policy.ts';
import { areGranted, type CompiledGrants, compileGrants } from '../../domain/policy/authorize-resource.ts';
import type { ApiKeyCredential } from '../../domain/client/credential.ts';
import type { Subscription } from '../../domain/product/subscription.ts';
import { createPooledRandom } from '../../kernel/pooled-random.ts';
import { fail, ok, type Result } from '../../kernel/result.ts';
import { compileRoute } from './compile-route.ts';
import type { GatewayRoute } from './gateway-route.ts';
import { OpenStreams } from './open-streams.ts';
import { judgeStream } from './rejudge-stream.ts';

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
