// Threat (T16, T18, T19): a client that speaks in our name to the service: a header field of ours in another spelling, twice,
// as a trailer, or listed in Connection. The service sees ours alone, or nothing.
import assert from 'node:assert/strict';
import { after, before, beforeEach, test } from 'node:test';
import { startTestGateway, type TestGateway, type TestPartner } from '../fixture/test-gateway.ts';

let gateway: TestGateway;
let partner: TestPartner;

before(async () => {
	gateway = await startTestGateway();
	partner = await gateway.onboard();
});
after(() => gateway.close());
beforeEach(() => {
	gateway.seen.length = 0;
});

const FORGED = 'forged-by-the-client';

/** What only the gateway may say, and what services are wont to believe. */
const NAMES = [
	'X-Request-Id',
	'Sallyport-Assertion',
	'Traceparent',
	'Tracestate',
	'X-Forwarded-For',
	'X-Forwarded-Host',
	'X-Forwarded-Proto',
	'X-Forwarded-Client-Cert',
	'X-Real-Ip',
	'Forwarded',
	'Client-Cert',
	'Client-Cert-Chain',
	'Via',
	'Cookie',
	'Proxy-Authorization',
	'X-Http-Method-Override',
	'X-Original-Url',
	'X-Rewrite-Url',
	'Access-Control-Request-Method',
	'Max-Forwards',
	'X-Partner',
	'X-User',
];

const SPELLINGS: readonly (readonly [string, (name: string) => readonly string[]])[] = [
	['as it is', (name) => [`${name}: ${FORGED}`]],
	['in lower case', (name) => [`${name.toLowerCase()}: ${FORGED}`]],
	['in upper case', (name) => [`${name.toUpperCase()}: ${FORGED}`]],
	['with underscores', (name) => [`${name.replaceAll('-', '_')}: ${FORGED}`]],
	['twice', (name) => [`${name}: ${FORGED}`, `${name}: ${FORGED}`]],
	['twice in two cases', (name) => [`${name}: ${FORGED}`, `${name.toLowerCase()}: ${FORGED}`]],
	['listed in Connection', (name) => [`Connection: ${name}`, `${name}: ${FORGED}`]],
	['listed in Connection without a value', (name) => [`Connection: keep-alive, ${name}`]],
	['with a space before the colon', (name) => [`${name} : ${FORGED}`]],
	['folded', (name) => [`X-A: 1`, ` ${name}: ${FORGED}`]],
	['behind a bare line feed', (name) => [`X-A: 1\n${name}: ${FORGED}`]],
	['behind a bare carriage return', (name) => [`X-A: 1\r${name}: ${FORGED}`]],
	['with a NUL in its name', (name) => [`${name}\0: ${FORGED}`]],
];

for (const [spelling, lines] of SPELLINGS) {
	test(`T16 passes on none of ${NAMES.length} fields ${spelling}`, async () => {
		for (const name of NAMES) {
			gateway.seen.length = 0;
			const head = [
				'GET /bank/v1/accounts/acc-1001 HTTP/1.1',
				`Host: ${gateway.authority}`,
				`Authorization: Bearer ${partner.token()}`,
				...lines(name),
			];
			const response = await gateway.request(partner, `${head.join('\r\n')}\r\n\r\n`);
			const shown = lines(name).join(' | ');
			assert.ok(
				response === undefined || response.status === 200 || response.status === 400,
				`${shown}: ${response?.status}`,
			);
			for (const seen of gateway.seen) checkSeen(seen.headers, shown);
			assert.equal(gateway.seen.length, response?.status === 200 ? 1 : 0, shown);
		}
	});
}

test('T16 passes on no trailer, whatever its name', async () => {
	const body = JSON.stringify({
		debtorAccountId: 'acc-1001',
		creditor: { name: 'Bob', iban: 'ZZ68123400000000001007' },
		amount: { amount: '12.50', currency: 'EUR' },
		reference: 'invoice 1',
	});
	for (const name of NAMES) {
		gateway.seen.length = 0;
		const head = [
			'POST /bank/v1/payments HTTP/1.1',
			`Host: ${gateway.authority}`,
			`Authorization: Bearer ${partner.token()}`,
			'Content-Type: application/json',
			'Transfer-Encoding: chunked',
		];
		const chunks = `${body.length.toString(16)}\r\n${body}\r\n0\r\n${name}: ${FORGED}\r\n\r\n`;
		await gateway.request(partner, `${head.join('\r\n')}\r\n\r\n${chunks}`);
		for (const seen of gateway.seen) checkSeen(seen.headers, name);
	}
});

/** Ours stand there once each, and nothing that the client wrote. */
function checkSeen(headers: ReadonlyMap<string, readonly string[]>, shown: string): void {
	for (const [name, values] of headers) {
		assert.equal(values.length, 1, `${shown}: ${name} stands ${values.length} times`);
		assert.ok(!values.some((value) => value.includes(FORGED)), `${shown}: ${name} is the client's`);
		assert.ok(!name.includes('_'), `${shown}: ${name}`);
	}
	for (const name of ['x-request-id', 'sallyport-assertion', 'traceparent'])
		assert.ok(headers.has(name), `${shown}: no ${name}`);
}
