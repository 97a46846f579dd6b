// Threat: bodies that pass as they come are not read first, so whatever goes wrong goes wrong in the middle: a side that
// breaks off, never ends, sends too much, or stops reading. What was cut short must never look complete to anybody, nothing
// may pile up in memory, and each stream leaves one entry that says how it ended.
import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import type { IncomingMessage } from 'node:http';
import { after, before, beforeEach, test } from 'node:test';
import { pause, startStreamGateway, type StreamGateway } from '../fixture/stream-gateway.ts';

const BINARY = { 'content-type': 'application/octet-stream' };
const MIB = 1024 * 1024;
/** `SALLYPORT_STREAM_MIB=2048` is the long run. */
const STREAM_MIB = Number(process.env['SALLYPORT_STREAM_MIB'] ?? 48);
const GROWTH_MIB_MAX = 256;
/** What four sockets and their streams hold, when the last of them is not read. */
const UNDERWAY_MIB_MAX = 32;

let files: StreamGateway;

before(async () => {
	files = await startStreamGateway();
});
after(() => files.close());
beforeEach(() => {
	files.served.length = 0;
	files.gateway.ledger.buffered.length = 0;
	files.gateway.ledger.durable.length = 0;
});

async function responseOf(request: ReturnType<StreamGateway['request']>): Promise<IncomingMessage> {
	const [response] = (await once(request, 'response')) as [IncomingMessage];
	return response;
}

/** Reads a response to its end; `isComplete` is false when it broke off. */
async function readAll(response: IncomingMessage): Promise<{ text: string; isComplete: boolean }> {
	const chunks: Buffer[] = [];
	try {
		for await (const chunk of response) chunks.push(chunk as Buffer);
	} catch {
		return { text: Buffer.concat(chunks).toString(), isComplete: false };
	}
	return { text: Buffer.concat(chunks).toString(), isComplete: response.complete };
}

async function get(path: string, headers: Record<string, string> = {}) {
	const request = files.request('GET', path, { headers });
	request.end();
	const response = await responseOf(request);
	return { response, ...(await readAll(response)) };
}

/** Watches how much the process grows, until `stop` gives the most in MiB: gateway, partner and service together. */
function watchMemory(): { stop(): number } {
	const start = process.memoryUsage.rss();
	let most = 0;
	const timer = setInterval(() => {
		most = Math.max(most, process.memoryUsage.rss() - start);
	}, 100);
	return {
		stop: () => {
			clearInterval(timer);
			return most / MIB;
		},
	};
}

const BLOCK = randomBytes(64 * 1024);

/** MiB that the latest `pour` has got rid of. */
let poured = 0;

/** Writes so many MiB with backpressure; gives their hash. */
async function pour(into: NodeJS.WritableStream, mebibytes: number): Promise<string> {
	const hash = createHash('sha256');
	for (let blocks = 0; blocks < mebibytes * 16; blocks++) {
		poured = blocks / 16;
		hash.update(BLOCK);
		if (!into.write(BLOCK)) await once(into, 'drain');
	}
	into.end();
	return hash.digest('hex');
}

async function drink(from: NodeJS.ReadableStream): Promise<string> {
	const hash = createHash('sha256');
	for await (const chunk of from) hash.update(chunk);
	return hash.digest('hex');
}

test(`a download of ${STREAM_MIB} MiB passes byte for byte, without piling up in memory`, async () => {
	let sent: Promise<string> | undefined;
	files.service = (_request, response) => {
		response.writeHead(200, BINARY);
		sent = pour(response, STREAM_MIB);
	};
	const memory = watchMemory();
	const request = files.request('GET', '/files/f1');
	request.end();
	const response = await responseOf(request);
	// The partner hesitates: what the service would send meanwhile must wait there.
	await pause(500);
	assert.ok(poured > 0 && poured < UNDERWAY_MIB_MAX, `${poured} MiB are underway to a partner who does not read`);
	const received = await drink(response);
	const growth = memory.stop();
	assert.equal(received, await sent);
	assert.ok(growth < GROWTH_MIB_MAX, `memory grew by ${growth.toFixed(1)} MiB`);
	const entry = await files.entry('download');
	assert.equal(entry.facts?.['bytes_out'], STREAM_MIB * MIB);
	assert.deepEqual([entry.decision, entry.status, entry.reason], ['permit', 200, undefined]);
});

test(`an upload of ${STREAM_MIB} MiB passes byte for byte, without piling up in memory`, async () => {
	let received = '';
	let underway = 0;
	files.service = async (request, response) => {
		await pause(400);
		underway = poured;
		received = await drink(request);
		response.writeHead(200, { 'content-type': 'application/json' });
		response.end('{"bytes":1,"path":"/secret"}');
	};
	const memory = watchMemory();
	const request = files.request('PUT', '/files/f1', { headers: BINARY });
	const answered = responseOf(request);
	const sent = await pour(request, STREAM_MIB);
	const response = await answered;
	const growth = memory.stop();
	assert.equal(received, sent);
	assert.ok(
		underway > 0 && underway < UNDERWAY_MIB_MAX,
		`${underway} MiB are underway to a service that does not read`,
	);
	// The answer is JSON, so it was held to the contract, which declares no `path`.
	assert.deepEqual([response.statusCode, (await readAll(response)).text], [200, '{"bytes":1}']);
	assert.ok(growth < GROWTH_MIB_MAX, `memory grew by ${growth.toFixed(1)} MiB`);
	assert.equal((await files.entry('upload')).facts?.['bytes_in'], STREAM_MIB * MIB);
});

test('framing is made anew: a known length stays a length, everything else is chunked', async () => {
	files.service = (request, response) => {
		response.writeHead(200, { ...BINARY, 'x-framing': 'inner' });
		void drink(request).then(() => response.end('done'));
	};
	const known = files.request('POST', '/files/f1', { headers: { ...BINARY, 'content-length': '3' } });
	known.end('abc');
	const first = await responseOf(known);
	assert.equal(first.headers['transfer-encoding'], 'chunked');
	assert.equal(first.headers['x-framing'], undefined);
	assert.deepEqual(await readAll(first), { text: 'done', isComplete: true });
	const unknown = files.request('POST', '/files/f1', { headers: BINARY });
	unknown.write('a');
	unknown.end('bc');
	await readAll(await responseOf(unknown));
	assert.deepEqual(
		files.served.map(({ headers }) => [headers['content-length'], headers['transfer-encoding']]),
		[
			['3', undefined],
			[undefined, 'chunked'],
		],
	);
});

test('events reach the partner as they happen, and so does the head before the first of them', async () => {
	let send: ((text: string) => void) | undefined;
	files.service = (_request, response) => {
		response.writeHead(200, { 'content-type': 'text/event-stream' });
		response.flushHeaders();
		send = (text) => response.write(text);
	};
	const request = files.request('GET', '/events');
	request.end();
	const response = await responseOf(request);
	assert.equal(response.headers['cache-control'], 'no-store');
	const chunks: string[] = [];
	response.on('data', (chunk: Buffer) => chunks.push(chunk.toString()));
	response.on('error', () => {});
	for (const text of ['data: 1\n\n', 'data: 2\n\n']) {
		send?.(text);
		const until = Date.now() + 2000;
		while (chunks.at(-1) !== text && Date.now() < until) await pause(5);
		assert.equal(chunks.at(-1), text);
	}
	request.destroy();
	assert.equal((await files.entry('events')).reason, 'client_closed');
});

test('a download that the service breaks off does not look complete, chunked or not', async () => {
	for (const headers of [BINARY, { ...BINARY, 'content-length': '1000' }]) {
		files.gateway.ledger.buffered.length = 0;
		files.service = (request, response) => {
			response.writeHead(200, headers);
			response.write('half');
			setTimeout(() => request.socket.destroy(), 50);
		};
		const { response, text, isComplete } = await get('/files/f1');
		assert.deepEqual([response.statusCode, text, isComplete], [200, 'half', false]);
		const entry = await files.entry('download');
		assert.deepEqual([entry.decision, entry.status, entry.reason], ['permit', 200, 'upstream_unreachable']);
		assert.equal(entry.facts?.['bytes_out'], 4);
	}
});

test('an upload that the partner breaks off does not look complete to the service', async () => {
	for (const headers of [BINARY, { ...BINARY, 'content-length': '1000' }]) {
		files.gateway.ledger.buffered.length = 0;
		const { promise: seen, resolve: settle } = Promise.withResolvers<boolean>();
		const { promise: reached, resolve: arrive } = Promise.withResolvers<void>();
		files.service = (incoming) => {
			incoming.on('error', () => settle(false));
			incoming.on('end', () => settle(incoming.complete));
			incoming.resume();
			arrive();
		};
		const request = files.request('PUT', '/files/f1', { headers });
		request.on('error', () => {});
		request.write('half');
		await reached;
		request.destroy();
		assert.equal(await seen, false);
		const entry = await files.entry('upload');
		// The loss of the connection is heard of first, or the end in the middle of the body.
		assert.match(entry.reason ?? '', /^(?:client_closed|malformed_request)$/);
		assert.equal(entry.facts?.['bytes_in'], 4);
	}
});

test('a partner who goes away ends the call to the service at once', async () => {
	let gone: Promise<void> | undefined;
	files.service = (request, response) => {
		response.writeHead(200, BINARY);
		response.write('x');
		gone = new Promise((resolve) => request.socket.on('close', () => resolve()));
	};
	const request = files.request('GET', '/files/f1');
	request.end();
	const response = await responseOf(request);
	response.on('error', () => {});
	request.destroy();
	await gone;
	assert.equal((await files.entry('download')).reason, 'client_closed');
});

test('an upload above its bound is refused with 413 while it comes, and the service never sees it whole', async () => {
	let isComplete = false;
	files.service = (request, response) => {
		request.on('error', () => {});
		request.on('end', () => {
			isComplete = true;
			response.end();
		});
		request.resume();
	};
	const request = files.request('POST', '/files/f1', { headers: BINARY });
	request.on('error', () => {});
	const answered = responseOf(request);
	for (let blocks = 0; blocks < 20 && !request.destroyed; blocks++) {
		request.write(BLOCK);
		await pause(1);
	}
	const response = await answered;
	assert.equal(response.statusCode, 413);
	await readAll(response);
	await pause(50);
	assert.equal(isComplete, false);
	assert.equal((await files.entry('convert')).reason, 'body_too_large');
});

test('an upload that announces more than its bound never reaches the service', async () => {
	const request = files.request('POST', '/files/f1', { headers: { ...BINARY, 'content-length': String(2 * MIB) } });
	request.on('error', () => {});
	request.flushHeaders();
	assert.equal((await responseOf(request)).statusCode, 413);
	assert.equal(files.served.length, 0);
	request.destroy();
});

test('a download above its bound is cut and does not look complete', async () => {
	files.service = (request, response) => {
		request.resume();
		response.writeHead(200, BINARY);
		void pour(response, 2).catch(() => {});
	};
	const request = files.request('POST', '/files/f1', { headers: BINARY });
	request.end('x');
	const { text, isComplete } = await readAll(await responseOf(request));
	assert.equal(isComplete, false);
	assert.ok(text.length <= MIB);
	assert.equal((await files.entry('convert')).reason, 'response_too_large');
});

test('a stream in which nothing passes is cut: a partner who stops sending, or stops reading', async () => {
	files.service = (request) => request.resume();
	const upload = files.request('PUT', '/files/f1', { headers: BINARY });
	upload.on('error', () => {});
	upload.write('and then nothing');
	const response = await responseOf(upload);
	assert.equal(response.statusCode, 408);
	assert.equal((await files.entry('upload')).reason, 'stream_idle');
	upload.destroy();
	files.service = (_request, answer) => {
		answer.writeHead(200, BINARY);
		void pour(answer, 64).catch(() => {});
	};
	const download = files.request('GET', '/files/f1');
	download.end();
	const unread = await responseOf(download);
	unread.on('error', () => {});
	assert.equal((await files.entry('download')).reason, 'stream_idle');
	download.destroy();
});

test('a stream ends at its longest time, however busy it is', async () => {
	files.service = (request, response) => {
		response.writeHead(200, { 'content-type': 'text/event-stream' });
		const timer = setInterval(() => response.write(': still here\n\n'), 100);
		request.socket.on('close', () => clearInterval(timer));
	};
	const { isComplete } = await get('/ticks');
	assert.equal(isComplete, false);
	assert.equal((await files.entry('ticks')).reason, 'stream_too_long');
});

test('an early answer reaches a partner who is still sending, and nothing of the rest becomes a request (T8)', async () => {
	files.service = (_request, response) => {
		response.writeHead(413, { 'content-type': 'application/problem+json' });
		response.end('{"title":"enough"}');
	};
	const request = files.request('POST', '/files/f1', { headers: { ...BINARY, 'content-length': '900000' } });
	request.on('error', () => {});
	request.write(BLOCK);
	const response = await responseOf(request);
	assert.deepEqual([response.statusCode, response.headers['connection']], [413, 'close']);
	// What looks like a request is still the body.
	request.write(Buffer.from(`GET /files/v1/files/f2 HTTP/1.1\r\nHost: ${files.gateway.authority}\r\n\r\n`));
	assert.deepEqual(await readAll(response), { text: '{"title":"enough"}', isComplete: true });
	await pause(400);
	assert.equal(files.served.length, 1);
	assert.equal(request.socket?.destroyed, true);
});

test('JSON never streams: an answer in JSON is held to the contract, also where the operation streams', async () => {
	files.service = (_request, response) => {
		response.writeHead(404, { 'content-type': 'application/problem+json' });
		response.end('{"title":"no such file","internalHost":"db7"}');
	};
	const { response, text } = await get('/files/f1');
	assert.deepEqual([response.statusCode, text], [404, '{"title":"no such file"}']);
	for (const contentType of ['application/json', 'text/html', 'APPLICATION/OCTET-STREAM, text/html']) {
		files.service = (_request, answer) => {
			answer.writeHead(200, { 'content-type': contentType });
			answer.end('{"internalHost":"db7"}');
		};
		const refused = await get('/files/f1');
		assert.equal(refused.response.statusCode, 502, contentType);
		assert.doesNotMatch(refused.text, /db7/);
	}
});

test('an answer that is encoded without being asked for is not passed on', async () => {
	files.service = (_request, response) => {
		response.writeHead(200, { ...BINARY, 'content-encoding': 'gzip' });
		response.end('x');
	};
	assert.equal((await get('/files/f1')).response.statusCode, 502);
});

test('answers without a body stay without one: 204, 304, HEAD', async () => {
	for (const status of [204, 304]) {
		files.service = (_request, response) => response.writeHead(status).end();
		const { response, text, isComplete } = await get('/files/f1', { 'if-none-match': '"1"' });
		assert.deepEqual([response.statusCode, text, isComplete], [status, '', true]);
	}
	files.service = (_request, response) => response.writeHead(200, { ...BINARY, 'content-length': '0' }).end();
	assert.deepEqual([(await get('/files/f1')).text], ['']);
});

test('informational answers of the service do not pass, and do not stand for the answer', async () => {
	files.service = (_request, response) => {
		response.writeEarlyHints({ link: '</internal>; rel=preload' });
		response.writeProcessing();
		response.writeHead(200, BINARY);
		response.end('real');
	};
	const request = files.request('GET', '/files/f1');
	const informational: unknown[] = [];
	request.on('information', (one) => informational.push(one));
	request.end();
	assert.equal((await readAll(await responseOf(request))).text, 'real');
	assert.deepEqual(informational, []);
});

test('who waits for 100 Continue hears it when the service takes the body, and not from a refusal', async () => {
	files.service = (request, response) => {
		void drink(request).then(() => response.writeHead(200, BINARY).end('got it'));
	};
	const request = files.request('POST', '/files/f1', { headers: { ...BINARY, expect: '100-continue' } });
	request.flushHeaders();
	await once(request, 'continue');
	request.end('body');
	assert.equal((await readAll(await responseOf(request))).text, 'got it');
	const refused = files.request('PUT', '/files/f1', {
		headers: { ...BINARY, expect: '100-continue', authorization: 'Bearer nonsense' },
	});
	let isContinued = false;
	refused.on('continue', () => (isContinued = true));
	refused.on('error', () => {});
	refused.flushHeaders();
	assert.equal((await responseOf(refused)).statusCode, 401);
	assert.equal(isContinued, false);
	refused.destroy();
});

test('trailers of a request become nothing, trailers of an answer do not pass (T6)', async () => {
	let trailers: unknown;
	files.service = async (request, response) => {
		response.writeHead(200, { ...BINARY, trailer: 'x-secret' });
		await drink(request);
		({ trailers } = request);
		response.addTrailers({ 'x-secret': 'internal' });
		response.end('done');
	};
	const request = files.request('POST', '/files/f1', { headers: { ...BINARY, trailer: 'x-request-id' } });
	request.addTrailers({ 'x-request-id': 'forged', authorization: 'Bearer forged' });
	request.end('body');
	const response = await responseOf(request);
	assert.equal((await readAll(response)).text, 'done');
	assert.deepEqual([trailers, response.trailers, response.headers['trailer']], [{}, {}, undefined]);
	assert.notEqual(files.served[0]?.headers['x-request-id'], 'forged');
});

test('a durable stream has its intent on disk before the service hears of it, and looks complete only when its end is', async () => {
	files.service = (request, response) => {
		assert.deepEqual(
			files.gateway.ledger.durable.map(({ type }) => type),
			['gateway.intent'],
		);
		void drink(request).then(() => response.writeHead(200, BINARY).end('stored'));
	};
	const good = files.request('PATCH', '/files/f1', { headers: BINARY });
	good.end('body');
	assert.deepEqual(await readAll(await responseOf(good)), { text: 'stored', isComplete: true });
	assert.equal(files.gateway.ledger.durable.length, 2);
	files.gateway.ledger.durable.length = 0;
	files.gateway.ledger.durableLeft = 1;
	const lost = files.request('PATCH', '/files/f1', { headers: BINARY });
	lost.end('body');
	const { isComplete } = await readAll(await responseOf(lost));
	files.gateway.ledger.durableLeft = Number.POSITIVE_INFINITY;
	assert.equal(isComplete, false);
});

test('streams above their number are refused, and others go on', async () => {
	files.service = (request, response) => {
		response.writeHead(200, { 'content-type': 'text/event-stream' });
		response.write('data: 1\n\n');
		request.socket.on('error', () => {});
	};
	const open = await Promise.all(
		Array.from({ length: 20 }, async () => {
			const request = files.request('GET', '/events');
			request.on('error', () => {});
			request.end();
			const response = await responseOf(request);
			response.on('error', () => {});
			return request;
		}),
	);
	assert.equal((await get('/events')).response.statusCode, 503);
	for (const request of open) request.destroy();
	await pause(100);
	const again = files.request('GET', '/events');
	again.end();
	const response = await responseOf(again);
	response.on('error', () => {});
	assert.equal(response.statusCode, 200);
	again.destroy();
});
