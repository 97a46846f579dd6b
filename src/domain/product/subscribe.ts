// Gives a client a product under a plan. What the subscription does not grant is refused by the gateway: no entry
// for a resource type means none of its resources.
import type { Clock } from '../../kernel/clock.ts';
import { fault, type Fault } from '../../kernel/faults.ts';
import { newId, type ClientId } from '../../kernel/ids.ts';
import type { Random } from '../../kernel/random.ts';
import { fail, ok, type Result } from '../../kernel/result.ts';
import type { ResourceGrants } from '../policy/resource-grant.ts';
import type { Changed } from '../registry/commit-change.ts';
import type { Registry } from '../registry/registry.ts';
import { StoreConflict } from '../registry/store-conflict.ts';
import type { Catalogue } from './catalogue.ts';
import { checkGrants } from './check-grants.ts';
import { choosePlan } from './choose-plan.ts';
import type { RolloutStage, Subscription } from './subscription.ts';
import { unknownInCatalogue } from './unknown-in-catalogue.ts';

interface SubscriptionRequest {
	readonly clientId: ClientId;
	readonly productId: string;
	readonly planId: string;
	readonly stage: RolloutStage;
	readonly grants: ResourceGrants;
}

/**
 * Subscribes a client to a product; a client has at most one active subscription of a product. Run it in a
 * transaction. Faults: `not_found` (the client), `input_invalid` (product, plan or grants), `conflict`.
 */
export async function subscribe(
	registry: Registry,
	request: SubscriptionRequest,
	deps: { readonly catalogue: Catalogue; readonly clock: Clock; readonly random: Random },
): Promise<Result<Changed<Subscription>, Fault>> {
	const client = await registry.clients.get(request.clientId);
	if (client === undefined) return fail(fault('not_found', 'There is no such client.'));
	const partner = await registry.partners.get(client.partnerId);
	if (partner === undefined || partner.status === 'offboarded') {
		return fail(fault('conflict', 'The partner of this client is offboarded.'));
	}
	const product = deps.catalogue.products.get(request.productId);
	if (product === undefined) return fail(unknownInCatalogue('#/productId', 'product'));
	const plan = choosePlan(client, request.planId, deps.catalogue);
	if (!plan.ok) return plan;
	const grants = checkGrants(request.grants, product, deps.catalogue);
	if (!grants.ok) return grants;
	const nowMs = deps.clock.nowMs();
	const record: Subscription = {
		id: newId('sub', deps.clock, deps.random),
		partnerId: client.partnerId,
		clientId: client.id,
		productId: product.id,
		planId: plan.value.id,
		stage: request.stage,
		status: 'active',
		grants: grants.value,
		createdAtMs: nowMs,
		updatedAtMs: nowMs,
		revision: 1,
	};
	try {
		await registry.subscriptions.insert(record);
	} catch (error) {
		if (!(error instanceof StoreConflict)) throw error;
		const detail = 'The client has an active subscription of this product already. Change that one, or end it first.';
		return fail(fault('conflict', detail, { internal: error.message }));
	}
	const sequence = await registry.changes.append({ kind: 'subscription', record });
	return ok({ record, sequence, changed: true });
}
