// EST as a client sees it; TLS is stood in for by a function that says which certificate the connection has proved.
import assert from 'node:assert/strict';
import { generateKeyPairSync, X509Certificate } from 'node:crypto';
import { createServer } from 'node:http';
import { test, type TestContext } from 'node:test';
import { PendingSignatures } from '../../domain/certificate/pending-signatures.ts';
import { DAY_MS } from '../../../test/fixture/authorities.ts';
import { createCertificateRegistry, newCsr, newKey } from '../../../test/fixture/certificate-registry.ts';
import { createOpensslFolder, skipWithoutOpenssl } from '../../../test/fixture/openssl.ts';
import { MemoryAuditSink } from '../../adapters/ledger/memory-audit-sink.ts';
import type { Authority } from '../../domain/certificate/authority.ts';
import { parseCertsOnly } from '../../domain/certificate/certs-only.ts';
import { encodeCsr } from '../../domain/certificate/encode-csr.ts';
import { openEnrolment } from '../../domain/certificate/enrolment.ts';
import { createRenewalToken } from '../../domain/certificate/renewal-token.ts';
import { parseIpAddress } from '../../domain/network/ip-address.ts';
import { type Fault, fault } from '../../kernel/faults.ts';
import { silentLog } from '../../kernel/log.ts';
import { systemRandom } from '../../kernel/random.ts';
import { unwrap } from '../../kernel/result.ts';
import { createEst, EST_PATH } from './est.ts';

const AUDIENCE = 'https://auth.bank.example/.well-known/est/simplereenroll';

async function openEst(context: TestContext) {
	const setting = await createCertificateRegistry();
	const { registry, issuing } = setting;
	const audit = new MemoryAuditSink();
	const connection: { thumbprint: string | undefined; address: string; refused: Fault | undefined } = {
		thumbprint: undefined,
		address: '192.0.2.1',
		refused: undefined,
	};
	const failures: string[] = [];
	const published: number[] = [];
	const handle = createEst({
		store: registry,
		publisher: {
			publish: (sequence) => {
				published.push(sequence);
				return Promise.resolve();
			},
		},
		pendingSignatures: new PendingSignatures(),
		audit,
		log: silentLog,
		issuing: () => issuing,
		renewal: { afterPercent: 0, graceMs: 0, overlapMs: DAY_MS, perDay: 100 },
		renewalAudience: AUDIENCE,
		authorityChain: () => (issuing.authority as Authority).chainPem,
		presentedThumbprint: () => connection.thumbprint,
		origin: () => {
			const { address: text, refused } = connection;
			const source = { key: text, widerKey: undefined, isCertified: false };
			return { text, address: parseIpAddress(text), source, refused };
		},
		failed: (origin, { code }) => void failures.push(`${origin.source.key} ${code}`),
		requestId: () => 'req-1',
		reportBug: (error) => {
			throw error;
		},
		bodyTimeoutMs: 500,
	});
	const server = createServer(handle);
	await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
	context.after(() => {
		server.closeAllConnections();
		server.close();
	});
	const { port } = server.address() as { port: number };
	const call = (operation: string, init: RequestInit = {}) =>
		fetch(`http://127.0.0.1:${port}${EST_PATH}${operation}`, init);
	const post = (operation: string, csr: Buffer, authorization?: string) =>
		call(operation, {
			method: 'POST',
			body: csr.toString('base64'),
			headers: { 'content-type': 'application/pkcs10', ...(authorization === undefined ? {} : { authorization }) },
		});
	return { ...setting, audit, connection, failures, published, call, post };
}

const basic = (user: string, password: string) => `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`;

async function leafOf(response: Response): Promise<X509Certificate> {
	assert.equal(response.status, 200, response.statusText);
	assert.equal(response.headers.get('content-type'), 'application/pkcs7-mime; smime-type=certs-only');
	const [leaf] = parseCertsOnly(Buffer.from(await response.text(), 'base64')) ?? [];
	return new X509Certificate(leaf ?? Buffer.alloc(0));
}

async function problemOf(response: Response): Promise<readonly [number, string]> {
	const { type } = (await response.json()) as { type: string };
	return [response.status, type.replace('urn:sallyport:problem:', '')];
}

test('RFC 7030 §4.1: cacerts gives the authorities as openssl reads them, base64 in lines', {
	skip: skipWithoutOpenssl,
}, async (context) => {
	const { call } = await openEst(context);
	const response = await call('cacerts');
	assert.equal(response.headers.get('content-transfer-encoding'), 'base64');
	const text = await response.text();
	assert.ok(text.split('\r\n').every((line) => line.length <= 76));
	const openssl = createOpensslFolder(context);
	openssl.write('chain.p7', Buffer.from(text, 'base64'));
	const certificates = openssl.read('pkcs7', '-inform', 'DER', '-in', 'chain.p7', '-print_certs').toString();
	assert.equal(certificates.match(/BEGIN CERTIFICATE/g)?.length, 2);
	assert.equal((await call('csrattrs')).status, 204);
});

test('RFC 7030 §4.2: a code enrols once, over HTTP Basic with the id of its client', async (context) => {
	const { registry, issuing, client, stranger, post, audit, published } = await openEst(context);
	const { code } = unwrap(await openEnrolment(registry, { clientId: client.id }, issuing));
	const wrong = await post('simpleenroll', newCsr(), basic(stranger.id, code.reveal()));
	assert.match(wrong.headers.get('www-authenticate') ?? '', /^Basic/);
	assert.deepEqual(await problemOf(wrong), [401, 'enrolment_refused']);
	const leaf = await leafOf(await post('simpleenroll', newCsr(), basic(client.id, code.reveal())));
	assert.match(leaf.subjectAltName ?? '', new RegExp(`client/${client.id}$`));
	assert.equal(published.length, 1);
	assert.deepEqual(await problemOf(await post('simpleenroll', newCsr(), basic(client.id, code.reveal()))), [
		401,
		'enrolment_refused',
	]);
	for (const authorization of [undefined, 'Basic', 'Basic !', basic('', ''), 'Bearer x'])
		assert.deepEqual(await problemOf(await post('simpleenroll', newCsr(), authorization)), [401, 'enrolment_refused']);
	const recorded = JSON.stringify(audit.entries);
	assert.doesNotMatch(recorded, new RegExp(code.reveal()));
	assert.equal(audit.entries.filter((entry) => entry.decision === 'permit').length, 1);
	assert.equal(audit.entries.filter((entry) => entry.reason === 'enrolment_refused').length, 7);
});

test('a partner with a list of networks gets certificates there alone, and an attempt elsewhere costs the code nothing', async (context) => {
	const { registry, issuing, client, issue, post, audit, connection, published } = await openEst(context);
	const partner = await registry.partners.get(client.partnerId);
	assert.ok(partner);
	await registry.partners.update({ ...partner, allowedNetworks: ['198.51.100.0/24'], revision: 2 }, 1);
	const { code } = unwrap(await openEnrolment(registry, { clientId: client.id }, issuing));
	const enrol = () => post('simpleenroll', newCsr(), basic(client.id, code.reveal()));
	assert.deepEqual(await problemOf(await enrol()), [403, 'address_denied']);
	connection.thumbprint = (await issue()).certificate.thumbprint;
	assert.deepEqual(await problemOf(await post('simplereenroll', newCsr())), [403, 'address_denied']);
	assert.equal(published.length, 0);
	assert.deepEqual(
		audit.entries.map(({ decision, reason }) => [decision, reason]),
		[
			['deny', 'address_denied'],
			['deny', 'address_denied'],
		],
	);
	connection.address = '198.51.100.7';
	await leafOf(await enrol());
	await leafOf(await post('simplereenroll', newCsr()));
	assert.equal(published.length, 2);
});

test('whoever tries out codes is counted by source, and is not read any more when that was too often', async (context) => {
	const { client, post, audit, connection, failures } = await openEst(context);
	await post('simpleenroll', newCsr(), basic(client.id, 'guess'));
	assert.deepEqual(failures, ['192.0.2.1 enrolment_refused']);
	connection.refused = fault('source_throttled', 'Too many requests failed.', { retryAfterSeconds: 30 });
	const refused = await post('simpleenroll', newCsr(), basic(client.id, 'guess'));
	assert.equal(refused.headers.get('retry-after'), '30');
	assert.deepEqual(await problemOf(refused), [429, 'source_throttled']);
	assert.deepEqual(
		audit.entries.map(({ reason }) => reason),
		['enrolment_refused', 'source_throttled'],
	);
});

test('RFC 7030 §4.2.2: re-enrols with the certificate of the connection, and with no other', async (context) => {
	const { issue, post, connection } = await openEst(context);
	assert.deepEqual(await problemOf(await post('simplereenroll', newCsr())), [401, 'certificate_missing']);
	connection.thumbprint = (await issue()).certificate.thumbprint;
	await leafOf(await post('simplereenroll', newCsr()));
	connection.thumbprint = 'A'.repeat(43);
	assert.deepEqual(await problemOf(await post('simplereenroll', newCsr())), [401, 'certificate_invalid']);
});

test('re-enrols by a renewal token behind a hop, whose own certificate counts for nothing; once', async (context) => {
	const { issue, post, connection, clock, audit } = await openEst(context);
	const key = newKey();
	const mine = await issue(key);
	connection.thumbprint = (await issue()).certificate.thumbprint;
	const csr = newCsr();
	const { thumbprint } = mine.certificate;
	const claims = { thumbprint, audience: AUDIENCE, csr, nowMs: clock.nowMs() };
	const token = `Renewal-Token ${createRenewalToken(key, claims, systemRandom)}`;
	assert.deepEqual(await problemOf(await post('simplereenroll', newCsr(), token)), [401, 'renewal_token_invalid']);
	const answers = await Promise.all(Array.from({ length: 20 }, () => post('simplereenroll', csr, token)));
	const good = answers.filter(({ status }) => status === 200);
	assert.equal(good.length, 1);
	for (const answer of answers)
		if (answer.status !== 200) assert.deepEqual(await problemOf(answer), [401, 'renewal_token_invalid']);
	const permitted = audit.entries.filter((entry) => entry.decision === 'permit');
	assert.equal(permitted.at(-1)?.facts?.['predecessor'], mine.certificate.id);
	assert.deepEqual(await problemOf(await post('simplereenroll', csr, 'Bearer x')), [401, 'renewal_token_invalid']);
});

test('a key of ML-DSA-65 renews itself by a token: certificate, request and token keep within every bound', async (context) => {
	const { issue, post, clock } = await openEst(context);
	const [key, next] = [generateKeyPairSync('ml-dsa-65').privateKey, generateKeyPairSync('ml-dsa-65').privateKey];
	const { thumbprint } = (await issue(key)).certificate;
	const csr = encodeCsr(next, {});
	const claims = { thumbprint, audience: AUDIENCE, csr, nowMs: clock.nowMs() };
	const token = createRenewalToken(key, claims, systemRandom);
	const renewed = await leafOf(await post('simplereenroll', csr, `Renewal-Token ${token}`));
	assert.ok(renewed.checkPrivateKey(next));
	// Of another key it proves nothing, however well it is formed.
	const forged = createRenewalToken(next, claims, systemRandom);
	const refused = await post('simplereenroll', csr, `Renewal-Token ${forged}`);
	assert.deepEqual(await problemOf(refused), [401, 'renewal_token_invalid']);
});

test('refuses other methods, other paths, and bodies that are no request, too large or never end', async (context) => {
	const { call, post, client } = await openEst(context);
	assert.equal((await call('simpleenroll')).status, 405);
	assert.equal((await call('cacerts', { method: 'POST' })).status, 405);
	for (const path of ['', 'serverkeygen', 'cacerts/', 'label/cacerts', 'cacerts?x'])
		assert.deepEqual(await problemOf(await call(path)), [404, 'not_found'], path);
	const headers = { authorization: basic(client.id, 'spe_x') };
	const send = (body: string) => call('simpleenroll', { method: 'POST', body, headers });
	assert.deepEqual(await problemOf(await send('%%%')), [422, 'csr_rejected']);
	assert.deepEqual(await problemOf(await send('A'.repeat(40_000))), [413, 'body_too_large']);
	assert.deepEqual(await problemOf(await post('simpleenroll', Buffer.from('x'), basic(client.id, 'spe_x'))), [
		401,
		'enrolment_refused',
	]);
});

test('issues nothing that cannot be recorded', async (context) => {
	const { registry, issuing, client, post, audit } = await openEst(context);
	const { code } = unwrap(await openEnrolment(registry, { clientId: client.id }, issuing));
	audit.refuse();
	assert.deepEqual(await problemOf(await post('simpleenroll', newCsr(), basic(client.id, code.reveal()))), [
		503,
		'audit_unavailable',
	]);
	assert.equal((await registry.certificates.list({ limit: 9 })).items.length, 0);
	assert.equal((await registry.enrolments.list({ limit: 9 })).items[0]?.status, 'open');
});
