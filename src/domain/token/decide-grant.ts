// Decides what a token request is granted: one resource, some scopes, a lifetime. A grant never exceeds the client's
// active subscriptions: their products name the scopes, their operations the APIs, their plans the lifetime.
// RFC 6749 §3.3 (scope), RFC 8707 §2 (resource).
import { type Fault, fault } from '../../kernel/faults.ts';
import { fail, ok, type Result } from '../../kernel/result.ts';
import type { Catalogue } from '../product/catalogue.ts';
import { type ClientChoices, isServedUnder } from '../product/choose-plan.ts';
import type { Plan, Product } from '../product/product.ts';
import type { Subscription } from '../product/subscription.ts';
import type { TokenFormat } from './access-token.ts';
import { parseScope } from './scope.ts';

/** The resources that each product of a catalogue gives access to, worked out once per catalogue. */
export interface ProductResources {
	readonly catalogue: Catalogue;
	readonly resourcesByProduct: ReadonlyMap<string, ReadonlySet<string>>;
	/** How tokens for each resource are written. */
	readonly formatByResource: ReadonlyMap<string, TokenFormat>;
}

/** What the client asked for. Undefined = the parameter was absent or empty (RFC 6749 §3.2). */
export interface RequestedGrant {
	readonly scope: string | undefined;
	readonly resource: string | undefined;
}

/** What it gets. */
export interface DecidedGrant {
	readonly resource: string;
	/** Distinct, at least one, in the order of the request or of the products. */
	readonly scopes: readonly string[];
	/** The shortest token lifetime of the plans that a granted scope comes from. */
	readonly ttlSeconds: number;
}

interface Offer {
	readonly product: Product;
	readonly plan: Plan;
	readonly resources: ReadonlySet<string>;
}

/** Works out which resources the operations of each product belong to. */
export function indexProductResources(catalogue: Catalogue): ProductResources {
	const resourceByOperation = new Map<string, string>();
	for (const api of catalogue.apis) {
		for (const operation of api.operations) resourceByOperation.set(operation.key, api.resource);
	}
	const resourcesByProduct = new Map<string, ReadonlySet<string>>();
	for (const product of catalogue.products.values()) {
		const resources = new Set<string>();
		for (const key of product.operations) {
			const resource = resourceByOperation.get(key);
			if (resource !== undefined) resources.add(resource);
		}
		resourcesByProduct.set(product.id, resources);
	}
	const formatByResource = new Map(catalogue.apis.map((api) => [api.resource, api.tokenFormat]));
	return { catalogue, resourcesByProduct, formatByResource };
}

/**
 * Decides the grant from the client's active subscriptions. Faults: `oauth_unauthorized_client` when there is nothing
 * to grant, `oauth_invalid_target`, `oauth_invalid_scope`.
 */
export function decideGrant(
	requested: RequestedGrant,
	client: ClientChoices,
	subscriptions: Iterable<Subscription>,
	index: ProductResources,
): Result<DecidedGrant, Fault> {
	const offers = offersOf(client, subscriptions, index);
	if (offers.length === 0) {
		return fail(fault('oauth_unauthorized_client', 'The client has no active subscription. Ask the provider for one.'));
	}
	const resource = chooseResource(requested.resource, offers);
	if (!resource.ok) return resource;
	return chooseScopes(
		requested.scope,
		resource.value,
		offers.filter((offer) => offer.resources.has(resource.value)),
	);
}

/** Gives the keys of the operations that the subscriptions of a client to a resource cover. */
export function coveredOperations(
	resource: string,
	client: ClientChoices,
	subscriptions: Iterable<Subscription>,
	index: ProductResources,
): ReadonlySet<string> {
	const offers = offersOf(client, subscriptions, index).filter((offer) => offer.resources.has(resource));
	return new Set(offers.flatMap(({ product }) => product.operations));
}

/**
 * Gives the scopes that the subscriptions of a client to a resource cover; undefined when none of them covers the resource.
 */
export function coveredScopes(
	resource: string,
	client: ClientChoices,
	subscriptions: Iterable<Subscription>,
	index: ProductResources,
): ReadonlySet<string> | undefined {
	const offers = offersOf(client, subscriptions, index).filter((offer) => offer.resources.has(resource));
	return offers.length === 0 ? undefined : new Set(offers.flatMap(({ product }) => product.scopes));
}

/**
 * A subscription whose product or plan has left the catalogue grants nothing, nor does one whose plan demands more
 * assurance than the client can give.
 */
function offersOf(client: ClientChoices, subscriptions: Iterable<Subscription>, index: ProductResources): Offer[] {
	const offers: Offer[] = [];
	for (const { productId, planId } of subscriptions) {
		const product = index.catalogue.products.get(productId);
		const plan = index.catalogue.plans.get(planId);
		const resources = index.resourcesByProduct.get(productId);
		if (product === undefined || plan === undefined || resources === undefined) continue;
		if (isServedUnder(client, plan)) offers.push({ product, plan, resources });
	}
	return offers;
}

/** INVARIANT: the resource is compared byte for byte; no prefix, case or URL rule makes two resources one. */
function chooseResource(requested: string | undefined, offers: readonly Offer[]): Result<string, Fault> {
	if (requested !== undefined) {
		if (offers.some((offer) => offer.resources.has(requested))) return ok(requested);
		return fail(fault('oauth_invalid_target', 'The resource is not one that the subscriptions of this client cover.'));
	}
	let only: string | undefined;
	for (const offer of offers) {
		for (const resource of offer.resources) {
			if (only !== undefined && only !== resource) {
				return fail(
					fault('oauth_invalid_target', 'Name one resource: the subscriptions of this client cover several.'),
				);
			}
			only = resource;
		}
	}
	if (only === undefined) {
		return fail(fault('oauth_invalid_target', 'The subscriptions of this client cover no resource.'));
	}
	return ok(only);
}

function chooseScopes(
	requested: string | undefined,
	resource: string,
	offers: readonly Offer[],
): Result<DecidedGrant, Fault> {
	const ttlByScope = new Map<string, number>();
	for (const { product, plan } of offers) {
		for (const scope of product.scopes) {
			ttlByScope.set(scope, Math.min(ttlByScope.get(scope) ?? plan.tokenTtlSeconds, plan.tokenTtlSeconds));
		}
	}
	const scopes = requested === undefined ? new Set(ttlByScope.keys()) : parseScope(requested);
	if (scopes === undefined) {
		return fail(fault('oauth_invalid_scope', 'The scope must be scope names of RFC 6749, with single spaces between.'));
	}
	let ttlSeconds = Number.POSITIVE_INFINITY;
	for (const scope of scopes) {
		const scopeTtl = ttlByScope.get(scope);
		if (scopeTtl === undefined) {
			return fail(
				fault('oauth_invalid_scope', 'A scope is not covered by the subscriptions of this client to this resource.'),
			);
		}
		ttlSeconds = Math.min(ttlSeconds, scopeTtl);
	}
	if (scopes.size === 0) {
		return fail(fault('oauth_invalid_scope', 'The subscriptions of this client to this resource cover no scope.'));
	}
	return ok({ resource, scopes: [...scopes], ttlSeconds });
}
