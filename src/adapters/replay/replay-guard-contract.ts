// What every ReplayGuard must do, whatever it is made of. Each implementation runs this suite.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { REPLAY_SECONDS_MAX, type ReplayGuard } from '../../domain/token/replay-guard.ts';
import { type Clock, ManualClock } from '../../kernel/clock.ts';

const START = 1_790_000_000;

/** Runs the contract suite against a guard with room for at least `keysMax` keys at once. */
export function testReplayGuard(name: string, create: (keysMax: number, clock: Clock) => ReplayGuard): void {
	const open = (keysMax = 1024): { clock: ManualClock; guard: ReplayGuard } => {
		const clock = new ManualClock(START * 1000);
		return { clock, guard: create(keysMax, clock) };
	};

	test(`${name}: admits a key once, and other keys beside it`, () => {
		const { guard } = open();
		assert.equal(guard.admit('a', START + 60), 'first');
		assert.equal(guard.admit('b', START + 60), 'first');
		for (let turn = 0; turn < 50; turn++) assert.equal(guard.admit('a', START + 60), 'replayed');
	});

	test(`${name}: remembers a key to its last second`, () => {
		for (const life of [1, 31, 32, 33, 64, 100, REPLAY_SECONDS_MAX]) {
			const { clock, guard } = open();
			assert.equal(guard.admit('a', START + life), 'first');
			clock.advance((life - 1) * 1000 + 999);
			assert.equal(guard.admit('a', START + life), 'replayed', String(life));
		}
	});

	test(`${name}: refuses what is over, and what would have to be remembered for too long`, () => {
		const { guard } = open();
		for (const until of [
			START,
			START - 1,
			START + REPLAY_SECONDS_MAX + 1,
			0,
			-1,
			Number.NaN,
			Number.POSITIVE_INFINITY,
		]) {
			assert.equal(guard.admit('a', until), 'unavailable', String(until));
		}
	});

	test(`${name}: when it is full, refuses new keys and still knows every key; room comes back with time`, () => {
		const { clock, guard } = open(64);
		const admitted: string[] = [];
		for (let index = 0; index < 10_000; index++) {
			const verdict = guard.admit(`key-${index}`, START + 60);
			if (verdict === 'first') admitted.push(`key-${index}`);
			else assert.equal(verdict, 'unavailable');
		}
		assert.ok(admitted.length >= 64 && admitted.length < 10_000, `${admitted.length} admitted`);
		for (const key of admitted) assert.notEqual(guard.admit(key, START + 60), 'first', key);
		clock.advance(300_000);
		assert.equal(guard.admit('later', START + 360), 'first');
	});

	test(`${name}: after the clock was set back it still admits once, and remembers what it knew`, () => {
		const { clock, guard } = open();
		clock.advance(3_600_000);
		assert.equal(guard.admit('ahead', START + 3660), 'first');
		clock.advance(-3_600_000);
		assert.equal(guard.admit('back', START + 60), 'first');
		assert.equal(guard.admit('back', START + 60), 'replayed');
	});

	test(`${name}: property: over any course of calls and time, each key is admitted at most once while it counts`, () => {
		const step = fc.record({
			key: fc.integer({ min: 0, max: 20 }),
			life: fc.integer({ min: 1, max: REPLAY_SECONDS_MAX }),
			advance: fc.integer({ min: 0, max: 90 }),
		});
		fc.assert(
			fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
				const { clock, guard } = open(4096);
				const live = new Map<number, number>();
				for (const { key, life, advance } of steps) {
					clock.advance(advance * 1000);
					const now = clock.nowMs() / 1000;
					const known = live.get(key);
					// One proof has one end: what comes again later is another proof, and has another name.
					const until = known !== undefined && known > now ? known : now + life;
					const expected = until === known ? 'replayed' : 'first';
					assert.equal(guard.admit(`${key}@${until}`, until), expected);
					live.set(key, until);
				}
			}),
			{ numRuns: 100 },
		);
	});
}
