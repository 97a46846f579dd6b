// Two years in the life of many partners, by a virtual clock: credentials are renewed, the platform restarts and fails, its
// clock jumps. Nobody who follows the rules is ever without a valid credential, and no notice is missed or doubled.
//
// Seeds and size are small here. For more, without the time limit of npm test:
//   SALLYPORT_SIMULATION_SEEDS=200 SALLYPORT_SIMULATION_PARTNERS=60 node_modules/.bin/node --test test/simulation/*.test.ts
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createRenewalWorld, type RenewalWorld } from './renewal-world.ts';

const SEEDS = Number(process.env['SALLYPORT_SIMULATION_SEEDS'] ?? 2);
const PARTNERS = Number(process.env['SALLYPORT_SIMULATION_PARTNERS'] ?? 9);
const DAYS = 730;
const HOURS_PER_STEP = 24;

for (let seed = 1; seed <= SEEDS; seed++) {
	test(`two years of renewals, seed ${seed}`, async () => {
		const world = await createRenewalWorld(seed, PARTNERS);
		for (let hour = 0; hour < DAYS * 24; hour += HOURS_PER_STEP) {
			await world.step(HOURS_PER_STEP);
			await checkNobodyIsLockedOut(world);
		}
		await checkNotices(world);
		const { counts } = world;
		// A simulation in which nothing happens proves nothing.
		assert.ok(counts.rotations > PARTNERS * 3, `only ${counts.rotations} rotations`);
		for (const what of ['outages', 'restarts', 'killed', 'jumps'] as const) assert.ok(counts[what] > 0, `no ${what}`);
	});
}

async function checkNobodyIsLockedOut(world: RenewalWorld): Promise<void> {
	for (const partner of world.partners) {
		if (!partner.followsTheRules) continue;
		const inUse = await world.live(partner.inUse);
		assert.ok(inUse, `day ${world.day()}: ${partner.name} cannot get in with what it uses`);
	}
}

async function checkNotices(world: RenewalWorld): Promise<void> {
	const delivered = new Map<string, number>();
	for (const key of world.delivered) delivered.set(key, (delivered.get(key) ?? 0) + 1);
	for (const [key, times] of delivered) assert.equal(times, 1, `${key} was delivered ${times} times`);
	assert.ok(world.expectedNotices.size > 20, `only ${world.expectedNotices.size} notices were due`);
	for (const key of world.expectedNotices) assert.ok(delivered.has(key), `${key} was missed`);
	for (const key of delivered.keys()) {
		if (key.startsWith('expiry/')) assert.ok(world.allowedNotices.has(key), `${key} was not due`);
	}
	// What was killed between ledger and commit may stand in the ledger twice, and nothing else may.
	const entries = new Map<string, number>();
	for (const key of world.recorded) entries.set(key, (entries.get(key) ?? 0) + 1);
	for (const key of delivered.keys()) {
		if (key.startsWith('expiry/')) assert.ok((entries.get(key) ?? 0) >= 1, `${key} is not in the ledger`);
	}
	const doubled = [...entries.values()].filter((times) => times > 1).length;
	assert.ok(doubled <= world.counts.killed * 50, 'entries are doubled without a crash');
}
