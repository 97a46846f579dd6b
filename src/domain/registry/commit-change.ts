// Runs one operation in one transaction of the registry. An operation that refuses, or that loses a race for a
// revision or a unique key, leaves no trace: the transaction is rolled back and the refusal is a fault.
import { fail, ok, type Result } from '../../kernel/result.ts';
import { fault, type Fault } from '../../kernel/faults.ts';
import type { Registry, RegistryStore } from './registry.ts';
import { StoreConflict } from './store-conflict.ts';

/** What an operation did to one record. */
export interface Changed<T> {
	readonly record: T;
	/**
	 * Sequence in the change feed that has to be published before the change can be called in force. Where nothing had
	 * to be changed it is the latest sequence, so that a repeated command also waits until the first one is in force.
	 */
	readonly sequence: number;
	/** False when the record was already as it was asked to be. */
	readonly changed: boolean;
}

/** Carries the fault of a refused operation out of the transaction, which it thereby rolls back. */
class RolledBack extends Error {
	readonly fault: Fault;
	constructor(refused: Fault) {
		super(refused.code);
		this.name = 'RolledBack';
		this.fault = refused;
	}
}

/**
 * Runs `work` in a transaction and gives its value once it is durable. A fault of `work` rolls back and is returned;
 * a `StoreConflict` becomes `revision_mismatch` or `conflict`; anything else is thrown on after the roll-back.
 */
export async function commitChange<T>(
	store: RegistryStore,
	work: (registry: Registry) => Promise<Result<T, Fault>>,
): Promise<Result<T, Fault>> {
	try {
		const value = await store.transaction(async (registry) => {
			const outcome = await work(registry);
			if (!outcome.ok) throw new RolledBack(outcome.fault);
			return outcome.value;
		});
		return ok(value);
	} catch (error) {
		if (error instanceof RolledBack) return fail(error.fault);
		if (error instanceof StoreConflict) return fail(conflictFault(error));
		throw error;
	}
}

/** Turns a lost race of the store into the fault that the caller sees. */
function conflictFault(conflict: StoreConflict): Fault {
	if (conflict.reason === 'revision') return revisionMismatch();
	return fault('conflict', 'A record with the same unique key exists already.', { internal: conflict.message });
}

/** Refuses a change that was decided on an older state of the record; undefined when the revision is the expected one. */
export function checkRevision(record: { readonly revision: number }, expected: number | undefined): Fault | undefined {
	return expected === undefined || record.revision === expected ? undefined : revisionMismatch();
}

function revisionMismatch(): Fault {
	return fault('revision_mismatch', 'The record has changed since it was read. Read it again and repeat the change.');
}
