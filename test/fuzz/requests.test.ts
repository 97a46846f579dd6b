// Mutates valid requests and sends them over raw TLS. Behind the gateway stands an upstream with a parser of its own, behind
// the real client of the gateway. Asserted for all of it: what the upstream read is, request by request, what was authorized,
// byte for byte, or nothing reached it; no header of ours is anybody else's; every answer is recorded; nothing is a 5xx that
// says that we did not know what to do.
//
// SALLYPORT_FUZZ_CASES and SALLYPORT_FUZZ_SEED make it longer, or repeat a run.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { openUpstreamClient } from '../../src/adapters/http/upstream-client.ts';
import type { Exchange } from '../../src/services/gateway/exchange.ts';
import { PIPELINE, type Pipeline } from '../../src/services/gateway/pipeline.ts';
import { type ByteRecorder, startByteRecorder } from '../fixture/byte-recorder.ts';
import { GOOD_ACCOUNT, startTestGateway, type TestGateway, type TestPartner } from '../fixture/test-gateway.ts';
import { createDraw, cutIntoPieces, type Draw, FORBIDDEN, mutateRequest, type RequestParts } from './mutate-request.ts';

const CASES = Number(process.env['SALLYPORT_FUZZ_CASES'] ?? 300);
const SEED = Number(process.env['SALLYPORT_FUZZ_SEED'] ?? 20_261_125);
const AT_ONCE = 16;
/** How long to wait for a first answer: a request that is not whole gets none; and for a further one. */
const FIRST_MS = 1500;
const FURTHER_MS = 30;

interface Authorized {
	readonly method: string;
	readonly target: string;
	readonly body: string;
}

/** What was authorized, by request id. */
const authorized = new Map<string, Authorized>();
const statuses = new Map<number, number>();

let recorder: ByteRecorder;
let gateway: TestGateway;
let partner: TestPartner;

before(async () => {
	const body = JSON.stringify(GOOD_ACCOUNT);
	recorder = await startByteRecorder(
		`HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
	);
	const pipeline: Pipeline = {
		...PIPELINE,
		forward(exchange, context) {
			authorized.set(exchange.requestId, describe(exchange));
			return PIPELINE.forward(exchange, context);
		},
	};
	gateway = await startTestGateway(pipeline, {
		openUpstream: (identity) =>
			openUpstreamClient(
				{
					origin: `http://127.0.0.1:${recorder.port}`,
					basePath: '',
					audience: 'test',
					connectTimeoutMs: 5000,
					responseTimeoutMs: 5000,
					bodyTimeoutMs: 5000,
					totalTimeoutMs: 10_000,
					keepAliveMs: 4000,
					retriesMax: 0,
					connectionsMax: 4,
					queueMax: 64,
				},
				identity,
			),
	});
	partner = await gateway.onboard();
});
after(async () => {
	await gateway.close();
	await recorder.close();
});

/** What the stages decided about: the target on the side of the upstream, whose base path is empty. */
function describe({ request, path, query, body, route }: Exchange): Authorized {
	const target = path.slice(route?.api.basePath.length) + (query === '' ? '' : `?${query}`);
	return { method: request.method ?? '', target, body: body?.toString('latin1') ?? '' };
}

function validRequests(token: string): readonly RequestParts[] {
	const head = [`Host: ${gateway.authority}`, `Authorization: Bearer ${token}`];
	const payment = JSON.stringify({
		debtorAccountId: 'acc-1001',
		creditor: { name: 'Bob', iban: 'ZZ68123400000000001007' },
		amount: { amount: '12.50', currency: 'EUR' },
		reference: 'invoice 1',
	});
	return [
		{ method: 'GET', target: '/bank/v1/accounts/acc-1001', version: 'HTTP/1.1', fields: head, body: '', after: '' },
		{
			method: 'GET',
			target: '/bank/v1/accounts/acc-1001/transactions?limit=5&from=2026-01-01',
			version: 'HTTP/1.1',
			fields: [...head, 'Accept: application/json'],
			body: '',
			after: '',
		},
		{
			method: 'POST',
			target: '/bank/v1/payments',
			version: 'HTTP/1.1',
			fields: [
				...head,
				'Content-Type: application/json',
				`Content-Length: ${payment.length}`,
				'Idempotency-Key: 1e0f8c9a-8a49-4cf1-9c0e-0a6a31b8d001',
			],
			body: payment,
			after: '',
		},
	];
}

/** Sends one case and gives the statuses that were answered until the connection ended or fell silent. */
async function sendCase(text: string, draw: Draw): Promise<readonly number[]> {
	const connection = await gateway.connect(partner);
	const pieces = cutIntoPieces(text, draw);
	for (const [index, piece] of pieces.entries()) {
		if (index > 0) await new Promise((resolve) => setImmediate(resolve));
		connection.socket.write(piece, 'latin1');
	}
	const answered: number[] = [];
	for (;;) {
		const response = await Promise.race([
			connection.next().catch(() => undefined),
			new Promise<undefined>((resolve) =>
				setTimeout(resolve, answered.length === 0 ? FIRST_MS : FURTHER_MS, undefined),
			),
		]);
		if (response === undefined) break;
		answered.push(response.status);
	}
	connection.close();
	return answered;
}

test('lets the requests through that are mutated afterwards', async () => {
	for (const { method, target, version, fields, body } of validRequests(partner.token())) {
		const text = `${[`${method} ${target} ${version}`, ...fields].join('\r\n')}\r\n\r\n${body}`;
		const [status] = await sendCase(text, () => 1);
		assert.ok(status !== undefined && authorized.size > 0, `${method} ${target}: ${status}`);
	}
	assert.equal(recorder.requests.length, authorized.size);
	assert.equal(authorized.size, 3);
});

test(`sends ${CASES} mutated requests (seed ${SEED}): the upstream reads what was authorized, or nothing`, async (context) => {
	const bases = validRequests(partner.token());
	let next = 0;
	const work = async (): Promise<void> => {
		while (next < CASES) {
			const number = next++;
			const draw = createDraw(SEED + number);
			const text = mutateRequest(bases[draw(bases.length)] as RequestParts, draw, gateway.authority);
			const answered = await sendCase(text, draw);
			for (const status of answered) statuses.set(status, (statuses.get(status) ?? 0) + 1);
			const unexpected = answered.find((status) => status >= 500 && status !== 501 && status !== 502);
			assert.equal(unexpected, undefined, `case ${number} is answered ${unexpected}: ${JSON.stringify(text)}`);
		}
	};
	await Promise.all(Array.from({ length: AT_ONCE }, work));
	// What was forwarded last may still be on its way.
	for (let wait = 0; wait < 50 && recorder.requests.length < authorized.size; wait++) {
		await new Promise((resolve) => setTimeout(resolve, 20));
	}
	checkUpstream();
	checkLedger();
	const shown = `${authorized.size} forwarded, answered ${JSON.stringify([...statuses])}`;
	assert.ok(authorized.size > CASES / 20, `too little comes through to prove anything: ${shown}`);
	assert.ok((statuses.get(400) ?? 0) > CASES / 10, `too little is refused to prove anything: ${shown}`);
	context.diagnostic(shown);
});

function checkUpstream(): void {
	assert.deepEqual(recorder.findings, []);
	const seenIds = new Set<string>();
	for (const request of recorder.requests) {
		const shown = JSON.stringify(request);
		const fields = new Map(request.fields);
		assert.equal(fields.size, request.fields.length, `a field stands twice: ${shown}`);
		const id = fields.get('x-request-id') ?? '';
		assert.ok(!seenIds.has(id), `one request was seen twice: ${shown}`);
		seenIds.add(id);
		const { method, target, body } = request;
		assert.deepEqual({ method, target, body }, authorized.get(id), `not what was authorized: ${shown}`);
		assert.equal(fields.get('host'), `127.0.0.1:${recorder.port}`);
		assert.match(fields.get('sallyport-assertion') ?? '', /^eyJ[\w-]+\.[\w-]+\.[\w-]+$/);
		assert.match(fields.get('traceparent') ?? '', /^00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$/);
	}
	const all = recorder.received.join('');
	assert.ok(!all.includes(FORBIDDEN), 'something asks for what was granted to nobody');
	assert.ok(!all.includes('evil'), 'something that was smuggled has reached the upstream');
}

function checkLedger(): void {
	const entries = [...gateway.ledger.buffered, ...gateway.ledger.durable].filter(
		({ type }) => type === 'gateway.request',
	);
	const ids = new Set(entries.map(({ requestId }) => requestId));
	assert.equal(ids.size, entries.length, 'a request is recorded twice');
	for (const id of authorized.keys()) assert.ok(ids.has(id), 'something was forwarded and not recorded');
	const answered = [...statuses.values()].reduce((sum, count) => sum + count, 0);
	// 100 Continue is no answer of its own; the requests of the first test were recorded as well.
	assert.ok(entries.length >= answered - (statuses.get(100) ?? 0), `${answered} answers, ${entries.length} entries`);
}
