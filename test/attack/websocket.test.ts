// Threat: a WebSocket is a tunnel. It must open only where a route has one, after every gate, and after an exact 101 of the
// service (T9); what passes keeps the rules and bounds of RFC 6455; and it ends with whatever allowed it, as any stream.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { connect as connectHttp2 } from 'node:http2';
import { after, before, beforeEach, test } from 'node:test';
import { Agent, WebSocket } from 'undici';
import type { AuditEntry } from '../../src/domain/ledger/audit-entry.ts';
import { pause, startStreamGateway, type StreamGateway } from '../fixture/stream-gateway.ts';
import type { TestPartner } from '../fixture/test-gateway.ts';

const KEY = 'dGhlIHNhbXBsZSBub25jZQ==';
/** How long the two sides may take to hear of it, on a machine that does other things as well. */
const CUT_MS_MAX = 2000;

let files: StreamGateway;
const agents: Agent[] = [];
/** What the service has received as WebSocket, byte for byte. */
let received: Buffer[];
let serviceSocket: Duplex | undefined;

before(async () => {
	files = await startStreamGateway();
});
after(async () => {
	await Promise.all(agents.map((agent) => agent.destroy()));
	await files.close();
});
beforeEach(() => {
	files.served.length = 0;
	files.gateway.ledger.buffered.length = 0;
	files.gateway.ledger.durable.length = 0;
	received = [];
	serviceSocket = undefined;
	files.upgrade = (request, socket) => accept(request, socket, []);
});

/** Answers a handshake as RFC 6455 §4.2.2 has it, and echoes data frames with the mask taken off. */
function accept(request: IncomingMessage, socket: Duplex, fields: readonly string[], proof?: string): void {
	const key = `${request.headers['sec-websocket-key'] ?? ''}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`;
	const own = proof ?? createHash('sha1').update(key).digest('base64');
	const head = ['HTTP/1.1 101 Switching Protocols', 'Upgrade: websocket', 'Connection: Upgrade', ...fields];
	socket.write([...head, `Sec-WebSocket-Accept: ${own}`, '', ''].join('\r\n'));
	serviceSocket = socket;
	socket.on('error', () => socket.destroy());
	socket.on('end', () => socket.end());
	let held = Buffer.alloc(0);
	socket.on('data', (chunk: Buffer) => {
		received.push(chunk);
		held = Buffer.concat([held, chunk]);
		for (;;) {
			const parsed = parse(held);
			if (parsed === undefined) return;
			held = held.subarray(parsed.length);
			socket.write(frame(parsed.opcode, parsed.payload, false));
			if (parsed.opcode === 8) socket.end();
		}
	});
}

interface Frame {
	readonly opcode: number;
	readonly payload: Buffer;
	readonly length: number;
}

function parse(bytes: Buffer): Frame | undefined {
	if (bytes.length < 2) return undefined;
	const isMasked = ((bytes[1] as number) & 0x80) !== 0;
	let size = (bytes[1] as number) & 0x7f;
	let at = 2;
	if (size === 126) {
		if (bytes.length < 4) return undefined;
		size = bytes.readUInt16BE(2);
		at = 4;
	}
	const mask = isMasked ? bytes.subarray(at, at + 4) : Buffer.alloc(4);
	if (isMasked) at += 4;
	if (bytes.length < at + size) return undefined;
	const payload = Buffer.from(bytes.subarray(at, at + size)).map((byte, index) => byte ^ (mask[index & 3] as number));
	return { opcode: (bytes[0] as number) & 0x0f, payload: Buffer.from(payload), length: at + size };
}

function frame(opcode: number, payload: Buffer | string, isMasked: boolean): Buffer {
	const body = Buffer.from(payload);
	const bit = isMasked ? 0x80 : 0;
	const size = body.length < 126 ? [bit | body.length] : [bit | 126, body.length >> 8, body.length & 0xff];
	return Buffer.concat([Buffer.from([0x80 | opcode, ...size]), Buffer.alloc(isMasked ? 4 : 0), body]);
}

/** A client that was not written here. */
function open(path = '/socket', protocols: string[] = [], token?: string, as: TestPartner = files.partner): WebSocket {
	const { gateway } = files;
	const connect = { host: '127.0.0.1', ca: gateway.rootCa, cert: as.chain, key: as.key, servername: 'localhost' };
	const agent = new Agent({ connect, allowH2: false });
	agents.push(agent);
	return new WebSocket(`wss://${gateway.authority}/files/v1${path}`, {
		protocols,
		dispatcher: agent,
		headers: { authorization: `Bearer ${token ?? as.token({ scopes: ['files'] })}` },
	});
}

function heard(
	socket: WebSocket,
	event: 'message' | 'open' | 'close',
): Promise<{ data?: unknown; code?: number; reason?: string }> {
	return new Promise((resolve) => socket.addEventListener(event, resolve as never, { once: true }));
}

/** A handshake as a test writes it; gives the status, and the socket after a 101. */
async function raw(
	fields: readonly string[],
	path = '/socket',
	after_ = '',
): Promise<{ status: number; text: string; close(): void }> {
	const { gateway, partner } = files;
	const connection = await gateway.connect(partner);
	const head = [
		`GET /files/v1${path} HTTP/1.1`,
		`Host: ${gateway.authority}`,
		`Authorization: Bearer ${partner.token({ scopes: ['files'] })}`,
		...fields,
		'',
		'',
	].join('\r\n');
	const response = await connection.send(head + after_);
	return { status: response?.status ?? 0, text: response?.body ?? '', close: () => connection.close() };
}

const CODES = { 400: 'malformed_request', 403: 'origin_refused', 426: 'upgrade_required' } as const;
const GOOD = ['Connection: Upgrade', 'Upgrade: websocket', 'Sec-WebSocket-Version: 13', `Sec-WebSocket-Key: ${KEY}`];

async function entries(type: string, count = 1): Promise<readonly AuditEntry[]> {
	const { ledger } = files.gateway;
	const all = (): readonly AuditEntry[] =>
		[...ledger.durable, ...ledger.buffered].filter((entry) => entry.type === type);
	for (let waits = 0; waits < 200 && all().length < count; waits++) await pause(10);
	return all();
}

test('frames pass in both directions, and a close with its code; opening and end are on record', async () => {
	const socket = open('/socket', ['chat', 'log']);
	socket.binaryType = 'arraybuffer';
	files.upgrade = (request, upstream) => accept(request, upstream, ['Sec-WebSocket-Protocol: log']);
	await heard(socket, 'open');
	assert.deepEqual([socket.protocol, socket.extensions], ['log', '']);
	assert.equal(files.served[0]?.headers['sec-websocket-extensions'], undefined);
	assert.equal(files.served[0]?.headers['authorization'], undefined);
	assert.equal(typeof files.served[0]?.headers['sallyport-assertion'], 'string');
	assert.deepEqual(
		(await entries('gateway.request')).map(({ status, decision }) => [status, decision]),
		[[101, 'permit']],
	);
	for (const text of ['one', 'x'.repeat(30_000), 'grüße']) {
		const echo = heard(socket, 'message');
		socket.send(text);
		assert.equal((await echo).data, text);
	}
	const closed = heard(socket, 'close');
	socket.close(4001, 'done');
	const { code, reason } = await closed;
	assert.deepEqual([code, reason], [4001, 'done']);
	const [entry] = await entries('gateway.closed');
	assert.equal(entry?.reason, undefined);
	assert.ok(Number(entry?.facts?.['bytes_in']) > 30_000 && Number(entry?.facts?.['bytes_out']) > 30_000);
	assert.equal(files.gateway.streams.size, 0);
});

for (const [what, fields, status] of [
	['no version', GOOD.filter((field) => !field.includes('Version')), 426],
	['another version', GOOD.map((field) => field.replace('13', '8')), 426],
	['no key', GOOD.slice(0, 3), 400],
	['a short key', [...GOOD.slice(0, 3), 'Sec-WebSocket-Key: dG9vc2hvcnQ='], 400],
	['two keys', [...GOOD, `Sec-WebSocket-Key: ${KEY}`], 400],
	['an origin that is not listed', [...GOOD, 'Origin: https://evil.example'], 403],
	['a malformed list of subprotocols', [...GOOD, 'Sec-WebSocket-Protocol: a,,b'], 400],
	['another protocol beside it', ['Connection: Upgrade', 'Upgrade: websocket, h2c', ...GOOD.slice(2)], 400],
	['another field in Connection', ['Connection: Upgrade, X-Request-Id', ...GOOD.slice(1)], 400],
	['no Upgrade at all', [], 426],
] as const) {
	test(`opens nothing for a handshake with ${what}`, async () => {
		const answer = await raw(fields);
		assert.equal(answer.status, status);
		assert.match(answer.text, new RegExp(`problem:${CODES[status]}"`));
		assert.equal(files.served.length, 0);
		answer.close();
	});
}

test('opens for an origin that is listed', async () => {
	const answer = await raw([...GOOD, 'Origin: https://app.partner.example']);
	assert.equal(answer.status, 101);
	answer.close();
});

test('opens nothing where the route has no WebSocket', async () => {
	const answer = await raw(GOOD, '/events');
	assert.equal(answer.status, 400);
	assert.equal(files.served.length, 0);
	answer.close();
});

for (const [what, answerWith] of [
	[
		'a wrong proof',
		(request: IncomingMessage, socket: Duplex) => accept(request, socket, [], 'AAAAAAAAAAAAAAAAAAAAAAAAAAA='),
	],
	[
		'an extension',
		(request: IncomingMessage, socket: Duplex) =>
			accept(request, socket, ['Sec-WebSocket-Extensions: permessage-deflate']),
	],
	[
		'a subprotocol that was not offered',
		(request: IncomingMessage, socket: Duplex) => accept(request, socket, ['Sec-WebSocket-Protocol: admin']),
	],
	[
		'a 200 that says Upgrade',
		(_request: IncomingMessage, socket: Duplex) =>
			socket.end('HTTP/1.1 200 OK\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nContent-Length: 0\r\n\r\n'),
	],
	['no answer but the end', (_request: IncomingMessage, socket: Duplex) => socket.destroy()],
] as const) {
	test(`gives no tunnel to a service that answers with ${what} (T9)`, async () => {
		files.upgrade = answerWith;
		const answer = await raw(GOOD);
		assert.equal(answer.status, 502);
		answer.close();
	});
}

test('a service that refuses is answered for like any other: held to the contract', async () => {
	files.upgrade = (_request, socket) => {
		const body = '{"title":"not today","internalHost":"db7"}';
		socket.end(
			`HTTP/1.1 403 Forbidden\r\nContent-Type: application/problem+json\r\nContent-Length: ${body.length}\r\nConnection: close\r\n\r\n${body}`,
		);
	};
	const answer = await raw(GOOD);
	assert.deepEqual([answer.status, answer.text], [403, '{"title":"not today"}']);
	answer.close();
});

test('frames that come before the 101 reach nobody (T9)', async () => {
	files.upgrade = (request, socket) => setTimeout(() => accept(request, socket, []), 100);
	const answer = await raw(GOOD, '/socket', frame(1, 'early', true).toString('latin1'));
	assert.notEqual(answer.status, 101);
	await pause(100);
	assert.equal(received.length, 0);
	assert.equal((await entries('gateway.closed'))[0]?.reason, 'frames_invalid');
	answer.close();
});

for (const [what, bytes, code, reason] of [
	['a frame without a mask', frame(1, 'x', false), 1002, 'frames_invalid'],
	[
		'a message above its bound',
		Buffer.concat([Buffer.from([0x82, 0xff, 0, 0, 0, 0, 0, 1, 0, 1]), Buffer.alloc(4), Buffer.alloc(65_537, 0x62)]),
		1009,
		'message_too_large',
	],
	[
		'too large a message in pieces',
		Buffer.concat([
			Buffer.from([0x02, 0xfe, 0xff, 0xff]),
			Buffer.alloc(4 + 65_535),
			frame(0, Buffer.alloc(2000, 0x62), true),
		]),
		1009,
		'message_too_large',
	],
] as const) {
	test(`is closed with ${code} on ${what}, of which nothing passes`, async () => {
		const connection = await files.gateway.connect(files.partner);
		connection.socket.write(
			[
				`GET /files/v1/socket HTTP/1.1`,
				`Host: ${files.gateway.authority}`,
				`Authorization: Bearer ${files.partner.token({ scopes: ['files'] })}`,
				...GOOD,
				'',
				'',
			].join('\r\n'),
		);
		assert.equal((await connection.next())?.status, 101);
		connection.socket.write(bytes);
		const closing = await closeFrameOn(connection.socket);
		assert.deepEqual([closing.payload.readUInt16BE(0), closing.payload.subarray(2).toString()], [code, reason]);
		assert.equal((await entries('gateway.closed'))[0]?.reason, reason);
		assert.equal(Buffer.concat(received).includes(bytes.subarray(-3)), false);
		connection.close();
	});
}

/** Waits for the close frame that the gateway sends. */
async function closeFrameOn(socket: Duplex): Promise<Frame> {
	let held = Buffer.alloc(0);
	for (;;) {
		const [chunk] = (await once(socket, 'data')) as [string];
		held = Buffer.concat([held, Buffer.from(chunk, 'latin1')]);
		for (let parsed = parse(held); parsed !== undefined; parsed = parse(held)) {
			if (parsed.opcode === 8) return parsed;
			held = held.subarray(parsed.length);
		}
	}
}

test('is closed with 1008 and cut on both sides when its token is revoked', async () => {
	const token = files.partner.token({ scopes: ['files'] });
	const socket = open('/socket', [], token);
	await heard(socket, 'open');
	const serviceLost = new Promise<number>((resolve) => serviceSocket?.once('end', () => resolve(performance.now())));
	serviceSocket?.resume();
	const closed = heard(socket, 'close');
	const { jti } = JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString()) as { jti: string };
	const revokedAt = performance.now();
	files.gateway.apply({ kind: 'token-revocation', record: { jti, expiresAtSeconds: 4_000_000_000, revokedAtMs: 1 } });
	assert.equal(files.gateway.streams.size, 0, 'cut before the change is confirmed');
	const { code, reason } = await closed;
	const cutAfter = (await serviceLost) - revokedAt;
	assert.deepEqual([code, reason], [1008, 'token_revoked']);
	assert.ok(cutAfter < CUT_MS_MAX, `cut after ${cutAfter.toFixed(0)} ms`);
	assert.equal((await entries('gateway.closed'))[0]?.reason, 'token_revoked');
});

test('is closed with 1008 when its token expires', async () => {
	const issuedAtSeconds = Math.floor(Date.now() / 1000);
	const socket = open(
		'/socket',
		[],
		files.partner.token({ scopes: ['files'], issuedAtSeconds, expiresAtSeconds: issuedAtSeconds + 2 }),
	);
	await heard(socket, 'open');
	const { code, reason } = await heard(socket, 'close');
	assert.deepEqual([code, reason], [1008, 'token_expired']);
	const late = Date.now() - (issuedAtSeconds + 2) * 1000;
	assert.ok(late >= 0 && late < CUT_MS_MAX, `${late} ms after the expiry`);
});

test('is closed when nothing passes, and when the service goes away without a word', async () => {
	const idle = open();
	await heard(idle, 'open');
	assert.deepEqual(
		[(await heard(idle, 'close')).code, (await entries('gateway.closed'))[0]?.reason],
		[1001, 'stream_idle'],
	);
	files.gateway.ledger.buffered.length = 0;
	const left = open();
	await heard(left, 'open');
	serviceSocket?.destroy();
	assert.deepEqual(
		[(await heard(left, 'close')).code, (await entries('gateway.closed'))[0]?.reason],
		[1014, 'upstream_unreachable'],
	);
});

test('a partner who goes away before the service has answered ends the call, and is on record', async () => {
	const { promise: reached, resolve: arrive } = Promise.withResolvers<Duplex>();
	files.upgrade = (_request, socket) => arrive(socket);
	const connection = await files.gateway.connect(files.partner);
	const head = [
		'GET /files/v1/socket HTTP/1.1',
		`Host: ${files.gateway.authority}`,
		`Authorization: Bearer ${files.partner.token({ scopes: ['files'] })}`,
	];
	connection.socket.write([...head, ...GOOD, '', ''].join('\r\n'));
	const socket = await reached;
	socket.resume();
	const lost = once(socket, 'end');
	connection.close();
	await lost;
	assert.equal((await entries('gateway.request'))[0]?.reason, 'client_closed');
	assert.equal(files.gateway.streams.size, 0);
});

test('a partner who goes away without a word ends the connection of the service', async () => {
	const connection = await files.gateway.connect(files.partner);
	const head = [
		`GET /files/v1/socket HTTP/1.1`,
		`Host: ${files.gateway.authority}`,
		`Authorization: Bearer ${files.partner.token({ scopes: ['files'] })}`,
	];
	assert.equal((await connection.send([...head, ...GOOD, '', ''].join('\r\n')))?.status, 101);
	const lost = once(serviceSocket as Duplex, 'end');
	connection.close();
	await lost;
	assert.equal((await entries('gateway.closed'))[0]?.reason, 'client_closed');
});

test('a durable WebSocket is on disk before the service hears of it, and before the partner hears that it is open', async () => {
	files.upgrade = (request, socket) => {
		assert.deepEqual(
			files.gateway.ledger.durable.map(({ type }) => type),
			['gateway.intent'],
		);
		accept(request, socket, []);
	};
	const socket = open('/recorded-socket');
	await heard(socket, 'open');
	assert.deepEqual(
		files.gateway.ledger.durable.map(({ type }) => type),
		['gateway.intent', 'gateway.request'],
	);
	const closed = heard(socket, 'close');
	socket.close();
	await closed;
	files.upgrade = (request, upstream) => accept(request, upstream, []);
	files.gateway.ledger.durableLeft = 1;
	const unrecorded = open('/recorded-socket');
	assert.equal((await heard(unrecorded, 'close')).code, 1006);
	files.gateway.ledger.durableLeft = Number.POSITIVE_INFINITY;
	assert.equal(files.gateway.streams.size, 0);
});

test('who asks over HTTP/2 is told to come over HTTP/1.1, and meets no bug', async () => {
	const { gateway, partner } = files;
	const session = connectHttp2(`https://127.0.0.1:${gateway.port}`, {
		ca: gateway.rootCa,
		cert: partner.chain,
		key: partner.key,
		servername: 'localhost',
	});
	const stream = session.request({ ':authority': gateway.authority, ':path': '/files/v1/socket' });
	const status = await new Promise((resolve) => {
		stream.on('response', (headers) => resolve(headers[':status']));
		stream.on('error', resolve);
		stream.on('close', resolve);
	});
	session.destroy();
	assert.equal(status, 426);
	assert.deepEqual(gateway.errors, []);
});
