// Threat: a stop that loses requests. A client that was cut off does not know whether its payment was made. Expected: every
// request is answered, or was never begun and its client could know that; what was answered is in the ledger.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { constants } from 'node:http2';
import { connect } from 'node:net';
import { afterEach, beforeEach, test } from 'node:test';
import { CallTally, callOverHttp1, callOverHttp2 } from '../fixture/endless-client.ts';
import { type Field, FLAG, FRAME, frame, FrameClient } from '../fixture/frame-client.ts';
import type { RawConnection, RawResponse } from '../fixture/raw-client.ts';
import { startTestGateway, type TestGateway, type TestPartner } from '../fixture/test-gateway.ts';

const PATH = '/bank/v1/accounts/acc-1001';
/** Long enough for a machine that is busy with something else; a drain takes the quiet part of it only. */
const GRACE_MS = 4000;

let gateway: TestGateway;
let partner: TestPartner;
let token: string;
let closed: Promise<void> | undefined;

beforeEach(async () => {
	gateway = await startTestGateway();
	partner = await gateway.onboard();
	token = partner.token();
	closed = undefined;
});
afterEach(() => closed ?? gateway.close());

function drain(graceMs = GRACE_MS): void {
	closed = gateway.close(graceMs);
}

const get = (): string =>
	`GET ${PATH} HTTP/1.1\r\nHost: ${gateway.authority}\r\nAuthorization: Bearer ${token}\r\n\r\n`;
const fields = (changes: { readonly [name: string]: string } = {}): Field[] =>
	Object.entries({
		':method': 'GET',
		':scheme': 'https',
		':authority': gateway.authority,
		':path': PATH,
		authorization: `Bearer ${token}`,
		...changes,
	});

/** An answer that is the last one of its connection. */
async function assertLast(connection: RawConnection, response: RawResponse | undefined): Promise<void> {
	assert.equal(response?.status, 200);
	assert.equal(response.headers.get('connection'), 'close');
	assert.equal(await connection.next(), undefined);
}

test('a connection that was idle when the drain began is served once more, and told that it ends', async () => {
	const connection = await gateway.connect(partner);
	assert.equal((await connection.send(get()))?.headers.get('connection'), 'keep-alive');
	drain();
	await assertLast(connection, await connection.send(get()));
	assert.equal(gateway.seen.length, 2);
	await closed;
});

test('a request that was being read when the drain began is served, and told that its connection ends', async () => {
	const connection = await gateway.connect(partner);
	const text = get();
	connection.socket.write(text.slice(0, 40));
	await new Promise((resolve) => setImmediate(resolve));
	drain();
	await assertLast(connection, await connection.send(text.slice(40)));
	await closed;
});

test('requests that came together are all served: the last answer alone says that the connection ends', async () => {
	const connection = await gateway.connect(partner);
	drain();
	const first = await connection.send(get() + get() + get());
	const second = await connection.next();
	assert.deepEqual(
		[first, second].map((response) => [response?.status, response?.headers.get('connection')]),
		[
			[200, 'keep-alive'],
			[200, 'keep-alive'],
		],
	);
	await assertLast(connection, await connection.next());
	assert.equal(gateway.ledger.buffered.length, 3);
	await closed;
});

test('takes no new connections, and ends those on which nothing comes within a part of the grace', async () => {
	const idle = await gateway.connect(partner);
	const unsecured = connect(gateway.port, '127.0.0.1');
	await once(unsecured, 'connect');
	drain(500);
	const refused = connect(gateway.port, '127.0.0.1');
	const [error] = (await once(refused, 'error')) as [NodeJS.ErrnoException];
	assert.equal(error.code, 'ECONNREFUSED');
	assert.equal(await idle.next(), undefined);
	await closed;
	unsecured.destroy();
});

test('HTTP/2: GOAWAY names the last stream that is served; what comes after it is not begun', async () => {
	const client = await FrameClient.open({
		port: gateway.port,
		ca: gateway.rootCa,
		cert: partner.chain,
		key: partner.key,
	});
	const body = Buffer.from('{}');
	const posted = { ':method': 'POST', ':path': '/bank/v1/payments', 'content-type': 'application/json' };
	client.ask(1, fields());
	assert.equal(await client.answerOf(1), 200);
	client.ask(3, fields({ ...posted, 'content-length': String(body.length) }), FLAG.endHeaders);
	// An answer to PING shows that the stream before it is known.
	client.write(frame(FRAME.ping, 0, 0, Buffer.alloc(8, 1)));
	await client.until(({ type, flags }) => type === FRAME.ping && flags === FLAG.ack);
	drain(1000);
	const goaway = await client.until(({ type }) => type === FRAME.goaway);
	assert.equal(goaway?.payload.readUInt32BE(0), 3, 'the last stream');
	assert.equal(goaway.payload.readUInt32BE(4), constants.NGHTTP2_NO_ERROR);
	gateway.seen.length = 0;
	client.ask(5, fields());
	client.write(frame(FRAME.data, FLAG.endStream, 3, body));
	// The body breaks the contract, so the answer is a refusal: the gateway's own, and in the ledger.
	const answered = await client.until(({ stream, type }) => stream === 3 && type === FRAME.headers);
	assert.ok(answered !== undefined, 'the stream before GOAWAY is answered');
	await closed;
	assert.equal(gateway.seen.length, 0, 'the stream after GOAWAY was begun');
	assert.equal(client.frames.filter(({ stream }) => stream === 5).length, 0);
	assert.equal(gateway.ledger.buffered.length, 2);
});

test('HTTP/2: a stream that comes while GOAWAY waits to be sent is refused, and not begun', async () => {
	const client = await FrameClient.open({
		port: gateway.port,
		ca: gateway.rootCa,
		cert: partner.chain,
		key: partner.key,
	});
	client.ask(1, fields());
	assert.equal(await client.answerOf(1), 200);
	client.ask(3, fields());
	// The drain begins between two pieces of work of the thread: somewhere around the arrival of the stream.
	await new Promise((resolve) => setImmediate(resolve));
	drain(1000);
	await closed;
	const last = client.frames.find(({ type }) => type === FRAME.goaway)?.payload.readUInt32BE(0);
	const isAnswered = client.frames.some(({ stream, type }) => stream === 3 && type === FRAME.headers);
	assert.deepEqual([last, isAnswered, gateway.seen.length], last === 3 ? [3, true, 2] : [1, false, 1]);
});

test('under load a drain loses no request, and what was answered is in the ledger', async () => {
	const tally = new CallTally();
	const clients = [1, 2, 3, 4].map(() => callOverHttp1(() => gateway.connect(partner), get(), tally));
	const target = {
		origin: `https://${gateway.authority}`,
		ca: gateway.rootCa,
		cert: partner.chain,
		key: partner.key,
		fields: { ':path': PATH, authorization: `Bearer ${token}` },
	};
	clients.push(callOverHttp2(target, 3, tally));
	await tally.reach(60);
	tally.isEnding = true;
	drain();
	await Promise.all([...clients, closed]);
	assert.deepEqual(tally.lost, []);
	assert.deepEqual([...tally.answered.keys()], [200]);
	assert.deepEqual(
		[...tally.ids].sort(),
		gateway.ledger.buffered.map(({ requestId }) => requestId).sort(),
		'what was answered, and what is in the ledger',
	);
});
