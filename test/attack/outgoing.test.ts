// Threat (T33): a URL of a partner or of the configuration makes the platform call what only it can reach: loopback, the
// company's network, the metadata service of a cloud. Nothing may be connected to that was not judged and permitted.
import assert from 'node:assert/strict';
import { createServer, type RequestListener, type Server } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { after, before, beforeEach, test } from 'node:test';
import { createGuardedFetch, type GuardedFetchOptions } from '../../src/adapters/http/guarded-fetch.ts';
import { parseIpAddress } from '../../src/domain/network/ip-address.ts';
import { EMPTY_IP_SET, ipSetOf } from '../../src/domain/network/ip-set.ts';
import { isPermittedDestination } from '../../src/domain/network/judge-destination.ts';
import type { OutgoingRequest } from '../../src/domain/network/outgoing-fetch.ts';
import { createLiveIdentities, type LiveIdentities } from '../fixture/live-identities.ts';

let plain: Server;
let secure: Server;
let identities: LiveIdentities;
let connections = 0;
let answer: RequestListener;

before(async () => {
	identities = await createLiveIdentities();
	const serve: RequestListener = (request, response) => answer(request, response);
	plain = createServer(serve);
	secure = createTlsServer({ ...(await identities.server()) }, serve);
	for (const server of [plain, secure]) {
		server.on('connection', () => connections++);
		await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
	}
});
after(() => {
	for (const server of [plain, secure]) {
		server.close();
		server.closeAllConnections();
	}
});
beforeEach(() => {
	connections = 0;
	answer = (_request, response) => response.end('document');
});

const LOOPBACK = ipSetOf(['127.0.0.0/8', '::1']);
const portOf = (server: Server): number => (server.address() as AddressInfo).port;

function fetchWith(options: Partial<GuardedFetchOptions>, url: string, more: Partial<OutgoingRequest> = {}) {
	const fetch = createGuardedFetch({ permitted: EMPTY_IP_SET, ...options });
	return fetch({ url, accept: 'application/json', bytesMax: 1000, timeoutMs: 2000, plainHttp: true, ...more });
}

async function reasonOf(outcome: ReturnType<typeof fetchWith>): Promise<string> {
	const settled = await outcome;
	return settled.ok ? `ok: ${settled.value.body.toString()}` : settled.fault.reason;
}

for (const host of [
	'127.0.0.1',
	'127.1',
	'0x7f.0.0.1',
	'2130706433',
	'0177.0.0.1',
	'localhost',
	'[::1]',
	'[::ffff:127.0.0.1]',
	'[::ffff:7f00:1]',
	'0.0.0.0',
	'[::]',
]) {
	test(`T33 calls nothing at ${host} unless its network is permitted`, async () => {
		assert.equal(await reasonOf(fetchWith({}, `http://${host}:${portOf(plain)}/`)), 'address_refused');
		assert.equal(connections, 0);
	});
}

for (const address of [
	'10.0.0.1',
	'100.64.0.1',
	'169.254.1.1',
	'172.31.255.255',
	'192.168.1.1',
	'198.18.0.1',
	'240.0.0.1',
	'fc00::1',
	'fe80::1',
	'64:ff9b::7f00:1',
	'2002:7f00:1::',
	'2001:0:1::',
	'::127.0.0.1',
]) {
	test(`T33 takes ${address} for what the public does not reach`, () => {
		const parsed = parseIpAddress(address);
		assert.ok(parsed);
		assert.equal(isPermittedDestination(parsed, EMPTY_IP_SET), false);
		assert.equal(isPermittedDestination(parsed, ipSetOf([address])), true);
	});
}

for (const address of [
	'169.254.169.254',
	'::ffff:169.254.169.254',
	'fd00:ec2::254',
	'168.63.129.16',
	'255.255.255.255',
]) {
	test(`T33 never calls ${address}, whatever is permitted`, () => {
		const parsed = parseIpAddress(address);
		assert.ok(parsed);
		assert.equal(isPermittedDestination(parsed, ipSetOf(['0.0.0.0/0', '::/0'])), false);
	});
}

test('T33 calls public addresses of both families', () => {
	for (const text of ['1.1.1.1', '93.184.215.14', '2606:4700::1111', '2a00:1450:4001::1']) {
		const parsed = parseIpAddress(text);
		assert.ok(parsed);
		assert.equal(isPermittedDestination(parsed, EMPTY_IP_SET), true, text);
	}
});

test('T33 fetches from a network that is permitted', async () => {
	assert.equal(
		await reasonOf(fetchWith({ permitted: LOOPBACK }, `http://127.0.0.1:${portOf(plain)}/`)),
		'ok: document',
	);
});

test('T33 connects to the address that was judged, whatever the name says afterwards', async () => {
	const asked: string[] = [];
	const answers = [['127.0.0.1'], ['10.255.255.1']];
	const resolve = async (host: string) => {
		asked.push(host);
		return answers.shift() ?? [];
	};
	const url = `http://changing.example:${portOf(plain)}/`;
	assert.equal(await reasonOf(fetchWith({ permitted: LOOPBACK, resolve }, url)), 'ok: document');
	assert.deepEqual(asked, ['changing.example']);
	assert.equal(connections, 1);
	assert.equal(await reasonOf(fetchWith({ permitted: LOOPBACK, resolve }, url)), 'address_refused');
});

test('T33 refuses a name of which one address is refused', async () => {
	const resolve = async () => ['1.1.1.1', '169.254.169.254'];
	assert.equal(await reasonOf(fetchWith({ resolve }, 'https://mixed.example/')), 'address_refused');
	const many = async () => Array.from({ length: 17 }, () => '1.1.1.1');
	assert.equal(await reasonOf(fetchWith({ resolve: many }, 'https://many.example/')), 'unreachable');
});

test('T33 follows no redirect', async () => {
	answer = (request, response) => {
		if (request.url === '/moved') response.end('reached');
		else response.writeHead(302, { location: '/moved' }).end();
	};
	assert.equal(await reasonOf(fetchWith({ permitted: LOOPBACK }, `http://127.0.0.1:${portOf(plain)}/`)), 'status');
	assert.equal(connections, 1);
});

for (const url of [
	'ftp://example.com/',
	'file:///etc/passwd',
	'https://user@example.com/',
	'https://user:pass@example.com/',
	'https://example.com/#x',
	'//example.com/',
	'not a url',
	`https://example.com/${'a'.repeat(3000)}`,
]) {
	test(`T33 refuses the URL ${url.slice(0, 40)}`, async () => {
		assert.equal(await reasonOf(fetchWith({}, url)), 'url_refused');
	});
}

test('T33 speaks plain HTTP only where that was asked for', async () => {
	const url = `http://127.0.0.1:${portOf(plain)}/`;
	assert.equal(await reasonOf(fetchWith({ permitted: LOOPBACK }, url, { plainHttp: false })), 'url_refused');
});

test('T33 verifies the server, by name and authority', async () => {
	const url = `https://localhost:${portOf(secure)}/`;
	const permitted = LOOPBACK;
	const resolve = async () => ['127.0.0.1'];
	assert.equal(await reasonOf(fetchWith({ permitted, resolve, ca: identities.ca }, url)), 'ok: document');
	assert.equal(await reasonOf(fetchWith({ permitted, resolve }, url)), 'unreachable');
	const other = url.replace('localhost', 'other.example');
	assert.equal(await reasonOf(fetchWith({ permitted, resolve, ca: identities.ca }, other)), 'unreachable');
});

test('bounds the size of what it fetches', async () => {
	const url = `http://127.0.0.1:${portOf(plain)}/`;
	answer = (_request, response) => response.end('x'.repeat(1001));
	assert.equal(await reasonOf(fetchWith({ permitted: LOOPBACK }, url)), 'too_large');
	answer = (_request, response) => {
		for (let piece = 0; piece < 100; piece++) response.write('x'.repeat(100));
		response.end();
	};
	assert.equal(await reasonOf(fetchWith({ permitted: LOOPBACK }, url)), 'too_large');
	answer = (_request, response) => response.writeHead(200, { 'content-encoding': 'gzip' }).end('x');
	assert.equal(await reasonOf(fetchWith({ permitted: LOOPBACK }, url)), 'status');
});

test('bounds the time of the whole, also when bytes keep coming', async () => {
	const url = `http://127.0.0.1:${portOf(plain)}/`;
	answer = (_request, response) => {
		const timer = setInterval(() => response.write('x'), 20);
		response.on('close', () => clearInterval(timer));
	};
	assert.equal(await reasonOf(fetchWith({ permitted: LOOPBACK }, url, { timeoutMs: 300 })), 'timeout');
	const never = () => new Promise<readonly string[]>(() => undefined);
	assert.equal(await reasonOf(fetchWith({ resolve: never }, 'https://slow.example/', { timeoutMs: 100 })), 'timeout');
});

test('gives 304 when the document has not changed', async () => {
	const url = `http://127.0.0.1:${portOf(plain)}/`;
	answer = (request, response) => {
		if (request.headers['if-none-match'] === '"v1"') response.writeHead(304).end();
		else response.writeHead(200, { etag: '"v1"', 'cache-control': 'public, max-age=60' }).end('v1');
	};
	const first = await fetchWith({ permitted: LOOPBACK }, url);
	assert.ok(first.ok);
	assert.deepEqual([first.value.etag, first.value.maxAgeSeconds], ['"v1"', 60]);
	const second = await fetchWith({ permitted: LOOPBACK }, url, { etag: '"v1"' });
	assert.ok(second.ok);
	assert.deepEqual([second.value.status, second.value.body.length], [304, 0]);
});
