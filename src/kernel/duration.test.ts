import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { formatByteSize, parseByteSize } from './byte-size.ts';
import { formatDurationMs, parseDurationMs } from './duration.ts';

test('reads durations with units, and none without', () => {
	assert.equal(parseDurationMs('300s'), 300_000);
	assert.equal(parseDurationMs('1h30m'), 5_400_000);
	assert.equal(parseDurationMs('90d'), 7_776_000_000);
	assert.equal(parseDurationMs('250ms'), 250);
	for (const text of ['', '300', '-1s', '1.5s', '1m1h', 's', '1s ', '1 s', '1e3s', '9999999999s']) {
		assert.equal(parseDurationMs(text), undefined, text);
	}
});

test('reads sizes with binary units, and none without', () => {
	assert.equal(parseByteSize('64KiB'), 65_536);
	assert.equal(parseByteSize('512B'), 512);
	for (const text of ['', '64', '64kb', '64KB', '-1B', '1.5MiB', '1 MiB'])
		assert.equal(parseByteSize(text), undefined, text);
});

test('what is written is read back', () => {
	fc.assert(fc.property(fc.nat(), (ms) => assert.equal(parseDurationMs(formatDurationMs(ms)), ms)));
	fc.assert(fc.property(fc.nat(), (bytes) => assert.equal(parseByteSize(formatByteSize(bytes)), bytes)));
});
