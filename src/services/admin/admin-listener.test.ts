import assert from 'node:assert/strict';
import { createServer, type RequestListener } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { test, type TestContext } from 'node:test';
import { createTestAdmin } from '../../../test/fixture/test-admin.ts';
import { silentLog } from '../../kernel/log.ts';
import { createAdminListener } from './admin-listener.ts';

/** Serves the API on a port of the loopback interface, every connection being the operator's. */
async function serveTestAdmin(context: TestContext) {
	const admin = await createTestAdmin();
	const listener: RequestListener = createAdminListener(admin.api, {
		connectionOf: () => admin.connection,
		log: silentLog,
	});
	const server = createServer(listener);
	await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
	context.after(() => {
		server.close();
		server.closeAllConnections();
	});
	const { port } = server.address() as AddressInfo;
	/** Sends bytes as they are and gives everything that comes back until the connection ends. */
	const send = (text: string): Promise<string> =>
		new Promise((resolve, reject) => {
			const socket = connect(port, '127.0.0.1', () => socket.write(text));
			let answer = '';
			socket.setEncoding('utf8');
			socket.on('data', (piece: string) => {
				answer += piece;
			});
			socket.on('end', () => resolve(answer));
			socket.on('error', reject);
		});
	return { admin, send };
}

const lines = (...all: string[]): string => [...all, '', ''].join('\r\n');

test('carries a request and its answer', async (context) => {
	const { send } = await serveTestAdmin(context);
	const body = JSON.stringify({ name: 'Acme' });
	const head = ['POST /admin/v1/partners HTTP/1.1', 'Host: localhost', 'Connection: close'];
	const type = ['Content-Type: application/json', `Content-Length: ${body.length}`];
	const answer = await send(lines(...head, ...type) + body);
	assert.match(answer, /^HTTP\/1\.1 201 Created\r\n/);
	assert.match(answer, /\r\nx-request-id: req-1\r\n/i);
	assert.match(answer, /"name":"Acme"/);
});

test('answers HEAD without a body', async (context) => {
	const { send } = await serveTestAdmin(context);
	const answer = await send(lines('HEAD /admin/v1/partners HTTP/1.1', 'Host: localhost', 'Connection: close'));
	assert.match(answer, /^HTTP\/1\.1 200 OK\r\n/);
	assert.ok(answer.endsWith('\r\n\r\n'));
});

test('refuses targets with two meanings, odd methods and foreign hosts, and records each', async (context) => {
	const { admin, send } = await serveTestAdmin(context);
	const host = 'Host: localhost';
	const attempts: [string, number][] = [
		[lines('GET https://localhost/admin/v1/partners HTTP/1.1', host, 'Connection: close'), 400],
		[lines('GET /admin/v1/../v1/partners HTTP/1.1', host, 'Connection: close'), 400],
		[lines('GET /admin/v1/%70artners HTTP/1.1', host, 'Connection: close'), 400],
		[lines('GET /admin/v1/partners HTTP/1.1', 'Host: localhost/x?', 'Connection: close'), 400],
		[lines('GET /admin/v1/partners HTTP/1.1', 'Host: evil@localhost', 'Connection: close'), 400],
		[lines('TRACE /admin/v1/partners HTTP/1.1', host, 'Connection: close'), 501],
		[lines('GET /admin/v1/partners HTTP/1.1', 'Host: evil.example', 'Connection: close'), 421],
		[lines('GET /admin/v1/partners HTTP/1.1', host, host, 'Connection: close'), 421],
		[
			lines(
				'GET /admin/v1/partners HTTP/1.1',
				host,
				'Origin: https://localhost:8445',
				'Origin: x',
				'Connection: close',
			),
			403,
		],
	];
	for (const [index, [text, status]] of attempts.entries()) {
		const answer = await send(text);
		assert.ok(answer.startsWith(`HTTP/1.1 ${status} `), `${text}\n${answer}`);
		assert.equal(admin.ledger.buffered.length, index + 1);
	}
});

test('ends the connection instead of reading a body that was refused', async (context) => {
	const { send } = await serveTestAdmin(context);
	const type = ['Content-Type: application/json', 'Content-Length: 1000000'];
	const answer = await send(lines('POST /admin/v1/partners HTTP/1.1', 'Host: localhost', ...type));
	assert.match(answer, /^HTTP\/1\.1 413 /);
	assert.match(answer, /\r\nconnection: close\r\n/i);
});
