// Threat: a source that tries until something gives; a client that claims to be somebody else; a hop that is none; one source
// that takes the whole listener. Raw bytes over TLS on loopback, which is the peer of every connection here.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { test } from 'node:test';
import { connect as connectTls } from 'node:tls';
import { RawConnection } from '../fixture/raw-client.ts';
import {
	startTestGateway,
	type TestGateway,
	type TestGatewayChanges,
	type TestPartner,
} from '../fixture/test-gateway.ts';
import { PIPELINE } from '../../src/services/gateway/pipeline.ts';

const PATH = '/bank/v1/accounts/acc-1001';

/** Runs `work` with a gateway of its own. */
async function withGateway(
	changes: TestGatewayChanges,
	work: (gateway: TestGateway, partner: TestPartner) => Promise<void>,
): Promise<void> {
	const gateway = await startTestGateway(PIPELINE, changes);
	try {
		await work(gateway, await gateway.onboard());
	} finally {
		await gateway.close();
	}
}

function get(
	gateway: TestGateway,
	partner: TestPartner | undefined,
	lines: readonly string[] = [],
	path = PATH,
): string {
	const authorization = partner === undefined ? [] : [`Authorization: Bearer ${partner.token()}`];
	return [`GET ${path} HTTP/1.1`, `Host: ${gateway.authority}`, ...authorization, ...lines, '', ''].join('\r\n');
}

const FEW = { failures: 10, certifiedFailures: 20, blockSecondsMin: 30 };

test('refuses a stranger that keeps failing, and nobody else behind the same address', () =>
	withGateway({ sources: FEW }, async (gateway, partner) => {
		const stranger = await gateway.connect();
		const answers: (number | undefined)[] = [];
		for (let count = 0; count < 13; count++) answers.push((await stranger.send(get(gateway, undefined)))?.status);
		assert.deepEqual(answers, [...Array.from({ length: 11 }, () => 401), 429, 429]);
		const refused = await stranger.send(get(gateway, partner));
		assert.equal(refused?.status, 429);
		const wait = Number(refused?.headers.get('retry-after'));
		assert.ok(wait > 0 && wait <= 31, `Retry-After: ${wait}`);
		assert.equal(gateway.ledger.buffered.at(-1)?.reason, 'source_throttled');
		assert.equal(gateway.ledger.buffered.at(-1)?.actor.address, '127.0.0.1');
		// Another connection of the stranger is no new beginning, and a partner behind the same address is served.
		assert.equal((await gateway.request(undefined, get(gateway, partner)))?.status, 429);
		assert.equal((await gateway.request(partner, get(gateway, partner)))?.status, 200);
		stranger.close();
	}));

test('refuses a partner that tries out the resources of others, on every connection of its certificate, and no other', () =>
	withGateway({ sources: FEW }, async (gateway, partner) => {
		const other = await gateway.onboard();
		const connection = await gateway.connect(partner);
		const answers = new Set<number | undefined>();
		for (let id = 2000; id < 2012; id++) {
			answers.add((await connection.send(get(gateway, partner, [], `/bank/v1/accounts/acc-${id}`)))?.status);
		}
		assert.deepEqual([...answers], [403, 429]);
		assert.equal((await gateway.request(partner, get(gateway, partner)))?.status, 429);
		assert.equal((await gateway.request(other, get(gateway, other)))?.status, 200);
		assert.equal(gateway.seen.length, 1);
		connection.close();
	}));

test('counts what is no HTTP, too', () =>
	withGateway({ sources: FEW }, async (gateway) => {
		for (let count = 0; count < 4; count++)
			assert.equal((await gateway.request(undefined, 'nonsense\r\n\r\n'))?.status, 400);
		assert.equal((await gateway.request(undefined, get(gateway, undefined)))?.status, 429);
	}));

test('a request for a token that has expired is no failure that counts', () =>
	withGateway({ sources: FEW }, async (gateway, partner) => {
		const expired = partner.token({ issuedAtSeconds: 1_700_000_000, expiresAtSeconds: 1_700_000_300 });
		const text = `GET ${PATH} HTTP/1.1\r\nHost: ${gateway.authority}\r\nAuthorization: Bearer ${expired}\r\n\r\n`;
		const connection = await gateway.connect(partner);
		for (let count = 0; count < 40; count++) assert.equal((await connection.send(text))?.status, 401);
		assert.equal((await connection.send(get(gateway, partner)))?.status, 200);
		connection.close();
	}));

// T17: Forwarded and X-Forwarded-For
for (const [field, value] of [
	['X-Forwarded-For', '198.51.100.9'],
	['Forwarded', 'for=198.51.100.9'],
] as const) {
	test(`T17 looks at ${field} from a configured hop only, and never passes it on`, async () => {
		const trusted = { from: ['127.0.0.0/8'], field: field.toLowerCase() as 'forwarded' | 'x-forwarded-for' };
		for (const [trustedHops, expected] of [
			[undefined, '127.0.0.1'],
			[{ ...trusted, from: ['10.0.0.0/8'] }, '127.0.0.1'],
			[trusted, '198.51.100.9'],
		] as const) {
			await withGateway({ protection: { trustedHops } }, async (gateway, partner) => {
				assert.equal((await gateway.request(partner, get(gateway, partner, [`${field}: ${value}`])))?.status, 200);
				const [entry] = gateway.ledger.buffered;
				assert.equal(entry?.actor.address, expected);
				assert.equal(entry?.actor.peer, expected === '127.0.0.1' ? undefined : '127.0.0.1');
				assert.equal(gateway.seen[0]?.headers.has(field.toLowerCase()), false);
				const malformed = await gateway.request(partner, get(gateway, partner, [`${field}: nobody`]));
				assert.equal(malformed?.status, expected === '127.0.0.1' ? 200 : 400);
			});
		}
	});
}

test('T17 tells the clients of a hop apart, and holds them against the lists of the listener', () =>
	withGateway(
		{
			sources: FEW,
			protection: {
				trustedHops: { from: ['127.0.0.1'], field: 'x-forwarded-for' },
				allow: ['198.51.100.0/24'],
				deny: ['198.51.100.66'],
			},
		},
		async (gateway, partner) => {
			const from = (address: string, path = PATH) =>
				gateway.request(partner, get(gateway, partner, [`X-Forwarded-For: ${address}`], path));
			for (let count = 0; count < 11; count++) assert.equal((await from('198.51.100.1', '/nothing'))?.status, 404);
			assert.equal((await from('198.51.100.1'))?.status, 429);
			assert.equal((await from('198.51.100.2'))?.status, 200);
			const spoofed = await from('198.51.100.2, 198.51.100.1');
			assert.equal(spoofed?.status, 429, 'what stands left of the client is its own invention');
			assert.equal((await from('198.51.100.66'))?.status, 403);
			assert.equal((await from('203.0.113.1'))?.status, 403);
			assert.equal(gateway.ledger.buffered.at(-1)?.reason, 'address_denied');
		},
	));

/** Opens TCP, writes `prefix`, and then speaks TLS; rejects when the connection ends before the handshake is over. */
async function connectBehind(
	gateway: TestGateway,
	partner: TestPartner,
	prefix: Buffer | string,
): Promise<RawConnection> {
	const raw = connect(gateway.port, '127.0.0.1');
	raw.write(prefix);
	return RawConnection.open({
		port: gateway.port,
		ca: gateway.rootCa,
		cert: partner.chain,
		key: partner.key,
		socket: raw,
	});
}

const BEHIND = { proxyProtocol: { from: ['127.0.0.1'], headerTimeoutMs: 300 } };
const V1 = 'PROXY TCP4 198.51.100.9 192.0.2.1 4711 443\r\n';
const V2 = Buffer.from(
	'0d0a0d0a000d0a515549540a2111000cc63364090000020112671fbb'.replace('00000201', 'c0000201'),
	'hex',
);

test('takes the client from the PROXY header of a configured hop, version 1 and 2', () =>
	withGateway({ protection: BEHIND }, async (gateway, partner) => {
		for (const header of [V1, V2]) {
			const connection = await connectBehind(gateway, partner, header);
			assert.equal((await connection.send(get(gateway, partner)))?.status, 200);
			assert.deepEqual(
				[gateway.ledger.buffered.at(-1)?.actor.address, gateway.ledger.buffered.at(-1)?.actor.peer],
				['198.51.100.9', '127.0.0.1'],
			);
			connection.close();
		}
	}));

test('closes connections of a hop without a header, with a bad one, or with one that comes too slowly', () =>
	withGateway({ protection: BEHIND }, async (gateway, partner) => {
		await assert.rejects(gateway.connect(partner));
		for (const header of [
			'PROXY TCP4 198.51.100.9 192.0.2.1 4711\r\n',
			'GET / HTTP/1.1\r\n\r\n',
			V1.replace('4', '6'),
		]) {
			await assert.rejects(connectBehind(gateway, partner, header));
		}
		const slow = connect(gateway.port, '127.0.0.1');
		slow.on('error', () => undefined);
		slow.write('PROXY TCP4 ');
		const startedAt = Date.now();
		await once(slow, 'close', { signal: AbortSignal.timeout(5000) });
		assert.ok(Date.now() - startedAt < 3000);
		const { refusedConnections } = gateway.sources.counts(Date.now());
		assert.equal(refusedConnections['proxy-header'], 5);
		assert.equal(gateway.seen.length, 0);
	}));

test('takes a PROXY header from anybody else for bad TLS', async () => {
	for (const proxyProtocol of [undefined, { from: ['10.0.0.0/8'], headerTimeoutMs: 300 }]) {
		await withGateway({ protection: { proxyProtocol } }, async (gateway, partner) => {
			for (const header of [V1, V2]) await assert.rejects(connectBehind(gateway, partner, header));
			assert.equal((await gateway.request(partner, get(gateway, partner)))?.status, 200);
		});
	}
});

test('holds the client of a PROXY header against the lists, and not the hop', () =>
	withGateway(
		{ protection: { ...BEHIND, allow: ['198.51.100.0/24'], deny: ['198.51.100.66'] } },
		async (gateway, partner) => {
			const connection = await connectBehind(gateway, partner, V1);
			assert.equal((await connection.send(get(gateway, partner)))?.status, 200);
			connection.close();
			for (const address of ['198.51.100.66', '203.0.113.1']) {
				await assert.rejects(connectBehind(gateway, partner, V1.replace('198.51.100.9', address)));
			}
			// The hop asks by itself whether somebody is there.
			const own = await connectBehind(gateway, partner, 'PROXY UNKNOWN\r\n');
			assert.equal((await own.send(get(gateway, partner)))?.status, 200);
			own.close();
		},
	));

test('closes connections from addresses that are denied or not allowed, before TLS', async () => {
	for (const protection of [{ deny: ['127.0.0.0/8'] }, { allow: ['203.0.113.0/24'] }, { allow: ['::1'] }]) {
		await withGateway({ protection }, async (gateway, partner) => {
			await assert.rejects(gateway.connect(partner));
			assert.equal(gateway.sources.counts(Date.now()).refusedConnections.address, 1);
		});
	}
});

test('bounds the connections of one source, and takes new ones when others end', () =>
	withGateway({ protection: { connectionsPerSourceMax: 3 } }, async (gateway, partner) => {
		const open = await Promise.all([1, 2, 3].map(() => gateway.connect(partner)));
		await assert.rejects(gateway.connect(partner));
		assert.equal(gateway.sources.counts(Date.now()).refusedConnections['source-connections'], 1);
		open[0]?.close();
		let again: RawConnection | undefined;
		for (let attempt = 0; attempt < 50 && again === undefined; attempt++) {
			again = await gateway.connect(partner).catch(() => undefined);
		}
		assert.equal((await again?.send(get(gateway, partner)))?.status, 200);
		for (const connection of [...open, again]) connection?.close();
	}));

test('cuts the oldest handshakes when too many are in progress, and serves who speaks', () =>
	withGateway({ protection: { handshakesMax: 8 } }, async (gateway, partner) => {
		const idle: Socket[] = [];
		const ended = new Set<Socket>();
		for (let count = 0; count < 40; count++) {
			const socket = connect(gateway.port, '127.0.0.1');
			socket.on('error', () => undefined);
			socket.on('close', () => ended.add(socket));
			idle.push(socket);
			await once(socket, 'connect');
		}
		assert.equal((await gateway.request(partner, get(gateway, partner)))?.status, 200);
		for (let wait = 0; wait < 100 && ended.size < 36; wait++) await new Promise((resolve) => setTimeout(resolve, 20));
		assert.ok(ended.size >= 36, `${ended.size} of 40 were cut`);
		for (const socket of idle) socket.destroy();
		assert.equal((await gateway.request(partner, get(gateway, partner)))?.status, 200);
	}));

test('a connection that was proven and idles is no handshake in progress', () =>
	withGateway({ protection: { handshakesMax: 8 } }, async (gateway, partner) => {
		const idle = await Promise.all(Array.from({ length: 4 }, () => gateway.connect(partner)));
		for (let count = 0; count < 20; count++) {
			const socket = connectTls({ host: '127.0.0.1', port: gateway.port, ca: gateway.rootCa, servername: 'localhost' });
			await once(socket, 'secureConnect');
			idle.push(await gateway.connect(partner));
			socket.destroy();
		}
		for (const connection of idle) {
			assert.equal((await connection.send(get(gateway, partner)))?.status, 200);
			connection.close();
		}
	}));

test('lets a partner with a list of networks in from those alone, as soon as the list is set', () =>
	withGateway({ protection: BEHIND }, async (gateway, partner) => {
		const inside = await connectBehind(gateway, partner, V1);
		const outside = await connectBehind(gateway, partner, V1.replace('198.51.100.9', '203.0.113.1'));
		assert.equal((await outside.send(get(gateway, partner)))?.status, 200);
		gateway.apply({ kind: 'partner', record: { ...partner.partner, allowedNetworks: ['198.51.100.0/24'] } });
		assert.equal((await inside.send(get(gateway, partner)))?.status, 200);
		const refused = await outside.send(get(gateway, partner));
		assert.equal(refused?.status, 403);
		assert.match(refused?.body ?? '', /address_denied/);
		assert.equal(gateway.ledger.buffered.at(-1)?.actor.address, '203.0.113.1');
		gateway.apply({ kind: 'partner', record: partner.partner });
		assert.equal((await outside.send(get(gateway, partner)))?.status, 200);
		for (const connection of [inside, outside]) connection.close();
	}));
