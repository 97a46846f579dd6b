import { createMemoryReplayGuard } from './memory-replay-guard.ts';
import { testReplayGuard } from './replay-guard-contract.ts';

testReplayGuard('memory', createMemoryReplayGuard);
