// The private listener over raw sockets: what it tells, and what it refuses before it looks at anything.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, connect } from 'node:net';
import { after, before, test } from 'node:test';
import { closePrivately, createPrivateListener, listenPrivately } from './private-listener.ts';

let isReady = true;
const server = createPrivateListener({
	isReady: () => isReady,
	canIssueTokens: () => false,
	details: () => ['without a part'],
	metrics: () => 'a_total 1\n',
});

before(() => listenPrivately(server, '127.0.0.1', 0));
after(() => closePrivately(server));

/** Sends `text` and gives all that comes until the connection ends. */
async function send(text: string): Promise<string> {
	const socket = connect((server.address() as AddressInfo).port, '127.0.0.1');
	let answer = '';
	socket.setEncoding('latin1').on('data', (piece: string) => {
		answer += piece;
	});
	socket.on('error', () => undefined);
	socket.write(text);
	await once(socket, 'close');
	return answer;
}

const get = (path: string, ...lines: readonly string[]): string =>
	`GET ${path} HTTP/1.1\r\n${['Connection: close', ...lines].join('\r\n')}\r\n\r\n`;

test('tells life, readiness and metrics, with the header fields that every answer has', async () => {
	for (const [path, status, body] of [
		['/livez', 200, 'alive\n'],
		['/readyz', 200, 'ready\nwithout a part\n'],
		['/readyz/tokens', 503, 'not ready\n'],
		['/metrics', 200, 'a_total 1\n'],
		['/metrics?x=1', 404, 'known here: /livez /readyz /readyz/tokens /metrics\n'],
	] as const) {
		const answer = await send(get(path, 'Host: localhost:8446'));
		assert.match(answer, new RegExp(`^HTTP/1\\.1 ${status} `));
		assert.ok(answer.endsWith(`\r\n\r\n${body}`), answer);
		assert.match(answer, /\r\nx-content-type-options: nosniff\r\n/);
		assert.match(answer, /\r\ncontent-security-policy: default-src 'none'; frame-ancestors 'none'\r\n/);
		assert.match(answer, /\r\ncache-control: no-store\r\n/);
		assert.doesNotMatch(answer, /strict-transport-security|\r\nserver:/i);
	}
});

test('says not ready with 503, and gives HEAD no body', async () => {
	isReady = false;
	assert.match(await send(get('/readyz', 'Host: 127.0.0.1')), /^HTTP\/1\.1 503 [^]*\r\n\r\nnot ready\n$/);
	isReady = true;
	assert.match(await send(get('/readyz', 'Host: [::1]:8446').replace('GET', 'HEAD')), /^HTTP\/1\.1 200 [^]*\r\n\r\n$/);
});

for (const [what, text, status] of [
	['another method', 'POST /livez HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n', 405],
	['TRACE', 'TRACE /livez HTTP/1.1\r\nHost: localhost\r\n\r\n', 405],
	['a body', 'GET /livez HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\nGET /', 400],
	['a chunked body', 'GET /livez HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n', 400],
	['two Hosts', 'GET /livez HTTP/1.1\r\nHost: localhost\r\nHost: localhost\r\n\r\n', 400],
	['no Host', 'GET /livez HTTP/1.1\r\n\r\n', 400],
	['a Host with a user', 'GET /livez HTTP/1.1\r\nHost: a@localhost\r\n\r\n', 400],
	[
		'10,000 bytes of header fields',
		`GET /livez HTTP/1.1\r\nHost: localhost\r\nX-A: ${'a'.repeat(10_000)}\r\n\r\n`,
		431,
	],
	['a name that only resolves to this machine', 'GET /metrics HTTP/1.1\r\nHost: rebound.example\r\n\r\n', 421],
] as const) {
	test(`refuses ${what} with ${status}, and ends the connection`, async () => {
		const answer = await send(`${text}GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n`);
		assert.match(answer, new RegExp(`^HTTP/1\\.1 ${status} `));
		assert.equal(answer.split('HTTP/1.1').length, 2, 'what follows is not answered');
		assert.ok(!answer.includes('a_total'));
	});
}
