// Clients that are known by certificates of their partner's own authority, at the authorization server and at the gateway:
// checks 48 to 59, T22 to T25. The gateway is reached over real TLS.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { Client } from '../../../src/domain/client/client.ts';
import type { VerifiedCertificate } from '../../../src/domain/certificate/verify-client-certificate.ts';
import { TrustAnchorIndex } from '../../../src/domain/trust-anchor/trust-anchor-index.ts';
import type { TrustAnchor } from '../../../src/domain/trust-anchor/trust-anchor.ts';
import type { Fault } from '../../../src/kernel/faults.ts';
import type { Result } from '../../../src/kernel/result.ts';
import { fail } from '../../../src/kernel/result.ts';
import { fault } from '../../../src/kernel/faults.ts';
import {
	type Made,
	makeAnchor,
	makeAnchored,
	makeAuthority,
	makeCertificate,
	type MakeOptions,
} from '../../fixture/partner-ca.ts';
import { RawConnection } from '../../fixture/raw-client.ts';
import { startTestGateway, type TestGateway, type TestPartner } from '../../fixture/test-gateway.ts';
import { ACCOUNTS, makeMember, type Member, startWorld, type World } from '../../fixture/token-world.ts';

const FORM = `grant_type=client_credentials&resource=${encodeURIComponent(ACCOUNTS)}`;
const root = makeAuthority('Acme root');
const issuing = makeAuthority('Acme issuing', { issuer: root });

let gateway: TestGateway;
before(async () => {
	gateway = await startTestGateway();
});
after(() => gateway.close());

/** A partner of the gateway whose client is known below an anchor as well. */
async function anchorAtGateway(
	made: Made = makeAuthority('Acme root'),
	more: Partial<TrustAnchor> = {},
): Promise<{ partner: TestPartner; anchor: TrustAnchor; root: Made }> {
	const partner = await gateway.onboard();
	const anchor = makeAnchor(made, { partnerId: partner.partner.id, ...more });
	gateway.apply({ kind: 'trust-anchor', record: anchor });
	gateway.apply({ kind: 'credential', record: makeAnchored(partner.client, anchor) });
	return { partner, anchor, root: made };
}

const GET = (token: string): string =>
	`GET /bank/v1/accounts/acc-1001 HTTP/1.1\r\nHost: ${gateway.authority}\r\nAuthorization: Bearer ${token}\r\n\r\n`;

const tokenFor = (partner: TestPartner, holder: Made): string =>
	partner.token({ confirmation: { x5tS256: holder.thumbprint } });

const connect = (holder: Made, sent: readonly Made[] = [], session?: Buffer): Promise<RawConnection> =>
	RawConnection.open({
		port: gateway.port,
		ca: gateway.rootCa,
		cert: [holder, ...sent].map(({ pem }) => pem).join(''),
		key: holder.keyPem,
		...(session === undefined ? undefined : { session }),
	});

/** Status of one call, and the code of its problem. */
async function call(connection: RawConnection, token: string): Promise<string> {
	const answer = await connection.send(GET(token));
	if (answer === undefined) return 'closed';
	if (answer.status === 200) return '200';
	const type = (JSON.parse(answer.body) as { type: string }).type;
	return `${answer.status} ${type.slice(type.lastIndexOf(':') + 1)}`;
}

async function callOnce(holder: Made, token: string, sent: readonly Made[] = []): Promise<string> {
	const connection = await connect(holder, sent);
	try {
		return await call(connection, token);
	} finally {
		connection.close();
	}
}

test('a certificate below the anchor is accepted at the gateway, and so is the next one, without a change of ours', async () => {
	const { partner, root: own } = await anchorAtGateway();
	const middle = makeAuthority('Acme middle', { issuer: own });
	for (const [holder, sent] of [
		[makeCertificate({ issuer: own }), []],
		[makeCertificate({ issuer: own }), []],
		[makeCertificate({ issuer: middle }), [middle]],
	] as const) {
		assert.equal(await callOnce(holder, tokenFor(partner, holder), sent), '200');
	}
});

test('check 61: a token that is bound to one certificate is refused with the next one', async () => {
	const { partner, root: own } = await anchorAtGateway();
	const [first, second] = [makeCertificate({ issuer: own }), makeCertificate({ issuer: own })];
	assert.equal(await callOnce(second, tokenFor(partner, first)), '401 binding_mismatch');
});

test('checks 49, 50, T22, T23: nobody is anybody else by name: another anchor, another key, another partner', async () => {
	const acme = await anchorAtGateway();
	const rival = await anchorAtGateway(makeAuthority('Rival root'));
	const twin = makeAuthority('Acme root');
	const foreign = makeCertificate({ issuer: rival.root });
	// The rival's own certificate says exactly the name of Acme's client.
	assert.equal(await callOnce(foreign, tokenFor(acme.partner, foreign)), '401 certificate_invalid');
	const forged = makeCertificate({ issuer: twin });
	assert.equal(await callOnce(forged, tokenFor(acme.partner, forged)), '401 certificate_invalid');
	// Also not as its own client below the anchor of another partner.
	const odd = makeAnchored(acme.partner.client, rival.anchor, 'spiffe://acme.example/other');
	gateway.apply({ kind: 'credential', record: odd });
	const named = makeCertificate({ issuer: rival.root, names: [[6, 'spiffe://acme.example/other']] });
	assert.equal(await callOnce(named, tokenFor(acme.partner, named)), '401 certificate_invalid');
	assert.equal(await callOnce(foreign, tokenFor(rival.partner, foreign)), '200');
});

test('check 51: a certificate that somebody signed itself, with the right name, is refused', async () => {
	const { partner } = await anchorAtGateway();
	const self = makeCertificate({ subject: 'Acme root' });
	assert.equal(await callOnce(self, tokenFor(partner, self)), '401 certificate_invalid');
});

test('check 56, T25: when the anchor is revoked the next request on an open connection is refused, and so is a resumed session', async () => {
	const { partner, anchor, root: own } = await anchorAtGateway();
	const middle = makeAuthority('Acme middle', { issuer: own });
	const holder = makeCertificate({ issuer: middle });
	const token = tokenFor(partner, holder);
	const connection = await connect(holder, [middle]);
	const session = new Promise<Buffer>((resolve) => connection.socket.once('session', resolve));
	assert.equal(await call(connection, token), '200');
	// A session that is resumed brings the certificate of the holder alone; the path is known all the same.
	const resumed = await connect(holder, [], await session);
	assert.ok(resumed.socket.isSessionReused());
	assert.equal(await call(resumed, token), '200');
	gateway.apply({ kind: 'trust-anchor', record: { ...anchor, status: 'revoked', revision: 2 } });
	assert.equal(await call(connection, token), '401 certificate_revoked');
	assert.equal(await call(resumed, token), '401 certificate_revoked');
	const later = await connect(holder, [], await session);
	assert.notEqual(await call(later, token), '200');
	for (const one of [connection, resumed, later]) one.close();
});

test('an anchor that is added while a connection is open serves its next request', async () => {
	const partner = await gateway.onboard();
	const own = makeAuthority('Late root');
	const holder = makeCertificate({ issuer: own });
	const connection = await connect(holder);
	assert.equal(await call(connection, tokenFor(partner, holder)), '401 certificate_invalid');
	const anchor = makeAnchor(own, { partnerId: partner.partner.id });
	gateway.apply({ kind: 'trust-anchor', record: anchor });
	gateway.apply({ kind: 'credential', record: makeAnchored(partner.client, anchor) });
	assert.equal(await call(connection, tokenFor(partner, holder)), '200');
	connection.close();
});

test('two anchors live side by side, so that a partner can roll its authority over', async () => {
	const { partner, root: old, anchor } = await anchorAtGateway();
	const next = makeAuthority('Acme root');
	const record = makeAnchor(next, { partnerId: partner.partner.id });
	gateway.apply({ kind: 'trust-anchor', record });
	gateway.apply({ kind: 'credential', record: makeAnchored(partner.client, record) });
	const [before_, after_] = [makeCertificate({ issuer: old }), makeCertificate({ issuer: next })];
	assert.equal(await callOnce(before_, tokenFor(partner, before_)), '200');
	assert.equal(await callOnce(after_, tokenFor(partner, after_)), '200');
	gateway.apply({ kind: 'trust-anchor', record: { ...anchor, status: 'revoked', revision: 2 } });
	assert.notEqual(await callOnce(before_, tokenFor(partner, before_)), '200');
	assert.equal(await callOnce(after_, tokenFor(partner, after_)), '200');
});

test('a revoked credential is dead, whoever signed the certificate', async () => {
	const { partner, anchor, root: own } = await anchorAtGateway();
	const holder = makeCertificate({ issuer: own });
	const other = makeAnchored(partner.client, anchor, 'spiffe://acme.example/second');
	gateway.apply({ kind: 'credential', record: other });
	const second = makeCertificate({ issuer: own, names: [[6, 'spiffe://acme.example/second']] });
	const connection = await connect(second);
	assert.equal(await call(connection, tokenFor(partner, second)), '200');
	gateway.apply({ kind: 'credential', record: { ...other, status: 'revoked', revision: 2 } });
	assert.equal(await call(connection, tokenFor(partner, second)), '401 certificate_invalid');
	assert.equal(await callOnce(holder, tokenFor(partner, holder)), '200');
	connection.close();
});

test('a certificate that the client made itself is accepted at the gateway by its exact bytes alone', async () => {
	const partner = await gateway.onboard();
	const [own, other] = [makeCertificate({ subject: 'self' }), makeCertificate({ subject: 'self' })];
	const { certificateId: _, ...common } = partner.credential;
	const record = { ...common, kind: 'self-signed-certificate', thumbprint: own.thumbprint, publicKeyHash: '' } as const;
	gateway.apply({ kind: 'credential', record });
	assert.equal(await callOnce(own, tokenFor(partner, own)), '200');
	assert.equal(await callOnce(other, tokenFor(partner, own)), '401 certificate_invalid');
	assert.equal(await callOnce(other, tokenFor(partner, other)), '401 certificate_invalid');
});

// The authorization server: certificates are judged by the same index, and handed in as connections give them.

interface ServerWorld {
	readonly world: World;
	readonly member: Member;
	readonly index: TrustAnchorIndex;
	readonly anchor: TrustAnchor;
	/** Asks for a token with a certificate and its chain; gives the status, or the error of a refusal with what the log says. */
	ask(holder: Made, sent?: readonly Made[], more?: string): Promise<string>;
}

async function startServer(
	t: { after(fn: () => Promise<void>): void },
	clientOf = (client: Client): Client => client,
): Promise<ServerWorld> {
	const base = makeMember('Acme', ['reading']);
	const member: Member = { ...base, client: clientOf(base.client) };
	const world = await startWorld([member], {
		// The certificates of this file are of today.
		clock: { nowMs: () => Date.now() },
		clientCertificate: (request) => shown.get(String(request.headers['x-test-certificate'])) ?? fail(MISSING),
		connection: (request) => {
			const certificate = shown.get(String(request.headers['x-test-certificate']));
			const thumbprint = certificate?.ok === true ? certificate.value.thumbprint : undefined;
			return { address: '127.0.0.1', serverName: undefined, certificate, thumbprint };
		},
	});
	t.after(() => world.close());
	const shown = new Map<string, Result<VerifiedCertificate, Fault>>();
	const index = new TrustAnchorIndex();
	const anchor = makeAnchor(root, { partnerId: member.partner.id });
	index.apply(anchor);
	world.change({ kind: 'trust-anchor', record: anchor });
	world.change({ kind: 'credential', record: makeAnchored(member.client, anchor) });
	let count = 0;
	return {
		world,
		member,
		index,
		anchor,
		ask: async (holder, sent = [issuing], more = '') => {
			const name = `holder-${++count}`;
			const verdict = index.judge(
				holder.der,
				sent.map(({ der }) => der),
				Date.now(),
			);
			shown.set(name, verdict ?? fail(fault('certificate_invalid', 'A stranger.')));
			const answer = await world.ask(`${FORM}${more}`, name);
			return answer.status === 200 ? '200' : `${answer.status} ${String(answer.body['error'])}`;
		},
	};
}

const MISSING = fault('certificate_missing', 'Connect with a client certificate.');
const leaf = (options: MakeOptions = {}): Made => makeCertificate({ issuer: issuing, ...options });

test('tls_client_auth with a certificate of the partner’s own authority gives a token that is bound to it', async (t) => {
	const { world, ask, member } = await startServer(t);
	assert.equal(await ask(leaf()), '200');
	assert.equal(await ask(leaf(), [issuing], `&client_id=${member.client.id}`), '200');
	const entry = world.audit.entries.at(-1);
	assert.equal(entry?.actor.client, member.client.id);
});

test('checks 48 to 53, 58: whoever has no such certificate gets no token', async (t) => {
	const { ask, world } = await startServer(t);
	const twin = makeAuthority('Acme root');
	const now = Date.now();
	assert.equal((await world.ask(FORM, 'nobody')).status, 401);
	for (const [holder, sent] of [
		[makeCertificate({ issuer: twin }), []],
		[makeCertificate({ subject: 'self' }), []],
		[leaf({ notAfterMs: now - 1000 }), [issuing]],
		[leaf({ notBeforeMs: now + 60_000 }), [issuing]],
		[leaf({ purposes: ['1.3.6.1.5.5.7.3.1'] }), [issuing]],
		[leaf({ hash: 'sha1' }), [issuing]],
		[leaf({ names: [[6, 'spiffe://acme.example/unknown']] }), [issuing]],
	] as const) {
		assert.equal(await ask(holder, sent), '401 invalid_client');
	}
	assert.equal(await ask(leaf(), [issuing], '&client_id=cli_01k9zq3m7x8v5n2c4r6t8w0y1a'), '401 invalid_client');
});

test('check 57: after the anchor was revoked nobody gets a token by a certificate below it', async (t) => {
	const { ask, world, anchor } = await startServer(t);
	const holder = leaf();
	assert.equal(await ask(holder), '200');
	world.change({ kind: 'trust-anchor', record: { ...anchor, status: 'revoked', revision: 2 } });
	assert.equal(await ask(holder), '401 invalid_client');
	assert.equal(world.audit.entries.at(-1)?.facts?.['cause'], 'certificate_revoked');
});

test('a certificate with names of two clients stands for the one that is named, and for neither without that', async (t) => {
	const { ask, world, member, anchor } = await startServer(t);
	const second = makeMember('Acme 2', ['reading']);
	const client: Client = { ...second.client, partnerId: member.partner.id };
	world.change({ kind: 'client', record: client });
	for (const record of second.subscriptions) {
		world.change({ kind: 'subscription', record: { ...record, partnerId: member.partner.id } });
	}
	world.change({ kind: 'credential', record: makeAnchored(client, anchor, 'CN=shared', 'subject_dn') });
	const both = leaf({ subject: 'shared' });
	assert.equal(await ask(both), '401 invalid_client');
	assert.equal(await ask(both, [issuing], `&client_id=${client.id}`), '200');
	assert.equal(await ask(both, [issuing], `&client_id=${member.client.id}`), '200');
});

test('check 23: a client of another method gets no token by such a certificate', async (t) => {
	const { ask } = await startServer(t, (client) => ({ ...client, authenticationMethod: 'private_key_jwt' }));
	assert.equal(await ask(leaf()), '401 invalid_client');
});
