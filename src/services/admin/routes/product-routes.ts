// Routes of products and plans. They come from the configuration, so they can only be read.
import { fault } from '../../../kernel/faults.ts';
import { fail, ok } from '../../../kernel/result.ts';
import { type AdminRouter, addRead, noParams } from '../admin-route.ts';
import {
	planList,
	planParams,
	planSchema,
	productList,
	productParams,
	productSchema,
	writePlan,
	writeProduct,
} from '../wire/subscription-wire.ts';

/** Adds the routes of products and plans. */
export function addProductRoutes(router: AdminRouter): void {
	const { deps } = router;
	addRead(router, {
		path: '/products',
		operationId: 'listProducts',
		tag: 'products',
		summary: 'List the products of the running configuration',
		params: noParams,
		query: noParams,
		answer: { description: 'All products.', schema: productList, hasRevision: false },
		problems: [400],
		read: async () => {
			const catalogue = deps.catalogue();
			return ok({ body: { items: [...catalogue.products.values()].map((each) => writeProduct(each, catalogue)) } });
		},
	});
	addRead(router, {
		path: '/products/{productId}',
		operationId: 'getProduct',
		tag: 'products',
		summary: 'Show a product',
		params: productParams,
		query: noParams,
		answer: { description: 'The product.', schema: productSchema, hasRevision: false },
		problems: [400],
		read: async ({ params }) => {
			const product = deps.catalogue().products.get(params.productId);
			if (product === undefined) return fail(fault('not_found', 'There is no such product.'));
			return ok({ body: writeProduct(product, deps.catalogue()) });
		},
	});
	addRead(router, {
		path: '/plans',
		operationId: 'listPlans',
		tag: 'products',
		summary: 'List the plans of the running configuration',
		params: noParams,
		query: noParams,
		answer: { description: 'All plans.', schema: planList, hasRevision: false },
		problems: [400],
		read: async () => ok({ body: { items: [...deps.catalogue().plans.values()].map(writePlan) } }),
	});
	addRead(router, {
		path: '/plans/{planId}',
		operationId: 'getPlan',
		tag: 'products',
		summary: 'Show a plan',
		params: planParams,
		query: noParams,
		answer: { description: 'The plan.', schema: planSchema, hasRevision: false },
		problems: [400],
		read: async ({ params }) => {
			const plan = deps.catalogue().plans.get(params.planId);
			return plan === undefined ? fail(fault('not_found', 'There is no such plan.')) : ok({ body: writePlan(plan) });
		},
	});
}
