import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { BoundedMap } from './bounded-map.ts';

test('never holds more than its bound, and forgets what was used longest ago', () => {
	const map = new BoundedMap<string, number>(2);
	map.set('a', 1);
	map.set('b', 2);
	assert.equal(map.get('a'), 1);
	map.set('c', 3);
	assert.equal(map.size, 2);
	assert.equal(map.get('b'), undefined);
	assert.deepEqual([map.get('a'), map.get('c')], [1, 3]);
});

test('looking at a value without using it does not keep it', () => {
	const map = new BoundedMap<string, number>(2);
	map.set('a', 1);
	map.set('b', 2);
	assert.equal(map.peek('a'), 1);
	map.set('c', 3);
	assert.equal(map.peek('a'), undefined);
});

test('does what a list in order of use does', () => {
	const command = fc.tuple(fc.constantFrom('get', 'set', 'delete'), fc.integer({ min: 0, max: 6 }));
	fc.assert(
		fc.property(fc.integer({ min: 1, max: 4 }), fc.array(command, { maxLength: 50 }), (bound, commands) => {
			const map = new BoundedMap<number, number>(bound);
			let model: number[] = [];
			for (const [verb, key] of commands) {
				const isKnown = model.includes(key);
				if (verb === 'get') assert.equal(map.get(key), isKnown ? key : undefined);
				if (verb === 'set') map.set(key, key);
				if (verb === 'delete') assert.equal(map.delete(key), isKnown);
				const others = model.filter((one) => one !== key);
				if (verb === 'delete') model = others;
				else if (verb === 'set' || isKnown) model = [...others, key].slice(-bound);
				assert.equal(map.size, model.length);
				for (const one of model) assert.equal(map.peek(one), one);
			}
		}),
	);
});

test('a bound that is none is refused', () => {
	for (const bound of [0, -1, 1.5, Number.NaN]) assert.throws(() => new BoundedMap(bound), RangeError);
});
