// Renewal from the partner's side, against a server with real TLS.
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { createServer } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import type { TLSSocket } from 'node:tls';
import { PendingSignatures } from '../../domain/certificate/pending-signatures.ts';
import { createAuthorities, DAY_MS, TRUST_DOMAIN } from '../../../test/fixture/authorities.ts';
import { createCertificateRegistry, newKey } from '../../../test/fixture/certificate-registry.ts';
import { MemoryAuditSink } from '../../adapters/ledger/memory-audit-sink.ts';
import type { Authority } from '../../domain/certificate/authority.ts';
import { encodeCsr } from '../../domain/certificate/encode-csr.ts';
import { issueClientCertificate } from '../../domain/certificate/issue-client-certificate.ts';
import { issuePlatformCertificate } from '../../domain/certificate/issue-platform-certificate.ts';
import { parseIpAddress } from '../../domain/network/ip-address.ts';
import { certificateThumbprint } from '../../domain/certificate/thumbprint.ts';
import { systemClock } from '../../kernel/clock.ts';
import { silentLog } from '../../kernel/log.ts';
import type { Random } from '../../kernel/random.ts';
import { systemRandom } from '../../kernel/random.ts';
import { unwrap } from '../../kernel/result.ts';
import { createEst } from '../../services/certificate-authority/est.ts';
import { createProgram } from '../program.ts';
import { finishReplacement, readIdentity, replaceIdentity } from './identity-files.ts';
import { renewOnce } from './renew-once.ts';
import { backoffMs, dueMs } from './schedule.ts';

async function openSetting(context: TestContext) {
	const setting = await createCertificateRegistry();
	// The server and the client look at the clock of this machine.
	setting.clock.advance(systemClock.nowMs() - setting.clock.nowMs());
	const { registry, issuing, clock } = setting;
	const { root, platformIssuing } = await createAuthorities();
	const names = { profile: 'server', dnsNames: ['localhost'] } as const;
	const tlsDeps = { clock: systemClock, random: systemRandom, trustDomain: TRUST_DOMAIN };
	const identity = unwrap(await issuePlatformCertificate(platformIssuing, names, tlsDeps));
	const origin = { url: '' };
	const server = createServer(
		{
			cert: identity.certificate.chainPem,
			key: identity.privateKeyPem.reveal(),
			ca: [(issuing.authority as Authority).certificatePem],
			requestCert: true,
			rejectUnauthorized: false,
		},
		(request, response) =>
			createEst({
				store: registry,
				publisher: { publish: () => Promise.resolve() },
				pendingSignatures: new PendingSignatures(),
				audit: new MemoryAuditSink(),
				log: silentLog,
				issuing: () => issuing,
				renewal: { afterPercent: 50, graceMs: 0, overlapMs: DAY_MS, perDay: 100 },
				renewalAudience: `${origin.url}/.well-known/est/simplereenroll`,
				authorityChain: () => (issuing.authority as Authority).chainPem,
				presentedThumbprint: (from) => {
					const raw = (from.socket as TLSSocket).getPeerX509Certificate()?.raw;
					return raw === undefined ? undefined : certificateThumbprint(raw);
				},
				origin: () => ({
					text: '192.0.2.1',
					address: parseIpAddress('192.0.2.1'),
					source: { key: '192.0.2.1', widerKey: undefined, isCertified: false },
					refused: undefined,
				}),
				failed: () => undefined,
				requestId: () => 'req-1',
				reportBug: (error) => {
					throw error;
				},
			})(request, response),
	);
	await new Promise<void>((resolve) => server.listen(0, 'localhost', resolve));
	origin.url = `https://localhost:${(server.address() as { port: number }).port}`;
	const folder = await mkdtemp(join(tmpdir(), 'sallyport-renewal-'));
	context.after(async () => {
		server.closeAllConnections();
		server.close();
		await rm(folder, { recursive: true });
	});
	// Nearly over, so that it is due whatever the spread.
	const MINUTE_MS = 60_000;
	clock.advance(-80 * MINUTE_MS);
	const key = newKey();
	const { id: clientId, partnerId } = setting.client;
	const command = { clientId, partnerId, csr: encodeCsr(key, {}), lifetimeMs: 90 * MINUTE_MS };
	const issued = unwrap(await issueClientCertificate(registry, command, issuing));
	clock.advance(80 * MINUTE_MS);
	const files = { certificateFile: join(folder, 'client.pem'), keyFile: join(folder, 'client.key') };
	await writeFile(files.certificateFile, issued.chainPem);
	await writeFile(files.keyFile, key.export({ type: 'pkcs8', format: 'pem' }).toString());
	await writeFile(join(folder, 'ca.pem'), root.certificatePem);
	const target = { ...files, server: origin.url, ca: root.certificatePem, isByToken: false, isKeyKept: false };
	return { ...setting, issued, folder, files, target };
}

const deps = { clock: systemClock, random: systemRandom };

test('check 102: renews by the connection, with a new key of the same kind, and leaves nothing else behind', async (context) => {
	const { registry, issued, files, target } = await openSetting(context);
	const before = await readIdentity(files);
	await renewOnce(target, before, deps);
	const now = await readIdentity(files);
	assert.notEqual(now.keyPem, before.keyPem);
	assert.equal(now.certificate.ca, false);
	assert.match(now.chain, /END CERTIFICATE-----\n-----BEGIN/, 'with its authority');
	assert.equal((await stat(files.keyFile)).mode & 0o777, 0o600);
	assert.deepEqual([existsSync(`${files.keyFile}.next`), existsSync(`${files.certificateFile}.next`)], [false, false]);
	const record = await registry.certificates.findByThumbprint(certificateThumbprint(now.certificate.raw));
	assert.equal(record?.predecessorId, issued.certificate.id);
	// The old one goes on until the end of the overlap: the new one is not due, and says so.
	await assert.rejects(renewOnce(target, now, deps), /refused \(403\): The certificate can be renewed from/);
	assert.equal((await readIdentity(files)).keyPem, now.keyPem);
});

test('renews by a token where TLS shows no certificate, keeping the key when told to', async (context) => {
	const { files, target } = await openSetting(context);
	const before = await readIdentity(files);
	await renewOnce({ ...target, isByToken: true, isKeyKept: true }, before, deps);
	const now = await readIdentity(files);
	assert.equal(now.keyPem, before.keyPem);
	assert.notEqual(now.certificate.serialNumber, before.certificate.serialNumber);
});

test('trusts no server but that of the given authorities', async (context) => {
	const { files, target } = await openSetting(context);
	const { root } = await createAuthorities();
	const identity = await readIdentity(files);
	await assert.rejects(renewOnce({ ...target, ca: root.certificatePem }, identity, deps), /certificate/);
});

test('the daemon renews what is due, runs the hook, goes on, and stops when it is told to', async (context) => {
	const { folder, files, target } = await openSetting(context);
	const stop = new AbortController();
	const said: string[] = [];
	const program = createProgram({
		stdout: () => undefined,
		stderr: (text) => {
			said.push(text);
			// The second certificate has been looked at: it is not due, and the daemon waits for its day.
			if (said.filter((one) => one.includes('is renewed')).length === 2) stop.abort();
		},
		isTerminal: false,
		signal: stop.signal,
		env: { PATH: process.env['PATH'] },
		cwd: folder,
		setExitCode: () => undefined,
	});
	const before = await readIdentity(files);
	const hook = 'cp "$SALLYPORT_CERTIFICATE_FILE" hooked.pem';
	const names = ['--certificate-file', 'client.pem', '--key-file', 'client.key', '--ca-file', 'ca.pem'];
	const args = ['certificate', 'renew', ...names, '--server', target.server, '--hook', hook, '--daemon'];
	await program.parseAsync(args, { from: 'user' });
	const now = await readIdentity(files);
	assert.notEqual(now.certificate.serialNumber, before.certificate.serialNumber);
	assert.equal(
		await readFile(join(folder, 'hooked.pem'), 'utf8'),
		now.chain,
		'the hook ran after the files were replaced',
	);
	assert.match(said.join(''), /renewed; the new certificate ends .*\n.*the hook has run/);
	assert.match(said.at(-1) ?? '', /stopped/);
});

test('a replacement that was killed at any point leaves a pair that fits', async (context) => {
	const { files, issue } = await openSetting(context);
	const before = await readIdentity(files);
	const key = newKey();
	const keyPem = key.export({ type: 'pkcs8', format: 'pem' }).toString();
	const { chainPem } = await issue(key);
	// Killed after the key was written.
	await writeFile(`${files.keyFile}.next`, keyPem);
	assert.equal(await finishReplacement(files), false);
	assert.equal((await readIdentity(files)).keyPem, before.keyPem);
	// Killed before the renames.
	await writeFile(`${files.keyFile}.next`, keyPem);
	await writeFile(`${files.certificateFile}.next`, chainPem);
	assert.equal(await finishReplacement(files), true);
	assert.equal((await readIdentity(files)).keyPem, keyPem);
	// Killed between the renames.
	const second = newKey();
	const secondPem = second.export({ type: 'pkcs8', format: 'pem' }).toString();
	await writeFile(files.keyFile, secondPem);
	await writeFile(`${files.certificateFile}.next`, (await issue(second)).chainPem);
	await assert.rejects(readIdentity(files), /are not a certificate and its key/);
	assert.equal(await finishReplacement(files), true);
	assert.equal((await readIdentity(files)).keyPem, secondPem);
	// Half a certificate.
	await writeFile(`${files.certificateFile}.next`, chainPem.slice(0, 100));
	assert.equal(await finishReplacement(files), false);
	await replaceIdentity(files, chainPem, keyPem);
	assert.equal((await readIdentity(files)).keyPem, keyPem);
});

test('is due after two thirds of the life and before four fifths of it, and waits longer after each failure, up to an hour', () => {
	const fixed = (fraction: number): Random => ({
		bytes: (length) => Buffer.alloc(length, Math.floor(fraction * 255)),
	});
	const life = { notBeforeMs: 0, notAfterMs: 90 * DAY_MS };
	assert.equal(dueMs(life, fixed(0)), 60 * DAY_MS);
	assert.ok(dueMs(life, fixed(1)) < 69 * DAY_MS + 1);
	for (let failures = 1; failures < 40; failures++) {
		const least = backoffMs(failures, fixed(0));
		assert.ok(least >= 15_000 && least <= 1_800_000, String(least));
		assert.ok(backoffMs(failures, fixed(1)) <= 3_600_000);
		assert.ok(backoffMs(failures + 1, fixed(0)) >= least);
	}
});
