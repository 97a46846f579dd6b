// How often a client may ask: a burst, a rate, bounded memory, and a clock that is set back.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ManualClock } from '../../kernel/clock.ts';
import { newId } from '../../kernel/ids.ts';
import { systemRandom } from '../../kernel/random.ts';
import { REQUEST_ALLOWANCE, REQUEST_CLIENTS_MAX, RequestLimit } from './request-limit.ts';

const START_MS = Date.UTC(2026, 10, 24, 12);
const id = (clock: ManualClock) => newId('cli', clock, systemRandom);

test('serves a burst, then refuses and says when to come back, and leaves other clients alone', () => {
	const clock = new ManualClock(START_MS);
	const limit = new RequestLimit(clock);
	const [greedy, other] = [id(clock), id(clock)];
	for (let n = 0; n < REQUEST_ALLOWANCE.requests; n++) assert.equal(limit.spend(greedy), 0);
	for (let n = 0; n < 100; n++) assert.equal(limit.spend(greedy), 1);
	assert.equal(limit.spend(other), 0);
	// What is refused counts for nothing: a client that goes on asking gets its rate all the same.
	let served = 0;
	for (let second = 0; second < 10; second++) {
		clock.advance(1000);
		for (let n = 0; n < 200; n++) served += limit.spend(greedy) === 0 ? 1 : 0;
	}
	assert.equal(served, (10 * REQUEST_ALLOWANCE.requests) / REQUEST_ALLOWANCE.windowSeconds);
});

test('a clock that is set back locks nobody out for longer than the burst takes to come back', () => {
	const clock = new ManualClock(START_MS);
	const limit = new RequestLimit(clock);
	const client = id(clock);
	for (let n = 0; n < REQUEST_ALLOWANCE.requests; n++) limit.spend(client);
	clock.advance(-86_400_000);
	assert.equal(limit.spend(client), 1);
	clock.advance(1000);
	assert.equal(limit.spend(client), 0);
});

test('remembers a bounded number of clients', () => {
	const clock = new ManualClock(START_MS);
	const limit = new RequestLimit(clock, { requests: 1, windowSeconds: 3600 });
	for (let n = 0; n < 3 * REQUEST_CLIENTS_MAX; n++) limit.spend(`cli_${n}` as ReturnType<typeof id>);
	assert.ok(limit.size <= 2 * REQUEST_CLIENTS_MAX, String(limit.size));
});
