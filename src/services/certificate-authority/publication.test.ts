// The public listener as relying parties see it, over plain HTTP.
import assert from 'node:assert/strict';
import { createServer, request as send, type IncomingHttpHeaders } from 'node:http';
import { connect } from 'node:net';
import { test, type TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { ManualClock } from '../../kernel/clock.ts';
import type { OcspAnswer } from '../../domain/certificate/ocsp-responder.ts';
import { createPublication, type PublicationEvent } from './publication.ts';

const NOW_MS = Date.UTC(2026, 10, 24, 12, 0, 0);
const LIST = {
	authority: 'partner-issuing',
	number: 7,
	thisUpdateMs: NOW_MS - 1000,
	nextUpdateMs: NOW_MS + 86_400_000,
	entries: 1,
	der: Buffer.from('a list'),
};
const ANSWER: OcspAnswer = {
	der: Buffer.from('an answer'),
	outcome: 'answered',
	cacheableUntilMs: NOW_MS + 600_000,
	producedAtMs: NOW_MS,
};

interface Answer {
	readonly status: number;
	readonly headers: IncomingHttpHeaders;
	readonly body: string;
}

interface Options {
	readonly method?: string;
	readonly headers?: { readonly [name: string]: string };
	readonly body?: Buffer;
}

async function openPublication(
	context: TestContext,
	answer: () => Promise<OcspAnswer> = () => Promise.resolve(ANSWER),
) {
	const clock = new ManualClock(NOW_MS);
	const counted: PublicationEvent[] = [];
	const requests: Buffer[] = [];
	const bugs: unknown[] = [];
	const handle = createPublication({
		list: (authority) => (authority === LIST.authority ? LIST : undefined),
		certificate: (authority) => (authority === LIST.authority ? Buffer.from('a certificate') : undefined),
		bundle: (authority) => (authority === LIST.authority ? Buffer.from('two certificates') : undefined),
		answerOcsp: (request) => {
			requests.push(request);
			return answer();
		},
		clock,
		count: (what) => counted.push(what),
		reportBug: (error) => bugs.push(error),
	});
	const server = createServer(handle);
	await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
	context.after(() => {
		server.closeAllConnections();
		server.close();
	});
	const { port } = server.address() as { port: number };
	const call = (path: string, { method = 'GET', headers = {}, body }: Options = {}): Promise<Answer> =>
		new Promise((resolve, reject) => {
			const request = send({ port, host: '127.0.0.1', path, method, headers }, (response) => {
				const chunks: Buffer[] = [];
				response.on('data', (chunk: Buffer) => chunks.push(chunk));
				response.on('end', () => {
					const text = Buffer.concat(chunks).toString('latin1');
					resolve({ status: response.statusCode ?? 0, headers: response.headers, body: text });
				});
			});
			request.on('error', reject);
			request.end(body);
		});
	return { call, clock, counted, requests, bugs, port };
}

const PATH = '/crl/partner-issuing.crl';

test('check 103: a list is served with its type, an entity tag, dates, and a short time to be kept', async (context) => {
	const { call, clock } = await openPublication(context);
	const { status, headers, body } = await call(PATH);
	assert.deepEqual([status, body, headers['content-type']], [200, 'a list', 'application/pkix-crl']);
	assert.deepEqual([headers.etag, headers['cache-control']], ['"7"', 'public, max-age=300']);
	assert.equal(headers['last-modified'], 'Tue, 24 Nov 2026 11:59:59 GMT');
	clock.advance(86_400_000 - 60_000);
	assert.equal((await call(PATH)).headers['cache-control'], 'public, max-age=60');
	clock.advance(120_000);
	assert.equal((await call(PATH)).headers['cache-control'], 'public, max-age=0');
	const pem = await call('/crl/partner-issuing.crl.pem');
	assert.match(pem.body, /^-----BEGIN X509 CRL-----\n/);
	assert.equal(pem.headers.etag, '"7-pem"');
});

test('every answer has the security header fields that plain HTTP may carry, and names no software', async (context) => {
	const { call } = await openPublication(context);
	for (const [path, options, status] of [
		[PATH, {}, 200],
		[PATH, { headers: { 'if-none-match': '"7"' } }, 304],
		['/crl/none.crl', {}, 404],
		[PATH, { method: 'DELETE' }, 405],
		['/ocsp', { method: 'POST', body: Buffer.from('x') }, 415],
	] as const) {
		const answer = await call(path, options);
		assert.equal(answer.status, status);
		assert.equal(answer.headers['x-content-type-options'], 'nosniff');
		assert.equal(answer.headers['content-security-policy'], "default-src 'none'; frame-ancestors 'none'");
		for (const name of ['server', 'x-powered-by', 'strict-transport-security'])
			assert.equal(answer.headers[name], undefined);
	}
});

test('check 103: whoever has the list already is told so', async (context) => {
	const { call, counted } = await openPublication(context);
	for (const tag of ['"7"', 'W/"7"', '"6", "7"', '*']) {
		const { status, body } = await call(PATH, { headers: { 'if-none-match': tag } });
		assert.deepEqual([status, body], [304, ''], tag);
	}
	for (const tag of ['"6"', '7', '"7-pem"']) {
		assert.equal((await call(PATH, { headers: { 'if-none-match': tag } })).status, 200, tag);
	}
	const at = (date: string) => call(PATH, { headers: { 'if-modified-since': date } });
	assert.equal((await at('Tue, 24 Nov 2026 11:59:59 GMT')).status, 304);
	assert.equal((await at('Tue, 24 Nov 2026 11:59:58 GMT')).status, 200);
	assert.equal((await at('yesterday')).status, 200);
	assert.equal(counted.filter((what) => what === 'crl_not_modified').length, 5);
});

test('certificates of authorities are served in DER and PEM', async (context) => {
	const { call } = await openPublication(context);
	const { body, headers } = await call('/ca/partner-issuing.cer');
	assert.deepEqual([body, headers['content-type']], ['a certificate', 'application/pkix-cert']);
	const bundle = await call('/ca/partner-issuing.p7c');
	assert.deepEqual(
		[bundle.body, bundle.headers['content-type']],
		['two certificates', 'application/pkcs7-mime; smime-type=certs-only'],
	);
	assert.match((await call('/ca/partner-issuing.pem')).body, /^-----BEGIN CERTIFICATE-----\n/);
	assert.equal((await call('/ca/partner-issuing.cer', { method: 'HEAD' })).body, '');
});

test('nothing else is here: other names, other spellings, other methods', async (context) => {
	const { call, requests } = await openPublication(context);
	for (const path of [
		'/',
		'/crl/root.crl',
		'/crl/partner-issuing.cer',
		'/ca/partner-issuing.crl',
		'/crl/partner-issuing.p7c',
		'/ca/root.p7c',
		'/crl/../ca/partner-issuing.cer',
		'/crl/partner-issuing.crl?x',
		'/crl/%70artner-issuing.crl',
		'/CRL/partner-issuing.crl',
		'/crl/__proto__.crl',
	])
		assert.equal((await call(path)).status, 404, path);
	for (const method of ['PUT', 'DELETE', 'POST']) assert.equal((await call(PATH, { method })).status, 405);
	assert.equal((await call('/ocsp')).status, 404);
	assert.equal(requests.length, 0);
});

test('check 104: OCSP by POST is answered and not to be stored; by GET it may be kept until it is renewed', async (context) => {
	const { call, requests } = await openPublication(context);
	const body = Buffer.from('a request');
	const headers = { 'content-type': 'application/ocsp-request' };
	const posted = await call('/ocsp', { method: 'POST', body, headers });
	assert.deepEqual([posted.status, posted.body], [200, 'an answer']);
	assert.deepEqual(
		[posted.headers['content-type'], posted.headers['cache-control']],
		['application/ocsp-response', 'no-store'],
	);
	const base64 = Buffer.from([0xfb, 0xff, 0xfe]).toString('base64');
	for (const spelling of [base64, encodeURIComponent(base64)]) {
		const got = await call(`/ocsp/${spelling}`);
		assert.equal(got.headers['cache-control'], 'public, max-age=600, no-transform, must-revalidate');
		assert.equal(got.headers.expires, 'Tue, 24 Nov 2026 12:10:00 GMT');
	}
	assert.deepEqual(requests, [body, Buffer.from([0xfb, 0xff, 0xfe]), Buffer.from([0xfb, 0xff, 0xfe])]);
});

test('check 104: what is no request gets an answer of its own kind, and never much of the memory', async (context) => {
	const { call, requests } = await openPublication(context);
	for (const path of ['/ocsp/%', '/ocsp/!', '/ocsp/', `/ocsp/${'A'.repeat(12_000)}%`]) await call(path);
	const headers = { 'content-type': 'application/ocsp-request' };
	const large = await call('/ocsp', { method: 'POST', body: Buffer.alloc(100_000), headers });
	assert.equal(large.headers.connection, 'close');
	assert.ok(requests.every(({ length }) => length === 0));
	assert.equal(requests.length, 5);
	assert.equal((await call('/ocsp', { method: 'POST', body: Buffer.alloc(10) })).status, 415);
});

test('a failure is told to the operator, and to the caller only that there was one', async (context) => {
	const { call, bugs } = await openPublication(context, () => Promise.reject(new Error('a canary')));
	const { status, body } = await call('/ocsp/AAAA');
	assert.deepEqual([status, body], [500, 'internal error\n']);
	assert.equal(bugs.length, 1);
});

test('a client that goes away in the middle of its request is nobody’s failure, and costs no line of the log', async (context) => {
	const { call, bugs, requests, port } = await openPublication(context);
	const socket = connect(port, '127.0.0.1');
	const head = 'POST /ocsp HTTP/1.1\r\nHost: x\r\nContent-Type: application/ocsp-request\r\nContent-Length: 50\r\n\r\n';
	await new Promise<void>((resolve) => socket.write(`${head}half`, () => resolve()));
	await sleep(50);
	socket.destroy();
	await sleep(50);
	assert.equal((await call(PATH)).status, 200);
	assert.deepEqual([bugs, requests], [[], []]);
});
