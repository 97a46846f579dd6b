// The authorization server over real mTLS, with certificates of our own authorities, seen by clients that share no
// code with it: curl, and oauth4webapi with jose. Uses the machine's clock, because curl and OpenSSL do.
import assert from 'node:assert/strict';
import { execFile, spawnSync } from 'node:child_process';
import { createPrivateKey, createPublicKey, generateKeyPairSync, sign } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { Agent, createServer, request as httpsRequest, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import type { TLSSocket } from 'node:tls';
import { promisify } from 'node:util';
import { createLocalJWKSet, type JSONWebKeySet, jwtVerify } from 'jose';
import * as oauth from 'oauth4webapi';
import { Agent as Dispatcher, fetch as undiciFetch } from 'undici';
import { type Authorities, loadOrCreateAuthorities } from '../../domain/certificate/authority.ts';
import { issueCertificate } from '../../domain/certificate/issue-certificate.ts';
import { issuePlatformCertificate } from '../../domain/certificate/issue-platform-certificate.ts';
import { subjectPublicKeyOf } from '../../domain/certificate/public-key.ts';
import { certificateThumbprint } from '../../domain/certificate/thumbprint.ts';
import { createClientCertificateVerifier } from '../../domain/certificate/verify-client-certificate.ts';
import type { StoredKey } from '../../domain/registry/key-store.ts';
import { systemClock } from '../../kernel/clock.ts';
import { fault } from '../../kernel/faults.ts';
import { systemRandom } from '../../kernel/random.ts';
import { fail, unwrap } from '../../kernel/result.ts';
import { createAuthorizationServer } from './authorization-server.ts';
import { type KeyMember, makeKeyMember } from '../../../test/fixture/client-assertion.ts';
import type { PublicKeyCredential } from '../../domain/client/credential.ts';
import { ACCOUNTS, makeDeps, makeMember, type Member, RecordingAudit } from '../../../test/fixture/token-world.ts';

const run = promisify(execFile);
const trustDomain = 'bank.example';
const issueDeps = { clock: systemClock, random: systemRandom };
const folder = mkdtempSync(join(tmpdir(), 'sallyport-mutual-tls-'));
const audit = new RecordingAudit();

interface Identity {
	readonly key: string;
	readonly cert: string;
}
let server: Server;
let issuer: string;
let ca: string;
let good: Member & Identity;
let stranger: Identity;
let selfMade: Identity & { readonly thumbprint: string };
let keyed: Omit<KeyMember, 'key'> & { readonly keyCredential: PublicKeyCredential; readonly identity: Identity };
let self: Member;
let registry: ReturnType<typeof makeDeps>;
let sequence = 0;

async function makeAuthorities(): Promise<Authorities> {
	const stored = new Map<string, StoredKey>();
	return loadOrCreateAuthorities({
		...issueDeps,
		trustDomain,
		keys: {
			insert: async (key) => void stored.set(key.name, key),
			put: async (key) => void stored.set(key.name, key),
			get: async (name) => stored.get(name),
			list: async () => [...stored.values()],
			delete: async (name) => void stored.delete(name),
		},
		openSigner: (pem) => {
			const key = createPrivateKey(pem.reveal());
			return {
				algorithm: 'ecdsa-with-SHA256',
				publicKey: createPublicKey(key),
				sign: async (data) => sign('sha256', data, key),
				isAvailable: () => true,
				close: async () => undefined,
			};
		},
	});
}

/** Issues a partner certificate for the client of `member`. */
async function identify(
	authorities: Authorities,
	member: Member,
): Promise<Identity & { thumbprint: string; endMs: number }> {
	const { publicKey, privateKey } = generateKeyPairSync('ec', {
		namedCurve: 'P-256',
		publicKeyEncoding: { type: 'spki', format: 'der' },
		privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
	});
	const uri = `spiffe://${trustDomain}/partner/${member.partner.id}/client/${member.client.id}`;
	const request = { profile: 'partner-client', publicKey: subjectPublicKeyOf(publicKey), subject: {}, uri } as const;
	const issued = unwrap(await issueCertificate(authorities.partnerIssuing, request, issueDeps));
	return { key: privateKey, cert: issued.chainPem, thumbprint: issued.thumbprint, endMs: issued.notAfterMs };
}

before(async () => {
	const authorities = await makeAuthorities();
	const member = makeMember('Good', ['reading']);
	const identity = await identify(authorities, member);
	const dates = { notBeforeMs: systemClock.nowMs() - 60_000, notAfterMs: identity.endMs };
	const credential = { ...member.credential, thumbprint: identity.thumbprint, ...dates };
	good = { ...member, credential, ...identity };
	// Another operator's authorities, alike in every name, vouch for the very same client.
	stranger = await identify(await makeAuthorities(), member);
	const keyMember = makeKeyMember('Keyed', ['reading']);
	const own = await identify(authorities, keyMember);
	const { key: keyCredential, ...rest } = keyMember;
	const credentialOfKeyed = { ...keyMember.credential, ...dates, thumbprint: own.thumbprint };
	keyed = { ...rest, credential: credentialOfKeyed, keyCredential, identity: own };
	const selfMember = makeMember('Self', ['reading']);
	self = { ...selfMember, client: { ...selfMember.client, authenticationMethod: 'self_signed_tls_client_auth' } };
	// Another authority's certificate is as good a stand-in for one of the partner's own making: it is none of ours.
	selfMade = await identify(await makeAuthorities(), selfMember);
	registry = makeDeps([good, keyed, self]);
	const { certificateId: _, ...common } = self.credential;
	for (const record of [
		{ ...keyMember.key, ...dates },
		{ ...common, ...dates, kind: 'self-signed-certificate', thumbprint: selfMade.thumbprint, publicKeyHash: '' },
	] as const) {
		registry.directory().apply({ sequence: ++sequence, change: { kind: 'credential', record } });
	}
	const verifier = createClientCertificateVerifier({
		trustDomain,
		authorities: [authorities.partnerIssuing, authorities.platformIssuing],
	});
	const subject = { profile: 'server', dnsNames: ['localhost'] } as const;
	const identityOfServer = unwrap(
		await issuePlatformCertificate(authorities.platformIssuing, subject, { ...issueDeps, trustDomain }),
	);
	ca = authorities.root.certificatePem;
	server = createServer({
		key: identityOfServer.privateKeyPem.reveal(),
		cert: identityOfServer.certificate.chainPem,
		requestCert: true,
		rejectUnauthorized: false,
	});
	await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve));
	issuer = `https://localhost:${(server.address() as AddressInfo).port}`;
	const handler = createAuthorizationServer({
		...registry,
		issuer,
		audit,
		clock: systemClock,
		clientCertificate: (request) => {
			const certificate = (request.socket as TLSSocket).getPeerX509Certificate();
			return certificate === undefined
				? fail(fault('certificate_missing', 'Connect with a client certificate.'))
				: verifier.verify(certificate.raw, systemClock.nowMs());
		},
		connection: (request) => {
			const certificate = (request.socket as TLSSocket).getPeerX509Certificate();
			return {
				address: request.socket.remoteAddress ?? '',
				serverName: undefined,
				certificate: undefined,
				thumbprint: certificate && certificateThumbprint(certificate.raw),
			};
		},
	});
	server.on('request', handler);
	for (const [name, text] of Object.entries({
		ca,
		key: good.key,
		cert: good.cert,
		'stranger-key': stranger.key,
		stranger: stranger.cert,
		'self-made-key': selfMade.key,
		'self-made': selfMade.cert,
	})) {
		writeFileSync(join(folder, `${name}.pem`), text);
	}
});

after(async () => {
	rmSync(folder, { recursive: true });
	server.closeAllConnections();
	await new Promise((resolve) => server.close(resolve));
});

/** Runs curl and gives status and body. */
async function curl(...more: readonly string[]): Promise<readonly [number, { [name: string]: unknown }]> {
	const trust = [
		'--cacert',
		join(folder, 'ca.pem'),
		'--noproxy',
		'*',
		'--resolve',
		`${new URL(issuer).host}:127.0.0.1`,
	];
	const { stdout } = await run('curl', [
		'--silent',
		'--show-error',
		'--write-out',
		'\n%{http_code}',
		...trust,
		...more,
	]);
	const cut = stdout.lastIndexOf('\n');
	return [Number(stdout.slice(cut + 1)), JSON.parse(stdout.slice(0, cut)) as { [name: string]: unknown }];
}

const noCurl = spawnSync('curl', ['--version']).status === 0 ? false : 'NOT RUN: this machine has no curl';

test('curl gets a token with the client certificate, or exactly the one that was registered, and none without or with a stranger’s', {
	skip: noCurl,
}, async () => {
	const ask = ['--data', 'grant_type=client_credentials', `${issuer}/oauth2/token`];
	const withFiles = (cert: string, key: string): string[] => [
		'--cert',
		join(folder, cert),
		'--key',
		join(folder, key),
		...ask,
	];
	const [status, body] = await curl(...withFiles('cert.pem', 'key.pem'));
	assert.equal(status, 200, JSON.stringify(body));
	assert.equal(body['token_type'], 'Bearer');
	const [, payload = ''] = String(body['access_token']).split('.');
	const claims = JSON.parse(Buffer.from(payload, 'base64url').toString()) as { cnf: unknown };
	assert.deepEqual(claims.cnf, { 'x5t#S256': good.credential.thumbprint }, 'check 61');
	const [bare, refusal] = await curl(...ask);
	assert.deepEqual([bare, refusal['error']], [401, 'invalid_client'], 'check 48');
	const [foreign, answer] = await curl(...withFiles('stranger.pem', 'stranger-key.pem'));
	assert.deepEqual([foreign, answer['error']], [401, 'invalid_client'], 'check 50');
	const [own, granted] = await curl(...withFiles('self-made.pem', 'self-made-key.pem'));
	assert.equal(own, 200, JSON.stringify(granted));
});

test('oauth4webapi discovers the server, gets a token, and jose verifies it with the published keys', async () => {
	const dispatcher = new Dispatcher({ connect: { ca, cert: good.cert, key: good.key } });
	const fetchOverMtls = (url: string, init?: object): Promise<Response> => undiciFetch(url, { ...init, dispatcher });
	const options: oauth.TokenEndpointRequestOptions = { [oauth.customFetch]: fetchOverMtls };
	const discovery: oauth.DiscoveryRequestOptions = { [oauth.customFetch]: fetchOverMtls, algorithm: 'oauth2' };
	const url = new URL(issuer);
	const as = await oauth.processDiscoveryResponse(url, await oauth.discoveryRequest(url, discovery));
	assert.equal(as.issuer, issuer);
	const client = { client_id: good.client.id };
	const parameters = { scope: 'accounts:read', resource: ACCOUNTS };
	const response = await oauth.clientCredentialsGrantRequest(as, client, oauth.TlsClientAuth(), parameters, options);
	const token = await oauth.processClientCredentialsResponse(as, client, response);
	assert.equal(token.token_type, 'bearer');
	assert.equal(token.scope, 'accounts:read');
	const jwks = createLocalJWKSet((await (await fetchOverMtls(String(as.jwks_uri))).json()) as JSONWebKeySet);
	const { payload } = await jwtVerify(token.access_token, jwks, { issuer, audience: ACCOUNTS, typ: 'at+jwt' });
	assert.equal(payload['client_id'], good.client.id);
	await dispatcher.close();
});

test('oauth4webapi proves a client by private_key_jwt, and its token is bound to the certificate of the connection', async () => {
	const dispatcher = new Dispatcher({ connect: { ca, cert: keyed.identity.cert, key: keyed.identity.key } });
	const fetchOverMtls = (url: string, init?: object): Promise<Response> => undiciFetch(url, { ...init, dispatcher });
	const options: oauth.TokenEndpointRequestOptions = { [oauth.customFetch]: fetchOverMtls };
	const as: oauth.AuthorizationServer = { issuer, token_endpoint: `${issuer}/oauth2/token` };
	const client = { client_id: keyed.client.id };
	const pkcs8 = keyed.privateKey.export({ type: 'pkcs8', format: 'der' });
	const algorithm = { name: 'ECDSA', namedCurve: 'P-256' };
	const key = await crypto.subtle.importKey('pkcs8', new Uint8Array(pkcs8), algorithm, false, ['sign']);
	const proof = oauth.PrivateKeyJwt({ key, kid: keyed.keyCredential.keyId });
	for (let round = 0; round < 2; round++) {
		const response = await oauth.clientCredentialsGrantRequest(as, client, proof, {}, options);
		const token = await oauth.processClientCredentialsResponse(as, client, response);
		const [, payload = ''] = token.access_token.split('.');
		const claims = JSON.parse(Buffer.from(payload, 'base64url').toString()) as { cnf: unknown; client_id: string };
		assert.deepEqual(claims.cnf, { 'x5t#S256': keyed.credential.thumbprint });
		assert.equal(claims.client_id, keyed.client.id);
	}
	await dispatcher.close();
});

test('checks 56, 57: a revoked credential fails on the next request, on the open connection and on a resumed one', async () => {
	const ask = (agent: Agent): Promise<{ status: number | undefined; reused: boolean; resumed: boolean }> =>
		new Promise((resolve, reject) => {
			const headers = { 'content-type': 'application/x-www-form-urlencoded' };
			const request = httpsRequest(`${issuer}/oauth2/token`, { method: 'POST', agent, headers });
			request.on('error', reject).on('response', (response) => {
				const resumed = (response.socket as TLSSocket).isSessionReused();
				response.resume().on('end', () => {
					resolve({ status: response.statusCode, reused: request.reusedSocket, resumed });
				});
			});
			request.end('grant_type=client_credentials');
		});
	const tls = { ca, cert: good.cert, key: good.key };
	const open = new Agent({ ...tls, keepAlive: true, maxSockets: 1 });
	const resuming = new Agent({ ...tls, keepAlive: false });
	assert.equal((await ask(open)).status, 200);
	assert.equal((await ask(resuming)).status, 200);
	assert.deepEqual(await ask(resuming), { status: 200, reused: false, resumed: true }, 'a resumed session is served');
	registry.directory().apply({
		sequence: ++sequence,
		change: { kind: 'credential', record: { ...good.credential, status: 'revoked' } },
	});
	assert.deepEqual(await ask(open), { status: 401, reused: true, resumed: false });
	assert.deepEqual(await ask(resuming), { status: 401, reused: false, resumed: true });
	assert.equal(audit.entries.at(-1)?.facts?.['cause'], 'credential_revoked');
	open.destroy();
	resuming.destroy();
});
