// Fetched key sets in memory.
import type { KeySetStore } from '../../../domain/issuer/key-set-store.ts';
import type { Enter } from './memory-step.ts';
import type { MemoryState } from './memory-state.ts';
import { frozenCopy } from './memory-table.ts';

/** Makes the store of fetched key sets. */
export function createMemoryKeySetStore({ keySets }: MemoryState, enter: Enter): KeySetStore {
	return {
		get: (owner) => enter(() => keySets.get(owner)),
		put: (set) => enter((transaction) => keySets.set(transaction, set.owner, frozenCopy(set))),
		ownersOf: (publicKeyHash) =>
			enter(() =>
				keySets
					.entries()
					.filter(([, { keys }]) => keys.some((key) => key.publicKeyHash === publicKeyHash))
					.map(([owner]) => owner)
					.toArray()
					.sort(),
			),
	};
}
