import assert from 'node:assert/strict';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import { after, before, test } from 'node:test';
import { createLiveIdentities, type LiveIdentities, type LiveIdentity } from '../../../test/fixture/live-identities.ts';
import type { Upstream } from '../../domain/api/api.ts';
import type { Fault } from '../../kernel/faults.ts';
import { openUpstreamClient } from './upstream-client.ts';

let identities: LiveIdentities;
let gateway: LiveIdentity;
let server: Server;
let port: number;
let answer: (request: IncomingMessage, response: ServerResponse) => void;
let served = 0;

before(async () => {
	identities = await createLiveIdentities();
	gateway = await identities.service('gateway');
	const { key, cert } = await identities.server();
	server = createServer(
		{ key, cert, ca: identities.ca, requestCert: true, rejectUnauthorized: true },
		(request, response) => {
			served++;
			answer(request, response);
		},
	);
	await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
	port = (server.address() as AddressInfo).port;
});
after(() => {
	server.close();
	server.closeAllConnections();
});

function upstream(changes: Partial<Upstream> = {}): Upstream {
	return {
		origin: `https://localhost:${port}`,
		basePath: '',
		audience: 'test',
		connectTimeoutMs: 1000,
		responseTimeoutMs: 2000,
		bodyTimeoutMs: 2000,
		totalTimeoutMs: 5000,
		keepAliveMs: 4000,
		retriesMax: 0,
		connectionsMax: 4,
		queueMax: 4,
		streamsMax: 64,
		...changes,
	};
}

type Outcome = { readonly status: number; readonly body: string } | Fault;

/** Sends one request and gives what came of it; `abortAfterMs` takes it back. */
async function call(
	options: { upstream?: Upstream; ca?: string; bytesMax?: number; abortAfterMs?: number } = {},
): Promise<Outcome> {
	const client = openUpstreamClient(options.upstream ?? upstream(), {
		ca: options.ca ?? identities.ca,
		certificate: gateway.cert,
		key: gateway.key,
	});
	try {
		return await new Promise<Outcome>((resolve) => {
			const abort = client.send(
				{
					method: 'GET',
					target: '/x',
					headers: [],
					body: undefined,
					responseBytesMax: options.bytesMax ?? 1024,
					retry: 'unsent',
				},
				{
					onUpstreamResponse: (status, _headers, body) => resolve({ status, body: body.toString() }),
					onUpstreamFault: resolve,
					onUpstreamRetry: () => {},
				},
			);
			if (options.abortAfterMs !== undefined) setTimeout(abort, options.abortAfterMs);
		});
	} finally {
		await client.close();
	}
}

function codeOf(outcome: Outcome): string {
	return 'code' in outcome ? outcome.code : `status ${outcome.status}`;
}

test('gives the whole answer, also in many pieces', async () => {
	answer = (_request, response) => {
		response.write('a');
		setTimeout(() => response.end('b'), 20);
	};
	assert.deepEqual(await call(), { status: 200, body: 'ab' });
});

test('refuses an upstream whose certificate another authority signed (T34)', async () => {
	const other = await createLiveIdentities();
	served = 0;
	assert.equal(codeOf(await call({ ca: other.ca })), 'upstream_unreachable');
	assert.equal(served, 0);
});

test('refuses an upstream whose certificate names another host (T34)', async () => {
	served = 0;
	assert.equal(
		codeOf(await call({ upstream: upstream({ origin: `https://127.0.0.1:${port}` }) })),
		'upstream_unreachable',
	);
	assert.equal(served, 0);
});

test('says so when nobody listens', async () => {
	assert.equal(codeOf(await call({ upstream: upstream({ origin: 'https://localhost:1' }) })), 'upstream_unreachable');
});

test('does not wait for an answer longer than it may', async () => {
	answer = () => {};
	assert.equal(codeOf(await call({ upstream: upstream({ responseTimeoutMs: 1000 }) })), 'upstream_timeout');
});

test('does not wait for the rest of an answer longer than it may', async () => {
	answer = (_request, response) => void response.write('a');
	assert.equal(codeOf(await call({ upstream: upstream({ bodyTimeoutMs: 1000 }) })), 'upstream_timeout');
});

test('does not wait for an answer that trickles in for longer than the whole call may take', async () => {
	let trickle: NodeJS.Timeout | undefined;
	answer = (request, response) => {
		trickle = setInterval(() => response.write('a'), 100);
		request.socket.on('close', () => clearInterval(trickle));
	};
	assert.equal(codeOf(await call({ upstream: upstream({ totalTimeoutMs: 700 }) })), 'upstream_timeout');
	clearInterval(trickle);
});

test('stops at the bound of the body and lets go of the connection', async () => {
	let isClosed = false;
	answer = (request, response) => {
		request.socket.on('close', () => {
			isClosed = true;
		});
		response.write('a'.repeat(2000));
	};
	assert.equal(codeOf(await call({ bytesMax: 1000 })), 'response_too_large');
	await new Promise((resolve) => setTimeout(resolve, 50));
	assert.equal(isClosed, true);
});

test('a call that is taken back ends at the upstream too', async () => {
	let closed: Promise<void> | undefined;
	answer = (request) => {
		closed = new Promise((resolve) => request.socket.on('close', () => resolve()));
	};
	assert.equal(codeOf(await call({ abortAfterMs: 100 })), 'upstream_unreachable');
	await closed;
});

test('an upstream that breaks off in the middle is not taken for one that answered', async () => {
	answer = (request, response) => {
		response.writeHead(200, { 'content-length': '100' });
		response.write('half');
		setTimeout(() => request.socket.destroy(), 20);
	};
	assert.equal(codeOf(await call()), 'upstream_unreachable');
});

test('refuses calls above connections and queue at once, and takes them again when there is room', async () => {
	const waiting: ServerResponse[] = [];
	answer = (_request, response) => void waiting.push(response);
	const client = openUpstreamClient(upstream({ connectionsMax: 1, queueMax: 1 }), {
		ca: identities.ca,
		certificate: gateway.cert,
		key: gateway.key,
	});
	const send = (): Promise<Outcome> =>
		new Promise((resolve) => {
			client.send(
				{ method: 'GET', target: '/x', headers: [], body: undefined, responseBytesMax: 1024, retry: 'unsent' },
				{
					onUpstreamResponse: (status) => resolve({ status, body: '' }),
					onUpstreamFault: resolve,
					onUpstreamRetry: () => {},
				},
			);
		});
	const first = send();
	const second = send();
	assert.equal(codeOf(await send()), 'upstream_overloaded');
	while (waiting.length < 1) await new Promise((resolve) => setTimeout(resolve, 5));
	waiting.pop()?.end();
	assert.equal(codeOf(await first), 'status 200');
	while (waiting.length < 1) await new Promise((resolve) => setTimeout(resolve, 5));
	const fourth = send();
	waiting.pop()?.end();
	assert.equal(codeOf(await second), 'status 200');
	while (waiting.length < 1) await new Promise((resolve) => setTimeout(resolve, 5));
	waiting.pop()?.end();
	assert.equal(codeOf(await fourth), 'status 200');
	await client.close();
});

test('an informational answer is not the answer', async () => {
	answer = (_request, response) => {
		response.writeEarlyHints({ link: '</x>; rel=preload' });
		response.end('real');
	};
	assert.deepEqual(await call(), { status: 200, body: 'real' });
});
