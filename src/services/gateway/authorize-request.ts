// Stage authorizeRequest: may this client call this operation on these resources? It needs an active subscription to a
// product that holds the operation, every scope of the operation in the token and in the product, and every resource
// that path and query name in the subscription's grants. What is not granted is denied.
import type { CallerProof } from '../../domain/api/api.ts';
import { isLowAssurance } from '../../domain/client/authentication-method.ts';
import type { Client } from '../../domain/client/client.ts';
import type { Plan } from '../../domain/product/product.ts';
import type { RequestedResource } from '../../domain/policy/resource-grant.ts';
import type { Subscription } from '../../domain/product/subscription.ts';
import { type Fault, fault } from '../../kernel/faults.ts';
import type { Exchange, Principal } from './exchange.ts';
import type { GatewayRoute } from './gateway-route.ts';
import type { GatewayContext } from './gateway-context.ts';

/** Authorizes operation, scopes, and the resources that path and query name; fills `subscription` and `resources`. */
export function authorizeRequest(exchange: Exchange, context: GatewayContext): Fault | undefined {
	const route = exchange.route as GatewayRoute;
	const { token, client, proof } = exchange.principal as Principal;
	for (const scope of route.operation.scopes) {
		if (!token.scopes.has(scope)) {
			return fault('insufficient_scope', `This operation needs the scope ${route.operation.scopes.join(' ')}.`, {
				members: { scope: route.operation.scopes.join(' ') },
			});
		}
	}
	const resources = route.readTargetResources(exchange);
	if (resources === undefined) {
		return fault(
			'resource_denied',
			'The request names no resource, or names it more than once, where one is required.',
		);
	}
	exchange.resources = resources;
	if (route.details !== undefined) {
		// SECURITY: what the token was narrowed to holds whatever its scopes say. test/attack/authorization-details.test.ts
		const permitting = route.details.permitTarget(token.authorizationDetails, route.api.resource, resources);
		if (permitting.length === 0) return detailsMissing();
		exchange.authorizationDetails = permitting;
	}
	const candidates = context.directory.subscriptions(client.id);
	const isPermitted = permissionFor(proof, client, route.operation.method);
	return chooseSubscription(exchange, context, { route, candidates, resources, isPermitted });
}

const ALWAYS = (): boolean => true;
const IF_LOW = (plan: Plan | undefined): boolean => plan?.assurance === 'low';
const IF_KEYS = (plan: Plan | undefined): boolean => plan?.apiKeys === 'all';
const IF_KEYS_READ = (plan: Plan | undefined): boolean => plan?.apiKeys === 'all' || plan?.apiKeys === 'read-only';

/** SECURITY: what anybody can use who reads it opens only what a plan says it may. test/attack/dpop.test.ts, api-key.test.ts */
function permissionFor(proof: CallerProof, client: Client, method: string): (plan: Plan | undefined) => boolean {
	if (proof === 'api-key') return method === 'GET' || method === 'HEAD' ? IF_KEYS_READ : IF_KEYS;
	return proof === 'bearer' || isLowAssurance(client) ? IF_LOW : ALWAYS;
}

/** The fault of a token whose authorization details do not permit the request. */
export function detailsMissing(): Fault {
	return fault(
		'insufficient_authorization_details',
		'Ask for a token whose authorization_details permit exactly this: operation, resource and values.',
	);
}

/** The first subscription that covers the operation and every resource is the one that the request is made under. */
function chooseSubscription(
	exchange: Exchange,
	context: GatewayContext,
	asked: {
		readonly route: GatewayRoute;
		readonly candidates: Iterable<Subscription>;
		readonly resources: readonly RequestedResource[];
		/** Whether a plan is content with how the caller proved itself. */
		readonly isPermitted: (plan: Plan | undefined) => boolean;
	},
): Fault | undefined {
	const { route, candidates, resources, isPermitted } = asked;
	let refusal: Fault | undefined;
	for (const subscription of candidates) {
		const product = context.products.get(subscription.productId);
		if (product === undefined || !product.operations.has(route.operation.key)) continue;
		if (!route.operation.scopes.every((scope) => product.scopes.has(scope))) continue;
		if (subscription.stage === 'sandbox') {
			refusal ??= fault(
				'subscription_missing',
				'The subscription is at the stage sandbox; this gateway serves production.',
			);
			continue;
		}
		if (!isPermitted(context.plans.get(subscription.planId))) {
			refusal ??= fault(
				'proof_too_weak',
				'The plan of this subscription asks for more: a token that is bound to a key.',
			);
			continue;
		}
		if (context.grants.areGranted(subscription, resources)) {
			exchange.subscription = subscription;
			return undefined;
		}
		refusal = fault('resource_denied', 'The subscription does not cover the resource that this request names.');
	}
	return (
		refusal ?? fault('subscription_missing', 'The client has no active subscription to a product with this operation.')
	);
}
