import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fetchedKeys, makeIssuerKey } from '../../../test/fixture/external-issuer.ts';
import { openMemoryStore } from '../../adapters/store/memory/open-memory-store.ts';
import { ManualClock } from '../../kernel/clock.ts';
import { fail, ok, type Result } from '../../kernel/result.ts';
import { KEY_PAUSE_MS } from './issuer-keys.ts';
import {
	FETCHES_MAX,
	GROUP_FETCHES_MAX,
	KeySetKeeper,
	type KeySource,
	type RetrievedKeySet,
} from './key-set-keeper.ts';

const KEPT_MS = 86_400_000;
const OWNER = 'issuer:https://as.example';
const [one, two] = [fetchedKeys([makeIssuerKey('one')]), fetchedKeys([makeIssuerKey('two')])];

function keeperWith(store = openMemoryStore().registry.keySets, startMs = 1_800_000_000_000) {
	const clock = new ManualClock(startMs);
	const told: string[] = [];
	let fetches = 0;
	let answer: () => Promise<Result<RetrievedKeySet, string>> = async () => published(one);
	const keeper = new KeySetKeeper({
		store,
		clock,
		onChange: (state) => told.push(`${state.keys.map(({ kid }) => kid).join()} ${state.failure ?? 'ok'}`),
		onLapse: () => told.push('lapsed'),
		onStoreFailure: () => told.push('not stored'),
	});
	const source = (owner = OWNER, changes: Partial<KeySource> = {}): KeySource => ({
		owner,
		source: 'https://as.example/jwks',
		group: owner,
		keptMs: KEPT_MS,
		retrieve: () => {
			fetches++;
			return answer();
		},
		accept: (stored) => stored,
		...changes,
	});
	return {
		keeper,
		clock,
		told,
		store,
		source,
		fetches: () => fetches,
		answers: (next: typeof answer) => {
			answer = next;
		},
	};
}

function published(keys: RetrievedKeySet['keys'], maxAgeSeconds?: number): Result<RetrievedKeySet, string> {
	return ok({ keys, leftOut: [], maxAgeSeconds });
}

test('a set is fetched at once, and again before it is too old, as its server says, within bounds', async () => {
	const world = keeperWith();
	await world.keeper.add(world.source());
	for (const [maxAge, afterSeconds] of [
		[undefined, 720],
		[300, 240],
		[1, 48],
		[999_999, 2880],
	] as const) {
		world.answers(async () => published(one, maxAge));
		const before = world.fetches();
		await world.keeper.run();
		assert.equal(world.fetches(), before + 1, `max-age ${maxAge}`);
		world.clock.advance(afterSeconds * 1000 - 1);
		await world.keeper.run();
		assert.equal(world.fetches(), before + 1, 'too early');
		world.clock.advance(1);
	}
});

test('in an outage it is tried again with pauses that grow, and what was fetched last holds until its limit', async () => {
	const world = keeperWith();
	await world.keeper.add(world.source());
	await world.keeper.run();
	const fetchedAtMs = world.clock.nowMs();
	world.answers(async () => fail('timeout'));
	world.clock.advance(3_600_000);
	const tries: number[] = [];
	for (let second = 0; second < 1400; second += 5) {
		const before = world.fetches();
		await world.keeper.run();
		if (world.fetches() > before) tries.push(second);
		world.clock.advance(5000);
	}
	assert.deepEqual(tries.slice(0, 8), [0, 5, 15, 35, 75, 155, 315, 615]);
	assert.deepEqual(tries.slice(8), [915, 1215]);
	const state = world.keeper.state(OWNER);
	assert.deepEqual([state?.keys, state?.goodUntilMs, state?.failure], [one, fetchedAtMs + KEPT_MS, 'timeout']);
	world.clock.advance(fetchedAtMs + KEPT_MS - world.clock.nowMs());
	await world.keeper.run();
	await world.keeper.run();
	assert.equal(world.told.filter((text) => text === 'lapsed').length, 1, 'it is said once');
	world.answers(async () => published(two));
	world.clock.advance(600_000);
	await world.keeper.run();
	assert.deepEqual(world.keeper.state(OWNER)?.keys, two);
	assert.equal(world.keeper.state(OWNER)?.failures, 0);
});

test('a missing key is fetched once, whoever asks and how often; then not again for a while', async () => {
	const world = keeperWith();
	await world.keeper.add(world.source());
	let release = (): void => undefined;
	world.answers(
		() =>
			new Promise((resolve) => {
				release = () => resolve(published(two));
			}),
	);
	const waiting = Array.from({ length: 50 }, () => world.keeper.want(OWNER));
	assert.equal(new Set(waiting).size, 1, 'all wait for one fetch');
	release();
	await waiting[0];
	assert.equal(world.fetches(), 1);
	assert.equal(world.keeper.want(OWNER), undefined);
	world.clock.advance(KEY_PAUSE_MS - 1);
	assert.equal(world.keeper.want(OWNER), undefined);
	assert.equal(world.keeper.want('issuer:unknown'), undefined);
	world.clock.advance(1);
	const again = world.keeper.want(OWNER);
	release();
	await again;
	assert.equal(world.fetches(), 2);
	// A failure also counts as a try: an outage is no reason to try more often.
	world.answers(async () => fail('unreachable'));
	world.clock.advance(KEY_PAUSE_MS);
	await world.keeper.want(OWNER);
	assert.equal(world.keeper.want(OWNER), undefined);
});

test('so many fetches run at once, and no more, however many sets are due', async () => {
	const world = keeperWith();
	const releases: (() => void)[] = [];
	world.answers(() => new Promise((resolve) => releases.push(() => resolve(published(one)))));
	for (let n = 0; n < 3 * FETCHES_MAX; n++) await world.keeper.add(world.source(`crd_${n}`));
	const running = [world.keeper.run()];
	assert.equal(world.fetches(), FETCHES_MAX);
	assert.equal(world.keeper.want(`crd_${2 * FETCHES_MAX}`), undefined, 'nor by asking');
	for (let round = 0; round < 3; round++) {
		for (const release of releases.splice(0)) release();
		await Promise.all(running);
		running.push(world.keeper.run());
	}
	assert.equal(world.fetches(), 3 * FETCHES_MAX);
});

test('one group has few of the fetches, so that those of others are never kept waiting by it', async () => {
	const world = keeperWith();
	world.answers(() => new Promise(() => undefined));
	for (let n = 0; n < 20; n++) await world.keeper.add(world.source(`crd_${n}`, { group: 'hostile' }));
	await world.keeper.add(world.source('crd_other'));
	void world.keeper.run();
	assert.equal(world.fetches(), GROUP_FETCHES_MAX + 1);
	assert.equal(world.keeper.want('crd_19'), undefined);
	world.answers(async () => published(two));
	await world.keeper.add(world.source('crd_third'));
	await world.keeper.want('crd_third');
	assert.deepEqual(world.keeper.state('crd_third')?.keys, two);
});

test('a restart during an outage goes on with what was stored, for the time that is left of it', async () => {
	const before = keeperWith();
	await before.keeper.add(before.source());
	await before.keeper.run();
	const fetchedAtMs = before.clock.nowMs();
	const restart = async (afterMs: number, changes: Partial<KeySource> = {}) => {
		const world = keeperWith(before.store, fetchedAtMs + afterMs);
		world.answers(async () => fail('unreachable'));
		await world.keeper.add(world.source(OWNER, changes));
		await world.keeper.run();
		return world.keeper.state(OWNER);
	};
	const state = await restart(3_600_000);
	assert.deepEqual([state?.keys, state?.goodUntilMs], [one, fetchedAtMs + KEPT_MS]);
	assert.equal((await restart(3_600_000, { keptMs: 60_000 }))?.goodUntilMs, fetchedAtMs + 60_000, 'a shorter limit');
	assert.deepEqual((await restart(0, { source: 'https://elsewhere.example' }))?.keys, [], 'from another place');
	assert.deepEqual((await restart(0, { accept: () => [] }))?.keys, [], 'what would not be taken today');
	assert.deepEqual((await restart(-1))?.keys, [], 'from the future');
});

test('what comes for a set that was given up meanwhile is nobody’s, and a set that throws is a failure', async () => {
	const world = keeperWith();
	await world.keeper.add(world.source());
	let release = (): void => undefined;
	world.answers(
		() =>
			new Promise((resolve) => {
				release = () => resolve(published(one));
			}),
	);
	const fetching = world.keeper.want(OWNER);
	world.keeper.remove(OWNER);
	release();
	await fetching;
	assert.deepEqual([world.keeper.state(OWNER), await world.store.get(OWNER), world.told], [undefined, undefined, []]);
	world.answers(() => Promise.reject(new Error('boom')));
	await world.keeper.add(world.source());
	await world.keeper.run();
	assert.equal(world.keeper.state(OWNER)?.failure, 'boom');
});

test('keys that were withdrawn are told at once, and a store that fails takes nothing back', async () => {
	const { keySets } = openMemoryStore().registry;
	const world = keeperWith({ ...keySets, put: () => Promise.reject(new Error('disk')) });
	await world.keeper.add(world.source());
	await world.keeper.run();
	world.clock.advance(3_600_000);
	world.answers(async () => published([]));
	await world.keeper.run();
	assert.deepEqual(world.told, ['one ok', 'not stored', ' ok', 'not stored']);
	assert.deepEqual(world.keeper.state(OWNER)?.keys, []);
});
