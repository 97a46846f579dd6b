// When a call over HTTP/2 is sent again, and when it must not be: GOAWAY and resets at every moment, seen by a server that
// counts what reached it.
import assert from 'node:assert/strict';
import { constants } from 'node:http2';
import { after, afterEach, before, test } from 'node:test';
import { FRAME } from '../../../test/fixture/frame-client.ts';
import {
	type FrameConnection,
	FrameServer,
	MAX_CONCURRENT_STREAMS,
	setting,
} from '../../../test/fixture/frame-server.ts';
import { createLiveIdentities } from '../../../test/fixture/live-identities.ts';
import { retryRule } from '../../domain/api/upstream-client.ts';
import { openUpstreamClient } from './upstream-client.ts';

const { NGHTTP2_NO_ERROR: NO_ERROR, NGHTTP2_REFUSED_STREAM: REFUSED_STREAM } = constants;
const { NGHTTP2_CANCEL: CANCEL, NGHTTP2_INTERNAL_ERROR: INTERNAL_ERROR } = constants;

let server: FrameServer;
let open: (retriesMax?: number, connectionsMax?: number) => void;
let client: ReturnType<typeof openUpstreamClient>;

before(async () => {
	const identities = await createLiveIdentities();
	const { cert, key } = await identities.service('gateway');
	server = await FrameServer.start(await identities.server(), identities.ca);
	open = (retriesMax = 2, connectionsMax = 4) => {
		client = openUpstreamClient(
			{
				origin: `https://localhost:${server.port}`,
				basePath: '',
				audience: 'test',
				connectTimeoutMs: 2000,
				responseTimeoutMs: 5000,
				bodyTimeoutMs: 5000,
				totalTimeoutMs: 10_000,
				keepAliveMs: 4000,
				retriesMax,
				connectionsMax,
				queueMax: 100,
				streamsMax: 8,
				http2: { streamsPerConnection: 100, lifetimeMs: 60_000, pingMs: 20_000 },
			},
			{ ca: identities.ca, certificate: cert, key },
		);
	};
});
after(() => server.close());
afterEach(async () => {
	await client.close();
	server.reset();
});

interface Called {
	readonly outcome: string;
	readonly attempts: number;
}

function send(method: string, audit: 'durable' | 'buffered' = 'buffered'): Promise<Called> {
	let attempts = 1;
	return new Promise((resolve) => {
		client.send(
			{
				method,
				target: '/x',
				headers: [],
				body: method === 'POST' || method === 'PUT' ? Buffer.from('{"amount":1}') : undefined,
				responseBytesMax: 1024,
				retry: retryRule(method, audit),
			},
			{
				onUpstreamResponse: (status, _headers, body) => resolve({ outcome: `${status} ${body.toString()}`, attempts }),
				onUpstreamFault: ({ code }) => resolve({ outcome: code, attempts }),
				onUpstreamRetry: () => attempts++,
			},
		);
	});
}

/** Does `first` to the first request, once its body has come, and answers all others. */
function answerAfter(first: (connection: FrameConnection, stream: number) => void): void {
	let count = 0;
	server.onFrame = (connection, { type, flags, stream }) => {
		if ((type !== FRAME.headers && type !== FRAME.data) || (flags & 1) === 0) return;
		if (++count === 1) first(connection, stream);
		else connection.answer(stream, 200, [], 'ok');
	};
}

/** What is certainly not processed: sent again whatever it is. */
const UNPROCESSED: readonly [string, (connection: FrameConnection, stream: number) => void][] = [
	['a reset with REFUSED_STREAM', (connection, stream) => connection.reset(stream, REFUSED_STREAM)],
	['a GOAWAY that did not reach it', (connection) => connection.goaway(0, NO_ERROR)],
	['a GOAWAY with an error that did not reach it', (connection) => connection.goaway(0, INTERNAL_ERROR)],
	[
		'a GOAWAY in two steps that did not reach it',
		(connection) => {
			connection.goaway(0x7fffffff, NO_ERROR);
			connection.goaway(0, NO_ERROR);
		},
	],
];
for (const [what, first] of UNPROCESSED) {
	test(`after ${what} a POST is sent again, once`, async () => {
		open();
		answerAfter(first);
		assert.deepEqual(await send('POST', 'durable'), { outcome: '200 ok', attempts: 2 });
		assert.equal(server.requests, 2);
	});
}

/** What may have been processed: only what is idempotent is sent again, and only where the connection was lost. */
const UNKNOWN: readonly [string, (connection: FrameConnection, stream: number) => void, isLost: boolean][] = [
	['the connection breaks', (connection) => connection.socket.destroy(), true],
	['a GOAWAY with an error that reached it', (connection, stream) => connection.goaway(stream, INTERNAL_ERROR), true],
	[
		'a GOAWAY that reached it, and the connection breaks',
		(connection, stream) => {
			connection.goaway(stream, NO_ERROR);
			setTimeout(() => connection.socket.destroy(), 20);
		},
		true,
	],
	['a reset with CANCEL', (connection, stream) => connection.reset(stream, CANCEL), false],
	['a reset with INTERNAL_ERROR', (connection, stream) => connection.reset(stream, INTERNAL_ERROR), false],
	['a reset without an error', (connection, stream) => connection.reset(stream, NO_ERROR), false],
	[
		'a head and a reset with REFUSED_STREAM',
		(connection, stream) => {
			connection.answer(stream, 200);
			connection.reset(stream, REFUSED_STREAM);
		},
		false,
	],
	[
		'an informational answer and a GOAWAY that did not reach it',
		(connection, stream) => {
			connection.head(stream, [[':status', '103']]);
			setTimeout(() => connection.goaway(0, NO_ERROR), 20);
		},
		false,
	],
];
for (const [what, first, isLost] of UNKNOWN) {
	test(`after ${what} a POST is never sent again, and a GET ${isLost ? 'is' : 'is not'}`, async () => {
		open();
		answerAfter(first);
		assert.deepEqual(await send('POST'), { outcome: 'upstream_unreachable', attempts: 1 });
		answerAfter(first);
		assert.deepEqual(
			await send('GET'),
			isLost ? { outcome: '200 ok', attempts: 2 } : { outcome: 'upstream_unreachable', attempts: 1 },
		);
		answerAfter(first);
		assert.equal((await send('GET', 'durable')).attempts, 1);
		assert.equal(server.requests, isLost ? 4 : 3);
	});
}

test('a GOAWAY that reached a call lets it end, and the next one takes a new connection', async () => {
	open();
	answerAfter((connection, stream) => {
		connection.goaway(stream, NO_ERROR);
		setTimeout(() => connection.answer(stream, 200, [], 'late'), 30);
	});
	const first = send('POST');
	while (server.requests === 0) await new Promise((resolve) => setTimeout(resolve, 5));
	await new Promise((resolve) => setTimeout(resolve, 10));
	assert.equal((await send('POST')).outcome, '200 ok');
	assert.deepEqual(await first, { outcome: '200 late', attempts: 1 });
	assert.equal(server.connections.length, 2);
});

test('an upstream that refuses everything is asked no more often than the budget allows (T29)', async () => {
	open(3, 1);
	server.onFrame = (connection, { type, stream }) => {
		if (type === FRAME.headers) connection.reset(stream, REFUSED_STREAM);
	};
	const calls = await Promise.all(Array.from({ length: 60 }, () => send('GET')));
	assert.ok(calls.every(({ outcome }) => outcome === 'upstream_unreachable'));
	// The budget: a burst of what connections carry, and one more for ten calls.
	assert.ok(server.requests <= 60 + 101 + 6, String(server.requests));
});

test('many calls survive one GOAWAY after another: none is lost, none is done twice', async () => {
	open(3, 2);
	let done = 0;
	const going = new Set<FrameConnection>();
	server.onFrame = (connection, { type, stream, payload }) => {
		if (type !== FRAME.data || going.has(connection)) return;
		if (done % 55 === 50 && going.size <= done / 55) {
			going.add(connection);
			connection.goaway(stream - 2, NO_ERROR);
			return;
		}
		done++;
		assert.equal(payload.toString(), '{"amount":1}');
		connection.answer(stream, 200, [], 'ok');
	};
	const calls: Called[] = [];
	for (let round = 0; round < 10; round++) {
		calls.push(...(await Promise.all(Array.from({ length: 20 }, () => send('POST')))));
	}
	const answered = calls.filter(({ outcome }) => outcome === '200 ok').length;
	assert.equal(answered, 200);
	assert.equal(done, 200);
	assert.equal(going.size, 3);
});

test('an upstream that takes no streams and says GOAWAY is not connected to without end', async () => {
	open();
	server.settings = setting(MAX_CONCURRENT_STREAMS, 0);
	server.onFrame = (connection, { type, flags }) => {
		if (type === FRAME.settings && flags !== 0) connection.goaway(0, NO_ERROR);
	};
	assert.deepEqual(await send('POST'), { outcome: 'upstream_unreachable', attempts: 3 });
	assert.equal(server.connections.length, 3);
	assert.equal(server.requests, 0);
});

test('an upstream that cannot be connected to is tried again, and then said to be unreachable', async () => {
	open();
	const { port } = server;
	server.port = 1;
	await client.close();
	open();
	server.port = port;
	assert.deepEqual(await send('POST'), { outcome: 'upstream_unreachable', attempts: 3 });
});
