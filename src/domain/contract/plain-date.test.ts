import { test } from 'node:test';
import assert from 'node:assert/strict';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { type default as AddFormats, default as formats } from 'ajv-formats';
import fc from 'fast-check';
import { recognizePlainDates } from './plain-date.ts';

const addFormats = formats as unknown as typeof AddFormats.default;

function checksOf(format: string): {
	readonly whole: (text: string) => boolean;
	readonly short: (text: string) => boolean;
} {
	const [whole, short] = [new Ajv2020(), new Ajv2020()];
	addFormats(whole);
	addFormats(short);
	recognizePlainDates(short);
	const schema = { type: 'string', format };
	return { whole: whole.compile(schema), short: short.compile(schema) };
}

const two = fc.integer({ min: 0, max: 70 }).map((value) => String(value).padStart(2, '0'));
const date = fc
	.tuple(fc.integer({ min: 0, max: 9999 }), two, two)
	.map(([year, month, day]) => `${String(year).padStart(4, '0')}-${month}-${day}`);
const time = fc
	.tuple(
		two,
		two,
		two,
		fc.constantFrom('', '.5', '.123456789', '.1234567890', '.'),
		fc.constantFrom('Z', 'z', '', '+01:00', '-23:59', 'Z '),
	)
	.map(([hours, minutes, seconds, fraction, zone]) => `${hours}:${minutes}:${seconds}${fraction}${zone}`);

test('the short way through date accepts and refuses what the whole check does', () => {
	const { whole, short } = checksOf('date');
	fc.assert(
		fc.property(fc.oneof(date, fc.string()), (text) => assert.equal(short(text), whole(text))),
		{ numRuns: 3000 },
	);
});

test('the short way through date-time accepts and refuses what the whole check does', () => {
	const { whole, short } = checksOf('date-time');
	const text = fc.oneof(
		fc.tuple(date, fc.constantFrom('T', 't', ' ', ''), time).map((parts) => parts.join('')),
		fc.constantFrom(
			'2026-11-20T08:00:00Z',
			'2024-02-29T23:59:59Z',
			'2023-02-29T00:00:00Z',
			'2016-12-31T23:59:60Z',
			'2026-11-20T08:00:00Z\n',
		),
		fc.string(),
	);
	fc.assert(
		fc.property(text, (value) => assert.equal(short(value), whole(value))),
		{ numRuns: 5000 },
	);
});
