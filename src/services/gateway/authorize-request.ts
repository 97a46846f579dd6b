// Stage authorizeRequest: may this client call this operation on these resources? It needs an active subscription to a
// product that holds the operation, every scope of the operation in the token and in the product, and every resource
// that path and query name in the subscription's grants. What is not granted is denied.
import type { RequestedResource } from '../../domain/policy/resource-grant.ts';
import type { Subscription } from '../../domain/product/subscription.ts';
import { type Fault, fault } from '../../kernel/faults.ts';
import type { Exchange, Principal } from './exchange.ts';
import type { GatewayRoute } from './compile-route.ts';
import type { GatewayContext } from './snapshot.ts';

/** Authorizes operation, scopes, and the resources that path and query name; fills `subscription` and `resources`. */
export function authorizeRequest(exchange: Exchange, context: GatewayContext): Fault | undefined {
	const route = exchange.route as GatewayRoute;
	const { token, client } = exchange.principal as Principal;
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
	return chooseSubscription(exchange, context, route, context.directory.subscriptions(client.id), resources);
}

/** The first subscription that covers the operation and every resource is the one that the request is made under. */
function chooseSubscription(
	exchange: Exchange,
	context: GatewayContext,
	route: GatewayRoute,
	candidates: Iterable<Subscription>,
	resources: readonly RequestedResource[],
): Fault | undefined {
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
