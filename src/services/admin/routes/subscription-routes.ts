// Routes of subscriptions.
import { z } from '@hono/zod-openapi';
import { changeSubscription, endSubscription } from '../../../domain/product/change-subscription.ts';
import { subscribe } from '../../../domain/product/subscribe.ts';
import type { Subscription } from '../../../domain/product/subscription.ts';
import type { Changed } from '../../../domain/registry/commit-change.ts';
import { type Fault, fault } from '../../../kernel/faults.ts';
import { fail, ok, type Result } from '../../../kernel/result.ts';
import { type AdminRouter, addCommand, addRead, noParams, type Performed } from '../admin-route.ts';
import { pageQuery, pageRequestOf, writePage } from '../wire/page-wire.ts';
import { idSchema } from '../wire/value-wire.ts';
import { clientParams } from '../wire/partner-wire.ts';
import {
	GRANTS_BODY_BYTES_MAX,
	grantFacts,
	subscriptionChanges,
	subscriptionInput,
	subscriptionPage,
	subscriptionParams,
	subscriptionSchema,
	writeSubscription,
} from '../wire/subscription-wire.ts';

type SubscriptionAnswer = z.infer<typeof subscriptionSchema>;

/** Adds the routes of subscriptions. */
export function addSubscriptionRoutes(router: AdminRouter): void {
	const { deps } = router;
	addCommand(router, {
		method: 'post',
		path: '/clients/{clientId}/subscriptions',
		operationId: 'createSubscription',
		tag: 'subscriptions',
		summary: 'Give a client a product under a plan',
		params: clientParams,
		body: subscriptionInput,
		bodyBytesMax: GRANTS_BODY_BYTES_MAX,
		status: 201,
		answer: { description: 'The new subscription.', schema: subscriptionSchema, hasRevision: true },
		problems: [],
		ifMatch: 'none',
		auditType: 'subscription.created',
		work: async (registry, { params, body }) => {
			const request = { ...params, ...body };
			const outcome = await subscribe(registry, request, { ...deps, catalogue: deps.catalogue() });
			if (!outcome.ok) return outcome;
			return ok({ ...subscriptionPerformed(outcome.value), location: `/subscriptions/${outcome.value.record.id}` });
		},
	});
	addReadRoutes(router);
	addChangeRoutes(router);
}

function addReadRoutes(router: AdminRouter): void {
	const { deps } = router;
	addRead(router, {
		path: '/subscriptions',
		operationId: 'listSubscriptions',
		tag: 'subscriptions',
		summary: 'List subscriptions, oldest first',
		params: noParams,
		query: z.strictObject({
			...pageQuery,
			partnerId: idSchema('prt', 'Only subscriptions of this partner.').optional(),
			clientId: idSchema('cli', 'Only subscriptions of this client.').optional(),
		}),
		answer: { description: 'A page of subscriptions.', schema: subscriptionPage, hasRevision: false },
		problems: [400],
		read: async ({ query }) => {
			const { partnerId, clientId } = query;
			const filter = {
				...(partnerId === undefined ? undefined : { partnerId }),
				...(clientId === undefined ? undefined : { clientId }),
			};
			const page = await deps.store.subscriptions.list(pageRequestOf(query), filter);
			return ok(writePage(page, writeSubscription, query));
		},
	});
	addRead(router, {
		path: '/subscriptions/{subscriptionId}',
		operationId: 'getSubscription',
		tag: 'subscriptions',
		summary: 'Show a subscription',
		params: subscriptionParams,
		query: noParams,
		answer: { description: 'The subscription.', schema: subscriptionSchema, hasRevision: true },
		problems: [400],
		read: async ({ params }) => {
			const subscription = await deps.store.subscriptions.get(params.subscriptionId);
			if (subscription === undefined) return fail(fault('not_found', 'There is no such subscription.'));
			return ok({ body: writeSubscription(subscription), revision: subscription.revision });
		},
	});
}

function addChangeRoutes(router: AdminRouter): void {
	const { deps } = router;
	const shared = {
		tag: 'subscriptions',
		params: subscriptionParams,
		status: 200,
		answer: { description: 'The subscription as it is now.', schema: subscriptionSchema, hasRevision: true },
	} as const;
	addCommand(router, {
		...shared,
		method: 'patch',
		path: '/subscriptions/{subscriptionId}',
		operationId: 'changeSubscription',
		summary: 'Change plan, rollout stage or grants, from the next request on',
		body: subscriptionChanges,
		bodyBytesMax: GRANTS_BODY_BYTES_MAX,
		problems: [412, 428],
		ifMatch: 'required',
		auditType: 'subscription.changed',
		work: async (registry, { params, body, expectedRevision }) => {
			const changes = { planId: body.planId, stage: body.stage, grants: body.grants };
			const target = { ...params, expectedRevision };
			return performedOf(await changeSubscription(registry, target, changes, { ...deps, catalogue: deps.catalogue() }));
		},
	});
	addCommand(router, {
		...shared,
		method: 'post',
		path: '/subscriptions/{subscriptionId}/end',
		operationId: 'endSubscription',
		summary: 'End a subscription for good, from the next request on',
		body: undefined,
		problems: [412],
		ifMatch: 'optional',
		auditType: 'subscription.ended',
		work: async (registry, { params, expectedRevision }) =>
			performedOf(await endSubscription(registry, { ...params, expectedRevision }, deps)),
	});
}

function performedOf(outcome: Result<Changed<Subscription>, Fault>): Result<Performed<SubscriptionAnswer>, Fault> {
	return outcome.ok ? ok(subscriptionPerformed(outcome.value)) : outcome;
}

function subscriptionPerformed({ record, sequence, changed }: Changed<Subscription>): Performed<SubscriptionAnswer> {
	return {
		body: writeSubscription(record),
		revision: record.revision,
		facts: {
			partner: record.partnerId,
			client: record.clientId,
			subscription: record.id,
			product: record.productId,
			plan: record.planId,
			stage: record.stage,
			status: record.status,
			grants: grantFacts(record),
			revision: record.revision,
			changed,
		},
		sequence,
	};
}
