// Entries of the ledger about the platform itself: its start, its stop, and what becomes of its threads.
import type { AuditSink } from '../../domain/ledger/audit-sink.ts';
import { systemClock } from '../../kernel/clock.ts';

/** Records something that the platform did or that happened to it; resolves when it is on disk. */
export type RecordPlatform = (type: string, facts: { readonly [name: string]: string | number }) => Promise<void>;

/** Makes the recorder. */
export function createPlatformRecorder(audit: AuditSink): RecordPlatform {
	return async (type, facts) => {
		await audit.recordDurable({
			time: new Date(systemClock.nowMs()).toISOString(),
			type,
			actor: { system: 'platform' },
			decision: 'permit',
			facts,
		});
	};
}
