// Wire forms of products, plans and subscriptions.
import { z } from '@hono/zod-openapi';
import type { Catalogue } from '../../../domain/product/catalogue.ts';
import { GRANTED_IDS_MAX, RESOURCE_ID_LENGTH_MAX, resourceTypesOf } from '../../../domain/product/check-grants.ts';
import type { Plan, Product } from '../../../domain/product/product.ts';
import type { Subscription } from '../../../domain/product/subscription.ts';
import type { JsonValue } from '../../../kernel/canonical-json.ts';
import { pageSchema } from './page-wire.ts';
import { idSchema, timeSchema, writeTime } from './value-wire.ts';

/** Bound of a body that carries grants: room for the most ids at their longest. */
export const GRANTS_BODY_BYTES_MAX = 1_572_864;

const RESOURCE_TYPES_MAX = 64;

const catalogueId = z.string().min(1).max(128);

export const productParams = z.strictObject({ productId: catalogueId });

export const planParams = z.strictObject({ planId: catalogueId });

export const productSchema = z
	.object({
		id: z.string(),
		title: z.string(),
		scopes: z.array(z.string()),
		operations: z.array(z.string()).openapi({ description: 'As `<api>/<version>/<operationId>`.' }),
		resourceTypes: z.array(z.string()).openapi({ description: 'What its operations ask about; the keys of grants.' }),
	})
	.openapi('Product');

export const planSchema = z
	.object({
		id: z.string(),
		title: z.string(),
		tokenTtlSeconds: z.int(),
		limits: z.array(
			z.object({
				name: z.string(),
				requests: z.int(),
				windowSeconds: z.int(),
				per: z.enum(['client', 'subscription', 'partner']),
			}),
		),
	})
	.openapi('Plan');

export const productList = z.object({ items: z.array(productSchema) }).openapi('ProductList');

export const planList = z.object({ items: z.array(planSchema) }).openapi('PlanList');

const grantsSchema = z
	.record(
		z.string().min(1).max(64),
		z.union([z.literal('*'), z.array(z.string().min(1).max(RESOURCE_ID_LENGTH_MAX)).max(GRANTED_IDS_MAX)]),
	)
	.refine((grants) => Object.keys(grants).length <= RESOURCE_TYPES_MAX, 'must not have more than 64 resource types')
	.openapi('Grants', {
		description:
			'From resource type to the ids that are granted, or "*" for every id. A type that is absent grants none. ' +
			'At most 10,000 ids in all.',
		example: { account: ['acc-1001', 'acc-1002'] },
	});

const stageSchema = z.enum(['sandbox', 'canary', 'live']).openapi({ description: 'How far the client has come.' });

export const subscriptionParams = z.strictObject({ subscriptionId: idSchema('sub', 'The subscription.') });

export const subscriptionInput = z
	.strictObject({
		productId: catalogueId.openapi({ description: 'A product of the running configuration.' }),
		planId: catalogueId.openapi({ description: 'A plan of the running configuration.' }),
		stage: stageSchema,
		grants: grantsSchema.default({}),
	})
	.openapi('SubscriptionInput');

export const subscriptionChanges = z
	.strictObject({
		planId: catalogueId.optional(),
		stage: stageSchema.optional(),
		grants: grantsSchema.optional().openapi({ description: 'Replaces all grants.' }),
	})
	.refine((changes) => Object.keys(changes).length > 0, 'must change something')
	.openapi('SubscriptionChanges');

export const subscriptionSchema = z
	.object({
		id: idSchema('sub', 'The subscription.'),
		partnerId: idSchema('prt', 'The partner.'),
		clientId: idSchema('cli', 'The client.'),
		productId: z.string(),
		planId: z.string(),
		stage: stageSchema,
		status: z.enum(['active', 'ended']),
		grants: z.record(z.string(), z.union([z.literal('*'), z.array(z.string())])),
		createdAt: timeSchema,
		updatedAt: timeSchema,
		revision: z.int().openapi({ description: 'Counts changes from 1; the ETag.' }),
	})
	.openapi('Subscription');

export const subscriptionPage = pageSchema(subscriptionSchema, 'SubscriptionPage');

/** Writes a product for the wire. */
export function writeProduct(product: Product, catalogue: Catalogue): z.infer<typeof productSchema> {
	return {
		id: product.id,
		title: product.title,
		scopes: [...product.scopes],
		operations: [...product.operations],
		resourceTypes: [...resourceTypesOf(product, catalogue)].sort(),
	};
}

/** Writes a plan for the wire. */
export function writePlan(plan: Plan): z.infer<typeof planSchema> {
	return {
		id: plan.id,
		title: plan.title,
		tokenTtlSeconds: plan.tokenTtlSeconds,
		limits: plan.limits.map(({ name, requests, windowSeconds, per }) => ({ name, requests, windowSeconds, per })),
	};
}

/** Writes a subscription for the wire. */
export function writeSubscription(subscription: Subscription): z.infer<typeof subscriptionSchema> {
	const grants: [string, '*' | string[]][] = Object.entries(subscription.grants).map(([type, ids]) => [
		type,
		ids === '*' ? ids : [...ids],
	]);
	return {
		id: subscription.id,
		partnerId: subscription.partnerId,
		clientId: subscription.clientId,
		productId: subscription.productId,
		planId: subscription.planId,
		stage: subscription.stage,
		status: subscription.status,
		grants: Object.fromEntries(grants),
		createdAt: writeTime(subscription.createdAtMs),
		updatedAt: writeTime(subscription.updatedAtMs),
		revision: subscription.revision,
	};
}

/**
 * What the ledger remembers of grants: how many ids of each type, or `*`. The ids themselves can be personal data
 * (account numbers are), and the ledger never forgets.
 */
export function grantFacts(subscription: Subscription): { [type: string]: JsonValue } {
	return Object.fromEntries(
		Object.entries(subscription.grants).map(([type, ids]) => [type, ids === '*' ? '*' : ids.length]),
	);
}
