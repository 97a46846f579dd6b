// Revokes certificates whose successor has taken over, when their overlap is over. The gateway refuses them from that moment
// on by their own end; this makes it known to everybody else, and final.
import { revokeCertificate } from '../../domain/certificate/change-certificate-status.ts';
import type { AuditSink } from '../../domain/ledger/audit-sink.ts';
import type { ChangePublisher } from '../../domain/registry/change-publisher.ts';
import { commitChange } from '../../domain/registry/commit-change.ts';
import type { RegistryStore } from '../../domain/registry/registry.ts';
import type { Clock } from '../../kernel/clock.ts';
import { describeError, type Log } from '../../kernel/log.ts';

export interface SupersededDependencies {
	readonly store: RegistryStore;
	readonly audit: AuditSink;
	readonly publisher: ChangePublisher;
	readonly clock: Clock;
	readonly log: Log;
}

const AT_ONCE_MAX = 100;

/** Revokes those that are due, each recorded before it is committed. Never rejects: what fails is tried again next time. */
export async function revokeSuperseded(deps: SupersededDependencies): Promise<void> {
	const { store, audit, clock, log } = deps;
	try {
		const due = await store.certificates.listSuperseded(clock.nowMs(), AT_ONCE_MAX);
		let sequence = 0;
		for (const { id } of due) {
			const outcome = await commitChange(store, async (registry) => {
				const changed = await revokeCertificate(registry, { certificateId: id, reason: 'superseded' }, deps);
				if (!changed.ok) return changed;
				const { partnerId, clientId, serial } = changed.value.record;
				await audit.recordDurable({
					time: new Date(clock.nowMs()).toISOString(),
					type: 'certificate.revoked',
					actor: { system: 'certificate-authority' },
					decision: 'permit',
					facts: { certificate: id, partner: partnerId, client: clientId, serial, reason: 'superseded' },
				});
				return changed;
			});
			if (outcome.ok) sequence = outcome.value.sequence;
		}
		if (sequence > 0) await deps.publisher.publish(sequence);
	} catch (error) {
		log.error('replaced certificates could not be revoked', describeError(error));
	}
}
