// Threat: one request that two parsers read in two ways. Each case is raw bytes over mTLS with good credentials; the code is
// the one expected, and nothing may reach the upstream. Numbers T… group the cases by attack.
import assert from 'node:assert/strict';
import { after, before, beforeEach, test } from 'node:test';
import type { FaultCode } from '../../src/kernel/faults.ts';
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
});

const PATH = '/bank/v1/accounts/acc-1001';

/** Builds a request with good credentials; the parts that a case attacks can be replaced. */
function raw(
	parts: { line?: string; host?: string | undefined; lines?: readonly string[]; body?: string; bare?: boolean } = {},
): string {
	const host = 'host' in parts ? parts.host : `Host: ${gateway.authority}`;
	const lines = [parts.line ?? `GET ${PATH} HTTP/1.1`];
	if (host !== undefined) lines.push(host);
	lines.push(`Authorization: Bearer ${partner.token()}`, ...(parts.lines ?? []));
	return `${lines.join('\r\n')}\r\n\r\n${parts.body ?? ''}`;
}

const REASONS: { readonly [status: number]: FaultCode } = {
	400: 'malformed_request',
	414: 'target_too_long',
	421: 'misdirected_request',
	431: 'header_fields_too_large',
	501: 'method_not_implemented',
};

/** A case is refused with one of the statuses, or by a closed connection where `0` is among them; the upstream saw nothing. */
function refuses(name: string, statuses: readonly number[], request: () => string): void {
	test(`refuses ${name}`, async () => {
		const response = await gateway.request(partner, request());
		assert.ok(statuses.includes(response?.status ?? 0), `answered ${response?.status ?? 'by closing'}`);
		assert.equal(gateway.seen.length, 0, 'something reached the upstream');
		if (response !== undefined) {
			assert.equal(response.headers.get('content-type'), 'application/problem+json');
			assert.equal(gateway.ledger.buffered.length, 1, 'exactly one entry is written');
			assert.equal(gateway.ledger.buffered[0]?.decision, 'deny');
			assert.equal(gateway.ledger.buffered[0]?.reason, REASONS[response.status]);
			assert.equal(gateway.ledger.buffered[0]?.requestId, response.headers.get('x-request-id'));
		}
	});
}

test('lets the same request through where nothing is wrong with it', async () => {
	const response = await gateway.request(partner, raw());
	assert.equal(response?.status, 200);
	assert.equal(gateway.seen.length, 1);
	assert.equal(gateway.seen[0]?.target, '/accounts/acc-1001');
	assert.equal(gateway.ledger.buffered.length, 1);
});

// Version and request line
for (const version of ['HTTP/1.0', 'HTTP/0.9', 'HTTP/2.0', 'HTTP/1.2']) {
	refuses(version, [400], () => raw({ line: `GET ${PATH} ${version}` }));
}
refuses('a request line without a version', [400], () => raw({ line: `GET ${PATH}` }));
refuses('TRACE', [501], () => raw({ line: `TRACE ${PATH} HTTP/1.1` }));
refuses('a method of another protocol', [501, 400], () => raw({ line: `PROPFIND ${PATH} HTTP/1.1` }));
refuses('CONNECT', [0, 400, 501], () => raw({ line: `CONNECT ${gateway.authority} HTTP/1.1` }));

// T14: targets
for (const target of [
	'*',
	'https://localhost/bank/v1/accounts/acc-1001',
	'//bank/v1/accounts/acc-1001',
	'/bank/v1/accounts/../accounts/acc-1001',
	'/bank/v1/./accounts/acc-1001',
	'/bank/v1/accounts/acc-1001#x',
	'/bank/v1/accounts/%2e%2e/acc-1001',
	'/bank/v1/accounts%2facc-1001',
	'/bank/v1/accounts/acc-1001;x=1',
	'/bank/v1/%61ccounts/acc-1001',
	'/bank/v1/accounts/acc-1001%00',
	'/bank/v1/accounts/acc-1001\\..\\x',
	'/bank/v1/accounts/acc%c0%af1001',
]) {
	refuses(`the target ${target}`, [400], () => raw({ line: `GET ${target} HTTP/1.1` }));
}
refuses('a target of 9,000 characters', [414], () => raw({ line: `GET ${PATH}?x=${'a'.repeat(9000)} HTTP/1.1` }));

// Host and TLS server name (T20)
refuses('no Host', [400], () => raw({ host: undefined }));
refuses('two Hosts', [400], () => raw({ lines: [`Host: ${gateway.authority}`] }));
refuses('two Hosts that differ in case of the name', [400], () => raw({ lines: ['hOsT: evil.example'] }));
for (const host of [
	'',
	'evil.example',
	'localhost, evil.example',
	'user@localhost',
	'localhost/x',
	'localhost.',
	'localhost:1',
	'[::1]',
]) {
	refuses(`the Host "${host}"`, [421, 400], () => raw({ host: `Host: ${host}` }));
}
refuses('a Host that is served but is not the TLS server name', [421], () =>
	raw({ host: `Host: other.example:${gateway.port}` }),
);

test('tells which methods a path has', async () => {
	const response = await gateway.request(partner, raw({ line: `DELETE ${PATH} HTTP/1.1` }));
	assert.equal(response?.status, 405);
	assert.equal(response.headers.get('allow'), 'GET');
	assert.equal(gateway.ledger.buffered[0]?.reason, 'method_not_allowed');
});

test('compares the TLS server name without regard to case (T20)', async () => {
	const connection = await gateway.connect(partner, { servername: 'LOCALHOST' });
	assert.equal((await connection.send(raw()))?.status, 200);
	connection.close();
});

// T1–T4: framing
const post = (lines: readonly string[], body = ''): string =>
	raw({ line: 'POST /bank/v1/payments HTTP/1.1', lines: ['Content-Type: application/json', ...lines], body });
refuses('Content-Length and Transfer-Encoding together (T1)', [400], () =>
	post(['Content-Length: 5', 'Transfer-Encoding: chunked'], '0\r\n\r\n'),
);
for (const length of ['002', '+2', '0x2', '2_0', '2, 2', '-1', '', '99999999999999999999', ' 2 2']) {
	refuses(`Content-Length "${length}" (T2)`, [400], () => post([`Content-Length: ${length}`], '{}'));
}
refuses('Content-Length twice (T2)', [400], () => post(['Content-Length: 2', 'Content-Length: 2'], '{}'));
refuses('Content-Length twice with different values (T2)', [400], () =>
	post(['Content-Length: 2', 'Content-Length: 3'], '{}'),
);
for (const encoding of [
	',chunked',
	'identity',
	'chunked, identity',
	'xchunked',
	'chunked\x0b',
	'"chunked"',
	'gzip, chunked',
	'Chunked',
]) {
	refuses(`Transfer-Encoding "${encoding}" (T3)`, [400], () => post([`Transfer-Encoding: ${encoding}`], '0\r\n\r\n'));
}
refuses('Transfer-Encoding twice (T3)', [400], () =>
	post(['Transfer-Encoding: chunked', 'Transfer-Encoding: chunked'], '0\r\n\r\n'),
);
refuses('Transfer_Encoding (T3, T18)', [400], () => post(['Transfer_Encoding: chunked'], '0\r\n\r\n'));
refuses('a folded Transfer-Encoding (T3)', [400], () => post(['Transfer-Encoding:', ' chunked'], '0\r\n\r\n'));
refuses('Transfer-Encoding with HTTP/1.0 (T4)', [400], () =>
	raw({ line: 'POST /bank/v1/payments HTTP/1.0', lines: ['Transfer-Encoding: chunked'], body: '0\r\n\r\n' }),
);
for (const size of ['0x2', '+2', '2_', '2 ', '-2', '']) {
	refuses(`the chunk size "${size}" (T5)`, [0, 400], () =>
		post(['Transfer-Encoding: chunked'], `${size}\r\n{}\r\n0\r\n\r\n`),
	);
}
refuses('a body with GET (T7)', [400], () => raw({ lines: ['Content-Length: 2'], body: '{}' }));
refuses('a chunked body with GET (T7)', [400], () => raw({ lines: ['Transfer-Encoding: chunked'], body: '0\r\n\r\n' }));

// T9, T10, T12: connection options
for (const value of [
	'Content-Length',
	'close, Content-Length',
	'Transfer-Encoding',
	'Host',
	'Authorization',
	'X-Request-Id',
	'Sallyport-Assertion',
	'upgrade',
	'keep-alive, traceparent',
	'',
]) {
	refuses(`Connection: ${value} (T12)`, [400], () => raw({ lines: [`Connection: ${value}`] }));
}
refuses('Upgrade: h2c (T9)', [400], () => raw({ lines: ['Connection: upgrade', 'Upgrade: h2c'] }));
refuses('Upgrade: websocket (T9)', [400], () =>
	raw({
		lines: [
			'Connection: upgrade',
			'Upgrade: websocket',
			'Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==',
			'Sec-WebSocket-Version: 13',
		],
	}),
);
refuses('HTTP2-Settings', [400], () => raw({ lines: ['HTTP2-Settings: AAMAAABkAAQAAP__'] }));
for (const value of ['100-continue, x', 'x', '', '200-ok']) {
	refuses(`Expect: ${value} (T10)`, [400], () => post([`Expect: ${value}`, 'Content-Length: 2'], '{}'));
}

// T13, T16, T18, T19: the header list
refuses('one header field more than the limit (T13)', [431], () =>
	raw({ lines: Array.from({ length: 99 }, (_, index) => `X-${index}: 1`) }),
);
refuses('a thousand header fields (T13)', [431], () =>
	raw({ lines: Array.from({ length: 1000 }, (_, index) => `X-${index}: 1`) }),
);
refuses('20 KiB of header fields (T13)', [431], () => raw({ lines: [`X-Long: ${'a'.repeat(20_000)}`] }));
for (const name of ['X_Request_Id', 'Sallyport_Assertion', '__proto__', 'X Y', 'X-Y ', 'X(Y)']) {
	refuses(`the header name "${name}" (T18)`, [400], () => raw({ lines: [`${name}: 1`] }));
}
refuses('a second Authorization (T19)', [400], () => raw({ lines: ['Authorization: Bearer other'] }));
refuses('a second authorization in another case (T19)', [400], () => raw({ lines: ['aUTHORIZATION: Bearer other'] }));
for (const name of [
	'X-Request-Id',
	'traceparent',
	'Sallyport-Assertion',
	'Content-Type',
	'User-Agent',
	'Idempotency-Key',
	'Cookie',
]) {
	refuses(`${name} twice (T19)`, [400], () => raw({ lines: [`${name}: a`, `${name.toLowerCase()}: b`] }));
}
refuses('a control character in a field value', [400], () => raw({ lines: ['X-A: a\x01b'] }));
refuses('a byte above ASCII in a field value', [400], () => raw({ lines: ['X-A: caf\xe9'] }));
refuses('a bare line feed between fields', [400], () => raw({ lines: ['X-A: 1\nX-B: 2'] }));
refuses('NUL in a field value', [400], () => raw({ lines: ['X-A: a\0b'] }));

test('admits exactly as many header fields as the limit (T13)', async () => {
	// Host and Authorization are two of them.
	const response = await gateway.request(
		partner,
		raw({ lines: Array.from({ length: 98 }, (_, index) => `X-${index}: 1`) }),
	);
	assert.equal(response?.status, 200);
});

test('ends the connection after a request that was not admitted, and serves nothing that follows on it (T8, T11)', async () => {
	const connection = await gateway.connect(partner);
	const first = await connection.send(raw({ lines: ['Connection: Content-Length'] }) + raw());
	assert.equal(first?.status, 400);
	assert.equal(first?.headers.get('connection'), 'close');
	assert.equal(await connection.next(), undefined);
	assert.equal(gateway.seen.length, 0);
});

test('does not take the rest of a refused body for the next request (T8)', async () => {
	const connection = await gateway.connect(partner);
	const smuggled = raw();
	const first = await connection.send(
		raw({ line: 'POST /bank/v1/nothing HTTP/1.1', lines: [`Content-Length: ${smuggled.length}`], body: '' }),
	);
	assert.equal(first?.status, 404);
	assert.equal(await connection.send(smuggled), undefined);
	assert.equal(gateway.seen.length, 0);
});

test('answers two pipelined requests in their order, each on its own (T11)', async () => {
	const connection = await gateway.connect(partner);
	const first = await connection.send(raw() + raw({ line: 'GET /bank/v1/accounts/acc-1015 HTTP/1.1' }));
	const second = await connection.next();
	assert.deepEqual([first?.status, second?.status], [200, 403]);
	assert.equal(gateway.seen.length, 1);
	connection.close();
});

for (const query of [
	'',
	'?limit=5',
	'?limit=%35&from=2026-01-01',
	'?cursor=a%2Bb%20c&limit=5',
	'?from=2026%2D01%2D01',
]) {
	test(`forwards the path and the query "${query}" byte for byte as they were judged`, async () => {
		gateway.answer = () => ({
			status: 200,
			headers: { 'content-type': 'application/json' },
			body: '{"transactions":[]}',
		});
		const response = await gateway.request(partner, raw({ line: `GET ${PATH}/transactions${query} HTTP/1.1` }));
		gateway.answer = () => GOOD_ANSWER;
		// What the contract refuses is not forwarded; what is forwarded has not been touched.
		assert.deepEqual(
			gateway.seen.map((seen) => seen.target),
			response?.status === 400 ? [] : [`/accounts/acc-1001/transactions${query}`],
		);
		assert.equal(response?.status === 400, query.includes('cursor'));
	});
}

test('forwards only our headers under our names, whatever the client sends (T16, T17)', async () => {
	const response = await gateway.request(
		partner,
		raw({
			lines: [
				'X-Request-Id: mine',
				'Sallyport-Assertion: forged',
				'X-Forwarded-For: 10.0.0.1',
				'X-Forwarded-Host: evil.example',
				'X-Forwarded-Proto: http',
				'Forwarded: for=10.0.0.1',
				'X-Real-IP: 10.0.0.1',
				'Client-Cert: :AAAA:',
				'X-Forwarded-Client-Cert: By=x',
				'Via: 1.1 evil',
				'Cookie: a=b',
				'Proxy-Authorization: Basic eA==',
				'TE: trailers',
				'X-Anything: 1',
				'Accept: application/json',
			],
		}),
	);
	assert.equal(response?.status, 200);
	const seen = gateway.seen[0];
	assert.ok(seen);
	assert.deepEqual([...seen.headers.keys()].sort(), ['accept', 'sallyport-assertion', 'traceparent', 'x-request-id']);
	for (const values of seen.headers.values()) assert.equal(values.length, 1);
	assert.equal(seen.headers.get('x-request-id')?.[0], response.headers.get('x-request-id'));
	assert.notEqual(seen.headers.get('x-request-id')?.[0], 'mine');
	assert.match(seen.headers.get('sallyport-assertion')?.[0] ?? '', /^eyJ[\w-]+\.[\w-]+\.[\w-]+$/);
});

test('says 100 Continue only to a caller whose request is permitted as far as its headers tell (T10)', async () => {
	const body = '{"debtorAccountId":"acc-1001"}';
	const lines = ['Expect: 100-continue', `Content-Length: ${body.length}`];
	const permitted = await gateway.connect(partner);
	assert.equal((await permitted.send(post(lines)))?.status, 100);
	// The body breaks the contract, which shows that it was read.
	assert.equal((await permitted.send(body))?.status, 422);
	permitted.close();
	const stolen = await gateway.connect();
	const refused = await stolen.send(post(lines));
	assert.equal(refused?.status, 401);
	assert.equal(refused.headers.get('connection'), 'close');
	assert.equal(await stolen.send(body), undefined);
	assert.equal(gateway.seen.length, 0);
});

test('trailers of a chunked body never become headers (T6)', async () => {
	const body = JSON.stringify({ debtorAccountId: 'acc-1001' });
	const response = await gateway.request(
		partner,
		post(
			['Transfer-Encoding: chunked'],
			`${body.length.toString(16)}\r\n${body}\r\n0\r\nAuthorization: Bearer x\r\nX-Request-Id: mine\r\n\r\n`,
		),
	);
	// The body breaks the contract: it was read as the body and judged, and the trailers changed nothing.
	assert.equal(response?.status, 422);
	assert.notEqual(response?.headers.get('x-request-id'), 'mine');
});

test('passes a valid trace on and replaces one that is not', async () => {
	const trace = '0af7651916cd43dd8448eb211c80319c';
	await gateway.request(partner, raw({ lines: [`traceparent: 00-${trace}-b7ad6b7169203331-01`] }));
	await gateway.request(partner, raw({ lines: ['traceparent: 00-zz-b7ad6b7169203331-01'] }));
	const [good, bad] = gateway.seen.map((seen) => seen.headers.get('traceparent')?.[0] ?? '');
	assert.match(good ?? '', new RegExp(`^00-${trace}-[0-9a-f]{16}-01$`));
	assert.doesNotMatch(good ?? '', /b7ad6b7169203331/);
	assert.match(bad ?? '', /^00-[0-9a-f]{32}-[0-9a-f]{16}-00$/);
});
