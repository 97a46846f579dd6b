// Stage authorizeBody: resources that the body names are judged as soon as the body has been held to the contract,
// before anything is forwarded. The subscription that the request was authorized under must grant them all.
import type { Subscription } from '../../domain/product/subscription.ts';
import { type Fault, fault } from '../../kernel/faults.ts';
import { detailsMissing } from './authorize-request.ts';
import type { Exchange } from './exchange.ts';
import type { GatewayRoute } from './gateway-route.ts';
import type { GatewayContext } from './gateway-context.ts';

/** Authorizes the resources that the body names, and what it asks for, by the details of the token. */
export function authorizeBody(exchange: Exchange, context: GatewayContext): Fault | undefined {
	const { readBodyResources, details } = exchange.route as GatewayRoute;
	if (readBodyResources !== undefined) {
		const refused = authorizeBodyResources(exchange, context, readBodyResources);
		if (refused !== undefined) return refused;
	}
	if (details?.permitBody === undefined) return undefined;
	const { authorizationDetails, bodyValue, resources } = exchange;
	exchange.authorizationDetails = details.permitBody(authorizationDetails, bodyValue, resources);
	return exchange.authorizationDetails.length === 0 ? detailsMissing() : undefined;
}

function authorizeBodyResources(
	exchange: Exchange,
	context: GatewayContext,
	readBodyResources: NonNullable<GatewayRoute['readBodyResources']>,
): Fault | undefined {
	const resources = readBodyResources(exchange.bodyValue);
	if (resources === undefined) {
		return fault('resource_denied', 'The body names no resource where one is required.');
	}
	if (!context.grants.areGranted(exchange.subscription as Subscription, resources)) {
		return fault('resource_denied', 'The subscription does not cover the resource that the body names.');
	}
	exchange.resources = [...exchange.resources, ...resources];
	return undefined;
}
