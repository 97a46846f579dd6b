import assert from 'node:assert/strict';
import { mock, test } from 'node:test';
import type { RegistryChange } from '../../domain/registry/change-feed.ts';
import type { Fault } from '../../kernel/faults.ts';
import { fault } from '../../kernel/faults.ts';
import type { Exchange } from './exchange.ts';
import { type OpenStream, OpenStreams } from './open-streams.ts';

interface FakeStream extends OpenStream {
	activityTick: number;
	reason: Fault | undefined;
}

function open(
	streams: OpenStreams,
	client: string,
	changes: Partial<OpenStream> = {},
	expiresAtSeconds = 1000,
): FakeStream {
	const principal = { token: { expiresAtSeconds }, client: { id: client } };
	const stream: FakeStream = {
		exchange: { principal } as unknown as Exchange,
		idleTimeoutMs: 60_000,
		timeMaxMs: 3_600_000,
		activityTick: 0,
		reason: undefined,
		cut(reason) {
			this.reason = reason;
			streams.remove(this);
		},
		...changes,
	};
	streams.add(stream, 0);
	return stream;
}

const REFUSED = fault('client_disabled', 'x');
const clientChange = (id: string) => ({ kind: 'client', record: { id } }) as unknown as RegistryChange;

test('a change of one client is judged for its streams alone, however many others are open', () => {
	let judged = 0;
	const streams = new OpenStreams(
		() => 0,
		() => {
			judged++;
			return REFUSED;
		},
	);
	const all = Array.from({ length: 5000 }, (_, index) => open(streams, `cli_${index % 1000}`));
	streams.rejudge(clientChange('cli_7'));
	assert.equal(judged, 5);
	assert.equal(streams.size, 4995);
	assert.equal(all.filter(({ reason }) => reason === REFUSED).length, 5);
	streams.cutAll(REFUSED);
	assert.equal(streams.size, 0);
});

test('a change of a kind that nobody thought of here is judged for every stream', () => {
	const streams = new OpenStreams(
		() => 0,
		() => REFUSED,
	);
	for (let index = 0; index < 10; index++) open(streams, `cli_${index}`);
	streams.rejudge({ kind: 'something-new', record: {} } as unknown as RegistryChange);
	assert.equal(streams.size, 0);
});

test('a stream that is still good is left alone', () => {
	const streams = new OpenStreams(
		() => 0,
		() => undefined,
	);
	const stream = open(streams, 'cli_1');
	streams.rejudge(clientChange('cli_1'));
	assert.equal(stream.reason, undefined);
	streams.remove(stream);
});

test('ends with its token, its longest time, or a pause that is too long, whichever comes first', () => {
	mock.timers.enable({ apis: ['setTimeout', 'setInterval'] });
	try {
		let now = 0;
		const streams = new OpenStreams(
			() => now,
			() => undefined,
		);
		const advance = (ms: number): void => {
			now += ms;
			mock.timers.tick(ms);
		};
		const expiring = open(streams, 'a', {}, 5);
		const long = open(streams, 'a', { timeMaxMs: 3000 });
		const idle = open(streams, 'a', { idleTimeoutMs: 1000 });
		const busy = open(streams, 'a', { idleTimeoutMs: 1000 });
		for (let step = 0; step < 49; step++) {
			busy.activityTick = now;
			advance(100);
		}
		assert.deepEqual(
			[idle, long, expiring].map(({ reason }) => reason?.code),
			['stream_idle', 'stream_too_long', undefined],
		);
		advance(100);
		assert.deepEqual(
			[expiring, busy].map(({ reason }) => reason?.code),
			['token_expired', undefined],
		);
		streams.remove(busy);
		assert.equal(streams.size, 0);
	} finally {
		mock.timers.reset();
	}
});
