// Suspends and resumes partners. A suspended partner is refused at once, with every client, credential and access
// token that it has; resuming gives back what was there before, as far as it has not expired or been revoked.
import type { Clock } from '../../kernel/clock.ts';
import { fault, type Fault } from '../../kernel/faults.ts';
import type { PartnerId } from '../../kernel/ids.ts';
import { fail, ok, type Result } from '../../kernel/result.ts';
import { checkRevision, type Changed } from '../registry/commit-change.ts';
import type { Registry } from '../registry/registry.ts';
import type { Partner } from './partner.ts';

/** Which partner, and the revision that the decision was made on (undefined = whatever it is now). */
interface PartnerTarget {
	readonly partnerId: PartnerId;
	readonly expectedRevision: number | undefined;
}

/**
 * Suspends a partner; suspending it again changes nothing. Run it in a transaction.
 * Faults: `not_found`, `revision_mismatch`, `conflict` (the partner is offboarded).
 */
export async function suspendPartner(
	registry: Registry,
	target: PartnerTarget,
	deps: { readonly clock: Clock },
): Promise<Result<Changed<Partner>, Fault>> {
	return changeStatus(registry, target, 'suspended', deps.clock);
}

/**
 * Resumes a suspended partner; resuming an active one changes nothing. Run it in a transaction.
 * Faults: `not_found`, `revision_mismatch`, `conflict` (the partner is offboarded).
 */
export async function resumePartner(
	registry: Registry,
	target: PartnerTarget,
	deps: { readonly clock: Clock },
): Promise<Result<Changed<Partner>, Fault>> {
	return changeStatus(registry, target, 'active', deps.clock);
}

async function changeStatus(
	registry: Registry,
	target: PartnerTarget,
	status: 'active' | 'suspended',
	clock: Clock,
): Promise<Result<Changed<Partner>, Fault>> {
	const partner = await registry.partners.get(target.partnerId);
	if (partner === undefined) return fail(fault('not_found', 'There is no such partner.'));
	const outdated = checkRevision(partner, target.expectedRevision);
	if (outdated !== undefined) return fail(outdated);
	if (partner.status === 'offboarded') {
		return fail(fault('conflict', 'The partner is offboarded for good. Register it again instead.'));
	}
	if (partner.status === status) {
		return ok({ record: partner, sequence: await registry.changes.latest(), changed: false });
	}
	const record: Partner = { ...partner, status, updatedAtMs: clock.nowMs(), revision: partner.revision + 1 };
	await registry.partners.update(record, partner.revision);
	const sequence = await registry.changes.append({ kind: 'partner', record });
	return ok({ record, sequence, changed: true });
}
