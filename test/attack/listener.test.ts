// Threat: what comes before HTTP, or beside it: tunnels, connections without number, connections that cannot be taken.
// Expected: an answer and an entry where there is somebody to answer, and a listener that goes on listening.
import assert from 'node:assert/strict';
import { EventEmitter, once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import { after, before, test } from 'node:test';
import { connect as connectTls } from 'node:tls';
import {
	type ConnectionGuard,
	createListener,
	type Listener,
	type ListenerOptions,
	listenOn,
} from '../../src/adapters/http/listener.ts';
import { addressOf } from '../../src/adapters/http/peer-facts.ts';
import { createLiveIdentities, type LiveIdentities } from '../fixture/live-identities.ts';
import { RawConnection } from '../fixture/raw-client.ts';
import { startTestGateway, type TestGateway, type TestPartner } from '../fixture/test-gateway.ts';

let gateway: TestGateway;
let partner: TestPartner;
let identities: LiveIdentities;

before(async () => {
	gateway = await startTestGateway();
	partner = await gateway.onboard();
	identities = await createLiveIdentities();
});
after(() => gateway.close());

const get = (): string =>
	`GET /bank/v1/accounts/acc-1001 HTTP/1.1\r\nHost: ${gateway.authority}\r\nAuthorization: Bearer ${partner.token()}\r\n\r\n`;
const tunnel = 'CONNECT localhost:8447 HTTP/1.1\r\nHost: localhost:8447\r\n\r\n';

test('refuses a tunnel, records it, and ends the connection', async () => {
	gateway.ledger.buffered.length = 0;
	const connection = await gateway.connect(partner);
	const response = await connection.send(`${tunnel}${get()}`);
	assert.equal(response?.status, 501);
	assert.equal(await connection.next(), undefined);
	assert.equal(gateway.ledger.buffered.length, 1);
	assert.equal(gateway.ledger.buffered[0]?.reason, 'method_not_implemented');
	assert.equal(gateway.ledger.buffered[0]?.requestId, response?.headers.get('x-request-id'));
});

test('a tunnel that is asked for behind a request never answers in its place', async () => {
	gateway.ledger.buffered.length = 0;
	const connection = await gateway.connect(partner);
	assert.equal((await connection.send(`${get()}${tunnel}`))?.status, 200);
	assert.equal((await connection.next())?.status, 501);
	assert.equal(await connection.next(), undefined);
	assert.ok(gateway.ledger.buffered.some(({ reason }) => reason === 'method_not_implemented'));
});

test('a connection that cannot be taken does not end the listener', async () => {
	const server = createServer((socket) => socket.destroy());
	const port = await listenOn(server, '127.0.0.1', 0, false);
	try {
		// What Node emits for `accept EMFILE`.
		server.emit('error', Object.assign(new Error('accept EMFILE'), { code: 'EMFILE' }));
		const socket = connect(port, '127.0.0.1');
		await once(socket, 'connect');
		socket.destroy();
	} finally {
		server.close();
	}
});

test('closes connections above the bound of the listener, and takes new ones when others end', async () => {
	const taken = new EventEmitter();
	const listener = await open({ connectionsMax: 2, guard: (socket) => taken.emit('taken', socket) });
	const port = await listener.listen('127.0.0.1', 0, false);
	try {
		const first = connect(port, '127.0.0.1');
		const [served] = (await once(taken, 'taken')) as [Socket];
		const second = connect(port, '127.0.0.1');
		await once(taken, 'taken');
		const third = connect(port, '127.0.0.1');
		third.on('error', () => undefined);
		await once(third, 'close', { signal: AbortSignal.timeout(5000) });
		first.destroy();
		await once(served, 'close');
		const fourth = connect(port, '127.0.0.1');
		await Promise.all([once(taken, 'taken'), once(fourth, 'connect')]);
		for (const socket of [second, fourth]) socket.destroy();
	} finally {
		await listener.close(0);
	}
});

test('a guard reads its part of the bytes, and tells from where the connection comes', async () => {
	const prefix = 'FROM 192.0.2.7\n';
	const guard: ConnectionGuard = (socket, pass) => {
		socket.once('data', (bytes: Buffer) => {
			socket.pause();
			socket.unshift(bytes.subarray(prefix.length));
			pass({ address: '192.0.2.7' });
		});
	};
	const seen: string[] = [];
	const listener = await open({
		guard,
		serve: (_request, response, socket) => {
			seen.push(addressOf(socket));
			response.end();
		},
	});
	const port = await listener.listen('127.0.0.1', 0, false);
	try {
		const raw = connect(port, '127.0.0.1');
		raw.cork();
		raw.write(prefix);
		setImmediate(() => raw.uncork());
		const socket = connectTls({ socket: raw, ca: identities.ca, servername: 'localhost' });
		await once(socket, 'secureConnect');
		socket.write('GET / HTTP/1.1\r\nHost: localhost\r\n\r\n');
		const [answer] = (await once(socket, 'data')) as [Buffer];
		assert.match(answer.toString(), /^HTTP\/1\.1 200 /);
		assert.deepEqual(seen, ['192.0.2.7']);
		socket.destroy();
	} finally {
		await listener.close(0);
	}
});

test('a request whose head does not come in time is answered 408', async () => {
	const refused: string[] = [];
	const listener = await open({
		timeouts: { headersMs: 200 },
		onRefusal: (_socket, { code }) => {
			refused.push(code);
			return 'req_1';
		},
	});
	const port = await listener.listen('127.0.0.1', 0, false);
	try {
		const connection = await RawConnection.open({ port, ca: identities.ca });
		const response = await connection.send('GET / HTTP/1.1\r\nHost: local');
		assert.equal(response?.status, 408);
		assert.deepEqual(refused, ['request_timeout']);
		assert.equal(await connection.next(), undefined);
	} finally {
		await listener.close(0);
	}
});

async function open(changes: Partial<ListenerOptions>): Promise<Listener> {
	const { key, cert } = await identities.server();
	return createListener({
		identity: { key, chain: cert },
		clientAuthorities: [identities.ca],
		serve: (_request, response) => response.end(),
		onRefusal: () => 'req_1',
		...changes,
	});
}
