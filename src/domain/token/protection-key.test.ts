import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { openMemoryStore } from '../../adapters/store/memory/open-memory-store.ts';
import type { Store } from '../../adapters/store/store.ts';
import { ManualClock } from '../../kernel/clock.ts';
import { systemRandom } from '../../kernel/random.ts';
import { unwrap } from '../../kernel/result.ts';
import { Secret } from '../../kernel/secret.ts';
import { Directory } from '../registry/directory.ts';
import { readDirectoryState } from '../registry/read-directory-state.ts';
import { createEncryptedTokenWriter, openEncryptedToken } from './access-token-jwe.ts';
import { revokeProtectionKey, rotateProtectionKey } from './change-protection-key.ts';
import { createOpaqueTokenSealer, openOpaqueToken } from './opaque-token.ts';
import { PROTECTION_PURPOSES, type ProtectionPurpose } from './protection-key.ts';
import {
	destroyGoneProtectionKeys,
	prepareProtectionKey,
	type ProtectionKeyPolicies,
	provideFirstProtectionKeys,
	rotateDueProtectionKeys,
} from './protection-key-keeper.ts';
import { ProtectionKeyRing } from './protection-key-ring.ts';
import { checkSigningKeyInvariants, signingKeyState } from './signing-key.ts';

const START_MS = Date.UTC(2026, 10, 23, 12);
const DAY_SECONDS = 86_400;
const LINGER_MS = 3_660_000;
const ISSUER = 'https://auth.bank.example';
const every90Days = { rotateEverySeconds: 90 * DAY_SECONDS };
const policies: ProtectionKeyPolicies = { 'token-sealing': every90Days, 'token-encryption': every90Days };

/** A store with its first keys, and a process on it: a directory that follows the feed, and a ring. */
async function world(store: Store = openMemoryStore(), clock = new ManualClock(START_MS)) {
	const keeping = { keys: store.keys, registry: store.registry, clock, random: systemRandom };
	await provideFirstProtectionKeys(keeping);
	const directory = new Directory(await readDirectoryState(store.registry, clock));
	const ring = new ProtectionKeyRing(directory.protectionKeys, clock);
	const load = async (keyName: string, purpose: ProtectionPurpose): Promise<void> => {
		const stored = await store.keys.get(keyName);
		if (stored !== undefined) ring.add(purpose, stored.privateKeyPem);
	};
	/** What every thread does with every change: keys first. */
	const follow = async (): Promise<void> => {
		for (const { keyName, purpose } of directory.protectionKeys.records()) await load(keyName, purpose);
		for (const change of await store.registry.changes.after(directory.sequence, 500)) {
			if (change.change.kind === 'protection-key') {
				await load(change.change.record.keyName, change.change.record.purpose);
			}
			directory.apply(change);
		}
	};
	await follow();
	return {
		store,
		clock,
		keeping,
		directory,
		ring,
		follow,
		records: (purpose: ProtectionPurpose) => store.registry.protectionKeys.list(purpose),
		states: async (purpose: ProtectionPurpose) =>
			(await store.registry.protectionKeys.list(purpose))
				.toSorted((a, b) => a.activeFromMs - b.activeFromMs)
				.map((key) => signingKeyState(key, clock.nowMs())),
		maintain: () => rotateDueProtectionKeys(keeping, policies, () => Promise.resolve()),
		rotate: async (purpose: ProtectionPurpose, aheadMs = 2000) => {
			const prepared = await prepareProtectionKey(keeping, purpose);
			return store.registry.transaction((registry) =>
				rotateProtectionKey(registry, prepared, clock.nowMs() + aheadMs, keeping),
			);
		},
		revoke: async (purpose: ProtectionPurpose, id: string) => {
			const prepared = await prepareProtectionKey(keeping, purpose);
			return store.registry.transaction((registry) => revokeProtectionKey(registry, { id, prepared }, keeping));
		},
		/** Makes a token of each format with the keys of now. */
		tokens: () => ({
			'token-sealing': createOpaqueTokenSealer(ring.sealing(), ISSUER, systemRandom)({ a: 1 }),
			'token-encryption': createEncryptedTokenWriter(() => 'x.y.z', ring.encryption(), systemRandom)({}),
		}),
		opens: (token: string) =>
			token.startsWith('spo_')
				? openOpaqueToken(token, ISSUER, ring.sealingKeys()).ok
				: openEncryptedToken(token, ring.decryptionKeys()).ok,
		idOf: (purpose: ProtectionPurpose) => (purpose === 'token-sealing' ? ring.sealing().id : ring.encryption().kid),
	};
}

test('every thread knows a key before it is used, and opens its tokens until the last of them has expired', async () => {
	const sender = await world();
	const receiver = await world(sender.store, sender.clock);
	const { clock } = sender;
	const before = sender.tokens();
	clock.advance((90 * DAY_SECONDS - 61) * 1000);
	assert.deepEqual(await sender.maintain(), []);
	clock.advance(1000);
	assert.equal((await sender.maintain()).length, 2, 'one for each purpose');
	assert.deepEqual(await sender.maintain(), [], 'nothing is due twice');
	await sender.follow();
	await receiver.follow();
	for (const purpose of PROTECTION_PURPOSES) assert.deepEqual(await sender.states(purpose), ['active', 'next']);
	const first = PROTECTION_PURPOSES.map((purpose) => sender.idOf(purpose));
	clock.advance(59_999);
	assert.deepEqual(
		PROTECTION_PURPOSES.map((purpose) => sender.idOf(purpose)),
		first,
	);
	clock.advance(1);
	const after = sender.tokens();
	for (const purpose of PROTECTION_PURPOSES) {
		assert.equal(first.includes(sender.idOf(purpose)), false, 'the next one takes over at the announced moment');
		assert.deepEqual([receiver.opens(before[purpose]), receiver.opens(after[purpose])], [true, true]);
	}
	clock.advance(LINGER_MS - 1);
	receiver.directory.forgetExpired(Math.floor(clock.nowMs() / 1000));
	assert.ok(receiver.opens(before['token-sealing']) && receiver.opens(before['token-encryption']));
	clock.advance(1);
	receiver.directory.forgetExpired(Math.floor(clock.nowMs() / 1000));
	receiver.ring.forgetUnused();
	for (const purpose of PROTECTION_PURPOSES) {
		assert.deepEqual([receiver.opens(before[purpose]), receiver.opens(after[purpose])], [false, true]);
		assert.deepEqual(await sender.states(purpose), ['gone', 'active']);
	}
});

test('check 98: nothing opens that was made with a revoked key, and another one is used at once', async () => {
	for (const purpose of PROTECTION_PURPOSES) {
		const { tokens, opens, revoke, rotate, follow, idOf, clock, states } = await world();
		const token = tokens()[purpose];
		const first = idOf(purpose);
		const { successor } = unwrap(await revoke(purpose, first));
		await follow();
		assert.equal(opens(token), false);
		assert.equal(idOf(purpose), successor?.id, 'without a pause');
		assert.ok(opens(tokens()[purpose]));
		assert.equal(unwrap(await revoke(purpose, first)).changed, false, 'again is no error');
		const next = unwrap(await rotate(purpose)).record;
		await follow();
		unwrap(await revoke(purpose, next.id));
		await follow();
		clock.advance(10_000);
		assert.equal(idOf(purpose), successor?.id, 'a revoked next key takes nothing over');
		assert.deepEqual((await states(purpose)).toSorted(), ['active', 'revoked', 'revoked']);
		const unknown = await revoke(purpose, 'nobody');
		assert.equal(unknown.ok ? '' : unknown.fault.code, 'not_found');
	}
});

test('a key that opens is kept, and destroyed when it opens nothing any more; so is one that no record names', async () => {
	const { rotate, clock, keeping, store, follow, tokens, opens } = await world();
	const names = async (): Promise<number> => (await store.keys.list('token-sealing')).length;
	const token = tokens()['token-sealing'];
	unwrap(await rotate('token-sealing'));
	await prepareProtectionKey(keeping, 'token-sealing');
	clock.advance(2000 + LINGER_MS - 1);
	await destroyGoneProtectionKeys(keeping);
	// The orphan of a command that never committed is gone after an hour; the first key still opens.
	assert.equal(await names(), 2);
	await follow();
	assert.ok(opens(token));
	clock.advance(1);
	await destroyGoneProtectionKeys(keeping);
	assert.equal(await names(), 1);
});

test('check 110: processes on one store that start and rotate at once end with the same keys', async () => {
	const store = openMemoryStore();
	const clock = new ManualClock(START_MS);
	const processes = await Promise.all(Array.from({ length: 3 }, () => world(store, clock)));
	const ids = (): readonly string[] => processes.map(({ idOf }) => PROTECTION_PURPOSES.map(idOf).join(' '));
	assert.equal(new Set(ids()).size, 1);
	clock.advance(90 * DAY_SECONDS * 1000);
	assert.equal((await Promise.all(processes.map(({ maintain }) => maintain()))).flat().length, 2);
	for (const one of processes) await one.follow();
	clock.advance(60_000);
	assert.equal(new Set(ids()).size, 1);
	for (const token of Object.values(processes[0]?.tokens() ?? {})) {
		assert.ok(processes.every(({ opens }) => opens(token)));
	}
	assert.equal((await store.keys.list('token-sealing')).length, 2, 'whoever lost has destroyed its key again');
});

test('takes over the keys of an older version, so that its tokens go on, and refuses what is none', async () => {
	const store = openMemoryStore();
	const put = (text: string): Promise<void> =>
		store.keys.put({
			name: 'token-sealing/1',
			purpose: 'token-sealing',
			privateKeyPem: new Secret(text),
			certificatePem: '',
			createdAtMs: 1,
		});
	await put('short');
	await assert.rejects(world(store), /has not 32 bytes/);
	await put(systemRandom.bytes(32).toString('base64url'));
	const { records, idOf } = await world(store);
	assert.deepEqual(
		(await records('token-sealing')).map(({ keyName, id }) => [keyName, id]),
		[['token-sealing/1', idOf('token-sealing')]],
	);
});

test('a rotation that its record cannot be written of does not take place', async () => {
	const { clock, keeping, states } = await world();
	clock.advance(90 * DAY_SECONDS * 1000);
	const failing = rotateDueProtectionKeys(keeping, policies, () => Promise.reject(new Error('the ledger is full')));
	await assert.rejects(failing, /the ledger is full/);
	assert.deepEqual(await states('token-sealing'), ['active']);
});

test('whatever is rotated, revoked and waited for, exactly one key is used and everybody opens what it made', async () => {
	const step = fc.oneof(
		fc.record({ kind: fc.constant('rotate' as const), aheadMs: fc.integer({ min: 0, max: 10_000 }) }),
		fc.record({ kind: fc.constant('revoke' as const), which: fc.nat(20) }),
		fc.record({ kind: fc.constant('wait' as const), ms: fc.integer({ min: 0, max: 8_000_000 }) }),
	);
	await fc.assert(
		fc.asyncProperty(fc.array(step, { maxLength: 10 }), async (steps) => {
			const { clock, rotate, revoke, records, follow, directory, tokens, opens, idOf } = await world();
			for (const one of steps) {
				if (one.kind === 'rotate') await rotate('token-sealing', one.aheadMs);
				else if (one.kind === 'wait') clock.advance(one.ms);
				else {
					const all = await records('token-sealing');
					await revoke('token-sealing', all[one.which % all.length]?.id ?? '');
				}
				const all = await records('token-sealing');
				checkSigningKeyInvariants(all, clock.nowMs());
				await follow();
				directory.forgetExpired(Math.floor(clock.nowMs() / 1000));
				assert.equal(all.find((key) => signingKeyState(key, clock.nowMs()) === 'active')?.id, idOf('token-sealing'));
				assert.ok(opens(tokens()['token-sealing']));
			}
		}),
		{ numRuns: 15 },
	);
});
