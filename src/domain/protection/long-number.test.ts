import { test } from 'node:test';
import assert from 'node:assert/strict';
import fc from 'fast-check';
import { mayHaveLongNumber } from './long-number.ts';

const LONG_NUMBER = /(?:^|[:,[ \t\r\n])-?\d{16}/;
const look = (text: string): boolean => mayHaveLongNumber(Buffer.from(text));

test('finds a number of sixteen digits at every place of a body, and none of fifteen', () => {
	for (let place = 0; place < 70; place++) {
		const head = `{"a":"${'x'.repeat(place)}","n":`;
		for (const sign of ['', '-']) {
			assert.equal(look(`${head}${sign}1234567890123456}`), true, `place ${place}`);
			assert.equal(look(`${head}${sign}123456789012345}`), false, `place ${place}`);
		}
	}
});

test('takes digits in the middle of a string for none, and never a number for a string', () => {
	assert.equal(look('{"iban":"DE89370400440532013000"}'), false);
	assert.equal(look('{"id":"12345678901234567890"}'), false);
	assert.equal(look('{"text":"order 12345678901234567890"}'), true);
	assert.equal(look('12345678901234567890'), true);
	assert.equal(look('[-12345678901234567890]'), true);
});

test('answers as the regular expression that defines it', () => {
	const piece = fc.oneof(
		fc.constantFrom('"', ':', ',', '[', ']', '-', '.', ' ', '\n', 'e', 'x', 'é'),
		fc.integer({ min: 1, max: 40 }).map((length) => '1234567890'.repeat(4).slice(0, length)),
	);
	fc.assert(
		fc.property(fc.array(piece, { maxLength: 40 }), (pieces) => {
			const text = pieces.join('');
			assert.equal(look(text), LONG_NUMBER.test(text));
		}),
		{ numRuns: 2000 },
	);
});
