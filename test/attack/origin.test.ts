// Threat: a web page that somebody looks at calls an API with what the browser of that person has (CORS, Origin), or learns
// what is not meant for it. Pages are refused unless their exact origin is listed; a preflight reaches no upstream.
import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, test } from 'node:test';
import { parseWebOrigin } from '../../src/domain/api/cors.ts';
import { PIPELINE } from '../../src/services/gateway/pipeline.ts';
import { startTestGateway, type TestGateway, type TestPartner } from '../fixture/test-gateway.ts';

const PATH = '/bank/v1/accounts/acc-1001';
const PAGE = 'https://app.partner.example';

let closed: TestGateway;
let open: TestGateway;
let atClosed: TestPartner;
let atOpen: TestPartner;

before(async () => {
	closed = await startTestGateway();
	open = await startTestGateway(PIPELINE, {
		api: (api) => ({
			...api,
			cors: { origins: [PAGE, 'https://other.partner.example:8443'], credentials: true, maxAgeSeconds: 600 },
		}),
	});
	atClosed = await closed.onboard();
	atOpen = await open.onboard();
});
after(() => Promise.all([closed.close(), open.close()]));
beforeEach(() => {
	for (const { seen, ledger } of [closed, open]) {
		seen.length = 0;
		ledger.buffered.length = 0;
	}
});

function call(gateway: TestGateway, partner: TestPartner | undefined, line: string, lines: readonly string[]) {
	const authorization = partner === undefined ? [] : [`Authorization: Bearer ${partner.token()}`];
	const head = [`${line} HTTP/1.1`, `Host: ${gateway.authority}`, ...authorization, ...lines, '', ''];
	return gateway.request(partner, head.join('\r\n'));
}

const preflight = (gateway: TestGateway, lines: readonly string[], path = PATH, method = 'GET') =>
	call(gateway, undefined, `OPTIONS ${path}`, [`Access-Control-Request-Method: ${method}`, ...lines]);

const corsNames = (headers: ReadonlyMap<string, string> | undefined) =>
	[...(headers?.keys() ?? [])].filter((name) => name.startsWith('access-control-'));

for (const origin of [PAGE, 'null', 'https://localhost', '', 'https://localhost:8443', '*']) {
	for (const line of [`GET ${PATH}`, 'POST /bank/v1/payments']) {
		test(`refuses a page of "${origin}" with ${line.split(' ')[0]} where the API has no list`, async () => {
			const response = await call(closed, atClosed, line, [`Origin: ${origin}`]);
			assert.equal(response?.status, 403);
			assert.deepEqual(corsNames(response?.headers), []);
			assert.equal(closed.seen.length, 0);
			assert.deepEqual(
				closed.ledger.buffered.map(({ decision, reason }) => [decision, reason]),
				[['deny', 'origin_refused']],
			);
		});
	}
}

test('refuses a preflight where the API has no list', async () => {
	const response = await preflight(closed, [`Origin: ${PAGE}`]);
	assert.equal(response?.status, 403);
	assert.deepEqual(corsNames(response?.headers), []);
	assert.equal(closed.ledger.buffered[0]?.reason, 'origin_refused');
});

test('answers a preflight of a listed page by itself, without asking who it is, and records it', async () => {
	const response = await preflight(open, [
		`Origin: ${PAGE}`,
		'Access-Control-Request-Headers: authorization,content-type,idempotency-key',
	]);
	assert.equal(response?.status, 204);
	const field = (name: string) => response.headers.get(name);
	assert.equal(field('access-control-allow-origin'), PAGE);
	assert.equal(field('access-control-allow-credentials'), 'true');
	assert.equal(field('access-control-allow-methods'), 'GET');
	assert.equal(field('access-control-allow-headers'), 'authorization, content-type, idempotency-key');
	assert.equal(field('access-control-max-age'), '600');
	assert.equal(field('vary'), 'Origin, Access-Control-Request-Method, Access-Control-Request-Headers');
	assert.equal(open.seen.length, 0);
	const [entry] = open.ledger.buffered;
	assert.deepEqual(
		[
			entry?.decision,
			entry?.status,
			entry?.facts?.['method'],
			entry?.facts?.['preflight'],
			entry?.facts?.['operation'],
		],
		['permit', 204, 'OPTIONS', true, 'bank/v1/getAccount'],
	);
	assert.equal(open.ledger.buffered.length, 1);
});

for (const [name, lines, path, method, status] of [
	['another page', ['Origin: https://evil.example'], PATH, 'GET', 403],
	['a page whose name begins alike', [`Origin: ${PAGE}.evil.example`], PATH, 'GET', 403],
	['the same page in another case', ['Origin: https://APP.partner.example'], PATH, 'GET', 403],
	['the same host over http', ['Origin: http://app.partner.example'], PATH, 'GET', 403],
	['the same host at another port', [`Origin: ${PAGE}:8443`], PATH, 'GET', 403],
	['a frame without an origin', ['Origin: null'], PATH, 'GET', 403],
	['two origins', [`Origin: ${PAGE}`, `Origin: ${PAGE}`], PATH, 'GET', 400],
	['a list of origins', [`Origin: ${PAGE} https://evil.example`], PATH, 'GET', 403],
	['an unknown path', [`Origin: ${PAGE}`], '/bank/v1/nothing', 'GET', 404],
	['a method that the path has not', [`Origin: ${PAGE}`], PATH, 'DELETE', 405],
	['a method that is none', [`Origin: ${PAGE}`], PATH, 'EVIL', 405],
	[
		'a field that only we set',
		[`Origin: ${PAGE}`, 'Access-Control-Request-Headers: sallyport-assertion'],
		PATH,
		'GET',
		403,
	],
	['a field that nobody declares', [`Origin: ${PAGE}`, 'Access-Control-Request-Headers: x-anything'], PATH, 'GET', 403],
	['a field list that is none', [`Origin: ${PAGE}`, 'Access-Control-Request-Headers: a b'], PATH, 'GET', 403],
	['every field', [`Origin: ${PAGE}`, 'Access-Control-Request-Headers: *'], PATH, 'GET', 403],
] as const) {
	test(`refuses the preflight of ${name}`, async () => {
		const response = await preflight(open, lines, path, method);
		assert.equal(response?.status, status);
		assert.equal(response?.headers.has('access-control-allow-origin'), false);
		assert.equal(open.seen.length, 0);
		assert.equal(open.ledger.buffered.length, 1);
		assert.equal(open.ledger.buffered[0]?.decision, 'deny');
	});
}

test('a request that looks like a preflight with a body or credentials reaches nothing either', async () => {
	const lines = [`Origin: ${PAGE}`, 'Access-Control-Request-Method: POST'];
	assert.equal((await call(open, atOpen, 'OPTIONS /bank/v1/payments', lines))?.status, 204);
	assert.equal((await call(open, atOpen, 'OPTIONS /bank/v1/payments', [...lines, 'Content-Length: 2']))?.status, 400);
	// Only OPTIONS can be a preflight: any other method with these fields is judged as what it is.
	assert.equal((await call(open, undefined, `GET ${PATH}`, lines))?.status, 401);
	assert.equal(open.seen.length, 0);
});

describe('the answer to a page that is listed', () => {
	test('can be read by that page, and is not kept for others', async () => {
		const response = await call(open, atOpen, `GET ${PATH}`, [`Origin: ${PAGE}`]);
		assert.equal(response?.status, 200);
		assert.equal(response.headers.get('access-control-allow-origin'), PAGE);
		assert.match(response.headers.get('vary') ?? '', /\bOrigin\b/);
		assert.match(response.headers.get('access-control-expose-headers') ?? '', /x-request-id/);
		assert.equal(open.seen[0]?.headers.has('origin'), false);
	});

	test('is explained to that page when it is a refusal', async () => {
		const response = await call(open, undefined, `GET ${PATH}`, [`Origin: ${PAGE}`]);
		assert.deepEqual([response?.status, response?.headers.get('access-control-allow-origin')], [401, PAGE]);
	});

	test('varies by origin also when no page has asked', async () => {
		const response = await call(open, atOpen, `GET ${PATH}`, []);
		assert.deepEqual([response?.status, response?.headers.get('vary')], [200, 'Origin']);
		assert.deepEqual(corsNames(response?.headers), []);
	});

	test('holds nothing that the upstream says about origins', async () => {
		const earlier = open.answer;
		open.answer = (request) => {
			const answer = earlier(request);
			return {
				...answer,
				headers: { 'content-type': 'application/json', 'access-control-allow-origin': '*' },
			} as typeof answer;
		};
		const response = await call(open, atOpen, `GET ${PATH}`, []);
		open.answer = earlier;
		assert.equal(response?.status, 200);
		assert.deepEqual(corsNames(response?.headers), []);
	});
});

test('lists origins as browsers write them, and nothing else', () => {
	for (const text of [
		PAGE,
		'https://a.example:8443',
		'http://localhost:5173',
		'http://127.0.0.1',
		'https://[2001:db8::1]',
	]) {
		assert.equal(parseWebOrigin(text), text);
	}
	for (const text of [
		'*',
		'null',
		'',
		'https://',
		`${PAGE}/`,
		`${PAGE}:443`,
		`${PAGE}/x`,
		'https://APP.example',
		'https://user@app.example',
		'http://app.example',
		'ftp://app.example',
		'file:///x',
		'data:text/html,x',
		'https://*.partner.example',
		' https://app.example',
		'app.example',
	]) {
		assert.equal(parseWebOrigin(text), undefined, text);
	}
});
