import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { FaultCode } from '../../kernel/faults.ts';
import { parseIpAddress } from './ip-address.ts';
import { sourceOf } from './source.ts';
import { addFailure, failureWeight, remainingBlockMs, type SourcePolicy, type Standing } from './source-throttle.ts';

const POLICY: SourcePolicy = {
	failures: 10,
	certifiedFailures: 50,
	windowSeconds: 60,
	blockSecondsMin: 10,
	blockSecondsMax: 900,
	requests: undefined,
};
const UNKNOWN: Standing = { refilledAtMs: 0, blockedUntilMs: 0, relapses: 0 };
const START_MS = 1_790_000_000_000;

/** Fails as often as it takes to be refused; gives the standing and how often it took. */
function failUntilRefused(standing: Standing, nowMs: number) {
	let times = 0;
	let now = standing;
	while (remainingBlockMs(now, POLICY, nowMs) === 0) {
		now = addFailure(now, 1, POLICY.failures, POLICY, nowMs);
		times++;
	}
	return { standing: now, times };
}

test('refuses after more failures than a window holds, and not before', () => {
	const { standing, times } = failUntilRefused(UNKNOWN, START_MS);
	assert.equal(times, POLICY.failures + 1);
	assert.equal(remainingBlockMs(standing, POLICY, START_MS), 10_000);
});

test('never refuses a source that fails more slowly than the window refills', () => {
	let standing = UNKNOWN;
	for (let nowMs = START_MS; nowMs < START_MS + 3_600_000; nowMs += 6001) {
		standing = addFailure(standing, 1, POLICY.failures, POLICY, nowMs);
		assert.equal(remainingBlockMs(standing, POLICY, nowMs), 0);
	}
});

test('refuses for twice as long at each relapse, up to the bound, and begins anew after a quiet time', () => {
	const seconds: number[] = [];
	let nowMs = START_MS;
	let standing = UNKNOWN;
	for (let relapse = 0; relapse < 10; relapse++) {
		({ standing } = failUntilRefused(standing, nowMs));
		const leftMs = remainingBlockMs(standing, POLICY, nowMs);
		seconds.push(leftMs / 1000);
		nowMs += leftMs;
	}
	assert.deepEqual(seconds, [10, 20, 40, 80, 160, 320, 640, 900, 900, 900]);
	nowMs += 900_001;
	({ standing } = failUntilRefused(standing, nowMs));
	assert.equal(remainingBlockMs(standing, POLICY, nowMs), 10_000);
});

test('does not prolong a refusal by what comes meanwhile: the time that was told is kept', () => {
	const { standing } = failUntilRefused(UNKNOWN, START_MS);
	let later = standing;
	for (let count = 0; count < 1000; count++) later = addFailure(later, 3, POLICY.failures, POLICY, START_MS + 5000);
	assert.deepEqual(later, standing);
	assert.equal(remainingBlockMs(later, POLICY, START_MS + 10_000), 0);
});

test('is not fooled into an endless refusal by a clock that is set back', () => {
	const { standing } = failUntilRefused(UNKNOWN, START_MS);
	assert.equal(remainingBlockMs(standing, POLICY, START_MS - 3_600_000), 0);
	const again = addFailure(standing, 1, POLICY.failures, POLICY, START_MS - 3_600_000);
	assert.ok(remainingBlockMs(again, POLICY, START_MS - 3_600_000) <= 900_000);
});

test('keeps its invariants whatever comes when', () => {
	const event = fc.record({ waitMs: fc.integer({ min: -5000, max: 400_000 }), weight: fc.integer({ min: 1, max: 3 }) });
	fc.assert(
		fc.property(fc.array(event, { maxLength: 200 }), (events) => {
			let standing = UNKNOWN;
			let nowMs = START_MS;
			for (const { waitMs, weight } of events) {
				nowMs += waitMs;
				standing = addFailure(standing, weight, POLICY.failures, POLICY, nowMs);
				const left = remainingBlockMs(standing, POLICY, nowMs);
				assert.ok(left >= 0 && left <= POLICY.blockSecondsMax * 1000);
				assert.ok(standing.refilledAtMs <= Math.max(nowMs + 60_000, standing.blockedUntilMs));
			}
		}),
	);
});

test('counts what an attacker does, and not what happens to every honest client', () => {
	const weights: readonly [FaultCode, number][] = [
		['malformed_request', 3],
		['binding_mismatch', 3],
		['token_missing', 1],
		['certificate_missing', 1],
		['oauth_invalid_client', 1],
		['resource_denied', 2],
		['route_not_found', 1],
		['token_expired', 0],
		['limit_exceeded', 0],
		['parameter_invalid', 0],
		['body_invalid', 0],
		['upstream_unreachable', 0],
		['internal_error', 0],
		['source_throttled', 0],
	];
	for (const [code, weight] of weights) assert.equal(failureWeight(code), weight, code);
});

test('knows IPv4 by address, IPv6 by /64 and /48, and a certificate wherever it comes from', () => {
	const address = (text: string) => parseIpAddress(text);
	assert.deepEqual(sourceOf(address('::ffff:203.0.113.7'), undefined), {
		key: '203.0.113.7',
		widerKey: undefined,
		isCertified: false,
	});
	assert.deepEqual(sourceOf(address('2001:db8:1:2:3:4:5:6'), undefined), {
		key: '2001:db8:1:2::/64',
		widerKey: '2001:db8:1::/48',
		isCertified: false,
	});
	assert.deepEqual(sourceOf(address('203.0.113.7'), 'abc'), sourceOf(address('2001:db8::1'), 'abc'));
	assert.equal(sourceOf(address('203.0.113.7'), 'abc').isCertified, true);
});
