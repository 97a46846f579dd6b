// Used proofs in memory: for tests. It keeps every promise of the port but durability, and passes the same contract suite.
import { type UsedProofs, UsedProofsOverloaded } from '../../../domain/token/used-proofs.ts';
import { proofKey } from '../proof-key.ts';

/** Makes an empty memory of used proofs, with room for `proofsMax`. */
export function createMemoryUsedProofs(proofsMax = 1_000_000): UsedProofs {
	const staleAt = new Map<string, number>();
	return {
		use: async (proof) => {
			const key = proofKey(proof);
			if (staleAt.has(key)) return false;
			if (staleAt.size >= proofsMax) throw new UsedProofsOverloaded('too many proofs are remembered');
			staleAt.set(key, proof.staleAtSeconds);
			return true;
		},
		forgetStale: async (nowSeconds) => {
			for (const [key, stale] of staleAt) if (stale <= nowSeconds) staleAt.delete(key);
		},
	};
}
