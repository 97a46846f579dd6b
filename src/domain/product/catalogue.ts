// What is on offer: the APIs, products and plans of the running configuration, indexed for decisions.
import type { ApiVersion, Operation } from '../api/api.ts';
import type { Plan, Product } from './product.ts';

export interface Catalogue {
	readonly apis: readonly ApiVersion[];
	readonly products: ReadonlyMap<string, Product>;
	readonly plans: ReadonlyMap<string, Plan>;
	/** APIs by their resource indicator; several versions may share one. */
	readonly apisByResource: ReadonlyMap<string, readonly ApiVersion[]>;
	/** Operations by `<api>/<version>/<operationId>`. */
	readonly operations: ReadonlyMap<string, Operation>;
}

/** Indexes the parts of a configuration. The configuration has been cross-checked already. */
export function createCatalogue(
	apis: readonly ApiVersion[],
	products: readonly Product[],
	plans: readonly Plan[],
): Catalogue {
	const apisByResource = new Map<string, ApiVersion[]>();
	const operations = new Map<string, Operation>();
	for (const api of apis) {
		apisByResource.set(api.resource, [...(apisByResource.get(api.resource) ?? []), api]);
		for (const operation of api.operations) operations.set(operation.key, operation);
	}
	return {
		apis,
		products: new Map(products.map((product) => [product.id, product])),
		plans: new Map(plans.map((plan) => [plan.id, plan])),
		apisByResource,
		operations,
	};
}
