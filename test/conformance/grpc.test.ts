// Calls of gRPC through the gateway, as a client and a server that others wrote make and answer them: every kind of method, in
// both directions, with what gRPC promises of status, metadata, deadlines and cancellation.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { after, before, beforeEach, test } from 'node:test';
import { Metadata, type ServiceError, status, type StatusObject } from '@grpc/grpc-js';
import { type GrpcCaller, type GrpcGateway, startGrpcGateway } from '../fixture/grpc-gateway.ts';
import { pause } from '../fixture/stream-gateway.ts';

let grpc: GrpcGateway;
let caller: GrpcCaller;

before(async () => {
	grpc = await startGrpcGateway();
	caller = grpc.caller();
});
after(() => grpc.close());
beforeEach(() => {
	grpc.served.length = 0;
	grpc.gateway.ledger.buffered.length = 0;
	grpc.gateway.ledger.durable.length = 0;
});

/** How a stream ended, and what came of it. */
function collect(call: NodeJS.ReadableStream): Promise<{ status: StatusObject; messages: Buffer[] }> {
	const messages: Buffer[] = [];
	call.on('data', (message: Buffer) => messages.push(message));
	call.on('error', () => undefined);
	return new Promise((resolve) => call.once('status', (ended: StatusObject) => resolve({ status: ended, messages })));
}

test('a unary call gets its answer, and is one entry of the ledger with its status', async () => {
	grpc.service.get = (call, answer) => answer(null, Buffer.concat([Buffer.from('got '), call.request]));
	const { status: code, message } = await caller.unary('Get', Buffer.from('this'));
	assert.equal(code, status.OK);
	assert.equal(message?.toString(), 'got this');
	const entry = await grpc.entry('Get');
	assert.equal(entry.decision, 'permit');
	assert.equal(entry.status, 200);
	assert.equal(entry.facts?.['grpc_status'], 0);
	assert.equal(entry.facts?.['bytes_in'], 9);
	assert.equal(entry.facts?.['bytes_out'], 13);
	assert.equal(grpc.gateway.streams.size, 0);
});

test('an empty message and one of two megabytes pass whole', async () => {
	grpc.service.get = (call, answer) => answer(null, call.request);
	assert.equal((await caller.unary('Get', Buffer.alloc(0))).message?.length, 0);
	const big = Buffer.alloc(2 * 1024 * 1024, 'x');
	const { message } = await caller.unary('Get', big);
	assert.ok(message?.equals(big));
});

test('a status of the service passes with its message, its details and the metadata that is listed', async () => {
	const details = Buffer.from([8, 5, 18, 3, 0xff, 0xfe, 0]);
	grpc.service.get = (call, answer) => {
		const head = new Metadata();
		head.set('x-region', 'north');
		head.set('x-internal', 'secret');
		call.sendMetadata(head);
		const trailers = new Metadata();
		trailers.set('grpc-status-details-bin', details);
		trailers.set('cost-bin', Buffer.from('7'));
		trailers.set('x-stack', 'secret');
		answer({ code: status.FAILED_PRECONDITION, details: 'not now: 100 % ü', metadata: trailers });
	};
	const answered = await caller.unary('Get', Buffer.from('x'));
	assert.equal(answered.status, status.FAILED_PRECONDITION);
	assert.equal(answered.details, 'not now: 100 % ü');
	assert.deepEqual(answered.trailers?.get('grpc-status-details-bin'), [details]);
	assert.deepEqual(answered.trailers?.get('cost-bin'), [Buffer.from('7')]);
	assert.deepEqual(answered.trailers?.get('x-stack'), []);
	assert.deepEqual(answered.head?.get('x-region'), ['north']);
	assert.deepEqual(answered.head?.get('x-internal'), []);
	assert.equal((await grpc.entry('Get')).facts?.['grpc_status'], status.FAILED_PRECONDITION);
});

test('T12, T16 the service sees the metadata that is listed and our fields, whatever the caller sends', async () => {
	grpc.service.get = (call, answer) => answer(null, call.request);
	const theirs = { 'sallyport-assertion': 'theirs', 'x-request-id': 'theirs', traceparent: 'theirs' };
	const others = { 'x-other': 'b', 'x-forwarded-for': '10.0.0.1', cookie: 'a=b' };
	const listed = { 'x-branch': 'a', 'trace-bin': Buffer.from([1, 2]) };
	const answered = await caller.unary('Get', Buffer.from('x'), caller.metadata({ ...theirs, ...others, ...listed }));
	assert.equal(answered.status, status.OK);
	const [seen] = grpc.served;
	assert.deepEqual(seen?.get('x-branch'), ['a']);
	assert.deepEqual(seen?.get('trace-bin'), [Buffer.from([1, 2])]);
	for (const name of Object.keys(theirs)) {
		assert.equal(seen?.get(name).length, 1, name);
		assert.notEqual(seen?.get(name)[0], 'theirs');
	}
	for (const name of [...Object.keys(others), 'authorization', 'grpc-accept-encoding']) {
		assert.deepEqual(seen?.get(name), [], name);
	}
});

test('a client streams: its messages come in order and whole, and one answer comes back', async () => {
	grpc.service.put = async (call, answer) => {
		let sum = 0;
		for await (const message of call) sum += (message as Buffer).length;
		answer(null, Buffer.from(String(sum)));
	};
	const { promise, resolve } = Promise.withResolvers<string>();
	const call = caller.clientStream('Put', (_error, message) => resolve(message?.toString() ?? ''));
	for (let index = 0; index < 50; index++) {
		if (!call.write(Buffer.alloc(index * 100))) await once(call, 'drain');
	}
	call.end();
	assert.equal(await promise, String((49 * 50 * 100) / 2));
});

test('a server streams: every message passes as it comes, as fast as the caller reads', async () => {
	const size = 60_000;
	let sent = 0;
	grpc.service.watch = async (call) => {
		for (; sent < 100 && !call.cancelled; sent++) {
			if (!call.write(Buffer.alloc(size, sent))) await once(call, 'drain');
		}
		call.end();
	};
	const call = caller.serverStream('Watch', Buffer.from('x'));
	// A call of this client that nobody has begun to read takes everything in; one that is paused does not.
	const [first] = (await once(call, 'data')) as [Buffer];
	call.pause();
	await pause(100);
	const early = sent;
	assert.ok(early < 80, `sent ${early} while the caller read one`);
	const collecting = collect(call);
	call.resume();
	const { status: ended, messages: rest } = await collecting;
	const messages = [first, ...rest];
	assert.equal(ended.code, status.OK);
	assert.equal(messages.length, 100);
	assert.ok(messages.every((message, index) => message.length === size && message[0] === index % 256));
});

test('both sides stream at once, each message answered before the next is asked', async () => {
	grpc.service.chat = (call) => {
		call.on('data', (message: Buffer) => call.write(Buffer.concat([Buffer.from('re: '), message])));
		call.on('end', () => call.end());
	};
	const call = caller.bidi('Chat');
	for (const text of ['one', 'two', 'three']) {
		call.write(Buffer.from(text));
		const [answer] = (await once(call, 'data')) as [Buffer];
		assert.equal(answer.toString(), `re: ${text}`);
	}
	assert.equal(grpc.gateway.streams.size, 1);
	call.end();
	assert.equal((await collect(call)).status.code, status.OK);
	assert.equal(grpc.gateway.streams.size, 0);
});

test('a service that ends before its caller does ends the call with its status', async () => {
	grpc.service.chat = (call) => {
		call.once('data', () => call.emit('error', { code: status.RESOURCE_EXHAUSTED, details: 'enough' }));
	};
	const call = caller.bidi('Chat');
	call.write(Buffer.from('x'));
	const { status: ended } = await collect(call);
	assert.equal(ended.code, status.RESOURCE_EXHAUSTED);
	assert.equal(ended.details, 'enough');
});

test('a call that is cancelled is cancelled at the service', async () => {
	const { promise: reached, resolve: reach } = Promise.withResolvers<void>();
	const { promise: cancelled, resolve: cancel } = Promise.withResolvers<void>();
	grpc.service.watch = (call) => {
		call.on('cancelled', () => cancel());
		call.write(Buffer.from('x'));
		reach();
	};
	const call = caller.serverStream('Watch', Buffer.from('x'));
	const ended = collect(call);
	await reached;
	call.cancel();
	await cancelled;
	assert.equal((await ended).status.code, status.CANCELLED);
	assert.equal((await grpc.entry('Watch')).reason, 'client_closed');
	assert.equal(grpc.gateway.streams.size, 0);
});

test('the deadline of the caller is passed on, less what has gone by, and the service hears of its end', async () => {
	const { promise: cancelled, resolve: cancel } = Promise.withResolvers<void>();
	let leftMs = Number.POSITIVE_INFINITY;
	grpc.service.get = (call) => {
		leftMs = Number(call.getDeadline()) - Date.now();
		call.on('cancelled', () => cancel());
	};
	const answered = await caller.unary('Get', Buffer.from('x'), caller.metadata(), 300);
	assert.equal(answered.status, status.DEADLINE_EXCEEDED);
	await cancelled;
	assert.ok(leftMs <= 300, `${leftMs} ms`);
	assert.match((await grpc.entry('Get')).reason ?? '', /^(?:deadline_exceeded|client_closed)$/);
});

const REFUSED: readonly [string, number, string, () => Promise<{ status: number; details: string }>][] = [
	[
		'no token',
		status.UNAUTHENTICATED,
		'token_missing',
		() => caller.unary('Get', Buffer.from('x'), caller.metadata({}, '')),
	],
	[
		'a token that is none',
		status.UNAUTHENTICATED,
		'token_invalid',
		() => caller.unary('Get', Buffer.from('x'), caller.metadata({}, 'junk')),
	],
	[
		'a scope too few',
		status.PERMISSION_DENIED,
		'insufficient_scope',
		() => caller.unary('Get', Buffer.from('x'), caller.metadata({}, grpc.partner.token({ scopes: ['write'] }))),
	],
	['an unknown method', status.UNIMPLEMENTED, 'route_not_found', () => caller.unary('Nothing', Buffer.from('x'))],
	[
		'a method that is not exposed',
		status.UNIMPLEMENTED,
		'route_not_found',
		() => caller.unary('Hidden', Buffer.from('x')),
	],
	[
		'another service',
		status.UNIMPLEMENTED,
		'route_not_found',
		() => caller.unary('/grpc.health.v1.Health/Check', Buffer.from('')),
	],
	[
		'a message that is too large',
		status.RESOURCE_EXHAUSTED,
		'message_too_large',
		() => caller.unary('Record', Buffer.alloc(70_000)),
	],
];
for (const [what, code, problem, ask] of REFUSED) {
	test(`a stock client is told of ${what} by status ${code} and ${problem}`, async () => {
		const answered = await ask();
		assert.equal(answered.status, code);
		assert.match(answered.details, new RegExp(`^${problem}: `));
		assert.equal(grpc.served.length, 0);
		assert.equal(grpc.gateway.ledger.buffered.at(-1)?.reason ?? grpc.gateway.ledger.durable.at(-1)?.reason, problem);
	});
}

test('a stock client is told of a limit by RESOURCE_EXHAUSTED, and how long to wait', async () => {
	const narrow = await grpc.gateway.onboard({ products: ['ledger'], plan: 'narrow' });
	const other = grpc.caller(narrow);
	grpc.service.get = (call, answer) => answer(null, call.request);
	assert.equal((await other.unary('Get', Buffer.from('x'))).status, status.OK);
	const refused = await other.unary('Get', Buffer.from('x'));
	assert.equal(refused.status, status.RESOURCE_EXHAUSTED);
	assert.match(refused.details, /^limit_exceeded: /);
	assert.ok(Number(refused.trailers?.get('retry-after')[0]) > 0);
	assert.ok(Number(refused.trailers?.get('grpc-retry-pushback-ms')[0]) > 0);
});

test('a stock client is told of a service that is gone by UNAVAILABLE', async () => {
	const gone = await startGrpcGateway(() => Promise.resolve({ origin: 'https://localhost:1', close() {} }));
	try {
		const answered = await gone.caller().unary('Get', Buffer.from('x'));
		assert.equal(answered.status, status.UNAVAILABLE);
		assert.match(answered.details, /^upstream_unreachable: /);
		assert.doesNotMatch(answered.details, /localhost|ECONN/);
	} finally {
		await gone.close();
	}
});

test('an open call ends when its client is disabled, with the reason as status', async () => {
	const { promise: cancelled, resolve: cancel } = Promise.withResolvers<void>();
	grpc.service.chat = (call) => {
		call.on('cancelled', () => cancel());
		call.write(Buffer.from('x'));
	};
	const call = caller.bidi('Chat');
	const ended = collect(call);
	await once(call, 'data');
	const { client } = grpc.partner;
	grpc.gateway.apply({ kind: 'client', record: { ...client, status: 'disabled', revision: 2 } });
	const { status: told } = await ended;
	await cancelled;
	grpc.gateway.apply({ kind: 'client', record: { ...client, revision: 3 } });
	assert.equal(told.code, status.UNAUTHENTICATED);
	assert.match(told.details, /^client_disabled: /);
	assert.equal((await grpc.entry('Chat')).reason, 'client_disabled');
});

test('an open call ends with its token, when it is idle, and after its longest time', async () => {
	grpc.service.chat = (call) => {
		call.on('data', (message: Buffer) => call.write(message));
		call.on('end', () => call.end());
	};
	const nowSeconds = Math.floor(Date.now() / 1000);
	const token = grpc.partner.token({ scopes: ['read'], issuedAtSeconds: nowSeconds, expiresAtSeconds: nowSeconds + 1 });
	const [expired, idle, long] = [
		caller.bidi('Chat', caller.metadata({}, token)),
		caller.bidi('Brief'),
		caller.bidi('Brief'),
	] as const;
	const busy = setInterval(() => long.write(Buffer.from('x')), 50);
	const endings = await Promise.all([collect(expired), collect(idle), collect(long)]);
	clearInterval(busy);
	assert.deepEqual(
		endings.map(({ status: { code, details } }) => `${code} ${details.split(':')[0]}`),
		['16 token_expired', '4 stream_idle', '4 stream_too_long'],
	);
});

test('a durable call is on record before the service hears of it, and its status before the caller does', async () => {
	let before = 0;
	grpc.service.get = (call, answer) => {
		before = grpc.gateway.ledger.durable.length;
		answer(null, call.request);
	};
	assert.equal((await caller.unary('Record', Buffer.from('x'))).status, status.OK);
	assert.equal(before, 1);
	assert.deepEqual(
		grpc.gateway.ledger.durable.map(({ type, facts }) => [type, facts?.['grpc_status']]),
		[
			['gateway.intent', undefined],
			['gateway.request', 0],
		],
	);
});

test('fifty calls at once on one connection, each gets its own answer', async () => {
	grpc.service.get = (call, answer) =>
		setTimeout(() => answer(null, call.request), Number(call.request.toString()) % 5);
	const answers = await Promise.all(
		Array.from({ length: 50 }, (_, index) => caller.unary('Get', Buffer.from(String(index)))),
	);
	assert.deepEqual(
		answers.map(({ message }) => message?.toString()),
		answers.map((_, index) => String(index)),
	);
});

test('an error of the call is an error to the client library, never a hang', async () => {
	grpc.service.put = (_call, answer) => answer({ code: status.ABORTED, details: 'no' });
	const { promise, resolve } = Promise.withResolvers<ServiceError>();
	const call = caller.clientStream('Put', (error) => resolve(error as ServiceError));
	call.write(Buffer.from('x'));
	assert.equal((await promise).code, status.ABORTED);
});
