import assert from 'node:assert/strict';
import { after, before, beforeEach, test } from 'node:test';
import type { Connection } from '../../domain/certificate/connection.ts';
import { ipSetOf } from '../../domain/network/ip-set.ts';
import { makeMember, RecordingThrottle, startWorld, type World } from '../../../test/fixture/token-world.ts';

const GRANT = 'grant_type=client_credentials';
const good = makeMember('Good', ['reading']);
const throttle = new RecordingThrottle();
const HOP: Connection = { address: '10.0.0.1', serverName: undefined, certificate: undefined };
let world: World;
let connection: Connection;

before(async () => {
	world = await startWorld([good], {
		connection: () => connection,
		sources: {
			throttle,
			protection: {
				admits: (address) => !ipSetOf(['198.51.100.66']).has(address),
				trustedHops: { hops: ipSetOf(['10.0.0.1']), field: 'x-forwarded-for' },
			},
		},
	});
});
after(() => world.close());
beforeEach(() => {
	connection = { address: '203.0.113.7', serverName: undefined, certificate: undefined };
	throttle.failures.length = 0;
	throttle.waitSeconds = 0;
	world.audit.entries.length = 0;
	world.change({ kind: 'partner', record: good.partner });
});

test('counts a failed authentication against its source, and no success', async () => {
	assert.equal((await world.ask(GRANT)).status, 200);
	assert.equal((await world.ask(GRANT, 'none')).status, 401);
	assert.deepEqual(throttle.failures, ['203.0.113.7 oauth_invalid_client']);
});

test('refuses a source that has failed too often, before its request is read, and says for how long', async () => {
	throttle.waitSeconds = 30;
	const answer = await world.ask(GRANT);
	assert.equal(answer.status, 429);
	assert.equal(answer.headers.get('retry-after'), '30');
	assert.deepEqual(
		world.audit.entries.map(({ reason, actor }) => [reason, actor.address]),
		[['source_throttled', '203.0.113.7']],
	);
});

test('tells the clients of a trusted hop apart, and believes nobody else', async () => {
	const from = (value: string) => world.ask(GRANT, 'none', { headers: { 'x-forwarded-for': value } });
	await from('198.51.100.9');
	connection = HOP;
	await from('198.51.100.9');
	assert.equal((await from('nobody')).status, 400);
	assert.equal((await from('198.51.100.66')).status, 403);
	assert.deepEqual(
		world.audit.entries.map(({ actor }) => [actor.address, actor.peer]),
		[
			['203.0.113.7', undefined],
			['198.51.100.9', '10.0.0.1'],
			['10.0.0.1', undefined],
			['198.51.100.66', '10.0.0.1'],
		],
	);
});

test('issues no token to a client that calls from elsewhere than its partner said', async () => {
	world.change({ kind: 'partner', record: { ...good.partner, allowedNetworks: ['192.0.2.0/24'] } });
	const answer = await world.ask(GRANT);
	assert.deepEqual([answer.status, answer.body['error']], [403, 'unauthorized_client']);
	assert.equal(world.audit.entries[0]?.reason, 'address_denied');
	connection = { ...connection, address: '192.0.2.9' };
	assert.equal((await world.ask(GRANT)).status, 200);
});

test('issues no token to a web page', async () => {
	const answer = await world.ask(GRANT, 'good', { headers: { origin: 'https://app.partner.example' } });
	assert.equal(answer.status, 403);
	assert.equal(world.audit.entries[0]?.reason, 'origin_refused');
	assert.equal(answer.headers.has('access-control-allow-origin'), false);
});
