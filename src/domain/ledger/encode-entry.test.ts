import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { canonicalJson, type JsonValue } from '../../kernel/canonical-json.ts';
import { type AuditEntry, ENTRY_BYTES_MAX } from './audit-entry.ts';
import { decodeEntry, encodeEntry } from './encode-entry.ts';

const plain: AuditEntry = {
	time: '2026-11-23T18:40:38.223Z',
	type: 'gateway.request',
	requestId: 'req_1',
	actor: { partner: 'prt_1', client: 'cli_1' },
	decision: 'deny',
	reason: 'token_expired',
	status: 401,
	facts: { api: 'accounts', method: 'GET' },
};

const text = fc.string({
	unit: fc.constantFrom('a', 'Z', '"', '\\', '\n', '\u0000', '\u007f', 'é', '€', '😀', '\ud800', '\udc00', '\u2028'),
});
const scalar = fc.oneof(
	text,
	fc.double({ noNaN: true, noDefaultInfinity: true }),
	fc.integer(),
	fc.boolean(),
	fc.constant(null),
);
const fact = fc.oneof(
	{ maxDepth: 2 },
	scalar,
	fc.array(scalar, { maxLength: 3 }),
	fc.dictionary(text, scalar, { maxKeys: 3 }),
);
const entries = fc.record(
	{
		time: text,
		type: text,
		requestId: text,
		actor: fc.record(
			{ partner: text, client: text, credential: text, operator: text, system: text, address: text },
			{ requiredKeys: [] },
		),
		decision: fc.constantFrom('permit' as const, 'deny' as const),
		reason: text,
		status: fc.integer({ min: -1, max: 600 }),
		facts: fc.dictionary(fc.oneof(text, fc.integer().map(String)), fact, { maxKeys: 8 }),
	},
	{ requiredKeys: ['time', 'type', 'actor', 'decision'] },
);

test('an entry is written as canonical JSON, byte for byte', () => {
	fc.assert(
		fc.property(entries, (entry) => {
			assert.equal(encodeEntry(entry as AuditEntry), canonicalJson(entry as unknown as JsonValue));
		}),
		{ numRuns: 500 },
	);
	const { facts: _facts, ...rest } = plain;
	for (const facts of [
		{ b: 1, a: 2 },
		{ a: 1, b: undefined, c: 2 },
		{ '10': 1, '9': 2 },
		{ a: -0 },
		{ a: { c: 1, b: [2, { e: 1, d: 2 }] } },
	]) {
		const entry = { ...rest, facts };
		assert.equal(encodeEntry(entry), canonicalJson(entry as unknown as JsonValue));
	}
});

test('an entry is read back as it was written', () => {
	assert.deepEqual(decodeEntry(Buffer.from(encodeEntry(plain))), plain);
	for (const bad of [
		'',
		'[]',
		'null',
		'{"type":"x"}',
		'{"time":"","type":1,"actor":{}}',
		'{"time":"","type":"x"}',
		'\xff',
	]) {
		assert.equal(decodeEntry(Buffer.from(bad, 'latin1')), undefined, bad);
	}
});

test('an entry that is too large is cut down to who, what and when, and says so', () => {
	const facts = { note: '€'.repeat(ENTRY_BYTES_MAX) };
	const written = encodeEntry({ ...plain, requestId: 'r'.repeat(9_999), facts });
	assert.ok(Buffer.byteLength(written) <= ENTRY_BYTES_MAX);
	const entry = decodeEntry(Buffer.from(written));
	assert.equal(entry?.facts?.entry_truncated, true);
	assert.ok(Number(entry?.facts?.entry_bytes) > 3 * ENTRY_BYTES_MAX);
	assert.equal(entry?.requestId?.length, 128);
	assert.deepEqual({ ...entry, requestId: 'req_1', facts: plain.facts }, plain);
});

test('an entry at the bound is kept whole, and one byte more is cut down', () => {
	const room = ENTRY_BYTES_MAX - encodeEntry({ ...plain, facts: { note: '' } }).length;
	const atBound = { ...plain, facts: { note: 'x'.repeat(room) } };
	assert.equal(encodeEntry(atBound), canonicalJson(atBound as unknown as JsonValue));
	assert.match(encodeEntry({ ...plain, facts: { note: 'x'.repeat(room + 1) } }), /entry_truncated/);
});

test('a bug of the caller costs the facts, never the entry', () => {
	const cycle: { self?: unknown } = {};
	cycle.self = cycle;
	for (const facts of [{ ms: Number.NaN }, { big: 1n }, cycle]) {
		const entry = decodeEntry(Buffer.from(encodeEntry({ ...plain, facts: facts as never })));
		assert.equal(entry?.type, 'gateway.request');
		assert.equal(entry?.actor.client, 'cli_1');
		assert.equal(typeof entry?.facts?.entry_unencodable, 'string');
	}
	assert.equal(decodeEntry(Buffer.from(encodeEntry({ ...plain, status: Number.NaN })))?.status, undefined);
});
