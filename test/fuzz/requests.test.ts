// Mutates valid requests and sends them over raw TLS. Behind the gateway stands an upstream with a parser of its own, behind
// the real client of the gateway. Asserted for all of it: what the upstream read is, request by request, what was authorized,
// byte for byte, or nothing reached it; no header of ours is anybody else's; every answer is recorded; nothing is a 5xx that
// says that we did not know what to do.
//
// SALLYPORT_FUZZ_CASES and SALLYPORT_FUZZ_SEED make it longer, or repeat a run.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { type ByteRecorder, startByteRecorder } from '../fixture/byte-recorder.ts';
import { type JudgedGateway, startJudgedGateway } from '../fixture/judged-gateway.ts';
import { GOOD_ACCOUNT } from '../fixture/test-gateway.ts';
import { createDraw, FORBIDDEN, mutateRequest, type RequestParts } from './mutate-request.ts';
import { sendBytes, validRequests } from './valid-requests.ts';

const CASES = Number(process.env['SALLYPORT_FUZZ_CASES'] ?? 300);
const SEED = Number(process.env['SALLYPORT_FUZZ_SEED'] ?? 20_261_125);
const AT_ONCE = 16;

const statuses = new Map<number, number>();

let recorder: ByteRecorder;
let judged: JudgedGateway;

before(async () => {
	const body = JSON.stringify(GOOD_ACCOUNT);
	recorder = await startByteRecorder(
		`HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
	);
	judged = await startJudgedGateway(recorder.port);
});
after(async () => {
	await judged.gateway.close();
	await recorder.close();
});

test('lets the requests through that are mutated afterwards', async () => {
	for (const { method, target, version, fields, body } of validRequests(judged)) {
		const text = `${[`${method} ${target} ${version}`, ...fields].join('\r\n')}\r\n\r\n${body}`;
		const [status] = await sendBytes(judged, text, () => 1);
		assert.ok(status !== undefined && judged.authorized.size > 0, `${method} ${target}: ${status}`);
	}
	assert.equal(recorder.requests.length, judged.authorized.size);
	assert.equal(judged.authorized.size, 3);
});

test(`sends ${CASES} mutated requests (seed ${SEED}): the upstream reads what was authorized, or nothing`, async (context) => {
	const bases = validRequests(judged);
	let next = 0;
	const work = async (): Promise<void> => {
		while (next < CASES) {
			const number = next++;
			const draw = createDraw(SEED + number);
			const text = mutateRequest(bases[draw(bases.length)] as RequestParts, draw, judged.gateway.authority);
			const answered = await sendBytes(judged, text, draw);
			for (const status of answered) statuses.set(status, (statuses.get(status) ?? 0) + 1);
			const unexpected = answered.find((status) => status >= 500 && status !== 501 && status !== 502);
			assert.equal(unexpected, undefined, `case ${number} is answered ${unexpected}: ${JSON.stringify(text)}`);
		}
	};
	await Promise.all(Array.from({ length: AT_ONCE }, work));
	// What was forwarded last may still be on its way.
	for (let wait = 0; wait < 50 && recorder.requests.length < judged.authorized.size; wait++) {
		await new Promise((resolve) => setTimeout(resolve, 20));
	}
	checkUpstream();
	checkLedger();
	const shown = `${judged.authorized.size} forwarded, answered ${JSON.stringify([...statuses])}`;
	assert.ok(judged.authorized.size > CASES / 20, `too little comes through to prove anything: ${shown}`);
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
		assert.deepEqual({ method, target, body }, judged.authorized.get(id), `not what was authorized: ${shown}`);
		assert.equal(fields.get('host'), `127.0.0.1:${recorder.port}`);
		assert.match(fields.get('sallyport-assertion') ?? '', /^eyJ[\w-]+\.[\w-]+\.[\w-]+$/);
		assert.match(fields.get('traceparent') ?? '', /^00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$/);
	}
	const all = recorder.received.join('');
	assert.ok(!all.includes(FORBIDDEN), 'something asks for what was granted to nobody');
	assert.ok(!all.includes('evil'), 'something that was smuggled has reached the upstream');
}

function checkLedger(): void {
	const entries = [...judged.gateway.ledger.buffered, ...judged.gateway.ledger.durable].filter(
		({ type }) => type === 'gateway.request',
	);
	const ids = new Set(entries.map(({ requestId }) => requestId));
	assert.equal(ids.size, entries.length, 'a request is recorded twice');
	for (const id of judged.authorized.keys()) assert.ok(ids.has(id), 'something was forwarded and not recorded');
	const answered = [...statuses.values()].reduce((sum, count) => sum + count, 0);
	// 100 Continue is no answer of its own; the requests of the first test were recorded as well.
	assert.ok(entries.length >= answered - (statuses.get(100) ?? 0), `${answered} answers, ${entries.length} entries`);
}
