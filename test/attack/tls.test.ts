// Threat: what is agreed on before HTTP: old versions and weak groups, certificates for the wrong name, sessions that outlive
// the trust that they were made with (T20, T25). Expected: no handshake, or a connection on which nothing is believed.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect as connectTcp } from 'node:net';
import { after, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { connect, type ConnectionOptions, type TLSSocket } from 'node:tls';
import type { GroupName } from '../../src/adapters/http/client-hello.ts';
import { createListener, type Listener, type ListenerOptions } from '../../src/adapters/http/listener.ts';
import { PIPELINE } from '../../src/services/gateway/pipeline.ts';
import { createLiveIdentities, type LiveIdentities } from '../fixture/live-identities.ts';
import { RawConnection } from '../fixture/raw-client.ts';
import { startTestGateway, type TestGateway, type TestPartner } from '../fixture/test-gateway.ts';

let identities: LiveIdentities;
let gateway: TestGateway;
let partner: TestPartner;

before(async () => {
	identities = await createLiveIdentities();
	gateway = await startTestGateway(PIPELINE, { namesOfOtherCertificates: ['other.example'] });
	partner = await gateway.onboard();
});
after(() => gateway.close());

async function identity(...names: string[]): Promise<{ readonly chain: string; readonly key: string }> {
	const { key, cert } = await identities.server(...names);
	return { chain: cert, key };
}

/** Runs `work` with a listener that answers every request with 204. */
async function withListener(
	changes: Partial<ListenerOptions>,
	work: (listener: Listener, port: number) => Promise<void>,
): Promise<void> {
	const listener = createListener({
		identity: await identity('localhost'),
		clientAuthorities: [identities.ca],
		serve: (_request, response) => {
			response.writeHead(204);
			response.end();
		},
		onRefusal: () => 'req_1',
		...changes,
	});
	const port = await listener.listen('127.0.0.1', 0, false);
	try {
		await work(listener, port);
	} finally {
		await listener.close(0);
	}
}

/** Makes a handshake; gives the socket, or undefined when it fails. */
function handshake(port: number, options: ConnectionOptions = {}): Promise<TLSSocket | undefined> {
	return new Promise((resolve) => {
		const socket = connect({ host: '127.0.0.1', port, ca: identities.ca, servername: 'localhost', ...options }, () =>
			resolve(socket),
		);
		socket.on('error', () => resolve(undefined));
		socket.on('close', () => resolve(undefined));
	});
}

const nameOf = (socket: TLSSocket | undefined): string | undefined => socket?.getPeerX509Certificate()?.subjectAltName;

for (const [offered, version, expected] of [
	[undefined, 'TLSv1.3', 'X25519MLKEM768'],
	['X25519:X25519MLKEM768', 'TLSv1.3', 'X25519MLKEM768'],
	['prime256v1:X25519:X25519MLKEM768', 'TLSv1.3', 'X25519MLKEM768'],
	['X25519', 'TLSv1.3', 'X25519'],
	['prime256v1:secp521r1', 'TLSv1.3', 'secp256r1'],
	['prime256v1:X25519', 'TLSv1.3', 'secp256r1'],
	['secp384r1', 'TLSv1.3', 'secp384r1'],
	['X25519:prime256v1', 'TLSv1.2', 'X25519'],
	['secp384r1:prime256v1', 'TLSv1.2', 'secp256r1'],
] as const) {
	test(`check 63: a ${version} client with the groups ${offered ?? 'of its own choice'} gets, and is reported with, ${expected}`, async () => {
		const reported: [string, GroupName][] = [];
		await withListener(
			{ onHandshake: (protocol, group) => reported.push([protocol, group]) },
			async (_listener, port) => {
				const socket = await handshake(port, {
					maxVersion: version,
					...(offered === undefined ? undefined : { ecdhCurve: offered }),
				});
				assert.ok(socket !== undefined);
				const used = (socket.getEphemeralKeyInfo() as { readonly name?: string }).name;
				assert.equal(used === 'prime256v1' ? 'secp256r1' : used, expected);
				socket.write('GET / HTTP/1.1\r\nHost: localhost\r\n\r\n');
				await once(socket, 'data');
				socket.destroy();
				assert.deepEqual(reported, [[version, expected]]);
			},
		);
	});
}

test('check 63: with postQuantum: require, classical clients and TLS 1.2 are refused', async () => {
	await withListener({ postQuantum: 'require' }, async (_listener, port) => {
		assert.equal(await handshake(port, { ecdhCurve: 'X25519:prime256v1' }), undefined);
		assert.equal(await handshake(port, { maxVersion: 'TLSv1.2' }), undefined);
		const socket = await handshake(port);
		assert.ok(socket !== undefined);
		assert.equal((socket.getEphemeralKeyInfo() as { readonly name?: string }).name, 'X25519MLKEM768');
		socket.destroy();
	});
});

test('check 62: refuses versions below TLS 1.2, suites without forward secrecy or authenticated encryption, and renegotiation', async () => {
	await withListener({}, async (_listener, port) => {
		const old = { minVersion: 'TLSv1', ciphers: 'DEFAULT@SECLEVEL=0' } as const;
		assert.equal(await handshake(port, { ...old, maxVersion: 'TLSv1.1' }), undefined);
		for (const ciphers of [
			'AES128-GCM-SHA256',
			'ECDHE-ECDSA-AES128-SHA256',
			'DHE-RSA-AES128-GCM-SHA256',
			'NULL-SHA256',
		]) {
			const offered = { maxVersion: 'TLSv1.2', ciphers: `${ciphers}@SECLEVEL=0` } as const;
			assert.equal(await handshake(port, offered), undefined, ciphers);
		}
		const socket = await handshake(port, { maxVersion: 'TLSv1.2' });
		const outcome = await Promise.race([
			new Promise((resolve) => socket?.renegotiate({}, (error) => resolve(error ?? 'renegotiated'))),
			sleep(500).then(() => 'unanswered'),
		]);
		assert.notEqual(outcome, 'renegotiated');
		socket?.destroy();
	});
});

test('shows each name its certificate, in any case of the name, and none to an unknown name (T20)', async () => {
	const other = { ...(await identity('other.example')), names: ['other.example'] };
	await withListener({ names: ['localhost'], certificates: [other] }, async (_listener, port) => {
		assert.equal(nameOf(await handshake(port)), 'DNS:localhost');
		assert.equal(nameOf(await handshake(port, { servername: 'LocalHost' })), 'DNS:localhost');
		assert.equal(nameOf(await handshake(port, { servername: 'other.example' })), 'DNS:other.example');
		const noCheck = { checkServerIdentity: () => undefined };
		assert.equal(nameOf(await handshake(port, { servername: 'OTHER.Example', ...noCheck })), 'DNS:other.example');
		assert.equal(nameOf(await handshake(port, { servername: '', ...noCheck })), 'DNS:localhost');
		for (const servername of ['evil.example', 'sub.other.example', 'localhost.', '*']) {
			assert.equal(await handshake(port, { servername, ...noCheck }), undefined, servername);
		}
	});
});

test('check 108: a connection without a server name is served the names of its certificate only (T20)', async () => {
	const { port, rootCa } = gateway;
	const options = { port, ca: rootCa, cert: partner.chain, key: partner.key, servername: '' };
	for (const [host, status] of [
		[`localhost:${port}`, 200],
		[`other.example:${port}`, 421],
	] as const) {
		const connection = await RawConnection.open({ ...options, checkServerIdentity: () => undefined });
		const response = await connection.send(
			`GET /bank/v1/accounts/acc-1001 HTTP/1.1\r\nHost: ${host}\r\nAuthorization: Bearer ${partner.token()}\r\n\r\n`,
		);
		assert.equal(response?.status, status);
		connection.close();
	}
});

test('the key exchange stands in the ledger', async () => {
	gateway.ledger.buffered.length = 0;
	await gateway.request(partner, `GET /bank/v1/nothing HTTP/1.1\r\nHost: ${gateway.authority}\r\n\r\n`);
	assert.equal(gateway.ledger.buffered[0]?.facts?.['tls'], 'TLSv1.3 X25519MLKEM768');
});

test('another certificate is shown from the next handshake on, and open connections live on', async () => {
	const further = { ...(await identity('other.example')), names: ['other.example'] };
	await withListener({ names: ['localhost'], certificates: [further] }, async (listener, port) => {
		const open = await RawConnection.open({ port, ca: identities.ca });
		const serial = open.socket.getPeerX509Certificate()?.serialNumber;
		listener.replaceIdentity(await identity('localhost'), [
			{ ...(await identity('new.example')), names: ['new.example'] },
		]);
		assert.equal((await open.send('GET / HTTP/1.1\r\nHost: localhost\r\n\r\n'))?.status, 204);
		open.close();
		const renewed = await handshake(port);
		assert.ok(renewed?.authorized);
		assert.notEqual(renewed.getPeerX509Certificate()?.serialNumber, serial);
		assert.equal(nameOf(await handshake(port, { servername: 'new.example' })), 'DNS:new.example');
		assert.equal(await handshake(port, { servername: 'other.example' }), undefined);
		// One that cannot be used changes nothing.
		assert.throws(() => listener.replaceIdentity({ chain: 'no certificate', key: 'no key' }));
		assert.ok((await handshake(port))?.authorized);
	});
});

/** Opens a connection, waits for a ticket, and gives it. */
async function ticketOf(port: number, options: ConnectionOptions): Promise<Buffer> {
	const socket = connect({ host: '127.0.0.1', port, servername: 'localhost', ...options });
	const [session] = (await once(socket, 'session')) as [Buffer];
	socket.destroy();
	return session;
}

for (const maxVersion of ['TLSv1.2', 'TLSv1.3'] as const) {
	test(`${maxVersion}: tickets under replaced keys resume nothing (T25)`, async () => {
		await withListener({ ticketKeys: Buffer.alloc(48, 1) }, async (listener, port) => {
			const options = { ca: identities.ca, maxVersion };
			const session = await ticketOf(port, options);
			const resumed = await handshake(port, { ...options, session });
			assert.equal(resumed?.isSessionReused(), true);
			resumed.destroy();
			// A new certificate does not change the keys by itself: all threads have the same ones.
			listener.replaceIdentity(await identity('localhost'));
			assert.equal((await handshake(port, { ...options, session }))?.isSessionReused(), true);
			listener.setTicketKeys(Buffer.alloc(48, 2));
			const full = await handshake(port, { ...options, session });
			assert.equal(full?.isSessionReused(), false);
			full.destroy();
		});
	});
}

test('a resumed session without a certificate is not authenticated by whoever else had one (T25)', async () => {
	const { port, rootCa } = gateway;
	const session = await ticketOf(port, { ca: rootCa });
	const connection = await RawConnection.open({ port, ca: rootCa, cert: partner.chain, key: partner.key, session });
	assert.equal(connection.socket.isSessionReused(), true);
	const response = await connection.send(
		`GET /bank/v1/accounts/acc-1001 HTTP/1.1\r\nHost: ${gateway.authority}\r\nAuthorization: Bearer ${partner.token()}\r\n\r\n`,
	);
	assert.equal(response?.status, 401);
	connection.close();
});

test('check 108: a connection that sends no ClientHello is closed in time, and so is one that sends something else', async () => {
	await withListener({ timeouts: { handshakeMs: 300 } }, async (_listener, port) => {
		for (const bytes of [
			'',
			'\x16',
			'\x16\x03\x01\x40',
			'GET / HTTP/1.1\r\n\r\n',
			`\x16\x03\x01\x00\x05\x01\x00\x00\x01\x00`,
		]) {
			const socket = connectTcp(port, '127.0.0.1');
			socket.on('error', () => undefined);
			socket.write(Buffer.from(bytes, 'latin1'));
			socket.resume();
			await once(socket, 'close', { signal: AbortSignal.timeout(5000) });
		}
		assert.ok((await handshake(port))?.authorized);
	});
});

test('staples the OCSP answer about the certificate that is shown, and about no other', async () => {
	const staple = Buffer.from('an OCSP answer');
	const main = { ...(await identity('localhost')), staple };
	const other = { ...(await identity('other.example')), names: ['other.example'] };
	await withListener({ identity: main, names: ['localhost'], certificates: [other] }, async (_listener, port) => {
		for (const [servername, expected] of [
			['localhost', staple],
			['other.example', null],
		] as const) {
			const socket = connect({ host: '127.0.0.1', port, ca: identities.ca, servername, requestOCSP: true });
			const [shown] = (await once(socket, 'OCSPResponse')) as [Buffer | null];
			assert.deepEqual(shown, expected);
			socket.destroy();
		}
	});
});
