// Threat: what comes before HTTP, or beside it: tunnels, connections without number, connections that cannot be taken.
// Expected: an answer and an entry where there is somebody to answer, and a listener that goes on listening.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { after, before, test } from 'node:test';
import { closeServer, createTlsServer, listenOn } from '../../src/adapters/http/tls-server.ts';
import { createLiveIdentities, type LiveIdentities } from '../fixture/live-identities.ts';
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
	const response = await connection.send(`${get()}${tunnel}`);
	assert.ok(response === undefined || response.status === 200);
	assert.ok(gateway.ledger.buffered.some(({ reason }) => reason === 'method_not_implemented'));
	connection.close();
});

test('a connection that cannot be taken does not end the listener', async () => {
	const { key, cert } = await identities.server();
	const server = createTlsServer({ identity: { key, chain: cert }, clientAuthorities: [identities.ca] });
	const port = await listenOn(server, '127.0.0.1', 0, false);
	try {
		// What Node emits for `accept EMFILE`.
		server.emit('error', Object.assign(new Error('accept EMFILE'), { code: 'EMFILE' }));
		const socket = connect(port, '127.0.0.1');
		await once(socket, 'connect');
		socket.destroy();
	} finally {
		await closeServer(server, 0);
	}
});

test('closes connections above the bound of the listener, and takes new ones when others end', async () => {
	const { key, cert } = await identities.server();
	const identity = { key, chain: cert };
	const server = createTlsServer({ identity, clientAuthorities: [identities.ca], connectionsMax: 2 });
	const port = await listenOn(server, '127.0.0.1', 0, false);
	try {
		const first = connect(port, '127.0.0.1');
		const [taken] = (await once(server, 'connection')) as [Socket];
		const second = connect(port, '127.0.0.1');
		await once(server, 'connection');
		const dropped = once(server, 'drop', { signal: AbortSignal.timeout(5000) });
		const third = connect(port, '127.0.0.1');
		third.on('error', () => undefined);
		await Promise.all([dropped, once(third, 'close')]);
		first.destroy();
		await once(taken, 'close');
		const fourth = connect(port, '127.0.0.1');
		await Promise.all([once(server, 'connection'), once(fourth, 'connect')]);
		for (const socket of [second, fourth]) socket.destroy();
	} finally {
		await closeServer(server, 0);
	}
});
