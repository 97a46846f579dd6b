// Threat: one HTTP/2 request that can be read in two ways, by us or by the upstream that gets it as HTTP/1.1. Each case is
// written frame by frame over mTLS with good credentials. Expected: refused, and nothing reaches the upstream.
import assert from 'node:assert/strict';
import { connect as connectHttp2 } from 'node:http2';
import { after, before, beforeEach, test } from 'node:test';
import { type Field, FLAG, FRAME, frame, FrameClient } from '../fixture/frame-client.ts';
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

const open = (changes = {}): Promise<FrameClient> =>
	FrameClient.open({ port: gateway.port, ca: gateway.rootCa, cert: partner.chain, key: partner.key, ...changes });
const PATH = '/bank/v1/accounts/acc-1001';
const pseudo = (changes: { readonly [name: string]: string } = {}): Field[] =>
	Object.entries({ ':method': 'GET', ':scheme': 'https', ':authority': gateway.authority, ':path': PATH, ...changes });
const token = (): Field => ['authorization', `Bearer ${partner.token()}`];
const good = (...more: readonly Field[]): Field[] => [...pseudo(), token(), ...more];

/** A case is refused with one of `statuses`, or by a reset where `reset` is among them; the upstream saw nothing. */
function refuses(
	name: string,
	outcomes: readonly (number | 'reset' | 'closed')[],
	fields: () => readonly Field[],
): void {
	test(`HTTP/2: refuses ${name}`, async () => {
		const client = await open();
		client.ask(1, fields());
		const outcome = await client.answerOf(1);
		assert.ok(outcomes.includes(outcome), `the outcome is ${outcome}`);
		assert.equal(gateway.seen.length, 0, 'something reached the upstream');
		if (typeof outcome === 'number') {
			assert.deepEqual(
				gateway.ledger.buffered.map(({ decision, status }) => [decision, status]),
				[['deny', outcome]],
			);
		}
		client.close();
	});
}

test('HTTP/2: lets the same request through where nothing is wrong with it', async () => {
	const client = await open();
	client.ask(1, good(['accept', 'application/json'], ['te', 'trailers'], ['cookie', 'a=b'], ['cookie', 'c=d']));
	assert.equal(await client.answerOf(1), 200);
	const [seen] = gateway.seen;
	assert.equal(seen?.target, '/accounts/acc-1001');
	assert.deepEqual([...(seen?.headers.keys() ?? [])].sort(), [
		'accept',
		'sallyport-assertion',
		'traceparent',
		'x-request-id',
	]);
	assert.equal(gateway.ledger.buffered.length, 1);
	client.close();
});

test('HTTP/2: a Host that equals :authority changes nothing', async () => {
	const client = await open();
	client.ask(1, good(['host', gateway.authority]));
	assert.equal(await client.answerOf(1), 200);
	client.close();
});

test('HTTP/2: reads a body, and holds it to the contract', async () => {
	const client = await open();
	const fields = [...pseudo({ ':method': 'POST', ':path': '/bank/v1/payments' }), token()];
	client.ask(1, [...fields, ['content-type', 'application/json'], ['content-length', '2']], FLAG.endHeaders);
	client.write(frame(FRAME.data, FLAG.endStream, 1, Buffer.from('{}')));
	assert.equal(await client.answerOf(1), 422);
	client.close();
});

// Pseudo-header fields (RFC 9113 §8.3)
for (const name of [':method', ':scheme', ':authority', ':path']) {
	refuses(`no ${name}`, [400, 'reset'], () => good().filter(([one]) => one !== name));
	refuses(`${name} twice`, [400, 'reset'], () => [...pseudo(), ...pseudo().filter(([one]) => one === name), token()]);
	refuses(`${name} after a field`, [400, 'reset'], () => [
		...pseudo().filter(([one]) => one !== name),
		token(),
		...pseudo().filter(([one]) => one === name),
	]);
	refuses(`an empty ${name}`, [400, 421, 501, 'reset'], () => [...pseudo({ [name]: '' }), token()]);
}
refuses('an unknown pseudo-header field', [400, 'reset'], () => [...pseudo({ ':x': 'y' }), token()]);
refuses('a status in a request', [400, 'reset'], () => [...pseudo({ ':status': '200' }), token()]);
refuses('an extended CONNECT', [400, 501, 'reset', 'closed'], () => [
	...pseudo({ ':method': 'CONNECT', ':protocol': 'websocket' }),
	token(),
]);
refuses('CONNECT', [400, 501, 'reset'], () => [[':method', 'CONNECT'], [':authority', 'localhost:8447'], token()]);
refuses('the scheme http', [400], () => [...pseudo({ ':scheme': 'http' }), token()]);
for (const method of ['TRACE', 'get', 'GET / HTTP/1.1\r\nX: y', 'PROPFIND']) {
	refuses(`the method ${JSON.stringify(method)}`, [400, 501, 'reset'], () => [
		...pseudo({ ':method': method }),
		token(),
	]);
}

// T14: the same target parser as with HTTP/1.1
for (const path of [
	'*',
	'https://localhost/bank/v1/accounts/acc-1001',
	'bank/v1/accounts/acc-1001',
	`/${PATH}`,
	'/bank/v1/accounts/../accounts/acc-1001',
	`${PATH}#x`,
	`${PATH} HTTP/1.1\r\nX: y`,
	`${PATH}\0`,
	'/bank/v1/accounts%2facc-1001',
	'/bank/v1/%61ccounts/acc-1001',
	`${PATH};x=1`,
	'/bank/v1/accounts/acc-1001\\..\\x',
	'/bank/v1/accounts/caf\xe9',
]) {
	refuses(`the path ${JSON.stringify(path)} (T14)`, [400, 'reset'], () => [...pseudo({ ':path': path }), token()]);
}
refuses('a path of 9,000 characters', [414], () => [...pseudo({ ':path': `${PATH}?x=${'a'.repeat(9000)}` }), token()]);

// T20: authority, host and TLS server name
for (const authority of [
	'evil.example',
	'user@localhost',
	'localhost.',
	'localhost:1',
	'localhost/x',
	'localhost, evil.example',
]) {
	refuses(`the authority "${authority}" (T20)`, [400, 421, 'reset'], () => [
		...pseudo({ ':authority': authority }),
		token(),
	]);
}
refuses('an authority that is served but is not the TLS server name: a coalesced connection (T20)', [421], () => [
	...pseudo({ ':authority': `other.example:${gateway.port}` }),
	token(),
]);
refuses('a Host beside :authority that is another one (T20)', [400], () => good(['host', 'evil.example']));
refuses('a Host beside :authority in another spelling (T20)', [400], () =>
	good(['host', gateway.authority.toUpperCase()]),
);
refuses('two Hosts (T20)', [400, 'reset'], () => good(['host', gateway.authority], ['host', gateway.authority]));

// Fields (RFC 9113 §8.2)
for (const name of ['connection', 'keep-alive', 'proxy-connection', 'transfer-encoding', 'upgrade', 'http2-settings']) {
	refuses(`the connection-specific field ${name}`, [400, 'reset'], () =>
		good([name, name === 'upgrade' ? 'h2c' : 'close']),
	);
}
refuses('TE that says more than trailers', [400, 'reset'], () => good(['te', 'trailers, deflate']));
refuses('a name in upper case', [400, 'reset'], () => good(['X-Upper', '1']));
refuses('a name with an underscore (T18)', [400], () => good(['x_request_id', '1']));
refuses('a second authorization (T19)', [400], () => good(token()));
refuses('a second traceparent (T19)', [400], () => good(['traceparent', 'a'], ['traceparent', 'b']));
refuses('a byte above ASCII in a value', [400, 'reset'], () => good(['x-a', 'caf\xe9']));
refuses('one field more than the limit (T13)', [431], () =>
	good(...Array.from({ length: 100 }, (_, index): Field => [`x-${index}`, '1'])),
);
refuses('a thousand fields (T13)', [431, 'reset', 'closed'], () =>
	good(...Array.from({ length: 1000 }, (_, index): Field => [`x-${index}`, '1'])),
);
refuses('20 KiB of fields (T13)', [431, 'reset', 'closed'], () => good(['x-long', 'a'.repeat(20_000)]));
refuses('Expect other than 100-continue (T10)', [400], () => good(['expect', 'x']));

test('HTTP/2: a field that cannot be written as HTTP/1.1 never reaches the upstream', async () => {
	for (const value of ['a\r\nx-request-id: mine', 'a\nb', 'a\0b', ' a', 'a ']) {
		const client = await open();
		client.ask(1, good(['accept', value]));
		await client.answerOf(1);
		for (const { headers } of gateway.seen) {
			assert.doesNotMatch(headers.get('accept')?.[0] ?? '', /[\r\n\0]/);
			assert.notEqual(headers.get('x-request-id')?.[0], 'mine');
		}
		client.close();
	}
});

// Framing: content-length and DATA
const post = (length: string): Field[] => [
	...pseudo({ ':method': 'POST', ':path': '/bank/v1/payments' }),
	token(),
	['content-type', 'application/json'],
	['content-length', length],
];
for (const [name, length, data] of [
	['less DATA than content-length (T2)', '10', '{}'],
	['more DATA than content-length (T2)', '1', '{}'],
	['content-length with a sign (T2)', '+2', '{}'],
	['content-length with a leading zero (T2)', '002', '{}'],
] as const) {
	test(`HTTP/2: refuses ${name}`, async () => {
		const client = await open();
		client.ask(1, post(length), FLAG.endHeaders);
		client.write(frame(FRAME.data, FLAG.endStream, 1, Buffer.from(data)));
		const outcome = await client.answerOf(1);
		assert.ok(outcome === 400 || outcome === 'reset' || outcome === 'closed', `the outcome is ${outcome}`);
		assert.equal(gateway.seen.length, 0);
		client.close();
	});
}
test('HTTP/2: refuses a body with GET (T7)', async () => {
	const client = await open();
	client.ask(1, good(), FLAG.endHeaders);
	client.write(frame(FRAME.data, FLAG.endStream, 1, Buffer.from('{}')));
	assert.equal(await client.answerOf(1), 400);
	assert.equal(gateway.seen.length, 0);
	client.close();
});

test('HTTP/2: a body that is reset before its end is no request', async () => {
	const client = await open();
	const body = '{"debtorAccountId":"acc-1001"}';
	client.ask(1, post(String(body.length + 1)), FLAG.endHeaders);
	client.write(frame(FRAME.data, 0, 1, Buffer.from(body)));
	client.write(frame(FRAME.reset, 0, 1, Buffer.from([0, 0, 0, 8])));
	client.ask(3, good());
	assert.equal(await client.answerOf(3), 200);
	assert.equal(gateway.seen.length, 1, 'only the request after it reached the upstream');
	assert.equal(gateway.ledger.buffered.length, 2);
	client.close();
});

test('HTTP/2: a refused body holds no stream, and the connection goes on', async () => {
	const client = await open();
	client.ask(
		1,
		post('500000').filter(([name]) => name !== 'authorization'),
		FLAG.endHeaders,
	);
	assert.equal(await client.answerOf(1), 401);
	assert.equal(
		(await client.until(({ type, stream }) => type === FRAME.reset && stream === 1))?.payload.readUInt32BE(0),
		0,
	);
	client.ask(3, good());
	assert.equal(await client.answerOf(3), 200);
	client.close();
});

test('HTTP/2: trailers never become fields (T6)', async () => {
	const client = await open();
	client.ask(1, post('2'), FLAG.endHeaders);
	client.write(frame(FRAME.data, 0, 1, Buffer.from('{}')));
	client.ask(1, [
		['authorization', 'Bearer x'],
		['x-request-id', 'mine'],
	]);
	assert.equal(await client.answerOf(1), 422);
	assert.notEqual(gateway.ledger.buffered[0]?.requestId, 'mine');
	client.close();
});

test('HTTP/2: a client without a certificate, and one that speaks HTTP/1.1, get what they should', async () => {
	const anonymous = await FrameClient.open({ port: gateway.port, ca: gateway.rootCa });
	anonymous.ask(1, good());
	assert.equal(await anonymous.answerOf(1), 401);
	anonymous.close();
	const old = await gateway.connect(partner);
	const text = `GET ${PATH} HTTP/1.1\r\nHost: ${gateway.authority}\r\nAuthorization: Bearer ${partner.token()}\r\n\r\n`;
	assert.equal((await old.send(text))?.status, 200);
	old.close();
});

test('HTTP/2: answers carry the security headers, and no field of a connection', async () => {
	const session = connectHttp2(`https://localhost:${gateway.port}`, {
		ca: gateway.rootCa,
		cert: partner.chain,
		key: partner.key,
	});
	for (const path of [PATH, '/bank/v1/nothing']) {
		const headers = await new Promise<Record<string, unknown>>((resolve, reject) => {
			const stream = session.request({ ':path': path, authorization: `Bearer ${partner.token()}` });
			stream.on('response', resolve);
			stream.on('error', reject);
			stream.resume();
		});
		assert.equal(headers['strict-transport-security'], 'max-age=31536000; includeSubDomains');
		assert.equal(headers['x-content-type-options'], 'nosniff');
		for (const name of ['connection', 'keep-alive', 'transfer-encoding']) assert.equal(headers[name], undefined);
	}
	session.close();
});
