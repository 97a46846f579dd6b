import { test } from 'node:test';
import assert from 'node:assert/strict';
import { createPooledRandom } from './pooled-random.ts';
import type { Random } from './random.ts';

/** Counts up, two bytes at a time, so that a byte that is given out twice shows. */
function countingRandom(): Random & { drawn: number } {
	let word = 0;
	return {
		drawn: 0,
		bytes(length) {
			this.drawn += length;
			const bytes = Buffer.alloc(length);
			for (let index = 0; index + 1 < length; index += 2) bytes.writeUInt16BE(word++, index);
			return bytes;
		},
	};
}

test('gives every byte of its source out once, and leaves what it gave out as it was', () => {
	const source = countingRandom();
	const random = createPooledRandom(source);
	const pieces = Array.from({ length: 2000 }, (_, index) => random.bytes(index % 3 === 0 ? 24 : 8));
	const words = pieces.flatMap((piece) =>
		Array.from({ length: piece.length / 2 }, (_, at) => piece.readUInt16BE(at * 2)),
	);
	assert.equal(new Set(words).size, words.length);
});

test('gives the length that was asked for, also beyond a block', () => {
	const random = createPooledRandom(countingRandom());
	for (const length of [0, 1, 8, 24, 511, 512, 513, 4096, 10_000, 24])
		assert.equal(random.bytes(length).length, length);
});

test('asks its source once for many pieces', () => {
	const source = countingRandom();
	const random = createPooledRandom(source);
	for (let piece = 0; piece < 100; piece++) random.bytes(24);
	assert.equal(source.drawn, 4096);
});
