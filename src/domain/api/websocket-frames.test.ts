import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { CLOSE_PROTOCOL_ERROR, CLOSE_TOO_BIG, closeFrame, FrameReader } from './websocket-frames.ts';
import { acceptOf, asksForWebSocket, isWebSocketKey, parseSubprotocols } from './websocket-handshake.ts';

function frame(first: number, payload: number, isMasked = true, size: 'short' | 16 | 64 = 'short'): Buffer {
	const bit = isMasked ? 0x80 : 0;
	const head =
		size === 'short'
			? Buffer.from([first, bit | payload])
			: size === 16
				? Buffer.from([first, bit | 126, payload >> 8, payload & 0xff])
				: Buffer.from([
						first,
						bit | 127,
						0,
						0,
						0,
						0,
						(payload >>> 24) & 0xff,
						(payload >> 16) & 0xff,
						(payload >> 8) & 0xff,
						payload & 0xff,
					]);
	return Buffer.concat([head, Buffer.alloc(isMasked ? 4 : 0), Buffer.alloc(payload, 0x61)]);
}

const TEXT = frame(0x81, 5);
const PING = frame(0x89, 0);

test('passes whole frames byte for byte, in whatever pieces they come', () => {
	const all = Buffer.concat([
		TEXT,
		PING,
		frame(0x02, 3),
		frame(0x8a, 2),
		frame(0x80, 200, true, 16),
		frame(0x82, 70_000, true, 64),
		frame(0x88, 2),
	]);
	fc.assert(
		fc.property(fc.array(fc.integer({ min: 1, max: 40_000 }), { maxLength: 20 }), (sizes) => {
			const reader = new FrameReader(true, 100_000);
			const passed: Buffer[] = [];
			let position = 0;
			for (const size of [...sizes, all.length]) {
				passed.push(Buffer.from(reader.take(all.subarray(position, position + size))));
				position = Math.min(all.length, position + size);
			}
			assert.deepEqual(Buffer.concat(passed), all);
			assert.deepEqual([reader.violation, reader.isBetweenFrames, reader.hasClosed], [undefined, true, true]);
		}),
		{ numRuns: 50 },
	);
});

for (const [what, bytes, code] of [
	['a frame that is not masked', frame(0x81, 5, false), CLOSE_PROTOCOL_ERROR],
	['a reserved bit', frame(0xc1, 5), CLOSE_PROTOCOL_ERROR],
	['an unknown opcode', frame(0x83, 5), CLOSE_PROTOCOL_ERROR],
	['an unknown control opcode', frame(0x8b, 0), CLOSE_PROTOCOL_ERROR],
	['a control frame in pieces', frame(0x09, 0), CLOSE_PROTOCOL_ERROR],
	['a long control frame', frame(0x89, 126, true, 16), CLOSE_PROTOCOL_ERROR],
	['a continuation of nothing', frame(0x80, 1), CLOSE_PROTOCOL_ERROR],
	['a message within a message', Buffer.concat([frame(0x01, 1), TEXT]), CLOSE_PROTOCOL_ERROR],
	['a size in a longer form than needed', frame(0x81, 5, true, 16), CLOSE_PROTOCOL_ERROR],
	['a 64-bit size in a longer form than needed', frame(0x81, 300, true, 64), CLOSE_PROTOCOL_ERROR],
	['a frame after a close frame', Buffer.concat([frame(0x88, 2), PING]), CLOSE_PROTOCOL_ERROR],
	['a message above its bound', frame(0x82, 1001, true, 16), CLOSE_TOO_BIG],
	[
		'a message above its bound, in pieces',
		Buffer.concat([frame(0x02, 600, true, 16), frame(0x80, 600, true, 16)]),
		CLOSE_TOO_BIG,
	],
] as const) {
	test(`passes nothing of ${what}`, () => {
		const reader = new FrameReader(true, 1000);
		const good = Buffer.concat([TEXT, bytes]);
		const passed = reader.take(good);
		assert.equal(reader.violation, code);
		assert.equal(passed.subarray(0, TEXT.length).equals(TEXT), true);
		assert.ok(passed.length < good.length);
		assert.equal(reader.isBetweenFrames, true);
		assert.equal(reader.take(PING).length, 0);
	});
}

test('a size that no machine has is refused before a byte of it is waited for', () => {
	const reader = new FrameReader(false, 1000);
	reader.take(Buffer.from([0x82, 127, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]));
	assert.equal(reader.violation, CLOSE_PROTOCOL_ERROR);
});

test('writes close frames that its own reader takes, masked and not', () => {
	for (const isMasked of [true, false]) {
		const reader = new FrameReader(isMasked, 10);
		const written = closeFrame(1008, 'token_expired', isMasked ? Buffer.from([1, 2, 3, 4]) : undefined);
		assert.equal(reader.take(written).length, written.length);
		assert.equal(reader.hasClosed, true);
	}
});

test('reads handshakes strictly', () => {
	assert.equal(acceptOf('dGhlIHNhbXBsZSBub25jZQ=='), 's3pPLMBiTxaQ9kYGzzhZRbK+xOo=');
	assert.equal(isWebSocketKey('dGhlIHNhbXBsZSBub25jZQ=='), true);
	for (const key of [
		undefined,
		'',
		'dGhlIHNhbXBsZSBub25jZQ=',
		'dGhlIHNhbXBsZSBub25jZR==',
		'x, dGhlIHNhbXBsZSBub25jZQ==',
	])
		assert.equal(isWebSocketKey(key), false);
	assert.deepEqual(parseSubprotocols('a, b,c'), ['a', 'b', 'c']);
	for (const list of ['', 'a,,b', 'a, a', 'a b', 'a;q=1']) assert.equal(parseSubprotocols(list), undefined);
	assert.equal(asksForWebSocket('keep-alive, Upgrade', 'WebSocket'), true);
	for (const [connection, upgrade] of [
		['Upgrade', 'h2c'],
		['Upgrade', 'websocket, h2c'],
		['keep-alive', 'websocket'],
		['Upgrade, X-Request-Id', 'websocket'],
		['Upgrade, close', 'websocket'],
		[undefined, 'websocket'],
	] as const)
		assert.equal(asksForWebSocket(connection, upgrade), false);
});
