// Threat (T30): a body that costs far more to read than to send, or that two parsers read in two ways. With the largest body
// that an operation can allow: refused, nothing upstream, in bounded time and memory, and others are served.
import assert from 'node:assert/strict';
import { after, before, beforeEach, test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { PIPELINE } from '../../src/services/gateway/pipeline.ts';
import { startTestGateway, type TestGateway, type TestPartner } from '../fixture/test-gateway.ts';

const MIB = 1024 * 1024;
let gateway: TestGateway;
let partner: TestPartner;

before(async () => {
	gateway = await startTestGateway(PIPELINE, {
		api: (api) => ({
			...api,
			operations: api.operations.map((operation) => ({ ...operation, requestBodyBytesMax: 16 * MIB })),
		}),
	});
	partner = await gateway.onboard();
});
after(() => gateway.close());
beforeEach(() => {
	gateway.seen.length = 0;
	gateway.ledger.buffered.length = 0;
	gateway.ledger.durable.length = 0;
});

function post(body: Buffer, fields: readonly string[] = []): Buffer {
	const head = [
		'POST /bank/v1/payments HTTP/1.1',
		`Host: ${gateway.authority}`,
		`Authorization: Bearer ${partner.token()}`,
		'Content-Type: application/json',
		`Content-Length: ${body.length}`,
		...fields,
	];
	return Buffer.concat([Buffer.from(`${head.join('\r\n')}\r\n\r\n`, 'latin1'), body]);
}

const keys = (count: number, name: (index: number) => string): Buffer =>
	Buffer.from(`{${Array.from({ length: count }, (_, index) => `"${name(index)}":0`).join(',')}}`);

const BOMBS: readonly (readonly [string, () => Buffer, readonly number[]])[] = [
	['arrays 100,000 deep', () => Buffer.from(`${'['.repeat(100_000)}${']'.repeat(100_000)}`), [400]],
	['objects 100,000 deep', () => Buffer.from(`${'{"a":'.repeat(100_000)}1${'}'.repeat(100_000)}`), [400]],
	['brackets without an end', () => Buffer.from('['.repeat(1_000_000)), [400]],
	['10 MB of names', () => keys(800_000, (index) => `k${index}`), [400]],
	['300,000 names that are indexes', () => keys(300_000, (index) => String(index * 7919)), [400]],
	[
		'300,000 names of one length and end',
		() => keys(300_000, (index) => `${String(index).padStart(12, '0')}aaaa`),
		[400, 422],
	],
	['one name 100,000 times', () => keys(100_000, () => 'a'), [400]],
	['an array of 5,000,000 numbers', () => Buffer.from(`[${'0,'.repeat(5_000_000)}0]`), [400, 422]],
	['a text of 10 MB', () => Buffer.from(`"${'a'.repeat(10_000_000)}"`), [400, 422]],
	['a text of escapes', () => Buffer.from(`"${'\\u0041'.repeat(1_000_000)}"`), [400, 422]],
	['a number of 1,000,000 digits', () => Buffer.from('9'.repeat(1_000_000)), [400, 422]],
	['a number beyond a double', () => Buffer.from('{"amount":1e999999}'), [400, 422]],
	['a number that a double rounds', () => Buffer.from('{"amount":12345678901234567890}'), [400, 422]],
	['the member __proto__', () => Buffer.from('{"__proto__":{"debtorAccountId":"acc-1001"}}'), [400, 422]],
	['the member constructor', () => Buffer.from('{"constructor":{"prototype":{"a":1}}}'), [400, 422]],
	['a member twice', () => Buffer.from('{"debtorAccountId":"acc-1001","debtorAccountId":"acc-1015"}'), [400]],
	['a member twice in two spellings', () => Buffer.from('{"a":1,"\\u0061":2}'), [400]],
	['a lone surrogate', () => Buffer.from('{"reference":"\\ud800"}'), [400, 422]],
	['bytes that are no UTF-8', () => Buffer.from('7b2261223a22ff227d', 'hex'), [400]],
	['a byte order mark', () => Buffer.from('\ufeff{}'), [400]],
	['text in UTF-16', () => Buffer.from('{}', 'utf16le'), [400]],
	['white space of 10 MB', () => Buffer.from(' '.repeat(10_000_000)), [400, 422]],
];

for (const [name, make, statuses] of BOMBS) {
	test(`T30 refuses ${name}, in time, and nothing of it reaches the upstream`, async () => {
		const body = make();
		const bytes = post(body);
		const startedAt = process.cpuUsage();
		const response = await gateway.request(partner, bytes, 30_000);
		const spentMs = process.cpuUsage(startedAt).user / 1000;
		assert.ok(statuses.includes(response?.status ?? 0), `answered ${response?.status}`);
		assert.ok((response?.body.length ?? 0) < 5000, 'the answer echoes the body');
		// Processor time, with that of the client: what is quadratic takes minutes.
		assert.ok(spentMs < 5000, `took ${spentMs} ms`);
		assert.equal(gateway.seen.length, 0);
		assert.equal(gateway.ledger.buffered.length + gateway.ledger.durable.length, 1);
	});
}

test('T30 unpacks no body: what is compressed is refused', async () => {
	const bomb = gzipSync(Buffer.alloc(64 * MIB));
	for (const coding of ['gzip', 'deflate', 'br', 'zstd', 'identity', 'gzip, gzip']) {
		const response = await gateway.request(partner, post(bomb, [`Content-Encoding: ${coding}`]));
		assert.equal(response?.status, 415, coding);
	}
	assert.equal(gateway.seen.length, 0);
});

test('T30 keeps its memory after bombs side by side, and serves others meanwhile', async () => {
	globalThis.gc?.();
	const before = process.memoryUsage().rss;
	const bombs = Array.from({ length: 8 }, (_, index) => {
		const body = index % 2 === 0 ? keys(400_000, (key) => `k${key}`) : Buffer.from('['.repeat(5_000_000));
		return gateway.request(partner, post(body), 60_000);
	});
	const get = `GET /bank/v1/accounts/acc-1001 HTTP/1.1\r\nHost: ${gateway.authority}\r\nAuthorization: Bearer ${partner.token()}\r\n\r\n`;
	assert.equal((await gateway.request(partner, get, 60_000))?.status, 200);
	for (const response of await Promise.all(bombs)) assert.ok([400, 422].includes(response?.status ?? 0));
	const grown = (process.memoryUsage().rss - before) / MIB;
	assert.ok(grown < 512, `grew by ${Math.round(grown)} MiB`);
	assert.equal((await gateway.request(partner, get))?.status, 200);
});
