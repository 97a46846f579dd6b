// Threat: bytes in which two parsers see different requests: before the request line, in chunk sizes, behind the end of a
// message, behind a request that ends the connection. Expected: one 400, one entry, a closed connection; the upstream
// sees the requests that came before, and nothing of what breaks the rules.
import assert from 'node:assert/strict';
import { after, before, beforeEach, test } from 'node:test';
import { GOOD_ANSWER, startTestGateway, type TestGateway, type TestPartner } from '../fixture/test-gateway.ts';

let gateway: TestGateway;
let partner: TestPartner;

before(async () => {
	gateway = await startTestGateway();
	partner = await gateway.onboard();
});
after(() => gateway.close());
beforeEach(() => {
	gateway.seen.length = 0;
	gateway.ledger.buffered.length = 0;
	gateway.answer = () => GOOD_ANSWER;
});

const common = (): string => `Host: ${gateway.authority}\r\nAuthorization: Bearer ${partner.token()}\r\n`;
const get = (lines = ''): string => `GET /bank/v1/accounts/acc-1001 HTTP/1.1\r\n${common()}${lines}\r\n`;
const post = (lines: string, body: string): string =>
	`POST /bank/v1/payments HTTP/1.1\r\n${common()}Content-Type: application/json\r\n${lines}\r\n${body}`;
const chunked = (body: string): string => post('Transfer-Encoding: chunked\r\n', body);

/** The connection is answered 400 once, with one entry, and ends; the upstream has seen nothing. */
function refuses(name: string, bytes: () => string): void {
	test(`refuses ${name}`, async () => {
		const connection = await gateway.connect(partner);
		const response = await connection.send(bytes());
		assert.equal(response?.status, 400);
		assert.equal(response.headers.get('connection'), 'close');
		assert.equal(response.headers.get('content-type'), 'application/problem+json');
		assert.equal(await connection.next(), undefined);
		assert.equal(gateway.seen.length, 0);
		assert.deepEqual(
			gateway.ledger.buffered.map(({ decision, reason, requestId }) => [decision, reason, requestId]),
			[['deny', 'malformed_request', response.headers.get('x-request-id')]],
		);
	});
}

// Before and in the request line
refuses('a line break before the request', () => `\r\n${get()}`);
refuses('a line feed before the request', () => `\n${get()}`);
refuses('two spaces after the method', () => get().replace('GET /', 'GET  /'));
refuses('two spaces before the version', () => get().replace(' HTTP', '  HTTP'));
refuses('a tab after the method', () => get().replace('GET /', 'GET\t/'));
refuses('a method in lower case', () => get().replace('GET /', 'get /'));
refuses('the preface of HTTP/2 where HTTP/1.1 was agreed on', () => 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n');
refuses('a handshake in a handshake', () => '\x16\x03\x01\x02\x00\x01\x00\x01\xfc');

// T5: chunk sizes and what hides behind them
for (const size of [
	'0x2',
	'+2',
	'2_',
	'2 ',
	' 2',
	'-2',
	'',
	'2;',
	'2;a=b',
	'2;a="\n',
	`2;${'a'.repeat(9000)}`,
	'000000002',
]) {
	refuses(`the chunk size ${JSON.stringify(size.slice(0, 12))} of ${size.length} characters (T5)`, () =>
		chunked(`${size}\r\n{}\r\n0\r\n\r\n`),
	);
}
refuses('a chunk that is longer than its size (T5)', () => chunked('2\r\n{}}\r\n0\r\n\r\n'));
refuses('a chunk that ends with a line feed (T5)', () => chunked('2\r\n{}\n0\r\n\r\n'));
refuses('a chunk size that ends with a line feed (T5)', () => chunked('2\n{}\r\n0\r\n\r\n'));
refuses('a request in the extension of a chunk (T5)', () => chunked(`2;\n${get()}\r\n{}\r\n0\r\n\r\n`));
refuses('a trailer with a space before its colon (T6)', () => chunked('2\r\n{}\r\n0\r\nX-A : b\r\n\r\n'));
refuses('a folded trailer (T6)', () => chunked('2\r\n{}\r\n0\r\nX-A: b\r\n c\r\n\r\n'));
refuses('trailers of 5,000 bytes (T6)', () => chunked(`2\r\n{}\r\n0\r\nX-A: ${'b'.repeat(5000)}\r\n\r\n`));

test('reads the same wherever the bytes of a request are cut', async () => {
	const body = '2\r\n{}\r\n0\r\n\r\n';
	const good = chunked(body);
	const bad = chunked(`2;${body}`);
	const connection = await gateway.connect(partner);
	const from = good.indexOf('Content-Type');
	for (let cut = from; cut < good.length; cut += 3) {
		connection.socket.write(Buffer.from(good.slice(0, cut), 'latin1'));
		await new Promise((resolve) => setImmediate(resolve));
		// The body breaks the contract, which shows that it was read as the body.
		assert.equal((await connection.send(good.slice(cut)))?.status, 422, `cut at ${cut}`);
	}
	connection.close();
	for (let cut = bad.length - body.length - 6; cut < bad.length; cut += 2) {
		const other = await gateway.connect(partner);
		other.socket.write(Buffer.from(bad.slice(0, cut), 'latin1'));
		await new Promise((resolve) => setImmediate(resolve));
		assert.equal((await other.send(bad.slice(cut)))?.status, 400, `cut at ${cut}`);
		assert.equal(await other.next(), undefined);
	}
	assert.equal(gateway.seen.length, 0);
});

test('a request that came byte by byte is forwarded as if it came at once', async () => {
	const connection = await gateway.connect(partner);
	for (const byte of get().slice(0, -1)) connection.socket.write(Buffer.from(byte, 'latin1'));
	assert.equal((await connection.send('\n'))?.status, 200);
	assert.deepEqual(
		gateway.seen.map(({ target }) => target),
		['/accounts/acc-1001'],
	);
	connection.close();
});

test('answers what came before a violation, then the violation, in this order (T11)', async () => {
	const connection = await gateway.connect(partner);
	assert.equal((await connection.send(`${get()} ${get()}`))?.status, 200);
	assert.equal((await connection.next())?.status, 400);
	assert.equal(await connection.next(), undefined);
	assert.equal(gateway.seen.length, 1);
	assert.equal(gateway.ledger.buffered.length, 2);
});

test('serves requests that follow each other one after the other, and in their order (T11)', async () => {
	const connection = await gateway.connect(partner);
	let running = 0;
	gateway.answer = () => {
		running++;
		assert.equal(running, 1, 'a request runs while another one does');
		setImmediate(() => running--);
		return { status: 200, headers: { 'content-type': 'application/json' }, body: '{}' };
	};
	const bytes = Array.from({ length: 20 }, (_, index) => get(`X-Number: ${index}\r\n`)).join('');
	connection.socket.write(Buffer.from(bytes, 'latin1'));
	for (let index = 0; index < 20; index++) assert.ok((await connection.next()) !== undefined);
	assert.equal(gateway.seen.length, 20);
	connection.close();
});

test('looks at nothing behind a request that ends the connection (T8)', async () => {
	const connection = await gateway.connect(partner);
	assert.equal((await connection.send(get('Connection: close\r\n') + get()))?.status, 200);
	assert.equal(await connection.next(), undefined);
	assert.equal(gateway.seen.length, 1);
	assert.equal(gateway.ledger.buffered.length, 1);
});

test('opens no tunnel, and looks at nothing behind a request for one (T9)', async () => {
	const connection = await gateway.connect(partner);
	const upgrade = 'Connection: upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n';
	assert.equal((await connection.send(get(upgrade) + get()))?.status, 400);
	assert.equal(await connection.next(), undefined);
	assert.equal(gateway.seen.length, 0);
	assert.equal(gateway.ledger.buffered.length, 1);
});

for (const expect of [
	'100-continue, 100-continue',
	' 100-continue;x',
	'100-Continue\r\nExpect: x',
	'x\r\nContent-Length: 0',
]) {
	refuses(`Expect: ${JSON.stringify(expect)} (T10)`, () => post(`Expect: ${expect}\r\nContent-Length: 2\r\n`, '{}'));
}

test('a body that ends early is no request, and nothing of it is forwarded (T8)', async () => {
	const connection = await gateway.connect(partner);
	connection.socket.end(Buffer.from(post('Content-Length: 500\r\n', '{"debtorAccountId":'), 'latin1'));
	await connection.next();
	assert.equal(gateway.seen.length, 0);
	assert.equal(gateway.ledger.buffered.length, 1);
	assert.notEqual(gateway.ledger.buffered[0]?.decision, 'permit');
});
