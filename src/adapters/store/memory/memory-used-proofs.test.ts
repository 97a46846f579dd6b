import { checkUsedProofsContract } from '../used-proofs-contract.ts';
import { createMemoryUsedProofs } from './memory-used-proofs.ts';

checkUsedProofsContract('used proofs in memory', async (_, proofsMax) => createMemoryUsedProofs(proofsMax));
