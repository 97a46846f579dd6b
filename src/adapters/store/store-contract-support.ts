// What the parts of the store contract share.
import assert from 'node:assert/strict';
import type { TestContext } from 'node:test';
import { StoreConflict } from '../../domain/registry/store-conflict.ts';
import type { Store } from './store.ts';

/** Opens an empty store for one test; the opener closes it and removes its files after the test. */
export type OpenStore = (context: TestContext) => Promise<Store>;

/** Expects a StoreConflict of `reason`, whatever its message. */
export async function rejectsWithConflict(promise: Promise<unknown>, reason: StoreConflict['reason']): Promise<void> {
	await assert.rejects(promise, (error) => error instanceof StoreConflict && error.reason === reason);
}
