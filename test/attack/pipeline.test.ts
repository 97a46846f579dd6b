// Threat: a gate of the pipeline is lost in a change. For each gate there is a probe that this gate, and no other, must
// stop. With the product's table nothing of it may reach the upstream and it must be recorded; with the gate taken out the
// same probe must come through (or end in a bug), or else the probe proves nothing.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fault } from '../../src/kernel/faults.ts';
import { PIPELINE, type Pipeline } from '../../src/services/gateway/pipeline.ts';
import { GOOD_ANSWER, startTestGateway, type TestGateway, type TestPartner } from '../fixture/test-gateway.ts';

interface Probe {
	readonly gate: string;
	readonly status: number;
	/** What becomes of the probe without the gate: it reaches the upstream, or a later stage meets a bug. */
	readonly without: 'forwarded' | 'bug' | 'unrecorded';
	request(gateway: TestGateway, partner: TestPartner): string;
	prepare?(gateway: TestGateway, partner: TestPartner): void;
	/** The probe is sent so many times; only the last one counts. */
	readonly times?: number;
}

const ACCOUNT = '/bank/v1/accounts/acc-1001';

function get(gateway: TestGateway, path: string, token: string | undefined, ...lines: readonly string[]): string {
	const authorization = token === undefined ? [] : [`Authorization: Bearer ${token}`];
	return [`GET ${path} HTTP/1.1`, `Host: ${gateway.authority}`, ...authorization, ...lines, '', ''].join('\r\n');
}

function pay(gateway: TestGateway, token: string, body: unknown): string {
	const text = JSON.stringify(body);
	return [
		'POST /bank/v1/payments HTTP/1.1',
		`Host: ${gateway.authority}`,
		`Authorization: Bearer ${token}`,
		'Content-Type: application/json',
		`Content-Length: ${Buffer.byteLength(text)}`,
		'',
		text,
	].join('\r\n');
}

const PAYMENT = {
	debtorAccountId: 'acc-1001',
	creditor: { name: 'Bob', iban: 'ZZ68123400000000001007' },
	amount: { amount: '12.50', currency: 'EUR' },
	reference: 'invoice 1',
};

const PROBES: readonly Probe[] = [
	{
		gate: 'admitRequest',
		status: 400,
		without: 'bug',
		request: (gateway, partner) => get(gateway, ACCOUNT, partner.token(), 'Transfer_Encoding: chunked'),
	},
	{
		gate: 'throttleSource',
		status: 429,
		without: 'forwarded',
		prepare: (gateway, { credential }) => {
			const source = { key: `c:${credential.thumbprint}`, widerKey: undefined, isCertified: true };
			for (let count = 0; count < 60_000; count++) gateway.sources.failed(source, 'resource_denied', Date.now());
		},
		request: (gateway, partner) => get(gateway, ACCOUNT, partner.token()),
	},
	{
		gate: 'matchRoute',
		status: 404,
		without: 'bug',
		request: (gateway, partner) => get(gateway, '/bank/v1/nothing', partner.token()),
	},
	{
		gate: 'checkOrigin',
		status: 403,
		without: 'forwarded',
		request: (gateway, partner) => get(gateway, ACCOUNT, partner.token(), 'Origin: https://evil.example'),
	},
	{
		gate: 'authenticateClient',
		status: 401,
		without: 'bug',
		request: (gateway) => get(gateway, ACCOUNT, undefined),
	},
	{
		gate: 'checkAddress',
		status: 403,
		without: 'forwarded',
		prepare: (gateway, { partner }) => {
			gateway.apply({ kind: 'partner', record: { ...partner, allowedNetworks: ['192.0.2.0/24'] } });
		},
		request: (gateway, partner) => get(gateway, ACCOUNT, partner.token()),
	},
	{
		gate: 'authorizeRequest',
		status: 403,
		without: 'bug',
		request: (gateway, partner) => get(gateway, '/bank/v1/accounts/acc-1015', partner.token()),
	},
	{
		gate: 'spendLimits',
		status: 429,
		without: 'forwarded',
		times: 115,
		request: (gateway, partner) => get(gateway, ACCOUNT, partner.token()),
	},
	{
		gate: 'readBody',
		status: 413,
		without: 'bug',
		request: (gateway, partner) => pay(gateway, partner.token(), { ...PAYMENT, reference: 'x'.repeat(5000) }),
	},
	{
		gate: 'validateRequest',
		status: 400,
		without: 'forwarded',
		request: (gateway, partner) => get(gateway, `${ACCOUNT}?unknown=1`, partner.token()),
	},
	{
		gate: 'authorizeBody',
		status: 403,
		without: 'forwarded',
		request: (gateway, partner) => pay(gateway, partner.token(), { ...PAYMENT, debtorAccountId: 'acc-1015' }),
	},
	{
		gate: 'ensureRecord',
		status: 503,
		without: 'forwarded',
		prepare: (gateway) => {
			gateway.ledger.accepting = false;
		},
		request: (gateway, partner) => get(gateway, ACCOUNT, partner.token()),
	},
];

function withoutGate(name: string): Pipeline {
	const gates = PIPELINE.gates.filter((gate) => gate.name !== name);
	assert.equal(gates.length, PIPELINE.gates.length - 1, `the table has no gate ${name}`);
	return { ...PIPELINE, gates };
}

async function runProbe(probe: Probe, pipeline: Pipeline) {
	const gateway = await startTestGateway(pipeline);
	try {
		const partner = await gateway.onboard({ plan: probe.gate === 'spendLimits' ? 'standard' : 'unhindered' });
		const times = probe.times ?? 1;
		const connection = await gateway.connect(partner);
		for (let count = 1; count < times; count++) await connection.send(probe.request(gateway, partner));
		probe.prepare?.(gateway, partner);
		gateway.seen.length = 0;
		gateway.ledger.buffered.length = 0;
		gateway.ledger.durable.length = 0;
		const response = await connection.send(probe.request(gateway, partner));
		connection.close();
		return {
			status: response?.status,
			reached: gateway.seen.length,
			entries: [...gateway.ledger.durable, ...gateway.ledger.buffered],
		};
	} finally {
		await gateway.close();
	}
}

test('every gate of the table has a probe, and every probe a gate', () => {
	assert.deepEqual(
		PROBES.map((probe) => probe.gate),
		PIPELINE.gates.map((gate) => gate.name),
	);
});

for (const probe of PROBES) {
	test(`${probe.gate} stops its probe: ${probe.status}, nothing upstream, one entry`, async () => {
		const outcome = await runProbe(probe, PIPELINE);
		assert.equal(outcome.status, probe.status);
		assert.equal(outcome.reached, 0);
		assert.equal(outcome.entries.length, 1);
		assert.equal(outcome.entries[0]?.decision, 'deny');
	});

	test(`without ${probe.gate} its probe is not stopped as it must be`, async () => {
		const outcome = await runProbe(probe, withoutGate(probe.gate));
		assert.notEqual(outcome.status, probe.status);
		if (probe.without === 'forwarded') assert.equal(outcome.reached, 1, 'no other gate may be what stops this probe');
	});
}

test('without protectResponse the raw body would leave', async () => {
	const raw = {
		...PIPELINE,
		protect: (exchange: Parameters<Pipeline['protect']>[0]) => {
			exchange.answerBody = exchange.upstreamBody;
			exchange.answerBytes = exchange.upstreamBody.length;
			return undefined;
		},
	};
	for (const [pipeline, isProtected] of [
		[PIPELINE, true],
		[raw, false],
	] as const) {
		const gateway = await startTestGateway(pipeline);
		const partner = await gateway.onboard();
		const response = await gateway.request(partner, get(gateway, ACCOUNT, partner.token()));
		await gateway.close();
		assert.equal(response?.status, 200);
		assert.equal(response.body.includes('4000000000010019'), !isProtected);
		assert.equal(response.body.includes('internalRiskScore'), !isProtected);
	}
});

test('a durable operation is recorded before it is forwarded, and again before it is answered', async () => {
	const gateway = await startTestGateway();
	const partner = await gateway.onboard();
	const order: string[] = [];
	const recordDurable = gateway.ledger.recordDurable.bind(gateway.ledger);
	gateway.ledger.recordDurable = async (entry) => {
		const index = await recordDurable(entry);
		order.push(entry.type);
		return index;
	};
	gateway.answer = () => {
		order.push('upstream');
		return { status: 500, headers: { 'content-type': 'application/json' }, body: '{}' };
	};
	await gateway.request(partner, pay(gateway, partner.token(), PAYMENT));
	await gateway.close();
	assert.deepEqual(order, ['gateway.intent', 'upstream', 'gateway.request']);
	assert.equal(gateway.ledger.buffered.length, 0);
});

test('a durable operation whose intent cannot be written is not forwarded', async () => {
	const gateway = await startTestGateway();
	const partner = await gateway.onboard();
	gateway.ledger.durableLeft = 0;
	const response = await gateway.request(partner, pay(gateway, partner.token(), PAYMENT));
	await gateway.close();
	assert.equal(response?.status, 503);
	assert.equal(gateway.seen.length, 0);
});

test('a durable operation whose outcome cannot be written is not answered as if it were', async () => {
	const gateway = await startTestGateway();
	const partner = await gateway.onboard();
	gateway.ledger.durableLeft = 1;
	const response = await gateway.request(partner, pay(gateway, partner.token(), PAYMENT));
	await gateway.close();
	assert.equal(response?.status, 503);
	assert.match(response.body, /Do not repeat it blindly/);
	assert.equal(gateway.seen.length, 1);
});

test('what the upstream answers outside its contract never leaves: 502, recorded, no word of the body', async () => {
	const gateway = await startTestGateway();
	const partner = await gateway.onboard();
	const bad = [
		{ status: 200, headers: { 'content-type': 'application/json' }, body: '{"iban":"SECRET"}' },
		{ status: 200, headers: { 'content-type': 'application/json' }, body: '{"iban":"SECRET"' },
		{ status: 200, headers: { 'content-type': 'text/html' }, body: 'SECRET' },
		{ status: 200, headers: {}, body: 'SECRET' },
		{ status: 418, headers: { 'content-type': 'application/json' }, body: '{"a":"SECRET"}' },
		{
			...(GOOD_ANSWER as { status: number; body: string }),
			headers: { 'content-type': 'application/json', 'content-encoding': 'gzip' },
		},
		{ status: 302, headers: { location: 'https://internal.example/SECRET' }, body: '' },
	];
	for (const answer of bad) {
		gateway.answer = () => answer;
		gateway.ledger.buffered.length = 0;
		const response = await gateway.request(partner, get(gateway, ACCOUNT, partner.token()));
		assert.equal(response?.status, 502, JSON.stringify(answer));
		assert.doesNotMatch(response.body + [...response.headers].join(), /SECRET|internal\.example|stack|node_modules/);
		assert.equal(gateway.ledger.buffered[0]?.reason, 'response_invalid');
		assert.equal(gateway.ledger.buffered[0]?.decision, 'permit');
	}
	await gateway.close();
});

test('headers of the upstream pass only when they are listed, and none can break out of its line', async () => {
	const gateway = await startTestGateway();
	const partner = await gateway.onboard();
	gateway.answer = () => ({
		...(GOOD_ANSWER as { status: number; body: string }),
		headers: {
			'content-type': 'application/json',
			server: 'internal/1.0',
			'x-powered-by': 'secret',
			'set-cookie': ['a=b', 'c=d'],
			'x-request-id': 'theirs',
			'strict-transport-security': 'max-age=0',
			etag: '"1"',
			location: 'https://internal.example/x',
			'cache-control': 'private\u00e9',
		},
	});
	const response = await gateway.request(partner, get(gateway, ACCOUNT, partner.token()));
	await gateway.close();
	assert.equal(response?.status, 200);
	assert.equal(response.headers.get('etag'), '"1"');
	for (const name of ['server', 'x-powered-by', 'set-cookie', 'location'])
		assert.equal(response.headers.has(name), false, name);
	assert.notEqual(response.headers.get('x-request-id'), 'theirs');
	assert.match(response.headers.get('strict-transport-security') ?? '', /max-age=31536000/);
});

test('a bug in a stage is a 500 that tells nothing, and is recorded', async () => {
	const broken: Pipeline = {
		...PIPELINE,
		protect: () => {
			throw new Error('SECRET of /internal/path');
		},
	};
	const gateway = await startTestGateway(broken);
	const partner = await gateway.onboard();
	const response = await gateway.request(partner, get(gateway, ACCOUNT, partner.token()));
	await gateway.close();
	assert.equal(response?.status, 500);
	assert.doesNotMatch(response.body, /SECRET|internal\/path/);
	assert.equal(gateway.ledger.buffered[0]?.reason, 'internal_error');
});

test('a client that goes away is recorded as that, and not as a failure of the service', async () => {
	const gateway = await startTestGateway();
	const partner = await gateway.onboard();
	const gone = fault('upstream_unreachable', 'taken back');
	const connection = await gateway.connect(partner);
	gateway.answer = () => {
		connection.close();
		return { fault: gone, afterMs: 100 };
	};
	connection.socket.write(get(gateway, ACCOUNT, partner.token()));
	while (gateway.ledger.buffered.length === 0) await new Promise((resolve) => setTimeout(resolve, 10));
	await gateway.close();
	const [entry] = gateway.ledger.buffered;
	assert.equal(entry?.reason, 'client_closed');
	assert.equal(entry?.status, 499);
	assert.equal(entry?.facts?.['aborted'], true);
});

test('a bug in the answering ends its connection and not the gateway', async () => {
	const gateway = await startTestGateway();
	const partner = await gateway.onboard();
	gateway.answer = () => ({
		...(GOOD_ANSWER as { status: number; body: string }),
		get headers(): never {
			return new Proxy(
				{},
				{
					ownKeys: () => {
						throw new Error('a bug');
					},
					get: (_target, name) => (name === 'content-type' ? 'application/json' : undefined),
				},
			) as never;
		},
	});
	const broken = await gateway.connect(partner);
	assert.equal(await broken.send(get(gateway, ACCOUNT, partner.token())), undefined);
	gateway.answer = () => GOOD_ANSWER;
	assert.equal((await gateway.request(partner, get(gateway, ACCOUNT, partner.token())))?.status, 200);
	assert.equal(gateway.errors.splice(0).length, 1);
	await gateway.close();
});
