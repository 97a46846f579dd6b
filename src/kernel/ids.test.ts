import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ManualClock } from './clock.ts';
import { newId, parseId } from './ids.ts';
import { systemRandom } from './random.ts';

test('ids sort by age, never repeat, and read back as what they are', () => {
	const clock = new ManualClock(Date.UTC(2026, 10, 23));
	const ids: string[] = [];
	for (let count = 0; count < 1000; count++) {
		const id = newId('prt', clock, systemRandom);
		assert.equal(parseId('prt', id), id);
		ids.push(id);
		clock.advance(1);
	}
	assert.deepEqual(ids, ids.toSorted());
	assert.equal(new Set(ids).size, ids.length);
});

test('an id of one kind is never read as another, nor is anything else', () => {
	const id = newId('prt', new ManualClock(0), systemRandom);
	assert.equal(parseId('cli', id), undefined);
	for (const text of [
		'',
		'prt_',
		`${id}x`,
		id.slice(0, -1),
		id.toUpperCase(),
		`prt_${'u'.repeat(26)}`,
		`prt_8${'0'.repeat(25)}`,
		7,
		null,
	]) {
		assert.equal(parseId('prt', text), undefined, String(text));
	}
});

test('the random part uses all of its 80 bits', () => {
	const bytes = Buffer.from('ffffffffffffffffffff', 'hex');
	const id = newId('prt', new ManualClock(0), { bytes: () => bytes });
	assert.equal(id, `prt_${'0'.repeat(10)}${'z'.repeat(16)}`);
});
