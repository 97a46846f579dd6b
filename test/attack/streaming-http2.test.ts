// Threat: over HTTP/2 a stream that is cut looks different on the wire, and Node ends a body that was reset as if it were whole.
// What is cut short must not look complete to anybody here either, and one stream that ends leaves the others alone.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type ClientHttp2Session, type ClientHttp2Stream, connect, constants } from 'node:http2';
import { after, before, beforeEach, test } from 'node:test';
import { type Field, FLAG, FRAME, frame, FrameClient } from '../fixture/frame-client.ts';
import { pause, startStreamGateway, type StreamGateway } from '../fixture/stream-gateway.ts';

const BINARY = { 'content-type': 'application/octet-stream' };

let files: StreamGateway;
let session: ClientHttp2Session;

before(async () => {
	files = await startStreamGateway();
	const { gateway, partner } = files;
	session = connect(`https://${gateway.authority}`, {
		ca: gateway.rootCa,
		cert: partner.chain,
		key: partner.key,
		servername: 'localhost',
		lookup: (_host, options, done) =>
			options.all === true ? done(null, [{ address: '127.0.0.1', family: 4 }]) : done(null, '127.0.0.1', 4),
	});
	await once(session, 'connect');
});
after(async () => {
	session.destroy();
	await files.close();
});
beforeEach(() => {
	files.gateway.ledger.buffered.length = 0;
});

function open(method: string, path: string, fields: Record<string, string> = {}): ClientHttp2Stream {
	const authorization = `Bearer ${files.partner.token({ scopes: ['files'] })}`;
	const stream = session.request(
		{ ':method': method, ':path': `/files/v1${path}`, authorization, ...fields },
		{ endStream: method === 'GET' },
	);
	stream.on('error', () => {});
	return stream;
}

async function statusOf(stream: ClientHttp2Stream): Promise<number> {
	const [headers] = (await once(stream, 'response')) as [{ readonly ':status'?: number }];
	return headers[':status'] ?? 0;
}

/** Reads to the end; `code` is that of the reset, 0 for a whole answer. */
async function readAll(stream: ClientHttp2Stream): Promise<{ readonly bytes: number; readonly code: number }> {
	let bytes = 0;
	stream.on('data', (chunk: Buffer) => (bytes += chunk.length));
	await new Promise((resolve) => stream.once('close', resolve));
	return { bytes, code: stream.rstCode };
}

test('a download and an upload pass whole, at once on one connection', async () => {
	const body = Buffer.alloc(3_000_000, 'x');
	let stored = 0;
	files.service = async (request, response) => {
		if (request.method === 'GET') {
			response.writeHead(200, BINARY).end(body);
			return;
		}
		for await (const chunk of request) stored += (chunk as Buffer).length;
		response.writeHead(200, { 'content-type': 'application/json' }).end('{"bytes":1}');
	};
	const download = open('GET', '/files/f1');
	const upload = open('PUT', '/files/f1', BINARY);
	upload.end(body);
	assert.deepEqual(await Promise.all([statusOf(download), statusOf(upload)]), [200, 200]);
	assert.deepEqual(await Promise.all([readAll(download), readAll(upload)]), [
		{ bytes: body.length, code: constants.NGHTTP2_NO_ERROR },
		{ bytes: 11, code: constants.NGHTTP2_NO_ERROR },
	]);
	assert.equal(stored, body.length);
});

test('a download that the service breaks off is reset, and the connection lives on', async () => {
	files.service = (request, response) => {
		response.writeHead(200, BINARY);
		response.write('half');
		setTimeout(() => request.socket.destroy(), 50);
	};
	const download = open('GET', '/files/f1');
	assert.equal(await statusOf(download), 200);
	const { bytes, code } = await readAll(download);
	assert.equal(bytes, 4);
	assert.notEqual(code, constants.NGHTTP2_NO_ERROR);
	assert.equal((await files.entry('download')).reason, 'upstream_unreachable');
	assert.equal(session.closed, false);
});

for (const [what, code] of [
	['CANCEL', constants.NGHTTP2_CANCEL],
	['NO_ERROR', constants.NGHTTP2_NO_ERROR],
] as const) {
	for (const fields of [[], [['content-length', '1000']]] as const) {
		const length = fields.length === 0 ? 'no length' : 'a length';
		test(`an upload of ${length} that is reset with ${what} does not look complete to the service`, async () => {
			const { gateway, partner } = files;
			const { promise: seen, resolve: settle } = Promise.withResolvers<boolean>();
			const { promise: reached, resolve: arrive } = Promise.withResolvers<void>();
			files.service = (request) => {
				request.on('error', () => settle(false));
				request.on('end', () => settle(request.complete));
				request.resume();
				arrive();
			};
			const client = await FrameClient.open({
				port: gateway.port,
				ca: gateway.rootCa,
				cert: partner.chain,
				key: partner.key,
			});
			try {
				const head: Field[] = [
					[':method', 'PUT'],
					[':scheme', 'https'],
					[':authority', gateway.authority],
					[':path', '/files/v1/files/f1'],
					['authorization', `Bearer ${partner.token({ scopes: ['files'] })}`],
					['content-type', 'application/octet-stream'],
					...fields,
				];
				client.ask(1, head, FLAG.endHeaders);
				client.write(frame(FRAME.data, 0, 1, Buffer.from('half')));
				await reached;
				const reset = Buffer.alloc(4);
				reset.writeUInt32BE(code);
				client.write(frame(FRAME.reset, 0, 1, reset));
				assert.equal(await seen, false);
				assert.match((await files.entry('upload')).reason ?? '', /^(?:client_closed|malformed_request)$/);
				assert.equal(gateway.streams.size, 0);
				assert.equal(client.isClosed, false);
			} finally {
				client.close();
			}
		});
	}
}

test('a stream whose token is revoked is reset at once, and the others on the connection are not', async () => {
	files.service = (request, response) => {
		response.writeHead(200, { 'content-type': 'text/event-stream' });
		const timer = setInterval(() => response.write('data: 1\n\n'), 20);
		request.socket.once('close', () => clearInterval(timer));
	};
	const kept = open('GET', '/events');
	assert.equal(await statusOf(kept), 200);
	kept.resume();
	const token = files.partner.token({ scopes: ['files'] });
	const revoked = open('GET', '/events', { authorization: `Bearer ${token}` });
	assert.equal(await statusOf(revoked), 200);
	const ended = readAll(revoked);
	const { jti } = JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString()) as { jti: string };
	files.gateway.apply({ kind: 'token-revocation', record: { jti, expiresAtSeconds: 4_000_000_000, revokedAtMs: 1 } });
	assert.equal(files.gateway.streams.size, 1, 'cut before the change is confirmed');
	assert.notEqual((await ended).code, constants.NGHTTP2_NO_ERROR);
	assert.equal((await files.entry('events')).reason, 'token_revoked');
	await pause(100);
	assert.equal(kept.closed, false);
	kept.close(constants.NGHTTP2_CANCEL);
	await new Promise((resolve) => kept.once('close', resolve));
});

test('an early answer reaches a partner who is still sending, and the connection lives on (T8)', async () => {
	files.service = (_request, response) => {
		response.writeHead(413, { 'content-type': 'application/problem+json' }).end('{"title":"enough"}');
	};
	const upload = open('POST', '/files/f1', BINARY);
	upload.write(Buffer.alloc(60_000));
	assert.equal(await statusOf(upload), 413);
	assert.equal((await readAll(upload)).bytes, 18);
	assert.equal(session.closed, false);
});
