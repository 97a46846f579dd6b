// Threat: an error that tells how this is built, or what stands behind it: stack traces, hosts, files, libraries (T36).
// Expected: every error is a short problem document of our own words, whatever failed and wherever.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { openUpstreamClient } from '../../src/adapters/http/upstream-client.ts';
import { fault } from '../../src/kernel/faults.ts';
import { PIPELINE } from '../../src/services/gateway/pipeline.ts';
import { RawConnection, type RawResponse } from '../fixture/raw-client.ts';
import { startTestGateway, type TestGateway, type TestPartner } from '../fixture/test-gateway.ts';

/** What stands in messages of Node, OpenSSL and undici, in stacks and paths, and in what the upstream below is called. */
const TELLTALE =
	/\bat \S+ \(|\.[tj]s\b|node:|node_modules|undici|nghttp2|[Oo]pen[Ss][Ss][Ll]|llhttp|\bHPE_|\bERR_|\bE[A-Z]{5,}\b|127\.0\.0\.1|core\.internal|\/(?:src|work|home|tmp)\/|\b[Aa]jv\b|\b[Zz]od\b|[Ss][Qq][Ll]ite|\bv8\b/;
const PATH = '/bank/v1/accounts/acc-1001';
const PAYMENTS = '/bank/v1/payments';

let gateway: TestGateway;
let partner: TestPartner;

before(async () => {
	gateway = await startTestGateway();
	partner = await gateway.onboard();
});
after(() => gateway.close());

interface Told {
	readonly line?: string;
	readonly lines?: readonly string[];
	readonly body?: string;
	readonly token?: string;
}

function raw(of: TestGateway, { line = `GET ${PATH} HTTP/1.1`, lines = [], body = '', token }: Told): string {
	const authorization = `Authorization: Bearer ${token ?? partner.token()}`;
	return `${[line, `Host: ${of.authority}`, authorization, ...lines].join('\r\n')}\r\n\r\n${body}`;
}

function assertTellsNothing(response: RawResponse | undefined, status: number): void {
	assert.equal(response?.status, status);
	const all = [...response.headers].map(([name, value]) => `${name}: ${value}`).join('\n') + response.body;
	assert.doesNotMatch(all, TELLTALE);
	assert.ok(response.body.length < 2000);
	for (const name of ['server', 'x-powered-by', 'via']) assert.equal(response.headers.get(name), undefined);
	if (response.body === '') return;
	assert.equal(response.headers.get('content-type'), 'application/problem+json');
	const problem = JSON.parse(response.body) as { readonly status: number };
	assert.equal(problem.status, status);
}

const post = (body: string, ...lines: readonly string[]): Told => ({
	line: `POST ${PAYMENTS} HTTP/1.1`,
	lines: ['Content-Type: application/json', `Content-Length: ${Buffer.byteLength(body)}`, ...lines],
	body,
});

for (const [what, told, status] of [
	['a path that is not served', { line: 'GET /no/such/path HTTP/1.1' }, 404],
	['another method', { line: `DELETE ${PATH} HTTP/1.1` }, 405],
	['a method that nobody knows', { line: `TRACE ${PATH} HTTP/1.1` }, 501],
	['a target with a fragment', { line: `GET ${PATH}#x HTTP/1.1` }, 400],
	['bytes that are no HTTP', { line: `GET ${PATH} HTTP/9.9` }, 400],
	['two lengths', { line: `POST ${PAYMENTS} HTTP/1.1`, lines: ['Content-Length: 1', 'Content-Length: 2'] }, 400],
	['too many fields', { lines: Array.from({ length: 300 }, (_, index) => `X-${index}: 1`) }, 431],
	['a token that is none', { token: 'eyJhbGciOiJub25lIn0.e30.' }, 401],
	['a signature that is not ours', { token: `${'a'.repeat(40)}.${'b'.repeat(40)}.${'c'.repeat(86)}` }, 401],
	['an account of somebody else', { line: 'GET /bank/v1/accounts/acc-1015 HTTP/1.1' }, 403],
	['a body that is no JSON', post('{"a":'), 400],
	['a body that breaks the contract', post('{"a":1}'), 422],
	['a body of another type', { ...post('<a/>'), lines: ['Content-Type: text/xml', 'Content-Length: 4'] }, 415],
	['a query that breaks the contract', { line: `GET ${PATH}?nothing=1 HTTP/1.1` }, 400],
] as const satisfies readonly (readonly [string, Told, number])[]) {
	test(`T36 the answer to ${what} names no stack, host, file or library`, async () => {
		assertTellsNothing(await gateway.request(partner, raw(gateway, told)), status);
	});
}

for (const [what, internal, status] of [
	['upstream_unreachable', 'connect ECONNREFUSED 10.1.2.3:8443 (core.internal)', 502],
	['upstream_timeout', 'HeadersTimeoutError at file:///opt/src/adapters/http/upstream-client.ts', 504],
	['response_invalid', 'ajv: /iban must match pattern', 502],
] as const) {
	test(`T36 the answer to ${what} keeps what the log is told`, async () => {
		gateway.answer = () => ({ fault: fault(what, 'The service did not answer as it should.', { internal }) });
		assertTellsNothing(await gateway.request(partner, raw(gateway, {})), status);
	});
}

test('T36 a service that cannot be reached, and a bug, are told of in our own words only', async () => {
	const broken = await startTestGateway(PIPELINE, {
		openUpstream: (identity) =>
			openUpstreamClient(
				{
					...(gateway.configuration.apis[0]?.upstream ?? assert.fail('the demo has an API')),
					// Nobody listens on the port of tcpmux.
					origin: 'https://127.0.0.1:1',
				},
				identity,
			),
	});
	try {
		const stranger = await broken.onboard();
		const token = stranger.token();
		assertTellsNothing(await broken.request(stranger, raw(broken, { token })), 502);
		broken.ledger.recordBuffered = () => {
			throw new TypeError("Cannot read properties of undefined (reading 'secret') at core.internal/src/x.ts");
		};
		const response = await broken.request(stranger, raw(broken, { token }));
		// The entry could not be written: there is no answer, or one that says nothing.
		if (response !== undefined) assertTellsNothing(response, 500);
		broken.errors.length = 0;
	} finally {
		await broken.close();
	}
});

test('T36 what comes before any request is answered in our own words, or not at all', async () => {
	for (const bytes of ['\x16\x03\x01\x00\x05', 'GET / HTTP/1.1\r\nHost : x\r\n\r\n', `${'A'.repeat(20_000)}\r\n\r\n`]) {
		const connection = await RawConnection.open({ port: gateway.port, ca: gateway.rootCa });
		const response = await connection.send(bytes);
		if (response !== undefined) assertTellsNothing(response, response.status);
		connection.close();
	}
});
