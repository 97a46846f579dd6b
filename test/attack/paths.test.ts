// Threat (T14, T15): a path that the gateway, the route and the service read in three ways. Every spelling at every place of
// a good path: what comes through is forwarded byte for byte as it was matched, or nothing is; a rewrite never leaves its base.
import assert from 'node:assert/strict';
import { after, before, beforeEach, test } from 'node:test';
import { PIPELINE } from '../../src/services/gateway/pipeline.ts';
import { startTestGateway, type TestGateway, type TestPartner } from '../fixture/test-gateway.ts';

const UPSTREAM_BASE = '/internal/v7';
let gateway: TestGateway;
let partner: TestPartner;

before(async () => {
	gateway = await startTestGateway(PIPELINE, {
		api: (api) => ({ ...api, upstream: { ...api.upstream, basePath: UPSTREAM_BASE } }),
	});
	partner = await gateway.onboard();
});
after(() => gateway.close());
beforeEach(() => {
	gateway.seen.length = 0;
	gateway.ledger.buffered.length = 0;
});

const send = (target: string) =>
	gateway.request(
		partner,
		`GET ${target} HTTP/1.1\r\nHost: ${gateway.authority}\r\nAuthorization: Bearer ${partner.token()}\r\n\r\n`,
	);

const PIECES = [
	'%2f',
	'%2F',
	'%5c',
	'%5C',
	'\\',
	'//',
	'/./',
	'/../',
	'/..',
	'/.',
	'%2e%2e',
	'%2E%2e/',
	'.%2e/',
	';',
	';a=b',
	'%3b',
	'%3B',
	'%00',
	'%25',
	'%252e%252e',
	'%25%32%66',
	'%3f',
	'%3F',
	'%23',
	'#',
	'#/../acc-1002',
	'%61',
	'%41',
	'.',
	'..',
	'...',
	'%c0%af',
	'%c0%ae%c0%ae',
	'%e0%80%af',
	'%f8%80%80%80%af',
	'%ff',
	'%80',
	'%u002f',
	'%',
	'%2',
	'%zz',
	'\t',
	'%09',
	'%0a',
	'%0d%0a',
	'%7f',
	'%c2%85',
	'|',
	'<',
	'"',
	'{',
	'^',
	'`',
	'@',
	':',
	'~',
	'*',
	'%20',
	'+',
];
/** A good target, cut where a piece is put in. */
const PLACES = [
	['before the base path', '', '/bank/v1/accounts/acc-1001'],
	['within the base path', '/ba', 'nk/v1/accounts/acc-1001'],
	['between base path and API', '/bank/v1', '/accounts/acc-1001'],
	['within a literal segment', '/bank/v1/acc', 'ounts/acc-1001'],
	['between segments', '/bank/v1/accounts', '/acc-1001'],
	['at the start of an id', '/bank/v1/accounts/', 'acc-1001'],
	['within an id', '/bank/v1/accounts/acc', '-1001'],
	['at the end', '/bank/v1/accounts/acc-1001', ''],
] as const;

for (const [place, head, tail] of PLACES) {
	test(`T14 forwards exactly what was matched, or nothing, with ${PIECES.length} pieces ${place}`, async () => {
		for (const piece of PIECES) {
			gateway.seen.length = 0;
			gateway.ledger.buffered.length = 0;
			const target = head + piece + tail;
			const response = await send(target);
			const shown = JSON.stringify(target);
			assert.ok(response === undefined || response.status !== 500, `${shown} runs into a bug`);
			// Nothing here is an account that was granted: what would come through asks for something else than it says.
			assert.deepEqual(gateway.seen, [], `${shown} comes through`);
			assert.ok([undefined, 400, 403, 404].includes(response?.status), `${shown} is answered ${response?.status}`);
			assert.equal(gateway.ledger.buffered.length, 1, `${shown} is recorded`);
		}
	});
}

for (const [target, status] of [
	['/bank/v1/accounts/acc-1001', 200],
	['/BANK/v1/accounts/acc-1001', 404],
	['/bank/V1/accounts/acc-1001', 404],
	['/bank/v1/Accounts/acc-1001', 404],
	['/bank/v1/accounts/ACC-1001', 403],
	['/bank/v1/accounts/acc-1001/', 404],
	['/bank/v1accounts/acc-1001', 404],
	['/bank/v1', 404],
	['/bank/v1/', 404],
	['/', 404],
	['/admin', 404],
	['//admin', 400],
	['/%61dmin', 400],
	['/bank/v1/accounts/acc-1001?x=/../acc-1002', 400],
	['/bank/v1/accounts/acc-1001?', 200],
	['https://localhost/bank/v1/accounts/acc-1001', 400],
	['bank/v1/accounts/acc-1001', 400],
	['*', 400],
	['', 400],
] as const) {
	test(`T14 answers ${status} to ${target || 'an empty target'}`, async () => {
		const response = await send(target);
		assert.equal(response?.status, status);
		const forwarded = status === 200 ? [target.replace('/bank/v1', UPSTREAM_BASE).replace(/\?$/, '')] : [];
		assert.deepEqual(
			gateway.seen.map((seen) => seen.target.replace(/\?$/, '')),
			forwarded,
		);
	});
}

for (const target of [
	'/bank/v1/../admin',
	'/bank/v1/%2e%2e/admin',
	'/bank/v1/..;/admin',
	'/bank/v1/accounts/..%2f..%2fadmin',
	'/bank/v1\\..\\admin',
	'/bank/v1/accounts/acc-1001/../../../admin',
	`${UPSTREAM_BASE}/accounts/acc-1001`,
	`/bank/v1${UPSTREAM_BASE}/accounts/acc-1001`,
]) {
	test(`T15 leaves the base path of the upstream by no way: ${target}`, async () => {
		const response = await send(target);
		assert.ok(response?.status === 400 || response?.status === 404, String(response?.status));
		assert.deepEqual(gateway.seen, []);
	});
}
