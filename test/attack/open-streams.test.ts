// Threat: whoever opened a stream while it was allowed keeps it when it is not any more: a token that expires or is
// revoked, a credential, client, partner or subscription that ends. Each cuts the stream, in both directions, in the
// turn in which the change is applied, and the entry says why. Streams of others go on.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import type { IncomingMessage } from 'node:http';
import { after, before, beforeEach, test } from 'node:test';
import type { RegistryChange } from '../../src/domain/registry/change-feed.ts';
import { STOPPING } from '../../src/services/gateway/open-streams.ts';
import { pause, startStreamGateway, type StreamGateway } from '../fixture/stream-gateway.ts';
import type { TestPartner } from '../fixture/test-gateway.ts';

/** How long the two sides may take to hear of it, on a machine that does other things as well. */
const CUT_MS_MAX = 2000;

let files: StreamGateway;
let other: TestPartner;

before(async () => {
	files = await startStreamGateway();
	other = await files.gateway.onboard({ products: ['files'], accounts: ['f1'] });
});
after(() => files.close());
beforeEach(() => {
	files.gateway.ledger.buffered.length = 0;
});

interface OpenedStream {
	readonly token: string;
	/** Resolves with the time when the service lost the connection. */
	readonly serviceLost: Promise<number>;
	/** Resolves with the time when the partner lost it. */
	readonly partnerLost: Promise<number>;
	readonly response: IncomingMessage;
	close(): void;
}

/** Opens a download that goes on and on. */
async function openStream(partner: TestPartner, token = partner.token({ scopes: ['files'] })): Promise<OpenedStream> {
	let serviceLost: Promise<number> | undefined;
	files.service = (request, response) => {
		response.writeHead(200, { 'content-type': 'application/octet-stream' });
		const timer = setInterval(() => response.write('tick'), 20);
		serviceLost = new Promise((resolve) => {
			request.socket.once('close', () => {
				clearInterval(timer);
				resolve(performance.now());
			});
		});
	};
	const request = files.request('GET', '/files/f1', {
		cert: partner.chain,
		key: partner.key,
		headers: { authorization: `Bearer ${token}` },
	});
	request.on('error', () => {});
	request.end();
	const [response] = (await once(request, 'response')) as [IncomingMessage];
	assert.equal(response.statusCode, 200);
	const partnerLost = new Promise<number>((resolve) => {
		response.on('error', () => {});
		response.on('close', () => resolve(performance.now()));
		response.resume();
	});
	if (serviceLost === undefined) throw new Error('the service was not reached');
	return { token, serviceLost, partnerLost, response, close: () => request.destroy() };
}

function jtiOf(token: string): string {
	return (JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString()) as { jti: string }).jti;
}

interface Revocation {
	readonly what: string;
	readonly reason: string;
	change(partner: TestPartner, token: string): RegistryChange;
}

const REVOCATIONS: readonly Revocation[] = [
	{
		what: 'its token is revoked',
		reason: 'token_revoked',
		change: (_partner, token) => ({
			kind: 'token-revocation',
			record: { jti: jtiOf(token), expiresAtSeconds: 4_000_000_000, revokedAtMs: 1 },
		}),
	},
	{
		what: 'every token of the client is revoked',
		reason: 'token_revoked',
		change: ({ client }) => ({ kind: 'client', record: { ...client, tokensNotBeforeSeconds: 4_000_000_000 } }),
	},
	{
		what: 'its credential is revoked',
		reason: 'credential_revoked',
		change: ({ credential }) => ({ kind: 'credential', record: { ...credential, status: 'revoked' } }),
	},
	{
		what: 'the client is disabled',
		reason: 'client_disabled',
		change: ({ client }) => ({ kind: 'client', record: { ...client, status: 'disabled' } }),
	},
	{
		what: 'the partner is suspended',
		reason: 'partner_suspended',
		change: ({ partner }) => ({ kind: 'partner', record: { ...partner, status: 'suspended' } }),
	},
	{
		what: 'the subscription ends',
		reason: 'subscription_missing',
		change: ({ subscriptions }) => ({
			kind: 'subscription',
			record: { ...(subscriptions[0] as TestPartner['subscriptions'][number]), status: 'ended' },
		}),
	},
	{
		what: 'the resource is not granted any more',
		reason: 'resource_denied',
		change: ({ subscriptions }) => ({
			kind: 'subscription',
			record: { ...(subscriptions[0] as TestPartner['subscriptions'][number]), grants: { account: ['f2'] } },
		}),
	},
];

const OTHER_NETWORK: Revocation = {
	what: 'the partner is not to call from there any more',
	reason: 'address_denied',
	change: ({ partner }) => ({ kind: 'partner', record: { ...partner, allowedNetworks: ['192.0.2.0/24'] } }),
};

for (const { what, reason, change } of [...REVOCATIONS, OTHER_NETWORK]) {
	test(`a stream is cut in both directions when ${what}`, async () => {
		const partner = await files.gateway.onboard({ products: ['files'], accounts: ['f1'] });
		const bystander = await openStream(other);
		const stream = await openStream(partner);
		const revokedAt = performance.now();
		files.gateway.apply(change(partner, stream.token));
		assert.equal(files.gateway.streams.size, 1, 'cut before the change is confirmed');
		const cutAfter = Math.max(await stream.serviceLost, await stream.partnerLost) - revokedAt;
		assert.ok(cutAfter < CUT_MS_MAX, `cut after ${cutAfter.toFixed(0)} ms`);
		assert.equal(stream.response.complete, false);
		const entry = await files.entry('download');
		assert.deepEqual([entry.decision, entry.status, entry.reason], ['permit', 200, reason]);
		assert.equal(entry.actor.client, partner.client.id);
		await pause(50);
		assert.equal(bystander.response.destroyed, false);
		bystander.close();
		await bystander.serviceLost;
	});
}

test('every stream is cut whose certificate comes from an authority that lost its trust at once', async () => {
	const { gateway } = files;
	const partner = await gateway.onboard({ products: ['files'], accounts: ['f1'] });
	const stream = await openStream(partner);
	const trusted = gateway.trustsAuthority;
	const keyId = gateway.authorities.partnerIssuing.keyId.toString('hex');
	assert.ok(trusted(keyId) && !trusted('00'));
	gateway.trustsAuthority = (id) => id !== keyId;
	try {
		const { certificatePem } = gateway.authorities.root;
		const record = { id: 'root', name: 'root', certificatePem, untrusted: [certificatePem] } as const;
		gateway.apply({ kind: 'authority', record });
		assert.equal(gateway.streams.size, 0, 'cut before the change is confirmed');
		await Promise.all([stream.serviceLost, stream.partnerLost]);
		assert.equal((await files.entry('download')).reason, 'certificate_invalid');
	} finally {
		gateway.trustsAuthority = trusted;
		stream.close();
	}
});

test('every stream is cut whose token was signed by a key that is revoked', async () => {
	const { record } = files.gateway.tokenKey;
	const stream = await openStream(other);
	files.gateway.apply({ kind: 'signing-key', record: { ...record, revokedAtMs: Date.now() } });
	assert.equal(files.gateway.streams.size, 0, 'cut before the change is confirmed');
	await Promise.all([stream.serviceLost, stream.partnerLost]);
	assert.equal((await files.entry('download')).reason, 'token_revoked');
	files.gateway.apply({ kind: 'signing-key', record });
});

for (const { what, reason, change } of [...REVOCATIONS, OTHER_NETWORK].filter(
	({ reason }) => reason !== 'resource_denied',
)) {
	test(`no stream is opened when ${what} while its intent is written down`, async () => {
		const partner = await files.gateway.onboard({ products: ['files'], accounts: ['f1'] });
		const token = partner.token({ scopes: ['files'] });
		const { ledger } = files.gateway;
		const [recordDurable, reached] = [ledger.recordDurable, files.served.length];
		ledger.recordDurable = async (entry) => {
			ledger.recordDurable = recordDurable;
			files.gateway.apply(change(partner, token));
			return ledger.recordDurable(entry);
		};
		const request = files.request('PATCH', '/files/f1', {
			cert: partner.chain,
			key: partner.key,
			headers: { authorization: `Bearer ${token}`, 'content-type': 'application/octet-stream' },
		});
		request.on('error', () => {});
		request.end('one');
		const [response] = (await once(request, 'response')) as [IncomingMessage];
		response.resume();
		const entry = await files.entry('record');
		assert.deepEqual([entry.decision, entry.reason], ['deny', reason]);
		assert.equal(files.served.length, reached, 'the service heard of it');
		assert.equal(files.gateway.streams.size, 0);
		request.destroy();
		ledger.durable.length = 0;
	});
}

test('no WebSocket is opened when its token is revoked while the service makes up its mind', async () => {
	const token = other.token({ scopes: ['files'] });
	let isLost: Promise<unknown> | undefined;
	files.upgrade = (request, socket) => {
		isLost = once(socket, 'close');
		files.gateway.apply({
			kind: 'token-revocation',
			record: { jti: jtiOf(token), expiresAtSeconds: 4_000_000_000, revokedAtMs: 1 },
		});
		const accept = createHash('sha1')
			.update(`${request.headers['sec-websocket-key'] ?? ''}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`)
			.digest('base64');
		socket.on('error', () => {});
		socket.on('end', () => socket.end());
		socket.resume();
		socket.write(
			`HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${accept}\r\n\r\n`,
		);
	};
	const request = files.request('GET', '/socket', {
		cert: other.chain,
		key: other.key,
		headers: {
			authorization: `Bearer ${token}`,
			connection: 'Upgrade',
			upgrade: 'websocket',
			'sec-websocket-version': '13',
			'sec-websocket-key': 'AAECAwQFBgcICQoLDA0ODw==',
		},
	});
	request.on('error', () => {});
	request.end();
	const opened = once(request, 'upgrade').then(() => 101);
	const refused = (once(request, 'response') as Promise<[IncomingMessage]>).then(([{ statusCode }]) => statusCode);
	assert.equal(await Promise.race([opened, refused]), 401);
	await isLost;
	assert.equal((await files.entry('socket')).reason, 'token_revoked');
	assert.equal(files.gateway.streams.size, 0);
	request.destroy();
});

test('a gateway that stops says so in the entries of the streams that it ends', async () => {
	const stream = await openStream(other);
	files.gateway.streams.cutAll(STOPPING);
	await stream.serviceLost;
	await stream.partnerLost;
	assert.equal(stream.response.complete, false);
	assert.equal((await files.entry('download')).reason, 'gateway_stopping');
});

test('a stream ends when its token does', async () => {
	const issuedAtSeconds = Math.floor(Date.now() / 1000);
	const token = other.token({ scopes: ['files'], issuedAtSeconds, expiresAtSeconds: issuedAtSeconds + 2 });
	const stream = await openStream(other, token);
	await stream.serviceLost;
	await stream.partnerLost;
	const late = Date.now() - (issuedAtSeconds + 2) * 1000;
	assert.ok(late >= 0 && late < CUT_MS_MAX, `${late} ms after the expiry`);
	assert.equal((await files.entry('download')).reason, 'token_expired');
});

test('a stream ends, within seconds, when its credential does before its token, and nobody changes a record then', async () => {
	const partner = await files.gateway.onboard({ products: ['files'], accounts: ['f1'] });
	const stream = await openStream(partner);
	const notAfterMs = Date.now() + 1000;
	files.gateway.apply({ kind: 'credential', record: { ...partner.credential, notAfterMs, revision: 2 } });
	assert.equal(files.gateway.streams.size, 1);
	const isLost = Promise.all([stream.serviceLost, stream.partnerLost]).then(() => true);
	assert.equal(await Promise.race([isLost, pause(10_000)]), true);
	assert.ok(Date.now() >= notAfterMs, 'cut too early');
	assert.equal((await files.entry('download')).reason, 'credential_revoked');
	stream.close();
});

test('an upload whose token is revoked is refused while it comes, and does not look complete to the service', async () => {
	const partner = await files.gateway.onboard({ products: ['files'], accounts: ['f1'] });
	const { promise: isComplete, resolve: settle } = Promise.withResolvers<boolean>();
	const { promise: reached, resolve: arrive } = Promise.withResolvers<void>();
	files.service = (request) => {
		request.on('error', () => settle(false));
		request.on('end', () => settle(true));
		request.resume();
		arrive();
	};
	const token = partner.token({ scopes: ['files'] });
	const request = files.request('PUT', '/files/f1', {
		cert: partner.chain,
		key: partner.key,
		headers: { authorization: `Bearer ${token}`, 'content-type': 'application/octet-stream' },
	});
	request.on('error', () => {});
	request.write('one');
	await reached;
	const answered = once(request, 'response') as Promise<[IncomingMessage]>;
	files.gateway.apply({
		kind: 'token-revocation',
		record: { jti: jtiOf(token), expiresAtSeconds: 4_000_000_000, revokedAtMs: 1 },
	});
	assert.equal(await isComplete, false);
	const [response] = await answered;
	assert.equal(response.statusCode, 401);
	assert.equal((await files.entry('upload')).reason, 'token_revoked');
	request.destroy();
});

test('every stream is cut when the key is revoked that its token was signed with', async () => {
	const stream = await openStream(other);
	files.gateway.apply({ kind: 'signing-key', record: { ...files.gateway.tokenKey.record, revokedAtMs: 1 } });
	assert.equal(files.gateway.streams.size, 0, 'cut before the change is confirmed');
	await stream.serviceLost;
	await stream.partnerLost;
	assert.equal(stream.response.complete, false);
	assert.equal((await files.entry('download')).reason, 'token_revoked');
});
