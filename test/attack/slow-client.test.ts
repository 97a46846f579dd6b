// Threat: clients that hold a connection by being slow (T30): heads and bodies that trickle in, answers that nobody takes,
// connections on which nothing is asked. Expected: cut in time, with an answer and an entry where there was a request, and
// everybody else is served meanwhile.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { after, before, beforeEach, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { PIPELINE } from '../../src/services/gateway/pipeline.ts';
import { type Field, FLAG, FRAME, frame, FrameClient } from '../fixture/frame-client.ts';
import { GOOD_ANSWER, startTestGateway, type TestGateway, type TestPartner } from '../fixture/test-gateway.ts';

let gateway: TestGateway;
let partner: TestPartner;

before(async () => {
	gateway = await startTestGateway(PIPELINE, {
		listening: { timeouts: { handshakeMs: 400, headersMs: 400, bodyMs: 400, answerMs: 400, idleMs: 600 } },
	});
	partner = await gateway.onboard();
});
after(() => gateway.close());
beforeEach(() => {
	gateway.seen.length = 0;
	gateway.ledger.buffered.length = 0;
	gateway.answer = () => GOOD_ANSWER;
});

const common = (): string => `Host: ${gateway.authority}\r\nAuthorization: Bearer ${partner.token()}\r\n`;
const get = (): string => `GET /bank/v1/accounts/acc-1001 HTTP/1.1\r\n${common()}\r\n`;
const post = (framing: string): string =>
	`POST /bank/v1/payments HTTP/1.1\r\n${common()}Content-Type: application/json\r\n${framing}\r\n`;

test('a head that trickles in is answered 408 when its time is over', async () => {
	const connection = await gateway.connect(partner);
	const started = Date.now();
	const trickle = setInterval(() => connection.socket.write('X-A: b\r\n'), 50);
	connection.socket.write(get().slice(0, -2));
	try {
		const response = await connection.next();
		assert.equal(response?.status, 408);
		assert.ok(Date.now() - started < 3000);
		assert.equal(gateway.ledger.buffered[0]?.reason, 'request_timeout');
	} finally {
		clearInterval(trickle);
		connection.close();
	}
});

for (const [name, framing, piece] of [
	['with a length', 'Content-Length: 500\r\n', ' '],
	['in chunks', 'Transfer-Encoding: chunked\r\n', '1\r\n \r\n'],
] as const) {
	test(`a body ${name} that trickles in is answered 408, and nothing of it is forwarded`, async () => {
		const connection = await gateway.connect(partner);
		connection.socket.write(post(framing));
		const trickle = setInterval(() => connection.socket.write(piece), 100);
		try {
			const response = await connection.next();
			assert.equal(response?.status, 408);
			assert.equal(response.headers.get('connection'), 'close');
			assert.equal(gateway.seen.length, 0);
			assert.deepEqual(
				gateway.ledger.buffered.map(({ reason, status }) => [reason, status]),
				[['request_timeout', 408]],
			);
			assert.equal(await connection.next(), undefined);
		} finally {
			clearInterval(trickle);
			connection.close();
		}
	});
}

test('a body that comes steadily may take longer than that', async () => {
	const connection = await gateway.connect(partner);
	const pieces = 30;
	connection.socket.write(post(`Content-Length: ${pieces * 100}\r\n`));
	for (let index = 0; index < pieces; index++) {
		connection.socket.write(' '.repeat(100));
		await sleep(30);
	}
	// It is no JSON, which shows that it was read to its end.
	assert.equal((await connection.next())?.status, 400);
	assert.equal(gateway.ledger.buffered[0]?.reason, 'body_malformed');
	connection.close();
});

test('T30 a body that is taken in whole has a longest time as well, however steadily it comes', async (context) => {
	const connection = await gateway.connect(partner);
	// Every other wait of this test ends by an event, so that time may stand still.
	context.mock.timers.enable({ apis: ['setTimeout'] });
	connection.socket.write(post('Content-Length: 1000\r\nExpect: 100-continue\r\n'));
	const told = await connection.next();
	assert.equal(told?.status, 100, 'the body is awaited');
	connection.socket.write(' '.repeat(500));
	context.mock.timers.tick(60_000);
	const response = await connection.next();
	context.mock.timers.reset();
	assert.equal(response?.status, 408);
	assert.equal(gateway.seen.length, 0);
	assert.equal(gateway.ledger.buffered[0]?.reason, 'request_timeout');
	connection.close();
});

test('who does not take the answers is cut, and the next one is served meanwhile', async () => {
	const slow = await gateway.connect(partner);
	slow.socket.pause();
	const closed = once(slow.socket, 'close');
	slow.socket.on('error', () => undefined);
	// More than the network takes by itself.
	gateway.answer = () => ({
		status: 200,
		headers: { 'content-type': 'application/json', etag: `"${'x'.repeat(2_000_000)}"` },
		body: 'body' in GOOD_ANSWER ? GOOD_ANSWER.body : '',
	});
	slow.socket.write(get().repeat(20));
	await sleep(1500);
	const answered = gateway.seen.length;
	assert.ok(answered < 20);
	slow.socket.resume();
	await Promise.race([closed, sleep(5000).then(() => Promise.reject(new Error('the connection is still open')))]);
	assert.equal(gateway.seen.length, answered);
	gateway.answer = () => GOOD_ANSWER;
	assert.equal((await gateway.request(partner, get()))?.status, 200);
});

test('a connection on which nothing is asked ends, before and after a request', async () => {
	for (const requests of [0, 1]) {
		const connection = await gateway.connect(partner);
		if (requests > 0) assert.equal((await connection.send(get()))?.status, 200);
		const started = Date.now();
		assert.equal(await connection.next(), undefined);
		assert.ok(Date.now() - started >= 400);
	}
	assert.ok(gateway.ledger.buffered.every(({ status }) => status === 200));
});

test('a request that takes its time upstream is not cut', async () => {
	gateway.answer = () => ({ fault: { code: 'upstream_timeout', detail: 'late' }, afterMs: 1500 });
	assert.equal((await gateway.request(partner, get()))?.status, 504);
});

const open = (settings?: Buffer): Promise<FrameClient> =>
	FrameClient.open({ port: gateway.port, ca: gateway.rootCa, cert: partner.chain, key: partner.key }, settings);
const fields = (method: string, path: string, ...more: readonly Field[]): Field[] => [
	[':method', method],
	[':scheme', 'https'],
	[':authority', gateway.authority],
	[':path', path],
	['authorization', `Bearer ${partner.token()}`],
	...more,
];

test('an answer over HTTP/2 that is given no window is cut, and the connection goes on', async () => {
	// SETTINGS_INITIAL_WINDOW_SIZE = 0: the server may send no DATA.
	const client = await open(Buffer.from([0, 4, 0, 0, 0, 0]));
	client.ask(1, fields('GET', '/bank/v1/accounts/acc-1001'));
	assert.equal(await client.answerOf(1), 200);
	const reset = await client.until(({ type, stream }) => type === FRAME.reset && stream === 1);
	assert.equal(reset?.payload.readUInt32BE(0), 0xb);
	client.close();
});

test('a body over HTTP/2 that trickles in is answered 408, and nothing of it is forwarded', async () => {
	const client = await open();
	client.ask(
		1,
		fields('POST', '/bank/v1/payments', ['content-type', 'application/json'], ['content-length', '500']),
		FLAG.endHeaders,
	);
	const trickle = setInterval(() => client.write(frame(FRAME.data, 0, 1, Buffer.from(' '))), 100);
	try {
		assert.equal(await client.answerOf(1), 408);
		assert.equal(gateway.seen.length, 0);
	} finally {
		clearInterval(trickle);
		client.close();
	}
});

test('a connection of HTTP/2 on which nothing is asked ends', async () => {
	const client = await open();
	assert.equal(await client.goawayCode(), 0);
	await client.until(() => false);
	assert.ok(client.isClosed);
});
