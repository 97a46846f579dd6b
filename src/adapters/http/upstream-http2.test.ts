// HTTP/2 towards an upstream that may be hostile: what it sends is seen frame by frame, and what it cannot do is shown.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import {
	constants,
	createSecureServer,
	type IncomingHttpHeaders,
	sensitiveHeaders,
	type ServerHttp2Stream,
} from 'node:http2';
import type { AddressInfo } from 'node:net';
import { after, afterEach, before, test } from 'node:test';
import { Readable } from 'node:stream';
import { FLAG, FRAME, frame } from '../../../test/fixture/frame-client.ts';
import {
	type FrameConnection,
	FrameServer,
	INITIAL_WINDOW_SIZE,
	MAX_CONCURRENT_STREAMS,
	setting,
} from '../../../test/fixture/frame-server.ts';
import { createLiveIdentities, type LiveIdentities, type LiveIdentity } from '../../../test/fixture/live-identities.ts';
import { startRawUpstream } from '../../../test/fixture/raw-upstream.ts';
import type { Upstream, UpstreamHttp2 } from '../../domain/api/api.ts';
import type { UpstreamHeaders, UpstreamRequest, UpstreamStream } from '../../domain/api/upstream-client.ts';
import { openUpstreamClient } from './upstream-client.ts';

let identities: LiveIdentities;
let gateway: LiveIdentity;
let server: FrameServer;
let client: ReturnType<typeof openUpstreamClient>;

before(async () => {
	identities = await createLiveIdentities();
	gateway = await identities.service('gateway');
	server = await FrameServer.start(await identities.server(), identities.ca);
});
after(() => server.close());
afterEach(async () => {
	await client.close();
	server.reset();
});

const HTTP2: UpstreamHttp2 = { streamsPerConnection: 100, lifetimeMs: 60_000, pingMs: 20_000 };

function open(changes: Partial<Upstream> = {}, http2: Partial<UpstreamHttp2> = {}, ca = identities.ca): void {
	const identity = { ca, certificate: gateway.cert, key: gateway.key };
	client = openUpstreamClient(
		{
			origin: `https://localhost:${server.port}`,
			basePath: '',
			audience: 'test',
			connectTimeoutMs: 2000,
			responseTimeoutMs: 2000,
			bodyTimeoutMs: 2000,
			totalTimeoutMs: 5000,
			keepAliveMs: 4000,
			retriesMax: 2,
			connectionsMax: 2,
			queueMax: 4,
			streamsMax: 8,
			http2: { ...HTTP2, ...http2 },
			...changes,
		},
		identity,
	);
}

interface Called {
	/** Status and body, or the code of the fault. */
	readonly outcome: string;
	readonly attempts: number;
	readonly headers: UpstreamHeaders;
	readonly internal: string;
}

/** Sends a call. */
function call(changes: Partial<UpstreamRequest> = {}, onAbort?: (abort: () => void) => void): Promise<Called> {
	let attempts = 1;
	return new Promise((resolve) => {
		const abort = client.send(
			{
				method: 'GET',
				target: '/x?y=1',
				headers: [],
				body: undefined,
				responseBytesMax: 1024,
				retry: 'unsent',
				...changes,
			},
			{
				onUpstreamResponse: (status, headers, body) =>
					resolve({ outcome: `${status} ${body.toString()}`, attempts, headers, internal: '' }),
				onUpstreamFault: ({ code, internal = '' }) => resolve({ outcome: code, attempts, headers: {}, internal }),
				onUpstreamRetry: () => attempts++,
			},
		);
		onAbort?.(abort);
	});
}

interface Streamed {
	readonly call: UpstreamStream;
	readonly events: string[];
	readonly done: Promise<string>;
	/** Asks for a pause after each piece. */
	isPausing: boolean;
	bytes: number;
}

function stream(body?: Readable, isPatient = false): Streamed {
	const { promise: done, resolve } = Promise.withResolvers<string>();
	const events: string[] = [];
	const streamed: Streamed = {
		events,
		done,
		isPausing: false,
		bytes: 0,
		call: client.stream(
			{ method: 'POST', target: '/s', headers: [], body, bodyBytes: undefined, isPatient },
			{
				onUpstreamHead: (status) => events.push(`head ${status}`),
				onUpstreamData(chunk) {
					streamed.bytes += chunk.length;
					events.push(`data ${chunk.toString().slice(0, 20)}`);
					return !streamed.isPausing;
				},
				onUpstreamEnd: (trailers) => resolve(`end ${JSON.stringify(trailers ?? null)}`),
				onUpstreamFault: ({ code }) => resolve(code),
			},
		),
	};
	return streamed;
}

/** Answers each request as soon as its head is there. */
function onRequest(answer: (connection: FrameConnection, stream: number, count: number) => void): void {
	server.onFrame = (connection, { type, stream: id }) => {
		if (type === FRAME.headers) answer(connection, id, server.requests);
	};
}

async function until(isSo: () => boolean): Promise<void> {
	const deadline = Date.now() + 5000;
	while (!isSo()) {
		if (Date.now() > deadline) throw new Error('it did not come to pass within five seconds');
		await new Promise((resolve) => setTimeout(resolve, 5));
	}
}

test('gives the whole answer with its fields, those that came twice as a list', async () => {
	open();
	onRequest((connection, id) =>
		connection.answer(
			id,
			200,
			[
				['content-type', 'text/plain'],
				['etag', 'a'],
				['etag', 'b'],
			],
			'hello',
		),
	);
	const { outcome, headers } = await call();
	assert.equal(outcome, '200 hello');
	assert.deepEqual({ ...headers }, { 'content-type': 'text/plain', etag: ['a', 'b'] });
});

test('a request that the session refuses at once fails alone', async () => {
	open({ connectionsMax: 1 });
	onRequest((connection, id) => connection.answer(id, 200, [], 'good'));
	const headers = ['connection', 'close'];
	const [first, bad, last] = await Promise.all([call(), call({ headers }), call()]);
	assert.deepEqual([first.outcome, last.outcome], ['200 good', '200 good']);
	const refused = { outcome: 'upstream_unreachable', internal: 'ERR_HTTP2_INVALID_CONNECTION_HEADERS', attempts: 1 };
	assert.deepEqual(bad, { ...refused, headers: {} });
	assert.deepEqual(await call({ headers }), { ...refused, headers: {} }, 'also on a session that is open already');
	assert.equal((await call()).outcome, '200 good');
	assert.equal(server.connections.length, 1);
});

test('sends calls at once on one connection, and as many as the peer takes', async () => {
	server.settings = setting(MAX_CONCURRENT_STREAMS, 2);
	open({ connectionsMax: 1 });
	const opened: { connection: FrameConnection; id: number }[] = [];
	onRequest((connection, id) => opened.push({ connection, id }));
	const calls = [call(), call(), call()];
	await until(() => opened.length === 2);
	await new Promise((resolve) => setTimeout(resolve, 50));
	assert.equal(opened.length, 2);
	opened[0]?.connection.answer(opened[0].id, 200, [], 'first');
	await until(() => opened.length === 3);
	for (const { connection, id } of opened.slice(1)) connection.answer(id, 200, [], 'other');
	assert.deepEqual(
		(await Promise.all(calls)).map(({ outcome }) => outcome),
		['200 first', '200 other', '200 other'],
	);
	assert.equal(server.connections.length, 1);
});

test('opens a second connection when the first is full, and refuses what is more than the queue', async () => {
	open({ queueMax: 1 }, { streamsPerConnection: 1 });
	const opened: { connection: FrameConnection; id: number }[] = [];
	onRequest((connection, id) => opened.push({ connection, id }));
	const calls = [call(), call(), call(), call()];
	assert.equal((await calls[3])?.outcome, 'upstream_overloaded');
	await until(() => opened.length === 2);
	assert.equal(server.connections.length, 2);
	onRequest((connection, id) => connection.answer(id, 200, [], ''));
	for (const { connection, id } of opened) connection.answer(id, 200, [], '');
	assert.deepEqual(
		(await Promise.all(calls.slice(0, 3))).map(({ outcome }) => outcome),
		['200 ', '200 ', '200 '],
	);
});

test('refuses an upstream of another authority, another name, or without h2 (T34)', async () => {
	const other = await createLiveIdentities();
	open({ retriesMax: 0 }, {}, other.ca);
	assert.equal((await call()).outcome, 'upstream_unreachable');
	open({ retriesMax: 0, origin: `https://127.0.0.1:${server.port}` });
	assert.equal((await call()).outcome, 'upstream_unreachable');
	const old = await startRawUpstream(await identities.server(), identities.ca);
	try {
		open({ retriesMax: 0, origin: old.origin });
		const { outcome } = await call();
		assert.equal(outcome, 'upstream_unreachable');
		assert.equal(old.seen.length, 0);
	} finally {
		await old.close();
	}
	assert.equal(server.requests, 0);
});

test('never connects to an address that no service has (T33)', async () => {
	open({ retriesMax: 0, origin: 'https://169.254.169.254.nip.invalid:443' });
	assert.equal((await call()).outcome, 'upstream_unreachable');
});

for (const [moment, act] of [
	['at once', (connection: FrameConnection) => connection.socket.destroy()],
	['after a head', (connection: FrameConnection, id: number) => connection.answer(id, 200)],
	[
		'after a part of the body',
		(connection: FrameConnection, id: number) => {
			connection.answer(id, 200);
			connection.data(id, 'half');
		},
	],
] as const) {
	test(`an answer whose connection ends ${moment} is not whole`, async () => {
		open({ retriesMax: 0 });
		onRequest((connection, id) => {
			act(connection, id);
			setTimeout(() => connection.socket.destroy(), 20);
		});
		assert.equal((await call()).outcome, 'upstream_unreachable');
	});
	for (const code of [constants.NGHTTP2_NO_ERROR, constants.NGHTTP2_CANCEL, constants.NGHTTP2_INTERNAL_ERROR]) {
		test(`an answer that is reset ${moment} with code ${code} is not whole`, async () => {
			open({ retriesMax: 0 });
			onRequest((connection, id) => {
				if (moment !== 'at once') act(connection, id);
				setTimeout(() => connection.reset(id, code), 20);
			});
			const streamed = stream();
			assert.deepEqual([(await call()).outcome, await streamed.done], ['upstream_unreachable', 'upstream_unreachable']);
		});
	}
}

test('an answer that is reset after its end is whole (RFC 9113 §8.1)', async () => {
	open();
	onRequest((connection, id) => {
		connection.answer(id, 413, [], 'too large');
		connection.reset(id, constants.NGHTTP2_NO_ERROR);
	});
	const body = new Readable({ read() {} });
	body.push('never ends');
	const streamed = stream(body);
	assert.equal(await streamed.done, 'end null');
	assert.deepEqual(streamed.events, ['head 413', 'data too large']);
	assert.ok(body.destroyed);
});

test('whole but unread when its connection ends, an answer is not taken for complete', async () => {
	open();
	onRequest((connection, id) => {
		connection.answer(id, 200);
		connection.data(id, 'a'.repeat(16_000));
		setTimeout(() => {
			connection.data(id, 'b'.repeat(16_000), FLAG.endStream);
			setTimeout(() => connection.socket.destroy(), 30);
		}, 30);
	});
	const streamed = stream();
	streamed.isPausing = true;
	const outcome = await Promise.race([streamed.done, until(() => streamed.bytes > 32_000)]);
	assert.equal(outcome, 'upstream_unreachable');
	assert.ok(streamed.bytes < 32_000);
});

for (const [what, act] of [
	['informational answers without end', (c, id) => c.head(id, [[':status', '103']])],
	['SETTINGS', (c) => c.write(frame(FRAME.settings, 0, 0))],
	['PING', (c) => c.write(frame(FRAME.ping, 0, 0, Buffer.alloc(8)))],
	['empty DATA', (c, id) => c.data(id, '')],
	['CONTINUATION', (c, id) => c.write(frame(FRAME.continuation, 0, id, Buffer.alloc(16)))],
	['ALTSVC', (c) => c.write(frame(10, 0, 0, Buffer.from('\0\u0004host:443', 'latin1')))],
] as [string, (connection: FrameConnection, id: number) => void][]) {
	test(`a flood of ${what} ends, and the next call is served (T29)`, async () => {
		open({ retriesMax: 0 });
		let isFlooding = false;
		onRequest((connection, id, count) => {
			if (count > 1) {
				connection.answer(id, 200, [], 'fine');
				return;
			}
			isFlooding = true;
			if (what === 'CONTINUATION') connection.head(id, [[':status', '200']], 0);
			else if (what === 'empty DATA') connection.answer(id, 200);
			for (let index = 0; index < 300; index++) act(connection, id);
		});
		assert.equal((await call()).outcome, 'upstream_unreachable');
		assert.ok(isFlooding);
		assert.equal((await call()).outcome, '200 fine');
	});
}

for (const [what, fields] of [
	['too many fields', Array.from({ length: 300 }, (_, index) => [`x-${index}`, 'a'])],
	['too large fields', Array.from({ length: 9 }, (_, index) => [`x-${index}`, 'a'.repeat(9000)])],
	['a field of a connection', [['connection', 'close']]],
	['an upper-case name', [['X-Upper', 'a']]],
	['a second status', [[':status', '200']]],
	['a pseudo-header field of a request', [[':path', '/']]],
	['a content-length that lies', [['content-length', '1000']]],
	[
		'two content-lengths',
		[
			['content-length', '4'],
			['content-length', '5'],
		],
	],
] as [string, [string, string][]][]) {
	test(`an answer with ${what} is refused`, async () => {
		open({ retriesMax: 0 });
		onRequest((connection, id) => {
			const block = [[':status', '200'] as const, ...fields];
			if (what !== 'too large fields') {
				connection.answer(id, 200, fields, 'body');
				return;
			}
			// In frames as large as the peer may send them.
			connection.head(id, block.slice(0, 1), 0);
			for (const field of fields.slice(0, -1)) connection.write(continuation(id, field, 0));
			connection.write(continuation(id, fields.at(-1) ?? ['x', ''], FLAG.endHeaders));
			connection.data(id, 'body', FLAG.endStream);
		});
		assert.equal((await call()).outcome, 'upstream_unreachable');
	});
}

function continuation(id: number, [name, value]: [string, string], flags: number): Buffer {
	const name1 = Buffer.from(name);
	const length = value.length - 127;
	return frame(
		FRAME.continuation,
		flags,
		id,
		Buffer.concat([
			Buffer.from([0, name1.length]),
			name1,
			Buffer.from([127, (length & 127) | 128, length >> 7]),
			Buffer.from(value),
		]),
	);
}

test('trailers come with the end, and trailers with pseudo-header fields are refused', async () => {
	open();
	let extra: [string, string][] = [];
	onRequest((connection, id) => {
		connection.answer(id, 200);
		connection.data(id, 'body');
		connection.head(id, [['grpc-status', '0'], ...extra], FLAG.endHeaders | FLAG.endStream);
	});
	const good = stream();
	assert.equal(await good.done, 'end {"grpc-status":"0"}');
	extra = [[':status', '200']];
	assert.equal(await stream().done, 'upstream_unreachable');
});

test('a second head, data before a head and data after the end are no answers', async () => {
	open({ retriesMax: 0 });
	onRequest((connection, id) => {
		connection.answer(id, 200);
		connection.head(id, [[':status', '200']]);
		connection.data(id, 'x', FLAG.endStream);
	});
	assert.equal((await call()).outcome, 'upstream_unreachable');
	onRequest((connection, id) => connection.data(id, 'x', FLAG.endStream));
	assert.equal((await call()).outcome, 'upstream_unreachable');
	onRequest((connection, id) => {
		connection.answer(id, 200, [], 'all');
		connection.data(id, 'more', FLAG.endStream);
	});
	assert.match((await call()).outcome, /^(?:200 all|upstream_unreachable)$/);
});

test('each phase has its bound of time: SETTINGS, head, body, and a body that is not taken', async () => {
	const times = { connectTimeoutMs: 2000, responseTimeoutMs: 100, bodyTimeoutMs: 100, retriesMax: 0 };
	open(times);
	assert.equal((await call()).outcome, 'upstream_timeout');
	onRequest((connection, id) => connection.answer(id, 200));
	const paused = await call();
	assert.equal(paused.outcome, 'upstream_timeout');
	await client.close();
	server.settings = setting(INITIAL_WINDOW_SIZE, 0);
	open(times);
	server.onFrame = () => {};
	const started = performance.now();
	assert.equal((await call({ method: 'POST', body: Buffer.alloc(1000) })).outcome, 'upstream_timeout');
	const upload = stream(Readable.from([Buffer.alloc(100_000), Buffer.alloc(100_000)]));
	assert.equal(await upload.done, 'upstream_timeout');
	assert.ok(performance.now() - started < 3000);
});

test('a peer that agrees on h2 and says nothing is given up', async () => {
	open({ retriesMax: 0, connectTimeoutMs: 150 });
	server.settings = Buffer.alloc(1);
	assert.equal((await call()).outcome, 'upstream_unreachable');
});

test('a stream is reset upstream when it is taken back, also while it waits for its answer', async () => {
	open();
	onRequest(() => {});
	let abort = (): void => {};
	const aborted = call({}, (take) => (abort = take));
	await until(() => server.requests === 1);
	const connection = server.connections[0] as FrameConnection;
	abort();
	assert.equal((await aborted).outcome, 'upstream_unreachable');
	await until(() => connection.has(FRAME.reset, 1));
	const body = new Readable({ read() {} });
	const upload = stream(body);
	await until(() => server.requests === 2);
	upload.call.abort();
	await until(() => connection.has(FRAME.reset, 3));
	assert.ok(body.destroyed);
	assert.equal(server.connections.length, 1);
});

test('a connection on which many streams were reset is replaced, and who else has calls on it loses none', async () => {
	open({ connectionsMax: 1 });
	const waiting: { connection: FrameConnection; id: number }[] = [];
	onRequest((connection, id) => waiting.push({ connection, id }));
	const bystander = call();
	await until(() => waiting.length === 1);
	const takeBack = async (times: number): Promise<void> => {
		for (let time = 0; time < times; time++) {
			const seen = waiting.length;
			let abort = (): void => {};
			const taken = call({}, (take) => (abort = take));
			await until(() => waiting.length > seen);
			abort();
			await taken;
		}
	};
	await takeBack(99);
	assert.equal(server.connections.length, 1);
	await takeBack(1);
	const next = call();
	await until(() => server.connections.length === 2 && waiting.length === 102);
	// While the first connection ends, the second is not replaced: there would be none left.
	await takeBack(120);
	assert.equal(server.connections.length, 2);
	for (const [index, text] of [
		[0, 'kept'],
		[101, 'next'],
	] as const) {
		waiting[index]?.connection.answer(waiting[index].id, 200, [], text);
	}
	assert.deepEqual([(await bystander).outcome, (await next).outcome], ['200 kept', '200 next']);
});

test('an upload that breaks off is reset, and does not end', async () => {
	open();
	onRequest(() => {});
	const body = new Readable({ read() {} });
	body.push('half');
	const upload = stream(body);
	await until(() => server.requests === 1);
	body.destroy(new Error('gone'));
	assert.equal(await upload.done, 'upstream_unreachable');
	const connection = server.connections[0] as FrameConnection;
	await until(() => connection.has(FRAME.reset, 1));
	assert.ok(connection.frames.every(({ type, flags }) => type !== FRAME.data || (flags & FLAG.endStream) === 0));
});

test('an answer is taken only as fast as it is read', async () => {
	open();
	let sent = 0;
	onRequest((connection, id) => {
		connection.answer(id, 200);
		for (; sent < 262_144; sent += 16_384) connection.data(id, Buffer.alloc(16_384));
	});
	const slow = stream();
	slow.isPausing = true;
	await until(() => slow.bytes > 0);
	await new Promise((resolve) => setTimeout(resolve, 50));
	const connection = server.connections[0] as FrameConnection;
	assert.ok(slow.bytes <= 65_536, String(slow.bytes));
	const streamWindow = (): boolean => connection.has(FRAME.window, 1);
	assert.equal(streamWindow(), false);
	slow.isPausing = false;
	slow.call.resume();
	await until(streamWindow);
	slow.call.abort();
});

test('a connection without use is closed, and one that is too old takes no more calls', async () => {
	open({ keepAliveMs: 60 });
	onRequest((connection, id) => connection.answer(id, 200, [], ''));
	await call();
	await until(() => server.connections[0]?.socket.destroyed === true);
	await client.close();
	open({}, { lifetimeMs: 100 });
	await call();
	await new Promise((resolve) => setTimeout(resolve, 150));
	await call();
	assert.equal(server.connections.length, 3);
});

test('a peer that answers no PING is given up', { timeout: 10_000 }, async () => {
	open({ responseTimeoutMs: 60_000, totalTimeoutMs: 60_000 }, { pingMs: 50 });
	server.answersPings = false;
	onRequest(() => {});
	assert.equal((await call()).outcome, 'upstream_unreachable');
});

test('what speaks of the caller is never indexed, so that it leaves no trace in the compression', async () => {
	const { key, cert } = await identities.server();
	const judge = createSecureServer({ key, cert });
	judge.listen(0, '127.0.0.1');
	await once(judge, 'listening');
	try {
		open({ origin: `https://localhost:${(judge.address() as AddressInfo).port}` });
		const { promise: seen, resolve } = Promise.withResolvers<IncomingHttpHeaders>();
		judge.on('stream', (asked, headers) => {
			resolve(headers);
			(asked as ServerHttp2Stream).respond({ ':status': 200 }, { endStream: true });
		});
		await call({ headers: ['sallyport-assertion', 'secret', 'x-plain', 'plain'] });
		assert.deepEqual(((await seen) as Record<symbol, unknown>)[sensitiveHeaders], ['sallyport-assertion']);
	} finally {
		await client.close();
		judge.close();
	}
});
