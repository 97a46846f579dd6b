// Rotations of credentials, and events that wait to be delivered, over the state in memory.
import type { RotationStore } from '../../../domain/client/rotation-store.ts';
import type { EventStore } from '../../../domain/event/event-store.ts';
import { checkChangeLimit, pageOf, recordsToRead } from '../paging.ts';
import type { Enter } from './memory-step.ts';
import type { MemoryState } from './memory-state.ts';
import { frozenCopy } from './memory-table.ts';

/** Makes the store of rotations that reads and changes `state` by steps that `enter` runs. */
export function createMemoryRotationStore({ rotations }: MemoryState, enter: Enter): RotationStore {
	return {
		insert: (record) => enter((transaction) => rotations.insert(transaction, record)),
		get: (id) => enter(() => rotations.get(id)),
		update: (record, expectedRevision) =>
			enter((transaction) => rotations.update(transaction, record, expectedRevision)),
		findOpen: (credentialId) =>
			enter(() => rotations.findByUnique(0, credentialId) ?? rotations.findByUnique(1, credentialId)),
		listDue: (nowMs, limit) =>
			enter(() => rotations.select((one) => one.status === 'overlapping' && one.endsAtMs <= nowMs, undefined, limit)),
		list: (page, { clientId, status } = {}) =>
			enter(() => {
				const isWanted = (one: { readonly clientId: string; readonly status: string }): boolean =>
					(clientId === undefined || one.clientId === clientId) && (status === undefined || one.status === status);
				return pageOf(rotations.select(isWanted, page.after, recordsToRead(page)), page);
			}),
	};
}

/** Makes the store of events. */
export function createMemoryEventStore({ events, eventKeys, eventCounter }: MemoryState, enter: Enter): EventStore {
	return {
		append: (event) =>
			enter((transaction) => {
				if (eventKeys.get(event.key) !== undefined) return false;
				const before = eventCounter.sequence;
				eventCounter.sequence = before + 1;
				transaction.onRollback(() => {
					eventCounter.sequence = before;
				});
				events.set(transaction, eventCounter.sequence, frozenCopy(event));
				eventKeys.set(transaction, event.key, eventCounter.sequence);
				return true;
			}),
		after: (sequence, limit) =>
			enter(() =>
				events
					.entries()
					.filter(([at]) => at > sequence)
					.toArray()
					.sort(([a], [b]) => a - b)
					.slice(0, checkChangeLimit(limit))
					.map(([at, event]) => ({ sequence: at, event })),
			),
		findKeys: (keys) => enter(() => keys.filter((key) => eventKeys.get(key) !== undefined)),
		prune: (atMs) =>
			enter((transaction) => {
				const old = events
					.entries()
					.filter(([, event]) => event.atMs < atMs)
					.map(([, event]) => event.key)
					.toArray();
				const gone = new Set(old);
				events.deleteWhere(transaction, (event) => gone.has(event.key));
				eventKeys.deleteWhere(transaction, (_, key) => gone.has(key));
			}),
	};
}
