import { test } from 'node:test';
import assert from 'node:assert/strict';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { encodeEntry } from '../../domain/ledger/encode-entry.ts';
import { canonicalJson } from '../../kernel/canonical-json.ts';
import { ManualClock } from '../../kernel/clock.ts';
import { fault } from '../../kernel/faults.ts';
import { Exchange } from './exchange.ts';
import type { GatewayRoute } from './gateway-route.ts';
import { describeExchange } from './record-exchange.ts';
import type { GatewayContext } from './gateway-context.ts';

const context = { clock: new ManualClock(1_800_000_000_000), tick: () => 12.5 } as unknown as GatewayContext;

/** An exchange of which everything is known that an entry can say. */
function fullExchange(): Exchange {
	const connection = { address: '127.0.0.1', serverName: undefined, certificate: undefined };
	const request = { method: 'GET' } as IncomingMessage;
	const exchange = new Exchange(request, {} as ServerResponse, connection, 'req_1', 1_800_000_000_000, 2.25, false);
	exchange.route = { operation: { method: 'POST', key: 'bank/v1/pay' } } as unknown as GatewayRoute;
	exchange.principal = {
		token: { jti: 'token-id' },
		client: { id: 'cli_1', partnerId: 'prt_1' },
		credential: { id: 'crd_1' },
	} as unknown as NonNullable<Exchange['principal']>;
	exchange.subscription = { id: 'sub_1' } as unknown as NonNullable<Exchange['subscription']>;
	exchange.body = Buffer.from('{}');
	exchange.answerBytes = 7;
	exchange.upstreamStatus = 201;
	exchange.traceparent = `00-${'a'.repeat(32)}-${'b'.repeat(16)}-00`;
	exchange.state = 'aborted';
	return exchange;
}

test('lists the facts of an entry in canonical order, so that it is encoded without being sorted', () => {
	const { facts } = describeExchange(fullExchange(), context, 'gateway.request', undefined, 201);
	const names = Object.entries(facts ?? {})
		.filter(([, value]) => value !== undefined)
		.map(([name]) => name);
	assert.equal(names.length, 10);
	assert.deepEqual(names, names.toSorted());
});

test('gives an entry whose short encoding is its canonical JSON', () => {
	const outcome = fault('upstream_timeout', 'x');
	for (const exchange of [fullExchange(), Object.assign(fullExchange(), { principal: undefined, route: undefined })]) {
		const entry = describeExchange(exchange, context, 'gateway.request', outcome, 504);
		assert.equal(encodeEntry(entry), canonicalJson({ ...entry, actor: { ...entry.actor } }));
	}
});
