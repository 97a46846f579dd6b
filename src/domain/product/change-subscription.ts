// Changes what a subscription gives (plan, rollout stage, resource grants), and ends subscriptions. Both act on the
// very next request. An ended subscription stays for the record and cannot be revived.
import type { Clock } from '../../kernel/clock.ts';
import { fault, type Fault } from '../../kernel/faults.ts';
import type { SubscriptionId } from '../../kernel/ids.ts';
import { fail, ok, type Result } from '../../kernel/result.ts';
import type { ResourceGrants } from '../policy/resource-grant.ts';
import { checkRevision, type Changed } from '../registry/commit-change.ts';
import type { Registry } from '../registry/registry.ts';
import type { Catalogue } from './catalogue.ts';
import { checkGrants } from './check-grants.ts';
import { choosePlan } from './choose-plan.ts';
import type { RolloutStage, Subscription } from './subscription.ts';

/** Which subscription, and the revision that the decision was made on (undefined = whatever it is now). */
interface SubscriptionTarget {
	readonly subscriptionId: SubscriptionId;
	readonly expectedRevision: number | undefined;
}

/** What to change; an absent member stays as it is. `grants` replaces all grants. */
export interface SubscriptionChanges {
	readonly planId: string | undefined;
	readonly stage: RolloutStage | undefined;
	readonly grants: ResourceGrants | undefined;
}

/**
 * Changes an active subscription. Run it in a transaction.
 * Faults: `not_found`, `revision_mismatch`, `conflict` (it has ended, or the plan wants a stronger client),
 * `input_invalid` (plan or grants).
 */
export async function changeSubscription(
	registry: Registry,
	target: SubscriptionTarget,
	changes: SubscriptionChanges,
	deps: { readonly catalogue: Catalogue; readonly clock: Clock },
): Promise<Result<Changed<Subscription>, Fault>> {
	const found = await findSubscription(registry, target);
	if (!found.ok) return found;
	const subscription = found.value;
	if (subscription.status === 'ended') return fail(fault('conflict', 'The subscription has ended.'));
	if (changes.planId !== undefined) {
		const client = await registry.clients.get(subscription.clientId);
		if (client === undefined) return fail(fault('not_found', 'There is no such client.'));
		const plan = choosePlan(client, changes.planId, deps.catalogue);
		if (!plan.ok) return plan;
	}
	let grants = subscription.grants;
	if (changes.grants !== undefined) {
		// A product that has gone from the configuration grants nothing; its subscriptions can only be ended.
		const product = deps.catalogue.products.get(subscription.productId);
		if (product === undefined) return fail(fault('conflict', 'The product of this subscription is no longer offered.'));
		const checked = checkGrants(changes.grants, product, deps.catalogue);
		if (!checked.ok) return checked;
		grants = checked.value;
	}
	return storeSubscription(registry, subscription, deps.clock, {
		planId: changes.planId ?? subscription.planId,
		stage: changes.stage ?? subscription.stage,
		grants,
	});
}

/**
 * Ends a subscription; ending it again changes nothing. Run it in a transaction.
 * Faults: `not_found`, `revision_mismatch`.
 */
export async function endSubscription(
	registry: Registry,
	target: SubscriptionTarget,
	deps: { readonly clock: Clock },
): Promise<Result<Changed<Subscription>, Fault>> {
	const found = await findSubscription(registry, target);
	if (!found.ok) return found;
	if (found.value.status === 'ended') {
		return ok({ record: found.value, sequence: await registry.changes.latest(), changed: false });
	}
	return storeSubscription(registry, found.value, deps.clock, { status: 'ended' });
}

async function findSubscription(registry: Registry, target: SubscriptionTarget): Promise<Result<Subscription, Fault>> {
	const subscription = await registry.subscriptions.get(target.subscriptionId);
	if (subscription === undefined) return fail(fault('not_found', 'There is no such subscription.'));
	const outdated = checkRevision(subscription, target.expectedRevision);
	return outdated === undefined ? ok(subscription) : fail(outdated);
}

async function storeSubscription(
	registry: Registry,
	subscription: Subscription,
	clock: Clock,
	changes: Partial<Pick<Subscription, 'planId' | 'stage' | 'grants' | 'status'>>,
): Promise<Result<Changed<Subscription>, Fault>> {
	const record: Subscription = {
		...subscription,
		...changes,
		updatedAtMs: clock.nowMs(),
		revision: subscription.revision + 1,
	};
	await registry.subscriptions.update(record, subscription.revision);
	const sequence = await registry.changes.append({ kind: 'subscription', record });
	return ok({ record, sequence, changed: true });
}
