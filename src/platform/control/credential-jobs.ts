// What happens to credentials by date, without anybody asking: notices before they end, and the end of rotations. Runs every
// minute; whatever a run misses, because the platform was down or something failed, the next one does.
import type { AuditEntry } from '../../domain/ledger/audit-entry.ts';
import type { AuditSink } from '../../domain/ledger/audit-sink.ts';
import type { Credential } from '../../domain/client/credential.ts';
import { dueNotice } from '../../domain/client/credential-life.ts';
import { completeRotation } from '../../domain/client/end-rotation.ts';
import { NOTICES_MAX, notifyExpiry } from '../../domain/client/notify-expiry.ts';
import type { PlatformEvent } from '../../domain/event/event.ts';
import type { ChangePublisher } from '../../domain/registry/change-publisher.ts';
import { commitChange } from '../../domain/registry/commit-change.ts';
import type { RegistryStore } from '../../domain/registry/registry.ts';
import { BoundedMap } from '../../kernel/bounded-map.ts';
import type { Clock } from '../../kernel/clock.ts';
import { describeError, type Log } from '../../kernel/log.ts';
import type { RotationId } from '../../kernel/ids.ts';
import { ok } from '../../kernel/result.ts';

export interface CredentialJobDependencies {
	readonly store: RegistryStore;
	/** All credentials, from memory: of a hundred thousand only those are read from the store that have something due. */
	readonly credentials: () => Iterable<Credential>;
	readonly audit: AuditSink;
	readonly publisher: ChangePublisher;
	readonly clock: Clock;
	readonly log: Log;
}

export interface CredentialJobs {
	/** Does what is due. Never rejects; one run at a time, a second call meanwhile does nothing. */
	run(): Promise<void>;
	/** Waits for the run that is under way; there is none after it. */
	close(): Promise<void>;
}

/** Most of each kind in one run; the rest waits for the next one, so that a flood delays nobody's change for long. */
const NOTICES_PER_RUN_MAX = 1000;
const ROTATIONS_PER_RUN_MAX = 100;
/** Notices that are known to be written. Forgetting one costs a look into the store. */
const KNOWN_MAX = 200_000;
const EVENTS_KEPT_MS = 400 * 86_400_000;

/** Makes the jobs. */
export function createCredentialJobs(deps: CredentialJobDependencies): CredentialJobs {
	const known = new BoundedMap<string, true>(KNOWN_MAX);
	let running: Promise<void> | undefined;
	let isClosed = false;
	const guarded = async (what: string, work: () => Promise<void>): Promise<void> => {
		try {
			if (!isClosed) await work();
		} catch (thrown) {
			deps.log.error(`${what} failed; the next run tries again`, describeError(thrown));
		}
	};
	const runOnce = async (): Promise<void> => {
		await guarded('ending rotations', () => endRotations(deps));
		await guarded('announcing the end of credentials', () => sendNotices(deps, known));
		await guarded('forgetting old events', () => deps.store.events.prune(deps.clock.nowMs() - EVENTS_KEPT_MS));
	};
	return {
		run: async () => {
			if (running !== undefined || isClosed) return;
			running = runOnce();
			await running;
			running = undefined;
		},
		close: async () => {
			isClosed = true;
			await running;
		},
	};
}

async function endRotations(deps: CredentialJobDependencies): Promise<void> {
	for (const { id } of await deps.store.rotations.listDue(deps.clock.nowMs(), ROTATIONS_PER_RUN_MAX)) {
		try {
			await endRotation(deps, id);
		} catch (thrown) {
			// One that fails keeps no other from ending; its credential is dead by its date in any case.
			deps.log.error('a rotation could not be ended; the next run tries again', describeError(thrown));
		}
	}
}

/** One transaction for each, so that one that fails keeps no other from ending. */
async function endRotation(deps: CredentialJobDependencies, id: RotationId): Promise<void> {
	const committed = await commitChange(deps.store, async (registry) => {
		const ended = await completeRotation(registry, id, deps);
		if (!ended.ok) return ended;
		const { rotation } = ended.value;
		// On disk before the commit: the ledger may say too much, never too little.
		await deps.audit.recordDurable(
			systemEntry(deps.clock, `credential.rotation-${rotation.status}`, {
				rotation: id,
				partner: rotation.partnerId,
				client: rotation.clientId,
				credential: rotation.oldCredentialId,
				new_credential: rotation.newCredentialId,
			}),
		);
		return ended;
	});
	if (committed.ok) await deps.publisher.publish(committed.value.sequence);
	else deps.log.warn('a rotation could not be ended', { 'sallyport.fault': committed.fault.code });
}

async function sendNotices(deps: CredentialJobDependencies, known: BoundedMap<string, true>): Promise<void> {
	const nowMs = deps.clock.nowMs();
	const due: { readonly id: Credential['id']; readonly key: string }[] = [];
	for (const credential of deps.credentials()) {
		const notice = dueNotice(credential, nowMs);
		if (notice === undefined || known.peek(notice.key) !== undefined) continue;
		due.push({ id: credential.id, key: notice.key });
		if (due.length === NOTICES_PER_RUN_MAX) break;
	}
	for (let start = 0; start < due.length; start += NOTICES_MAX) {
		const batch = due.slice(start, start + NOTICES_MAX);
		const committed = await commitChange(deps.store, async (registry) => {
			const events = await notifyExpiry(registry, batch, deps);
			await Promise.all(events.map((event) => deps.audit.recordDurable(noticeEntry(deps.clock, event))));
			return ok(events);
		});
		// Only now: a batch that was rolled back is due again.
		if (committed.ok) for (const { key } of batch) known.set(key, true);
	}
}

function noticeEntry(clock: Clock, event: PlatformEvent): AuditEntry {
	const { partnerId, clientId, credentialId, facts } = event;
	return systemEntry(clock, event.kind, { partner: partnerId, client: clientId, credential: credentialId, ...facts });
}

function systemEntry(clock: Clock, type: string, facts: AuditEntry['facts']): AuditEntry {
	const time = new Date(clock.nowMs()).toISOString();
	return { time, type, actor: { system: 'credential-jobs' }, decision: 'permit', ...(facts && { facts }) };
}
