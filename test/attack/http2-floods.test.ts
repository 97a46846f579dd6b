// Threat: HTTP/2 connections that do much and ask for nothing (T29): rapid resets (CVE-2023-44487), resets that the server is
// made to send, CONTINUATION, SETTINGS and PING floods, empty frames, stalled windows, malformed HPACK. Expected: GOAWAY or a
// closed connection, bounded memory, and other connections are served meanwhile.
import assert from 'node:assert/strict';
import { after, before, beforeEach, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { encodeFields, type Field, FLAG, FRAME, frame, FrameClient } from '../fixture/frame-client.ts';
import { GOOD_ANSWER, startTestGateway, type TestGateway, type TestPartner } from '../fixture/test-gateway.ts';

let gateway: TestGateway;
let partner: TestPartner;

before(async () => {
	gateway = await startTestGateway();
	partner = await gateway.onboard();
});
after(() => gateway.close());
beforeEach(() => {
	gateway.seen.length = 0;
	gateway.ledger.buffered.length = 0;
	gateway.answer = () => GOOD_ANSWER;
});

const open = (settings?: Buffer): Promise<FrameClient> =>
	FrameClient.open({ port: gateway.port, ca: gateway.rootCa, cert: partner.chain, key: partner.key }, settings);
const fields = (...more: readonly Field[]): Field[] => [
	[':method', 'GET'],
	[':scheme', 'https'],
	[':authority', gateway.authority],
	[':path', '/bank/v1/accounts/acc-1001'],
	['authorization', `Bearer ${partner.token()}`],
	...more,
];
/** The same fields for a payment, which has a body. */
const asPost = (list: readonly Field[]): Field[] =>
	list.map(([name, value]) => [name, { ':method': 'POST', ':path': '/bank/v1/payments' }[name] ?? value]);
const NUMBER = (value: number): Buffer => {
	const bytes = Buffer.alloc(4);
	bytes.writeUInt32BE(value);
	return bytes;
};
/** SETTINGS_INITIAL_WINDOW_SIZE = 0, again and again. */
const NO_WINDOW = Buffer.from([0, 4, 0, 0, 0, 0]);
const MALFORMED_REQUEST: readonly Field[] = [[':method', 'GET']];

/** What a flood sends in its `round`-th write; the stream numbers are its own affair. */
type Flood = (round: number) => Buffer[];

const many = (count: number, make: (index: number) => Buffer): Buffer[] =>
	Array.from({ length: count }, (_, i) => make(i));
const odd = (round: number, index: number, size: number): number => 1 + 2 * (round * size + index);

const FLOODS: { readonly [name: string]: Flood } = {
	'rapid resets': (round) =>
		many(50, (index) => {
			const stream = odd(round, index, 50);
			const ask = frame(FRAME.headers, FLAG.endStream | FLAG.endHeaders, stream, encodeFields(fields()));
			return Buffer.concat([ask, frame(FRAME.reset, 0, stream, NUMBER(8))]);
		}),
	'resets that the server is made to send by a wrong window': (round) =>
		many(50, (index) => {
			const stream = odd(round, index, 50);
			const ask = frame(FRAME.headers, FLAG.endHeaders | FLAG.endStream, stream, encodeFields(fields()));
			return Buffer.concat([ask, frame(FRAME.window, 0, stream, NUMBER(0x7fffffff))]);
		}),
	'resets that the server is made to send by malformed requests': (round) =>
		many(50, (index) =>
			frame(FRAME.headers, FLAG.endStream | FLAG.endHeaders, odd(round, index, 50), encodeFields(MALFORMED_REQUEST)),
		),
	'resets that the server is made to send by too much DATA': (round) =>
		many(20, (index) => {
			const stream = odd(round, index, 20);
			const post = asPost(fields(['content-length', '1']));
			const ask = frame(FRAME.headers, FLAG.endHeaders, stream, encodeFields(post));
			return Buffer.concat([ask, frame(FRAME.data, FLAG.endStream, stream, Buffer.from('{}'))]);
		}),
	PING: () => many(200, () => frame(FRAME.ping, 0, 0, Buffer.alloc(8))),
	SETTINGS: () => many(50, () => frame(FRAME.settings, 0, 0, NO_WINDOW)),
	'CONTINUATION without end': (round) =>
		round === 0
			? [frame(FRAME.headers, FLAG.endStream, 1, encodeFields(fields()))]
			: many(20, () => frame(FRAME.continuation, 0, 1, encodeFields([['x-a', 'b']]))),
	'empty CONTINUATION': (round) =>
		round === 0
			? [frame(FRAME.headers, FLAG.endStream, 1, encodeFields(fields()))]
			: many(20, () => frame(FRAME.continuation, 0, 1)),
	'empty DATA': (round) =>
		round === 0
			? [frame(FRAME.headers, FLAG.endHeaders, 1, encodeFields(asPost(fields(['content-type', 'application/json']))))]
			: many(50, () => frame(FRAME.data, 0, 1)),
	'malformed HPACK': () => [
		frame(FRAME.headers, FLAG.endStream | FLAG.endHeaders, 1, Buffer.from([0xff, 0xff, 0xff, 0xff, 0xff, 0xff])),
	],
	'an HPACK table that grows without bound': () => [
		frame(FRAME.headers, FLAG.endStream | FLAG.endHeaders, 1, Buffer.from([0x3f, 0xff, 0xff, 0xff, 0x7f])),
	],
	'a frame that is longer than agreed': () => [frame(FRAME.data, 0, 1, Buffer.alloc(20_000))],
	'a stream number that goes back': () =>
		[5, 3].map((stream) => frame(FRAME.headers, FLAG.endStream | FLAG.endHeaders, stream, encodeFields(fields()))),
	'a push by the client': () => [
		frame(FRAME.push, FLAG.endHeaders, 1, Buffer.concat([NUMBER(2), encodeFields(fields())])),
	],
	'a window that is too large': () => [
		frame(FRAME.window, 0, 0, NUMBER(0x7fffffff)),
		frame(FRAME.window, 0, 0, NUMBER(0x7fffffff)),
	],
};

for (const [name, flood] of Object.entries(FLOODS)) {
	test(`ends a connection that sends ${name}, and serves others meanwhile (T29)`, async () => {
		const client = await open();
		const other = await open();
		const before = process.memoryUsage().rss;
		for (let round = 0; round < 400 && !client.isClosed; round++) {
			client.write(...flood(round));
			await sleep(1);
		}
		await client.until(() => false);
		assert.ok(client.isClosed);
		other.ask(1, fields());
		assert.equal(await other.answerOf(1), 200);
		other.close();
		assert.ok(process.memoryUsage().rss - before < 100 * 2 ** 20, 'memory grew by more than 100 MiB');
		// What was asked for and taken back is on record, and not without end.
		assert.ok(gateway.ledger.buffered.length < 2000);
	});
}

test('records a flood once, and says ENHANCE_YOUR_CALM', async () => {
	const client = await open();
	client.write(...many(150, () => frame(FRAME.ping, 0, 0, Buffer.alloc(8))));
	assert.equal(await client.goawayCode(), 0xb);
	await client.until(() => false);
	assert.deepEqual(
		gateway.ledger.buffered.map(({ reason, decision }) => [reason, decision]),
		[['connection_flooded', 'deny']],
	);
});

test('runs a hundred streams of a connection at once and not one more', async () => {
	let running = 0;
	let most = 0;
	gateway.answer = () => {
		running++;
		most = Math.max(most, running);
		setTimeout(() => running--, 200);
		return { fault: { code: 'upstream_timeout', detail: 'late' }, afterMs: 200 };
	};
	const ask = (client: FrameClient, count: number): void => {
		client.write(
			...many(count, (index) =>
				frame(FRAME.headers, FLAG.endStream | FLAG.endHeaders, 1 + 2 * index, encodeFields(fields())),
			),
		);
	};
	const modest = await open();
	ask(modest, 100);
	assert.equal(await modest.answerOf(199), 504);
	modest.close();
	const greedy = await open();
	ask(greedy, 105);
	assert.equal(await greedy.goawayCode(), 1);
	assert.ok(most <= 100);
});
