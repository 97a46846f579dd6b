import { testLimitCounter } from './limit-counter-contract.ts';
import { createMemoryLimitCounter } from './memory-limit-counter.ts';

testLimitCounter('memory', (slotsMax) => createMemoryLimitCounter(slotsMax));
