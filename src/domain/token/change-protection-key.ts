// Changes which keys hide tokens: the first key, the one that follows, and the end of one that others may know. Each is one
// transaction over records (key-succession.ts); a new key is in the key store before it begins.
import type { Clock } from '../../kernel/clock.ts';
import { type Fault, fault } from '../../kernel/faults.ts';
import { fail, type Result } from '../../kernel/result.ts';
import type { Changed } from '../registry/commit-change.ts';
import type { Registry } from '../registry/registry.ts';
import { addFirstKey, type KeyRow, type MakeRecord, type RevokedKey, revokeKey, rotateKey } from './key-succession.ts';
import type { ProtectionKeyRecord, ProtectionPurpose } from './protection-key.ts';

/** A new key that is in the key store already. */
export type PreparedProtectionKey = Pick<ProtectionKeyRecord, 'id' | 'purpose' | 'keyName'>;

interface ChangeDeps {
	readonly clock: Clock;
}

/** Makes `prepared` the first key of its purpose, active at once; gives the active one when there are keys already. */
export function addFirstProtectionKey(
	registry: Registry,
	prepared: PreparedProtectionKey,
	deps: ChangeDeps,
): Promise<Changed<ProtectionKeyRecord>> {
	const nowMs = deps.clock.nowMs();
	return addFirstKey(rowOf(registry, prepared.purpose), makeRecord(prepared, nowMs), nowMs);
}

/**
 * Makes the key known that is used from `activeFromMs` on, or lets one that is known begin earlier. Run it in a transaction.
 * Faults: `conflict`, `input_invalid`, as for `rotateKey`.
 */
export function rotateProtectionKey(
	registry: Registry,
	prepared: PreparedProtectionKey,
	activeFromMs: number,
	deps: ChangeDeps,
): Promise<Result<Changed<ProtectionKeyRecord>, Fault>> {
	const nowMs = deps.clock.nowMs();
	return rotateKey(rowOf(registry, prepared.purpose), makeRecord(prepared, nowMs), activeFromMs, nowMs);
}

/**
 * Revokes a key, from the next request on: no token that was made with it opens any more. When it is the one in use, the next
 * key takes over at once; `prepared` does where none is known. Run it in a transaction. Faults: `not_found`, `conflict`.
 */
export async function revokeProtectionKey(
	registry: Registry,
	{ id, prepared }: { readonly id: string; readonly prepared: PreparedProtectionKey | undefined },
	deps: ChangeDeps,
): Promise<Result<RevokedKey<ProtectionKeyRecord>, Fault>> {
	const nowMs = deps.clock.nowMs();
	const key = await registry.protectionKeys.get(id);
	if (key === undefined) return fail(fault('not_found', 'There is no such key.'));
	return revokeKey(rowOf(registry, key.purpose), key, prepared && makeRecord(prepared, nowMs), nowMs);
}

function rowOf(registry: Registry, purpose: ProtectionPurpose): KeyRow<ProtectionKeyRecord> {
	const appendChange = (record: ProtectionKeyRecord): Promise<number> =>
		registry.changes.append({ kind: 'protection-key', record });
	return {
		list: () => registry.protectionKeys.list(purpose),
		insert: async (record) => {
			await registry.protectionKeys.insert(record);
			return appendChange(record);
		},
		update: async (record, expectedRevision) => {
			await registry.protectionKeys.update(record, expectedRevision);
			return appendChange(record);
		},
		latest: () => registry.changes.latest(),
	};
}

function makeRecord(prepared: PreparedProtectionKey, nowMs: number): MakeRecord<ProtectionKeyRecord> {
	const { id, purpose, keyName } = prepared;
	return (activeFromMs) => ({
		id,
		purpose,
		keyName,
		activeFromMs,
		createdAtMs: nowMs,
		updatedAtMs: nowMs,
		revision: 1,
	});
}
