// The life of signing keys that lie elsewhere: taken and never made, in the order of their places, each for one stretch
// of time.
import assert from 'node:assert/strict';
import { generateKeyPairSync, type KeyObject, sign } from 'node:crypto';
import { test } from 'node:test';
import { openMemoryStore } from '../../adapters/store/memory/open-memory-store.ts';
import { ManualClock } from '../../kernel/clock.ts';
import { unwrap } from '../../kernel/result.ts';
import { Secret } from '../../kernel/secret.ts';
import { type Signer, SignerUnavailable } from '../certificate/signer.ts';
import { revokeSigningKey, rotateSigningKey } from './change-signing-key.ts';
import type { RemoteSigningKeys } from './remote-signing-key.ts';
import { checkSigningKeyInvariants, signingKeyState } from './signing-key.ts';
import {
	destroySpentKeys,
	obtainSigningKey,
	provideFirstSigningKeys,
	rotateDueSigningKeys,
	type SigningKeyPolicies,
} from './signing-key-keeper.ts';

const START_MS = Date.UTC(2026, 10, 23, 12);
const DAY_MS = 86_400_000;
const HOUR_MS = 3_600_000;
const policy = { algorithm: 'ES256', rotateEverySeconds: 90 * 86_400, publishAheadSeconds: 3600 } as const;
const policies: SigningKeyPolicies = { 'token-signing': policy, 'assertion-signing': policy };

interface KeyPair {
	readonly publicKey: KeyObject;
	readonly privateKey: KeyObject;
}

const newKey = (): KeyPair => generateKeyPairSync('ec', { namedCurve: 'P-256' });

function signerOf({ publicKey, privateKey }: KeyPair, closed: { count: number }): Signer {
	return {
		algorithm: publicKey.asymmetricKeyType === 'ed25519' ? 'Ed25519' : 'ecdsa-with-SHA256',
		publicKey,
		sign: async (data) => sign('sha256', data, privateKey),
		isAvailable: () => true,
		close: async () => void closed.count++,
	};
}

/** Places that hold one key each, or are away. */
function placesOf(keys: (KeyPair | 'away')[]) {
	const closed = { count: 0 };
	const opened = { count: 0 };
	const references = new Map<string, KeyPair>();
	const remote: RemoteSigningKeys = {
		isRemote: (purpose) => purpose === 'token-signing',
		offers: () =>
			keys.map((key, index) => async () => {
				if (key === 'away') throw new SignerUnavailable('the token is not there', { retryAfterSeconds: 7 });
				opened.count += 1;
				const reference = new Secret(`reference ${key.publicKey.export({ type: 'spki', format: 'pem' })}`);
				references.set(reference.reveal(), key);
				return { place: `place ${index}`, reference, signer: signerOf(key, closed) };
			}),
		open: (stored) => {
			const key = references.get(stored.reveal());
			return key === undefined ? undefined : signerOf(key, { count: 0 });
		},
	};
	return { remote, closed, opened };
}

function world(keys: (KeyPair | 'away')[]) {
	const store = openMemoryStore();
	const clock = new ManualClock(START_MS);
	const { remote, closed, opened } = placesOf(keys);
	const keeping = { keys: store.keys, registry: store.registry, remote, clock };
	const rotate = async (aheadMs: number) => {
		const prepared = unwrap(await obtainSigningKey(keeping, 'token-signing', 'ES256'));
		const activeFromMs = clock.nowMs() + aheadMs;
		const request = { purpose: 'token-signing', prepared, activeFromMs, algorithm: undefined } as const;
		return store.registry.transaction((registry) => rotateSigningKey(registry, request, keeping));
	};
	return {
		store,
		clock,
		keeping,
		closed,
		opened,
		rotate,
		start: () => provideFirstSigningKeys(keeping, policies),
		obtain: () => obtainSigningKey(keeping, 'token-signing', 'ES256'),
		records: () => store.registry.signingKeys.list('token-signing'),
		states: async () =>
			(await store.registry.signingKeys.list('token-signing'))
				.toSorted((a, b) => a.activeFromMs - b.activeFromMs)
				.map((key) => signingKeyState(key, clock.nowMs())),
	};
}

test('check 10: a key elsewhere is next, active, retiring and gone like any other, and its private half is never here', async () => {
	const { store, clock, keeping, rotate, start, states, records, closed, opened } = world([newKey(), newKey()]);
	await start();
	assert.deepEqual(await states(), ['active']);
	for (const key of await store.keys.list('token-signing')) assert.match(key.privateKeyPem.reveal(), /^reference /);
	unwrap(await rotate(HOUR_MS));
	assert.deepEqual(await states(), ['active', 'next']);
	clock.advance(HOUR_MS);
	assert.deepEqual(await states(), ['retiring', 'active']);
	clock.advance(2 * HOUR_MS);
	assert.deepEqual(await states(), ['gone', 'active']);
	await destroySpentKeys(keeping);
	const left = await store.keys.list('token-signing');
	assert.deepEqual(
		left.map(({ name }) => name),
		(await records()).filter(({ retiresAtMs }) => retiresAtMs === undefined).map(({ keyName }) => keyName),
		'the reference to the key that is gone is forgotten',
	);
	checkSigningKeyInvariants(await records(), clock.nowMs());
	assert.equal(closed.count, opened.count, 'what was opened to be looked at is closed again');
});

test('a key that has signed before is never taken again: one kid, one stretch of time', async () => {
	const { start, rotate, obtain, clock } = world([newKey(), newKey()]);
	await start();
	unwrap(await rotate(HOUR_MS));
	clock.advance(HOUR_MS);
	const refused = await obtain();
	assert.ok(!refused.ok);
	assert.equal(refused.fault.code, 'conflict');
	assert.match(refused.fault.detail, /keys\.tokenSigningNext/);
});

test('a place that is away is passed over where another offers a key, and else is the reason', async () => {
	const keys: (KeyPair | 'away')[] = ['away', newKey()];
	const { start, obtain } = world(keys);
	await start();
	const refused = await obtain();
	assert.ok(!refused.ok);
	assert.equal(refused.fault.code, 'key_unavailable');
	assert.equal(refused.fault.retryAfterSeconds, 7);
	keys[0] = newKey();
	assert.ok((await obtain()).ok);
	await assert.rejects(world(['away']).start(), /the token is not there/);
});

test('a key for another algorithm than the configured one is not taken, and the reason says so', async () => {
	const { obtain } = world([generateKeyPairSync('ed25519')]);
	const refused = await obtain();
	assert.ok(!refused.ok);
	assert.match(refused.fault.detail, /place 0 signs with EdDSA, and ES256 is asked for/);
});

test('two commands that take the same key at once leave one record and one reference', async () => {
	const { store, start, rotate, states } = world([newKey(), newKey()]);
	await start();
	const outcomes = await Promise.all([rotate(HOUR_MS), rotate(HOUR_MS)]);
	assert.equal(outcomes.filter(({ ok }) => ok).length, 1);
	assert.deepEqual(await states(), ['active', 'next']);
	assert.equal((await store.keys.list('token-signing')).length, 2);
});

test('a rotation by schedule takes the key that follows; without one the running key goes on, and somebody is told', async () => {
	const keys = [newKey()];
	const { clock, keeping, start, states } = world(keys);
	await start();
	clock.advance(90 * DAY_MS);
	const reasons: string[] = [];
	const report = (_: string, { code }: { readonly code: string }) => void reasons.push(code);
	const maintain = () => rotateDueSigningKeys(keeping, policies, () => Promise.resolve(), { report });
	await maintain();
	assert.deepEqual(reasons, ['conflict']);
	assert.deepEqual(await states(), ['active']);
	const skips = (purpose: string): boolean => purpose === 'token-signing';
	await rotateDueSigningKeys(keeping, policies, () => Promise.resolve(), { report, skips });
	assert.equal(reasons.length, 1, 'it is not asked for where the caller waits');
	keys.push(newKey());
	await maintain();
	assert.deepEqual(await states(), ['active', 'next']);
});

test('revoking the key that signs lets the one at the next place sign at once', async () => {
	const { store, clock, keeping, start, obtain, records, states } = world([newKey(), newKey()]);
	await start();
	const kid = (await records())[0]?.id ?? '';
	const prepared = unwrap(await obtain());
	unwrap(await store.registry.transaction((registry) => revokeSigningKey(registry, { kid, prepared }, keeping)));
	assert.deepEqual((await states()).toSorted(), ['active', 'revoked']);
	checkSigningKeyInvariants(await records(), clock.nowMs());
});

test('a start that was killed between reference and record takes the same key', async () => {
	const keys = [newKey()];
	const { store, start, obtain, records } = world(keys);
	unwrap(await obtain());
	assert.equal((await records()).length, 0);
	await start();
	assert.equal((await records()).length, 1);
	assert.equal((await store.keys.list('token-signing')).length, 1);
});

test('the last key is revoked without another only where that is wanted; the next one that a place offers ends that', async () => {
	const keys = [newKey()];
	const { store, clock, keeping, start, records, states } = world(keys);
	await start();
	const kid = (await records())[0]?.id ?? '';
	const revoke = (isLastAllowed: boolean) =>
		store.registry.transaction((registry) =>
			revokeSigningKey(registry, { kid, prepared: undefined, isLastAllowed }, keeping),
		);
	const refused = await revoke(false);
	assert.equal(refused.ok ? '' : refused.fault.code, 'conflict');
	assert.deepEqual(await states(), ['active']);
	const { record, successor } = unwrap(await revoke(true));
	assert.deepEqual([record.revokedAtMs, successor], [clock.nowMs(), undefined]);
	assert.deepEqual(await states(), ['revoked']);
	const reasons: string[] = [];
	const report = (_: string, { code }: { readonly code: string }) => void reasons.push(code);
	const maintain = () => rotateDueSigningKeys(keeping, policies, () => Promise.resolve(), { report });
	await maintain();
	assert.deepEqual([reasons, await states()], [['conflict'], ['revoked']], 'a revoked key is never taken again');
	await start();
	assert.deepEqual(await states(), ['revoked'], 'not even by a start');
	keys.push(newKey());
	await maintain();
	assert.deepEqual(await states(), ['revoked', 'next'], 'without waiting for the schedule');
	await maintain();
	clock.advance(2000);
	assert.deepEqual(await states(), ['revoked', 'active']);
	checkSigningKeyInvariants(await records(), clock.nowMs());
});

test('a rotation by command ends the time without a key as well, and can be brought forward', async () => {
	const keys = [newKey()];
	const { store, clock, keeping, start, rotate, records, states } = world(keys);
	await start();
	const kid = (await records())[0]?.id ?? '';
	unwrap(
		await store.registry.transaction((registry) =>
			revokeSigningKey(registry, { kid, prepared: undefined, isLastAllowed: true }, keeping),
		),
	);
	keys.push(newKey(), newKey());
	unwrap(await rotate(HOUR_MS));
	assert.deepEqual(await states(), ['revoked', 'next']);
	unwrap(await rotate(2000));
	clock.advance(2000);
	assert.deepEqual(await states(), ['revoked', 'active']);
	checkSigningKeyInvariants(await records(), clock.nowMs());
});
