import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { KeyState } from '../../adapters/keys/key-ring.ts';
import type { AuditEntry } from '../../domain/ledger/audit-entry.ts';
import { ManualClock } from '../../kernel/clock.ts';
import { silentLog } from '../../kernel/log.ts';
import { watchKeys } from './key-watch.ts';

function watched(places: readonly KeyState['use'][] = ['tokenSigning']) {
	const entries: AuditEntry[] = [];
	const probes: string[] = [];
	let isAvailable = true;
	const watch = watchKeys({
		keyRing: {
			states: () => places.map((use) => ({ use, provider: 'pkcs11', isAvailable })),
			probe: async (which) => void probes.push(which),
		},
		audit: {
			recordDurable: () => Promise.reject(new Error('not used')),
			recordBuffered: (entry) => void entries.push(entry),
			isAccepting: () => true,
		},
		clock: new ManualClock(Date.UTC(2026, 10, 23)),
		log: silentLog,
	});
	return {
		watch,
		entries,
		probes,
		set: (available: boolean) => {
			isAvailable = available;
		},
	};
}

test('each change of a key elsewhere leaves one entry, and nothing but changes does', async () => {
	const { watch, entries, set } = watched();
	await watch.look();
	assert.deepEqual(entries, []);
	set(false);
	await watch.look();
	await watch.look();
	set(true);
	await watch.look();
	watch.close();
	assert.deepEqual(
		entries.map(({ type, decision, facts }) => [type, decision, facts]),
		[
			['key.unavailable', 'deny', { use: 'tokenSigning', provider: 'pkcs11' }],
			['key.available', 'permit', { use: 'tokenSigning', provider: 'pkcs11' }],
		],
	);
});

test('every key is asked once after the start, later only those that failed', async () => {
	const { watch, probes } = watched();
	await new Promise((resolve) => setImmediate(resolve));
	await watch.look();
	watch.close();
	assert.deepEqual(probes, ['all', 'failed']);
});

test('the end of the platform, which closes every key, is no failure of any', async () => {
	const { watch, entries, set } = watched();
	watch.close();
	set(false);
	await watch.look();
	assert.deepEqual(entries, []);
});

test('where every key lies in the store nothing is asked', async () => {
	const { watch, probes } = watched([]);
	await new Promise((resolve) => setImmediate(resolve));
	watch.close();
	assert.deepEqual(probes, []);
});
