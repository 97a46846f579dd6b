// The authorization server over real mTLS, with certificates of our own authorities, seen by curl, which shares no code with
// it; and what becomes of open connections and resumed sessions. Uses the machine's clock, because curl and OpenSSL do.
// oauth4webapi and openid-client: test/conformance/authorization/independent-clients.test.ts
import assert from 'node:assert/strict';
import { execFile, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { Agent, createServer, request as httpsRequest, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import type { TLSSocket } from 'node:tls';
import { promisify } from 'node:util';
import type { CertificateCredential } from '../../domain/client/credential.ts';
import type { RegistryChange } from '../../domain/registry/change-feed.ts';
import { systemClock } from '../../kernel/clock.ts';
import { createAuthorizationServer } from './authorization-server.ts';
import { TRUST_DOMAIN } from '../../../test/fixture/authorities.ts';
import {
	createLiveIdentities,
	type LiveClientIdentity,
	type LiveIdentities,
} from '../../../test/fixture/live-identities.ts';
import { certificateCredential, selfSignedCredential } from '../../../test/fixture/oauth/registered-client.ts';
import { readersOf } from '../../../test/fixture/oauth/sallyport-subject.ts';
import { makeDeps, makeMember, type Member, RecordingAudit } from '../../../test/fixture/token-world.ts';

const run = promisify(execFile);
const folder = mkdtempSync(join(tmpdir(), 'sallyport-mutual-tls-'));
const audit = new RecordingAudit();
const member = makeMember('Good', ['reading']);
const selfMember = makeMember('Self', ['reading']);
const self = {
	...selfMember,
	client: { ...selfMember.client, authenticationMethod: 'self_signed_tls_client_auth' },
} as const;
const registry = makeDeps([member, self], { clock: systemClock });
let server: Server;
let issuer: string;
let identities: LiveIdentities;
let good: LiveClientIdentity;
let credential: CertificateCredential;

const apply = (change: RegistryChange): void =>
	registry.directory().apply({ sequence: registry.directory().sequence + 1, change });
const uriOf = ({ partner, client }: Member): string =>
	`spiffe://${TRUST_DOMAIN}/partner/${partner.id}/client/${client.id}`;

before(async () => {
	identities = await createLiveIdentities();
	// Another operator's authorities, alike in every name: they vouch for the very same client, and what they made is as good
	// a stand-in for a certificate of the partner's own making, being none of ours.
	const others = await createLiveIdentities();
	good = await identities.client(uriOf(member));
	const stranger = await others.client(uriOf(member));
	const selfMade = await others.client(uriOf(self));
	credential = certificateCredential(member.client, good);
	apply({ kind: 'credential', record: credential });
	apply({ kind: 'credential', record: selfSignedCredential(self.client, selfMade) });
	server = createServer({ ...(await identities.server()), requestCert: true, rejectUnauthorized: false });
	await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve));
	issuer = `https://localhost:${(server.address() as AddressInfo).port}`;
	const readers = readersOf(identities.authorities, TRUST_DOMAIN);
	server.on('request', createAuthorizationServer({ ...registry, ...readers, audit }));
	writeFileSync(join(folder, 'ca.pem'), identities.ca);
	for (const [name, { cert, key }] of Object.entries({ good, stranger, selfMade })) {
		writeFileSync(join(folder, `${name}.pem`), cert);
		writeFileSync(join(folder, `${name}-key.pem`), key);
	}
});

after(async () => {
	rmSync(folder, { recursive: true });
	server.closeAllConnections();
	await new Promise((resolve) => server.close(resolve));
});

/** Asks for a token by curl, with the files of that name; gives status and body. */
async function curl(name?: string): Promise<readonly [number, { [name: string]: unknown }]> {
	const resolve = `${new URL(issuer).host}:127.0.0.1`;
	const own =
		name === undefined ? [] : ['--cert', join(folder, `${name}.pem`), '--key', join(folder, `${name}-key.pem`)];
	const answer = ['--silent', '--show-error', '--write-out', '\n%{http_code}'];
	const trust = ['--cacert', join(folder, 'ca.pem'), '--noproxy', '*', '--resolve', resolve];
	const asked = ['--data', 'grant_type=client_credentials', `${issuer}/oauth2/token`];
	const { stdout } = await run('curl', [...answer, ...trust, ...own, ...asked]);
	const cut = stdout.lastIndexOf('\n');
	return [Number(stdout.slice(cut + 1)), JSON.parse(stdout.slice(0, cut)) as { [name: string]: unknown }];
}

const noCurl = spawnSync('curl', ['--version']).status === 0 ? false : 'NOT RUN: this machine has no curl';

test('checks 48, 50, 51, 61: curl gets a token with the client certificate, or exactly the one that was registered, and none without or with a stranger’s', {
	skip: noCurl,
}, async () => {
	const [status, body] = await curl('good');
	assert.equal(status, 200, JSON.stringify(body));
	assert.equal(body['token_type'], 'Bearer');
	const [, payload = ''] = String(body['access_token']).split('.');
	const claims = JSON.parse(Buffer.from(payload, 'base64url').toString()) as { cnf: unknown };
	assert.deepEqual(claims.cnf, { 'x5t#S256': good.thumbprint });
	for (const name of [undefined, 'stranger']) {
		const [refused, answer] = await curl(name);
		assert.deepEqual([refused, answer['error']], [401, 'invalid_client'], name ?? 'none');
	}
	const [own, granted] = await curl('selfMade');
	assert.equal(own, 200, JSON.stringify(granted));
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
	const tls = { ca: identities.ca, cert: good.cert, key: good.key };
	const open = new Agent({ ...tls, keepAlive: true, maxSockets: 1 });
	const resuming = new Agent({ ...tls, keepAlive: false });
	assert.equal((await ask(open)).status, 200);
	assert.equal((await ask(resuming)).status, 200);
	assert.deepEqual(await ask(resuming), { status: 200, reused: false, resumed: true }, 'a resumed session is served');
	apply({ kind: 'credential', record: { ...credential, status: 'revoked' } });
	assert.deepEqual(await ask(open), { status: 401, reused: true, resumed: false });
	assert.deepEqual(await ask(resuming), { status: 401, reused: false, resumed: true });
	assert.equal(audit.entries.at(-1)?.facts?.['cause'], 'credential_revoked');
	open.destroy();
	resuming.destroy();
});
