// Threat: HTTP/2 towards the service is another parser of one request, and its connections carry calls of several partners at
// once. T11, T12, T16, T31: what the service sees is ours and nothing else, and no partner gets, sees or holds up another's.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createSecureServer, type IncomingHttpHeaders, sensitiveHeaders, type ServerHttp2Stream } from 'node:http2';
import type { AddressInfo } from 'node:net';
import { after, before, beforeEach, test } from 'node:test';
import { openUpstreamClient } from '../../src/adapters/http/upstream-client.ts';
import { startStreamGateway, type StreamGateway } from '../fixture/stream-gateway.ts';
import { GOOD_ACCOUNT, startTestGateway, type TestGateway, type TestPartner } from '../fixture/test-gateway.ts';

interface Seen {
	readonly headers: IncomingHttpHeaders;
	readonly names: readonly string[];
	readonly session: object;
	readonly neverIndexed: unknown;
	body: string;
}

const service = createSecureServer();
const seen: Seen[] = [];
let answer: (stream: ServerHttp2Stream, one: Seen) => void;
let gateway: TestGateway;
let first: TestPartner;
let second: TestPartner;

before(async () => {
	service.on('stream', (stream, headers, _flags, raw) => {
		const names = raw.filter((_, index) => index % 2 === 0);
		const asked = stream as ServerHttp2Stream;
		const one: Seen = {
			headers,
			names,
			session: stream.session as object,
			neverIndexed: neverIndexed(headers),
			body: '',
		};
		seen.push(one);
		stream.on('error', () => undefined);
		stream.on('data', (chunk: Buffer) => (one.body += chunk.toString()));
		stream.on('end', () => answer(asked, one));
	});
	service.listen(0, '127.0.0.1');
	await once(service, 'listening');
	const { port } = service.address() as AddressInfo;
	gateway = await startTestGateway(undefined, {
		openUpstream: (identity) => {
			service.setSecureContext({ cert: identity.certificate, key: identity.key });
			return openUpstreamClient(
				{
					origin: `https://localhost:${port}`,
					basePath: '/core',
					audience: 'test',
					connectTimeoutMs: 5000,
					responseTimeoutMs: 5000,
					bodyTimeoutMs: 5000,
					totalTimeoutMs: 10_000,
					keepAliveMs: 4000,
					retriesMax: 0,
					connectionsMax: 1,
					queueMax: 64,
					streamsMax: 8,
					http2: { streamsPerConnection: 100, lifetimeMs: 60_000, pingMs: 20_000 },
				},
				identity,
			);
		},
	});
	first = await gateway.onboard({ accounts: ['acc-1001'] });
	second = await gateway.onboard({ accounts: ['acc-1001'] });
});
after(async () => {
	await gateway.close();
	service.close();
});
beforeEach(() => {
	seen.length = 0;
	answer = (stream) => respond(stream);
});

function respond(stream: ServerHttp2Stream, fields: Record<string, string> = {}): void {
	stream.respond({ ':status': 200, 'content-type': 'application/json', ...fields });
	stream.end(JSON.stringify(GOOD_ACCOUNT));
}

function neverIndexed(headers: IncomingHttpHeaders): unknown {
	return (headers as Record<symbol, unknown>)[sensitiveHeaders];
}

const ACCOUNT = '/bank/v1/accounts/acc-1001';

function get(partner: TestPartner, lines: readonly string[] = []): string {
	const head = [`GET ${ACCOUNT} HTTP/1.1`, `Host: ${gateway.authority}`, `Authorization: Bearer ${partner.token()}`];
	return [...head, ...lines, '', ''].join('\r\n');
}

test('an answer over HTTP/2 is held to the contract and masked like any other', async () => {
	const response = await gateway.request(first, get(first));
	assert.equal(response?.status, 200);
	assert.doesNotMatch(response.body.toString(), /internalRiskScore|ZZ36123400000000001001/);
	answer = (stream) => {
		stream.respond({ ':status': 200, 'content-type': 'application/json' });
		stream.end('{"accountId":1}');
	};
	assert.equal((await gateway.request(first, get(first)))?.status, 502);
});

test('the service sees one authority, one path, and no field of a connection (T12, T16)', async () => {
	const lines = [
		'TE: trailers',
		'X-Request-Id: theirs',
		'Traceparent: theirs',
		'Sallyport-Assertion: theirs',
		'X-Forwarded-For: 10.0.0.1',
		'Accept: application/json',
		'Cookie: a=b',
		'Trailer: x',
	];
	assert.equal((await gateway.request(first, get(first, lines)))?.status, 200);
	const [one] = seen;
	assert.deepEqual(one?.names.toSorted(), [
		':authority',
		':method',
		':path',
		':scheme',
		'accept',
		'sallyport-assertion',
		'traceparent',
		'x-request-id',
	]);
	const { port } = service.address() as AddressInfo;
	assert.equal(one?.headers[':authority'], `localhost:${port}`);
	assert.equal(one?.headers[':scheme'], 'https');
	assert.ok(
		[':path', 'x-request-id', 'traceparent', 'sallyport-assertion'].every((name) => one?.headers[name] !== 'theirs'),
	);
	assert.deepEqual(one?.neverIndexed, ['sallyport-assertion']);
});

for (const line of [
	':authority: evil',
	':path: /evil',
	'Connection: X-Request-Id',
	'Connection: te',
	'Upgrade: h2c',
	'HTTP2-Settings: AAMAAABkAAQAAP__',
]) {
	test(`T12 nothing reaches the service of a request with ${line}`, async () => {
		const response = await gateway.request(first, get(first, [line]));
		assert.ok(response === undefined || response.status === 400, String(response?.status));
		assert.equal(seen.length, 0);
	});
}

test('fields of the answer that are not for the partner stay inside, as with HTTP/1.1', async () => {
	answer = (stream) =>
		respond(stream, {
			server: 'internal',
			'set-cookie': 'a=b',
			'x-request-id': 'theirs',
			'access-control-allow-origin': '*',
			'alt-svc': 'h2="internal:443"',
			location: 'https://internal.example/x',
			etag: '"1"',
		});
	const response = await gateway.request(first, get(first));
	assert.equal(response?.headers.get('etag'), '"1"');
	for (const name of ['server', 'set-cookie', 'access-control-allow-origin', 'alt-svc', 'location']) {
		assert.equal(response?.headers.has(name), false, name);
	}
	assert.notEqual(response?.headers.get('x-request-id'), 'theirs');
});

test('T31 two partners on one session at once: each gets its own answer, asked for under its own name', async () => {
	answer = (stream, { headers }) => {
		const turn = Number(String(headers['if-none-match']).replaceAll(/\D/g, ''));
		setTimeout(() => respond(stream, { etag: String(headers['if-none-match']) }), (turn % 7) * 3);
	};
	const connections = await Promise.all([gateway.connect(first), gateway.connect(second)]);
	await Promise.all(
		[first, second].map(async (partner, place) => {
			for (let turn = 0; turn < 15; turn++) {
				const tag = `"${place}${turn}"`;
				const response = await connections[place]?.send(get(partner, [`If-None-Match: ${tag}`]));
				assert.equal(response?.headers.get('etag'), tag);
			}
		}),
	);
	for (const connection of connections) connection.close();
	assert.equal(new Set(seen.map(({ session }) => session)).size, 1);
	for (const { headers } of seen) {
		const stated = String(headers['sallyport-assertion']).split('.')[1] ?? '';
		const { partner } = JSON.parse(Buffer.from(stated, 'base64url').toString()) as { partner: string };
		const place = String(headers['if-none-match'])[1];
		assert.equal(partner, (place === '0' ? first : second).partner.id);
	}
});

test('T31 a call that one partner takes back leaves the other on the session alone', async () => {
	const { promise: held, resolve: hold } = Promise.withResolvers<ServerHttp2Stream>();
	answer = (stream) => {
		answer = (next) => respond(next);
		hold(stream);
	};
	const connection = await gateway.connect(first);
	void connection.send(get(first)).catch(() => undefined);
	const stream = await held;
	const reset = new Promise<number>((resolve) => stream.once('close', () => resolve(stream.rstCode)));
	const other = gateway.request(second, get(second));
	connection.close();
	assert.equal((await other)?.status, 200);
	assert.equal(await reset, 8);
	assert.equal((await gateway.request(second, get(second)))?.status, 200);
	assert.equal(new Set(seen.map(({ session }) => session)).size, 1);
});

let files: StreamGateway;
before(async () => {
	files = await startStreamGateway('http2');
});
after(() => files.close());

const BINARY = { 'content-type': 'application/octet-stream' };

test('a download and an upload pass whole over HTTP/2', async () => {
	const body = Buffer.alloc(3_000_000, 'x');
	files.service = (_request, response) => response.writeHead(200, BINARY).end(body);
	const download = files.request('GET', '/files/f1');
	download.end();
	const [response] = (await once(download, 'response')) as [NodeJS.ReadableStream];
	let bytes = 0;
	for await (const chunk of response) bytes += chunk.length;
	assert.equal(bytes, body.length);
	let stored = 0;
	files.service = async (request, response) => {
		for await (const chunk of request) stored += (chunk as Buffer).length;
		response.writeHead(200, { 'content-type': 'application/json' }).end('{"bytes":1}');
	};
	const upload = files.request('PUT', '/files/f1', { headers: BINARY });
	upload.end(body);
	const [answered] = (await once(upload, 'response')) as [NodeJS.ReadableStream & { statusCode: number }];
	answered.resume();
	assert.equal(answered.statusCode, 200);
	assert.equal(stored, body.length);
});

test('an upload that the partner breaks off is reset, and never looks complete to the service', async () => {
	const { promise: outcome, resolve } = Promise.withResolvers<string>();
	const { promise: reached, resolve: arrive } = Promise.withResolvers<void>();
	files.service = (request) => {
		request.on('end', () => resolve(request.complete ? 'complete' : 'cut'));
		request.on('aborted', () => resolve('cut'));
		request.once('data', () => arrive());
	};
	const upload = files.request('PUT', '/files/f1', { headers: BINARY });
	upload.on('error', () => undefined);
	upload.write('half');
	await reached;
	upload.destroy();
	assert.equal(await outcome, 'cut');
	assert.match((await files.entry('upload')).reason ?? '', /^(?:client_closed|malformed_request)$/);
});

test('a download that the service cuts without an error code does not look complete to the partner', async () => {
	files.service = (_request, response) => {
		response.writeHead(200, BINARY);
		response.write('half');
		setTimeout(() => (response as unknown as { stream: ServerHttp2Stream }).stream.close(0), 30);
	};
	const download = files.request('GET', '/files/f1');
	download.end();
	const [response] = (await once(download, 'response')) as [NodeJS.ReadableStream];
	await assert.rejects(async () => {
		for await (const chunk of response) assert.equal(String(chunk), 'half');
	});
	assert.equal((await files.entry('download')).reason, 'upstream_unreachable');
});

test('a stream over HTTP/2 ends when its client is disabled, and the service hears of it', async () => {
	const { promise: gone, resolve } = Promise.withResolvers<void>();
	files.service = (request, response) => {
		response.writeHead(200, { 'content-type': 'text/event-stream' });
		response.write('data: 1\n\n');
		request.once('close', () => resolve());
	};
	const events = files.request('GET', '/events');
	events.end();
	const [response] = (await once(events, 'response')) as [NodeJS.ReadableStream];
	const ended = assert.rejects(async () => {
		for await (const chunk of response) assert.equal(String(chunk), 'data: 1\n\n');
	});
	files.gateway.apply({ kind: 'client', record: { ...files.partner.client, status: 'disabled', revision: 2 } });
	await Promise.all([ended, gone]);
	files.gateway.apply({ kind: 'client', record: { ...files.partner.client, revision: 3 } });
	assert.equal((await files.entry('events')).reason, 'client_disabled');
});
