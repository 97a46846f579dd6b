import assert from 'node:assert/strict';
import { test } from 'node:test';
import { GenerationMap } from './generation-map.ts';

test('keeps the last keys that were set, forgets the oldest, and never holds more than twice its bound', () => {
	const map = new GenerationMap<string, number>(100);
	for (let n = 0; n < 5000; n++) {
		map.set(`${n}`, n);
		assert.ok(map.size <= 200);
		for (const back of [0, 1, 50, 99]) if (n >= back) assert.equal(map.get(`${n - back}`), n - back);
	}
	assert.equal(map.get('0'), undefined);
	map.set('4999', -1);
	assert.equal(map.get('4999'), -1);
	for (const bound of [0, -1, 1.5]) assert.throws(() => new GenerationMap(bound), RangeError);
});

test('a key that is set again lives on, whatever else comes', () => {
	const map = new GenerationMap<string, number>(10);
	for (let n = 0; n < 1000; n++) {
		map.set(`other ${n}`, n);
		if (n % 5 === 0) map.set('kept', n);
		assert.equal(map.get('kept'), n - (n % 5));
	}
});
