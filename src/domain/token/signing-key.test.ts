import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { test } from 'node:test';
import fc from 'fast-check';
import { calculateJwkThumbprint } from 'jose';
import { openMemoryStore } from '../../adapters/store/memory/open-memory-store.ts';
import type { Store } from '../../adapters/store/store.ts';
import { ManualClock } from '../../kernel/clock.ts';
import { unwrap } from '../../kernel/result.ts';
import { Secret } from '../../kernel/secret.ts';
import { readDirectoryState } from '../registry/read-directory-state.ts';
import { Directory } from '../registry/directory.ts';
import { revokeSigningKey, rotateSigningKey } from './change-signing-key.ts';
import { parseJwkSet, verifyJws } from './jws-verify.ts';
import {
	checkSigningKeyInvariants,
	SIGNING_ALGORITHMS,
	type SigningKeyRecord,
	type SigningKeyState,
	signingKeyState,
} from './signing-key.ts';
import { publicJwkSet } from './signing-key-index.ts';
import {
	destroySpentKeys,
	prepareSigningKey,
	provideFirstSigningKeys,
	rotateDueSigningKeys,
	type SigningKeyPolicies,
	type SigningKeyPolicy,
} from './signing-key-keeper.ts';
import { SigningKeyRing } from './signing-key-ring.ts';

const START_MS = Date.UTC(2026, 10, 23, 12);
const DAY_SECONDS = 86_400;
const LINGER_SECONDS = 3660;
const policy: SigningKeyPolicy = {
	algorithm: 'ES256',
	rotateEverySeconds: 90 * DAY_SECONDS,
	publishAheadSeconds: 3600,
};
const policies: SigningKeyPolicies = { 'token-signing': policy, 'assertion-signing': policy };

/** A store with its first keys, and a process on it: a directory that follows the feed, and a ring. */
async function world(store: Store = openMemoryStore(), clock = new ManualClock(START_MS)) {
	const keeping = { keys: store.keys, registry: store.registry, clock };
	await provideFirstSigningKeys(keeping, policies);
	const directory = new Directory(await readDirectoryState(store.registry, clock));
	const ring = new SigningKeyRing({
		purpose: 'token-signing',
		type: 'test+jwt',
		index: directory.signingKeys,
		clock,
	});
	/** What a control process does with every change: private halves first. */
	const follow = async (): Promise<void> => {
		for (const record of directory.signingKeys.records()) await load(record);
		for (const change of await store.registry.changes.after(directory.sequence, 500)) {
			if (change.change.kind === 'signing-key') await load(change.change.record);
			directory.apply(change);
		}
	};
	const load = async (record: SigningKeyRecord): Promise<void> => {
		const stored = record.purpose === 'token-signing' ? await store.keys.get(record.keyName) : undefined;
		if (stored !== undefined) ring.add(record.id, stored.privateKeyPem);
	};
	await follow();
	return {
		store,
		clock,
		keeping,
		directory,
		ring,
		follow,
		records: () => store.registry.signingKeys.list('token-signing'),
		states: async (): Promise<readonly SigningKeyState[]> =>
			(await store.registry.signingKeys.list('token-signing'))
				.toSorted((a, b) => a.activeFromMs - b.activeFromMs)
				.map((key) => signingKeyState(key, clock.nowMs())),
		kid: (): string => {
			const [header = ''] = ring.signer()({ a: 1 }).split('.');
			return (JSON.parse(Buffer.from(header, 'base64url').toString()) as { kid: string }).kid;
		},
		maintain: () => rotateDueSigningKeys(keeping, policies, () => Promise.resolve()),
		rotate: async (aheadMs: number, algorithm = policy.algorithm) => {
			const prepared = await prepareSigningKey(keeping, 'token-signing', algorithm);
			const activeFromMs = clock.nowMs() + aheadMs;
			return store.registry.transaction((registry) =>
				rotateSigningKey(registry, { purpose: 'token-signing', prepared, activeFromMs, algorithm: undefined }, keeping),
			);
		},
		revoke: async (kid: string) => {
			const prepared = await prepareSigningKey(keeping, 'token-signing', policy.algorithm);
			return store.registry.transaction((registry) => revokeSigningKey(registry, { kid, prepared }, keeping));
		},
	};
}

test('check 10: a key is published before it signs, and until the last token that it signed has expired', async () => {
	const { clock, directory, ring, follow, states, kid, maintain } = await world();
	const first = kid();
	const published = (): number => directory.signingKeys.published('token-signing').length;
	clock.advance((90 * DAY_SECONDS - 3601) * 1000);
	assert.deepEqual(await maintain(), []);
	clock.advance(1000);
	assert.equal((await maintain()).length, 2, 'one for each purpose');
	await follow();
	assert.deepEqual(await states(), ['active', 'next']);
	assert.equal(published(), 2, 'both are published');
	assert.equal(kid(), first, 'the first one goes on signing');
	assert.deepEqual(await maintain(), [], 'nothing is due twice');
	const token = ring.signer()({ a: 1 });
	clock.advance(3600 * 1000 - 1);
	assert.equal(kid(), first);
	clock.advance(1);
	assert.notEqual(kid(), first, 'the next one takes over at the moment that was published');
	assert.deepEqual(await states(), ['retiring', 'active']);
	clock.advance(LINGER_SECONDS * 1000 - 1);
	directory.forgetExpired(Math.floor(clock.nowMs() / 1000));
	assert.ok(verifyJws(token, directory.signingKeys.verificationKeys('token-signing')).ok);
	clock.advance(1);
	directory.forgetExpired(Math.floor(clock.nowMs() / 1000));
	assert.deepEqual(await states(), ['gone', 'active']);
	assert.equal(published(), 1);
	assert.ok(!verifyJws(token, directory.signingKeys.verificationKeys('token-signing')).ok);
});

test('every algorithm signs what the published key verifies, and says so in its JWK', async () => {
	const { clock, directory, ring, follow, rotate } = await world();
	for (const algorithm of SIGNING_ALGORITHMS) {
		const { record } = unwrap(await rotate(2000, algorithm));
		await follow();
		clock.advance(2000);
		const token = ring.signer()({ hello: algorithm });
		const keys = parseJwkSet(
			JSON.parse(JSON.stringify(publicJwkSet(directory.signingKeys.published('token-signing')))),
		);
		assert.ok(keys !== undefined);
		const jws = verifyJws(token, keys);
		assert.ok(jws.ok, algorithm);
		assert.deepEqual(jws.value.header, { alg: algorithm, typ: 'test+jwt', kid: record.id });
	}
});

test('check 9: publishes kid, use and alg, the RFC 7638 thumbprint, and no private member', async () => {
	const { directory, follow, rotate, clock } = await world();
	for (const algorithm of SIGNING_ALGORITHMS) {
		unwrap(await rotate(2000, algorithm));
		clock.advance(2000);
	}
	await follow();
	const { keys } = publicJwkSet(directory.signingKeys.published('token-signing'));
	assert.equal(keys.length, 1 + SIGNING_ALGORITHMS.length);
	assert.equal(new Set(keys.map((key) => key.kid)).size, keys.length);
	for (const jwk of keys) {
		assert.equal(jwk.use, 'sig');
		for (const name of ['d', 'p', 'q', 'dp', 'dq', 'qi', 'k', 'priv']) assert.equal(Object.hasOwn(jwk, name), false);
		if (jwk.kty !== 'AKP') assert.equal(jwk.kid, await calculateJwkThumbprint({ ...jwk }));
	}
});

test('check 110: processes on one store that start and rotate at once end with the same keys', async () => {
	const store = openMemoryStore();
	const clock = new ManualClock(START_MS);
	const processes = await Promise.all(Array.from({ length: 3 }, () => world(store, clock)));
	const [first] = processes;
	assert.ok(first !== undefined);
	assert.equal(new Set(processes.map((one) => one.kid())).size, 1);
	clock.advance(90 * DAY_SECONDS * 1000);
	const outcomes = await Promise.all(processes.map((one) => one.maintain()));
	assert.equal(outcomes.flat().length, 2, 'one rotation for each purpose, whoever was first');
	assert.deepEqual(await first.states(), ['active', 'next']);
	for (const one of processes) await one.follow();
	clock.advance(3600 * 1000);
	assert.equal(new Set(processes.map((one) => one.kid())).size, 1);
	const token = first.ring.signer()({ a: 1 });
	for (const { directory } of processes) {
		assert.ok(verifyJws(token, directory.signingKeys.verificationKeys('token-signing')).ok);
	}
	assert.equal((await store.keys.list('token-signing')).length, 2, 'whoever lost has destroyed its key again');
});

test('a rotation that its record cannot be written of does not take place', async () => {
	const { clock, keeping, states } = await world();
	clock.advance(90 * DAY_SECONDS * 1000);
	const failing = rotateDueSigningKeys(keeping, policies, () => Promise.reject(new Error('the ledger is full')));
	await assert.rejects(failing, /the ledger is full/);
	assert.deepEqual(await states(), ['active']);
});

test('another algorithm in the configuration rotates the key, with the usual time ahead', async () => {
	const { keeping, follow, clock, ring } = await world();
	const eddsa = { ...policies, 'token-signing': { ...policy, algorithm: 'EdDSA' } } as const;
	const [change] = await rotateDueSigningKeys(keeping, eddsa, () => Promise.resolve());
	assert.equal(change?.record.algorithm, 'EdDSA');
	assert.equal(change.record.activeFromMs, START_MS + 3_600_000);
	await follow();
	clock.advance(3_600_000);
	const [header = ''] = ring.signer()({}).split('.');
	assert.match(Buffer.from(header, 'base64url').toString(), /"EdDSA"/);
	assert.deepEqual(await rotateDueSigningKeys(keeping, eddsa, () => Promise.resolve()), []);
});

test('a next key can be brought forward, not put off, and not replaced by one of another algorithm', async () => {
	const { rotate, states, kid, follow, clock, keeping } = await world();
	const first = kid();
	const { record } = unwrap(await rotate(3_600_000));
	assert.ok(!(await rotate(3_600_000)).ok);
	assert.ok(!(await rotate(7_200_000)).ok);
	const prepared = await prepareSigningKey(keeping, 'token-signing', 'EdDSA');
	const other = { purpose: 'token-signing', prepared, activeFromMs: START_MS + 5000, algorithm: 'EdDSA' } as const;
	const refused = await keeping.registry.transaction((registry) => rotateSigningKey(registry, other, keeping));
	assert.equal(refused.ok ? '' : refused.fault.code, 'conflict');
	assert.equal(unwrap(await rotate(2000)).record.id, record.id);
	await follow();
	assert.equal(kid(), first);
	clock.advance(2000);
	assert.equal(kid(), record.id);
	assert.deepEqual(await states(), ['retiring', 'active']);
	const tooSoon = await rotate(0);
	assert.equal(tooSoon.ok ? '' : tooSoon.fault.code, 'input_invalid');
});

test('check 98: a revoked key leaves at once with all that it signed, and another one signs', async () => {
	const { revoke, rotate, follow, kid, ring, directory, states, clock } = await world();
	const keys = directory.signingKeys.verificationKeys('token-signing');
	const first = kid();
	const token = ring.signer()({ a: 1 });
	assert.ok(verifyJws(token, keys).ok);
	const outcome = unwrap(await revoke(first));
	await follow();
	assert.ok(!verifyJws(token, keys).ok);
	assert.equal(kid(), outcome.successor?.id, 'a new key signs without a pause');
	assert.deepEqual((await states()).toSorted(), ['active', 'revoked']);
	assert.equal(unwrap(await revoke(first)).changed, false, 'again is no error');
	// A next key takes over from a revoked one; a revoked next key takes nothing over.
	const next = unwrap(await rotate(3_600_000)).record;
	assert.equal(unwrap(await revoke(kid())).successor?.id, next.id);
	await follow();
	assert.equal(kid(), next.id);
	const never = unwrap(await rotate(3_600_000)).record;
	unwrap(await revoke(never.id));
	await follow();
	clock.advance(7_200_000);
	assert.equal(kid(), next.id);
	const unknown = await revoke('nobody');
	assert.equal(unknown.ok ? '' : unknown.fault.code, 'not_found');
});

test('private keys are destroyed when they sign no more, and those of commands that never committed', async () => {
	const { store, keeping, rotate, revoke, clock, kid, follow } = await world();
	const names = async (): Promise<readonly string[]> => (await store.keys.list('token-signing')).map((key) => key.name);
	const first = kid();
	const { record } = unwrap(await rotate(2000));
	await follow();
	const orphan = await prepareSigningKey(keeping, 'token-signing', 'ES256');
	clock.advance(2000 + 299_999);
	await destroySpentKeys(keeping);
	assert.equal((await names()).length, 3, 'nothing goes too early');
	clock.advance(1);
	await destroySpentKeys(keeping);
	assert.deepEqual(await names(), [record.keyName, orphan.keyName].toSorted());
	assert.ok(!(await names()).includes(`token-signing/${first}`));
	clock.advance(3_600_000);
	await destroySpentKeys(keeping);
	assert.deepEqual(await names(), [record.keyName]);
	const { successor } = unwrap(await revoke(record.id));
	await destroySpentKeys(keeping);
	assert.deepEqual(await names(), [successor?.keyName]);
});

test('takes over the key of an older version, and refuses one that cannot sign tokens', async () => {
	const store = openMemoryStore();
	const put = (namedCurve: string): Promise<void> => {
		const { privateKey } = generateKeyPairSync('ec', { namedCurve });
		const privateKeyPem = new Secret(privateKey.export({ type: 'pkcs8', format: 'pem' }).toString());
		return store.keys.put({
			name: 'token/1',
			purpose: 'token-signing',
			privateKeyPem,
			certificatePem: '',
			createdAtMs: 1,
		});
	};
	await put('P-384');
	await assert.rejects(world(store), /token\/1 is not of a kind that signs tokens/);
	await put('P-256');
	const { records, kid } = await world(store);
	assert.deepEqual(
		(await records()).map(({ keyName, id }) => [keyName, id]),
		[['token/1', kid()]],
	);
});

test('a ring without the private half of the active key goes on with the one before, never with a next or revoked one', async () => {
	const { clock, directory, rotate, follow, kid, store, revoke } = await world();
	const first = kid();
	const { record } = unwrap(await rotate(2000));
	const late = new SigningKeyRing({ purpose: 'token-signing', type: 't', index: directory.signingKeys, clock });
	assert.throws(() => late.signer(), /no key of token-signing can sign/);
	const pemOf = async (name: string): Promise<Secret> => (await store.keys.get(name))?.privateKeyPem as Secret;
	await follow();
	late.add(record.id, await pemOf(record.keyName));
	assert.throws(() => late.signer(), /no key/, 'the next key does not sign yet');
	const kidOf = (): string =>
		(JSON.parse(Buffer.from(late.signer()({}).split('.')[0] ?? '', 'base64url').toString()) as { kid: string }).kid;
	const other = new SigningKeyRing({ purpose: 'token-signing', type: 't', index: directory.signingKeys, clock });
	other.add(first, await pemOf(`token-signing/${first}`));
	clock.advance(2000);
	assert.equal(kidOf(), record.id);
	assert.ok(other.signer(), 'the retiring key still signs where the active one has not arrived');
	await revoke(first);
	await follow();
	assert.throws(() => other.signer(), /no key/);
});

test('whatever is rotated, revoked and waited for, exactly one key signs and everybody knows it', async () => {
	const step = fc.oneof(
		fc.record({ kind: fc.constant('rotate' as const), aheadMs: fc.integer({ min: 0, max: 10_000 }) }),
		fc.record({ kind: fc.constant('revoke' as const), which: fc.nat(20) }),
		fc.record({ kind: fc.constant('wait' as const), ms: fc.integer({ min: 0, max: 8_000_000 }) }),
	);
	await fc.assert(
		fc.asyncProperty(fc.array(step, { maxLength: 12 }), async (steps) => {
			const { clock, rotate, revoke, records, follow, directory, ring } = await world();
			for (const one of steps) {
				if (one.kind === 'rotate') await rotate(one.aheadMs);
				else if (one.kind === 'wait') clock.advance(one.ms);
				else await revoke((await records())[one.which % (await records()).length]?.id ?? '');
				const all = await records();
				checkSigningKeyInvariants(all, clock.nowMs());
				await follow();
				directory.forgetExpired(Math.floor(clock.nowMs() / 1000));
				const token = ring.signer()({});
				const { kid } = JSON.parse(Buffer.from(token.split('.')[0] ?? '', 'base64url').toString()) as { kid: string };
				assert.equal(all.find((key) => signingKeyState(key, clock.nowMs()) === 'active')?.id, kid);
				assert.ok(verifyJws(token, directory.signingKeys.verificationKeys('token-signing')).ok);
			}
		}),
		{ numRuns: 60 },
	);
});

test('a ring without a key that can sign names none, and gives none', async () => {
	const { directory, clock } = await world();
	const ring = new SigningKeyRing({ purpose: 'token-signing', type: 'x', index: directory.signingKeys, clock });
	assert.equal(ring.kid(), undefined);
	assert.throws(() => ring.signer(), /no key of token-signing can sign/);
});
