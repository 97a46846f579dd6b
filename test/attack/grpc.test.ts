// Threat: a caller of gRPC gets past a gate by a path, a field or a message that two programs read differently; a service that
// breaks the protocol has half an answer taken for a whole one, or a caller wait for ever. T12, T14, T16, T29, T31.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type ClientHttp2Session, connect, constants, type IncomingHttpHeaders } from 'node:http2';
import { after, before, beforeEach, describe, test } from 'node:test';
import { status } from '@grpc/grpc-js';
import { type Field, FLAG, FRAME, frame, FrameClient } from '../fixture/frame-client.ts';
import { type FrameConnection, FrameServer } from '../fixture/frame-server.ts';
import { type GrpcCaller, type GrpcGateway, SERVICE, startGrpcGateway } from '../fixture/grpc-gateway.ts';
import type { TestPartner } from '../fixture/test-gateway.ts';

let grpc: GrpcGateway;
let upstream: FrameServer;
let caller: GrpcCaller;
let session: ClientHttp2Session;

before(async () => {
	grpc = await startGrpcGateway(async (identities) => {
		upstream = await FrameServer.start(await identities.server(), identities.ca);
		return { origin: `https://localhost:${upstream.port}`, close: () => upstream.close() };
	});
	caller = grpc.caller();
	session = await connectAs(grpc.partner);
});
after(async () => {
	session.destroy();
	await grpc.close();
});
beforeEach(async () => {
	upstream.forget();
	// A mistake of an earlier test has ended it.
	if (session.closed || session.destroyed) session = await connectAs(grpc.partner);
	grpc.gateway.ledger.buffered.length = 0;
});

async function connectAs(partner: TestPartner): Promise<ClientHttp2Session> {
	const { gateway } = grpc;
	const opened = connect(`https://${gateway.authority}`, {
		ca: gateway.rootCa,
		cert: partner.chain,
		key: partner.key,
		servername: 'localhost',
		lookup: (_host, options, done) =>
			options.all === true ? done(null, [{ address: '127.0.0.1', family: 4 }]) : done(null, '127.0.0.1', 4),
	});
	opened.on('error', () => undefined);
	await once(opened, 'connect');
	return opened;
}

/** A message with its prefix. */
function message(text: string | Buffer, flag = 0): Buffer {
	const bytes = Buffer.from(text as string);
	const prefix = Buffer.alloc(5);
	prefix[0] = flag;
	prefix.writeUInt32BE(bytes.length, 1);
	return Buffer.concat([prefix, bytes]);
}

interface RawAnswer {
	readonly head: IncomingHttpHeaders;
	/** Fields behind the body; those of the head where the answer is nothing but fields. */
	readonly trailers: IncomingHttpHeaders;
	readonly code: number;
	readonly body: Buffer;
}

interface RawCall {
	readonly path?: string;
	readonly fields?: Readonly<Record<string, string>>;
	/** Pieces of the body; the last one ends it. With `cut` the stream is reset instead, once it has reached the service or is answered. */
	readonly body?: readonly Buffer[];
	readonly cut?: number;
	readonly partner?: TestPartner;
	readonly over?: ClientHttp2Session;
}

/** One request that says exactly what it is told to. */
function raw({
	path = `/${SERVICE}/Get`,
	fields = {},
	body = [message('x')],
	cut,
	...as
}: RawCall = {}): Promise<RawAnswer> {
	const { partner = grpc.partner, over = session } = as;
	const stream = over.request(
		{
			':method': 'POST',
			':path': path,
			'content-type': 'application/grpc',
			te: 'trailers',
			authorization: `Bearer ${partner.token({ scopes: ['read', 'write'] })}`,
			...fields,
		},
		{ endStream: body.length === 0 },
	);
	let head: IncomingHttpHeaders = {};
	let trailers: IncomingHttpHeaders = {};
	const chunks: Buffer[] = [];
	stream.on('response', (given) => {
		head = given;
		trailers = given;
	});
	stream.on('trailers', (given) => (trailers = given));
	stream.on('data', (chunk: Buffer) => chunks.push(chunk));
	stream.on('error', () => undefined);
	for (const piece of body) stream.write(piece);
	if (cut !== undefined)
		void until(() => upstream.requests > 0 || head[':status'] !== undefined).then(() => stream.close(cut));
	else if (body.length > 0) stream.end();
	return new Promise((resolve) => {
		stream.once('close', () => resolve({ head, trailers, code: stream.rstCode, body: Buffer.concat(chunks) }));
	});
}

const HEAD: readonly Field[] = [
	[':status', '200'],
	['content-type', 'application/grpc'],
];

/** Answers each call with a whole message and a status. */
function answerWell(connection: FrameConnection, stream: number, text = 'fine'): void {
	connection.head(stream, HEAD);
	connection.data(stream, message(text));
	connection.head(stream, [['grpc-status', '0']], FLAG.endHeaders | FLAG.endStream);
}

/** Does this when the message of a call has come whole. */
function onCall(answer: (connection: FrameConnection, stream: number) => void): void {
	upstream.onFrame = (connection, { type, flags, stream }) => {
		if (type === FRAME.data && (flags & FLAG.endStream) !== 0) answer(connection, stream);
	};
}

/** Whether the end of a body has come. */
function hasEnded({ frames }: FrameConnection): boolean {
	return frames.some(({ type, flags }) => type === FRAME.data && (flags & FLAG.endStream) !== 0);
}

async function until(isSo: () => boolean): Promise<void> {
	const deadline = Date.now() + 5000;
	while (!isSo()) {
		if (Date.now() > deadline) throw new Error('it did not come to pass within five seconds');
		await new Promise((resolve) => setTimeout(resolve, 5));
	}
}

const END = FLAG.endHeaders | FLAG.endStream;
const OK: readonly Field[] = [['grpc-status', '0']];

describe('a service that breaks the protocol is never taken for one that succeeded', () => {
	const { NGHTTP2_NO_ERROR, NGHTTP2_CANCEL, NGHTTP2_INTERNAL_ERROR } = constants;
	const BROKEN: readonly [string, number, (connection: FrameConnection, stream: number) => void][] = [
		[
			'ends without a status',
			13,
			(c, s) => {
				c.head(s, HEAD);
				c.data(s, message('x'), FLAG.endStream);
			},
		],
		[
			'ends with trailers that have no status',
			13,
			(c, s) => {
				c.head(s, HEAD);
				c.data(s, message('x'));
				c.head(s, [['a', 'b']], END);
			},
		],
		[
			'gives two statuses',
			13,
			(c, s) => {
				c.head(s, HEAD);
				c.data(s, message('x'));
				c.head(s, [...OK, ...OK], END);
			},
		],
		[
			'gives a status that there is not',
			13,
			(c, s) => {
				c.head(s, [...HEAD, ['grpc-status', '99']], END);
			},
		],
		[
			'succeeds without a message',
			13,
			(c, s) => {
				c.head(s, [...HEAD, ...OK], END);
			},
		],
		[
			'succeeds in the middle of a message',
			13,
			(c, s) => {
				c.head(s, HEAD);
				c.data(s, message('xxxx').subarray(0, 7));
				c.head(s, OK, END);
			},
		],
		[
			'succeeds in the middle of a prefix',
			13,
			(c, s) => {
				c.head(s, HEAD);
				c.data(s, message('').subarray(0, 3));
				c.head(s, OK, END);
			},
		],
		[
			'sends two messages',
			13,
			(c, s) => {
				c.head(s, HEAD);
				c.data(s, message('a'));
				c.data(s, message('b'));
				c.head(s, OK, END);
			},
		],
		[
			'sends a compressed message',
			13,
			(c, s) => {
				c.head(s, HEAD);
				c.data(s, message('a', 1));
				c.head(s, OK, END);
			},
		],
		[
			'announces four gigabytes',
			13,
			(c, s) => {
				c.head(s, HEAD);
				c.data(s, Buffer.from([0, 255, 255, 255, 255]));
			},
		],
		[
			'sends messages behind its status',
			13,
			(c, s) => {
				c.head(s, [...HEAD, ...OK]);
				c.data(s, message('a'), FLAG.endStream);
			},
		],
		[
			'answers in another media type',
			13,
			(c, s) => {
				c.head(s, [
					[':status', '200'],
					['content-type', 'application/json'],
				]);
				c.data(s, '{}', FLAG.endStream);
			},
		],
		[
			'answers without a media type',
			13,
			(c, s) => {
				c.head(s, [[':status', '200']]);
				c.data(s, message('a'));
				c.head(s, OK, END);
			},
		],
		[
			'answers with an encoding',
			13,
			(c, s) => {
				c.head(s, [...HEAD, ['grpc-encoding', 'gzip']]);
				c.data(s, message('a'));
				c.head(s, OK, END);
			},
		],
		[
			'answers 404',
			13,
			(c, s) =>
				c.head(
					s,
					[
						[':status', '404'],
						['content-type', 'text/html'],
					],
					END,
				),
		],
		['answers 503', 14, (c, s) => c.head(s, [[':status', '503']], END)],
		[
			'resets without an error',
			14,
			(c, s) => {
				c.head(s, HEAD);
				c.data(s, message('xxxx').subarray(0, 7));
				c.reset(s, NGHTTP2_NO_ERROR);
			},
		],
		[
			'resets after its message, without an error',
			14,
			(c, s) => {
				c.head(s, HEAD);
				c.data(s, message('x'));
				c.reset(s, NGHTTP2_NO_ERROR);
			},
		],
		[
			'cancels',
			14,
			(c, s) => {
				c.head(s, HEAD);
				c.reset(s, NGHTTP2_CANCEL);
			},
		],
		['fails', 14, (c, s) => c.reset(s, NGHTTP2_INTERNAL_ERROR)],
		[
			'hangs up',
			14,
			(c, s) => {
				c.head(s, HEAD);
				c.data(s, message('x'));
				setTimeout(() => c.socket.destroy(), 20);
			},
		],
		['says GOAWAY', 14, (c) => c.goaway(0, NGHTTP2_NO_ERROR)],
		[
			'says GOAWAY with an error',
			14,
			(c, s) => {
				c.head(s, HEAD);
				c.goaway(s, NGHTTP2_INTERNAL_ERROR);
			},
		],
		[
			'sends trailers with a status of HTTP',
			14,
			(c, s) => {
				c.head(s, HEAD);
				c.data(s, message('x'));
				c.head(s, [...OK, [':status', '200']], END);
			},
		],
	];
	for (const [what, code, answer] of BROKEN) {
		test(`one that ${what}: status ${code}`, async () => {
			onCall(answer);
			const answered = await caller.unary('Get', Buffer.from('x'));
			assert.equal(answered.status, code, answered.details);
			assert.equal(answered.message, undefined);
			assert.doesNotMatch(answered.details, /localhost|nghttp2|HTTP status/i);
			const entry = await grpc.entry('Get');
			assert.match(entry.reason ?? '', /^(?:response_invalid|response_too_large|upstream_unreachable)$/);
			assert.equal(entry.facts?.['grpc_status'], undefined);
			assert.equal(grpc.gateway.streams.size, 0);
		});
	}

	test('one that says nothing at all: the deadline of the caller ends the call on both sides', async () => {
		upstream.onFrame = () => {};
		assert.equal(
			(await caller.unary('Get', Buffer.from('x'), caller.metadata(), 200)).status,
			status.DEADLINE_EXCEEDED,
		);
		await until(() => upstream.connections.some((connection) => connection.has(FRAME.reset)));
	});

	test('texts of the service that are no text for a field do not pass', async () => {
		onCall((connection, stream) =>
			connection.head(
				stream,
				[...HEAD, ['grpc-status', '5'], ['grpc-message', 'caf\u00e9'], ['grpc-status-details-bin', '!!']],
				END,
			),
		);
		const { trailers } = await raw();
		assert.equal(trailers['grpc-status'], '5');
		assert.equal(trailers['grpc-message'], undefined);
		assert.equal(trailers['grpc-status-details-bin'], undefined);
	});

	test('fields of ours that the service sends do not replace them (T16)', async () => {
		onCall((connection, stream) => {
			connection.head(stream, [...HEAD, ['x-request-id', 'theirs'], ['server', 'internal'], ['set-cookie', 'a=b']]);
			connection.data(stream, message('x'));
			connection.head(stream, [...OK, ['x-request-id', 'theirs'], ['x-region', 'south']], END);
		});
		const { head, trailers } = await raw();
		assert.notEqual(head['x-request-id'], 'theirs');
		assert.equal(head['server'], undefined);
		assert.equal(head['set-cookie'], undefined);
		assert.equal(trailers['x-request-id'], undefined);
		assert.equal(trailers['x-region'], 'south');
	});
});

describe('T14 the path that is matched is the name of a method, byte for byte', () => {
	for (const path of [
		`/${SERVICE}/get`,
		`/${SERVICE.toLowerCase()}/Get`,
		`/${SERVICE}/Get/`,
		`/${SERVICE}//Get`,
		`//${SERVICE}/Get`,
		`/./${SERVICE}/Get`,
		`/x/../${SERVICE}/Get`,
		`/${SERVICE}/%47et`,
		`/${SERVICE.replace('.', '%2e')}/Get`,
		`/${SERVICE}%2fGet`,
		`/${SERVICE}/Get%00`,
		`/${SERVICE}/Get;x=1`,
		`/${SERVICE}/Get?x=1`,
		`/${SERVICE}/Get#x`,
		`/${SERVICE}\\Get`,
		`/ledger/v1/${SERVICE}/Get`,
		`/${SERVICE}`,
		'/',
		'*',
	]) {
		test(`nothing reaches the service by ${path}`, async () => {
			onCall((connection, stream) => answerWell(connection, stream));
			const { head, trailers, body } = await raw({ path });
			assert.equal(upstream.requests, 0);
			assert.equal(body.length, 0);
			if (Number(head[':status']) === 200) assert.match(String(trailers['grpc-status']), /^(?:3|12)$/);
			else assert.equal(head[':status'], undefined);
		});
	}
});

describe('a caller that breaks the protocol gets a status, and the service nothing that looks whole', () => {
	const gzip = { 'grpc-encoding': 'gzip' };
	const BROKEN: readonly [string, number | undefined, string | undefined, RawCall][] = [
		['another media type', undefined, undefined, { fields: { 'content-type': 'application/json' } }],
		['gRPC for web pages', undefined, undefined, { fields: { 'content-type': 'application/grpc-web+proto' } }],
		['gRPC in JSON', 12, 'media_type_unsupported', { fields: { 'content-type': 'application/grpc+json' } }],
		['an encoding', 12, 'media_type_unsupported', { fields: gzip }],
		['a message that is compressed', 12, 'media_type_unsupported', { body: [message('x', 1)] }],
		['an unknown flag', 12, 'media_type_unsupported', { body: [message('x', 0x80)] }],
		['a deadline that is none', 3, 'parameter_invalid', { fields: { 'grpc-timeout': '1s' } }],
		['a deadline of nine digits', 3, 'parameter_invalid', { fields: { 'grpc-timeout': '123456789m' } }],
		['a deadline that has passed', 4, 'deadline_exceeded', { fields: { 'grpc-timeout': '0n' } }],
		['no message', 3, 'frames_invalid', { body: [] }],
		['an empty body', 3, 'frames_invalid', { body: [Buffer.alloc(0)] }],
		['two messages', 3, 'frames_invalid', { body: [message('a'), message('b')] }],
		['half a message', 3, 'frames_invalid', { body: [message('abcd').subarray(0, 7)] }],
		['half a prefix', 3, 'frames_invalid', { body: [message('abcd').subarray(0, 3)] }],
		['four gigabytes', 8, 'message_too_large', { body: [Buffer.from([0, 255, 255, 255, 255])] }],
		['a length that lies', undefined, undefined, { fields: { 'content-length': '3' } }],
		['a body that is announced too large', 8, 'body_too_large', { fields: { 'content-length': '99999999' }, cut: 0 }],
		['another Host', undefined, undefined, { fields: { host: 'evil.example' } }],
		['content-encoding', 12, 'media_type_unsupported', { fields: { 'content-encoding': 'gzip' } }],
	];
	for (const [what, code, problem, call] of BROKEN) {
		test(`one that sends ${what}`, async () => {
			onCall((connection, stream) => answerWell(connection, stream));
			const { head, trailers } = await raw(call);
			if (code === undefined) assert.notEqual(head[':status'], 200);
			else {
				assert.equal(head[':status'], 200);
				assert.equal(trailers['grpc-status'], String(code), String(trailers['grpc-message']));
				assert.match(String(trailers['grpc-message']), new RegExp(`^${problem}: `));
			}
			assert.ok(upstream.connections.every((connection) => !hasEnded(connection)));
		});
	}

	for (const cut of [constants.NGHTTP2_NO_ERROR, constants.NGHTTP2_CANCEL]) {
		test(`one that resets its call with ${cut} in the middle of a message`, async () => {
			upstream.onFrame = () => {};
			await raw({ path: `/${SERVICE}/Put`, body: [message('abcd').subarray(0, 7)], cut });
			await until(() => upstream.connections.some((connection) => connection.has(FRAME.reset)));
			assert.ok(upstream.connections.every((connection) => !hasEnded(connection)));
		});
	}

	test('one that speaks HTTP/1.1 is told to speak HTTP/2', async () => {
		const lines = [
			`POST /${SERVICE}/Get HTTP/1.1`,
			`Host: ${grpc.gateway.authority}`,
			`Authorization: Bearer ${grpc.partner.token({ scopes: ['read'] })}`,
			'Content-Type: application/grpc',
			'Content-Length: 6',
			'',
			'',
		];
		const response = await grpc.gateway.request(
			grpc.partner,
			Buffer.concat([Buffer.from(lines.join('\r\n')), message('x')]),
		);
		assert.equal(response?.status, 505);
		const { type } = JSON.parse(response?.body.toString() ?? '') as { type: string };
		assert.equal(type, 'urn:sallyport:problem:http2_required');
		assert.equal(upstream.requests, 0);
	});

	test('one that asks with GET is told of the method', async () => {
		const stream = session.request({ ':path': `/${SERVICE}/Get`, 'content-type': 'application/grpc' });
		const [head] = (await once(stream, 'response')) as [IncomingHttpHeaders];
		assert.equal(head[':status'], 405);
		stream.close();
	});
});

test('T31 two partners at once over one connection to the service: each gets its own messages', async () => {
	const second = await grpc.gateway.onboard({ products: ['ledger'] });
	const other = grpc.caller(second);
	upstream.onFrame = (connection, { type, flags, stream }) => {
		if (type !== FRAME.data || (flags & FLAG.endStream) === 0) return;
		const pieces = connection.frames.filter((one) => one.type === FRAME.data && one.stream === stream);
		const text = Buffer.concat(pieces.map(({ payload }) => payload))
			.subarray(5)
			.toString();
		setTimeout(() => answerWell(connection, stream, text), Number(text.slice(1)) % 4);
	};
	const calls = Array.from({ length: 30 }, (_, index) => {
		const as = index % 2 === 0 ? caller : other;
		return as.unary('Get', Buffer.from(`${index % 2}${index}`));
	});
	const answers = await Promise.all(calls);
	for (const [index, { status: code, message: text }] of answers.entries()) {
		assert.equal(code, 0);
		assert.equal(text?.toString(), `${index % 2}${index}`);
	}
	assert.equal(upstream.connections.filter(({ frames }) => frames.length > 0).length, 1);
});

test('what waits for a caller who does not read does not go out any more once its token is revoked', async () => {
	const other = await grpc.gateway.onboard({ products: ['ledger'] });
	upstream.onFrame = (connection, { type, flags, stream }) => {
		if (type !== FRAME.data || (flags & FLAG.endStream) === 0) return;
		connection.head(stream, HEAD);
		for (let index = 0; index < 12; index++) connection.data(stream, message(Buffer.alloc(16_000)));
	};
	const { gateway } = grpc;
	const client = await FrameClient.open({ port: gateway.port, ca: gateway.rootCa, cert: other.chain, key: other.key });
	const received = (): number => {
		const pieces = client.frames.filter(({ type, stream }) => type === FRAME.data && stream === 1);
		return pieces.reduce((sum, { payload }) => sum + payload.length, 0);
	};
	try {
		const fields: Field[] = [
			[':method', 'POST'],
			[':scheme', 'https'],
			[':authority', gateway.authority],
			[':path', `/${SERVICE}/Watch`],
			['content-type', 'application/grpc'],
			['authorization', `Bearer ${other.token({ scopes: ['read'] })}`],
		];
		client.ask(1, fields, FLAG.endHeaders);
		client.write(frame(FRAME.data, FLAG.endStream, 1, message('x')));
		// No window is opened: what is more than the first one waits at the gateway.
		await until(() => received() === 65_535);
		gateway.apply({ kind: 'client', record: { ...other.client, status: 'disabled', revision: 2 } });
		const reset = await client.until(({ type, stream }) => type === FRAME.reset && stream === 1);
		assert.equal(reset?.payload.readUInt32BE(0), constants.NGHTTP2_INTERNAL_ERROR);
		assert.equal(client.frames.filter(({ type, stream }) => type === FRAME.headers && stream === 1).length, 1);
		assert.equal(received(), 65_535);
	} finally {
		client.close();
	}
	assert.equal((await grpc.entry('Watch')).reason, 'client_disabled');
});

test('T29 many calls that are taken back at once leave nothing open, and the others are served', async () => {
	upstream.onFrame = (connection, { type, flags, stream }) => {
		if (type === FRAME.data && (flags & FLAG.endStream) !== 0 && upstream.requests % 2 === 0)
			answerWell(connection, stream);
	};
	const hostile = await connectAs(grpc.partner);
	await Promise.all(Array.from({ length: 90 }, () => raw({ over: hostile, cut: constants.NGHTTP2_CANCEL })));
	hostile.destroy();
	onCall((connection, stream) => answerWell(connection, stream));
	assert.equal((await caller.unary('Get', Buffer.from('x'))).status, 0);
	await until(() => grpc.gateway.streams.size === 0);
});
