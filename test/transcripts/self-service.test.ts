// A partner's machine on its own: the first certificate by an enrolment code, the next by the certificate that it has, with
// curl and openssl as the EST client that they already own, and with our own renewal command.
import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { copyFile, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { createPartnerKey } from '../../demo/partner-key.ts';
import { type DemoPlatform, startDemoPlatform } from '../fixture/demo-platform.ts';
import { createOpensslFolder, skipWithoutOpenssl } from '../fixture/openssl.ts';
import { onboardPartnerClient, type PartnerClient } from '../fixture/partner-client.ts';
import { curl, runSallyport } from '../fixture/run-program.ts';

let folder: string;
let platform: DemoPlatform;
let client: PartnerClient;

before(async () => {
	folder = await mkdtemp(join(tmpdir(), 'sallyport-self-service-'));
	platform = await startDemoPlatform(join(folder, 'data'));
	const { gateway, admin, tokenEndpoint, partner } = platform.demo;
	const address = { data: platform.data, gateway, admin, tokenEndpoint, resource: partner.resource };
	client = await onboardPartnerClient(address, 'Acme', 'standard');
});
after(async () => {
	await platform.stop('SIGKILL');
	await rm(folder, { recursive: true });
});

/** Sends a new request with curl, and lets openssl take the answer apart. */
async function enrol(
	operation: 'simpleenroll' | 'simplereenroll',
	openssl: ReturnType<typeof createOpensslFolder>,
	...args: readonly string[]
): Promise<{ readonly status: number; readonly certificates: string; readonly body: string }> {
	const { csrPem } = createPartnerKey('anything');
	const csr = csrPem.replaceAll(/-----[^-]+-----/g, '').trim();
	const trust = ['--cacert', platform.file(platform.demo.caFile)];
	const body = ['-H', 'Content-Type: application/pkcs10', '--data-binary', csr];
	const [answer] = await curl(...trust, ...body, ...args, `${platform.demo.issuer}/.well-known/est/${operation}`);
	assert.ok(answer !== undefined);
	if (answer.status !== 200) return { status: answer.status, certificates: '', body: answer.body };
	openssl.write('answer.p7', Buffer.from(answer.body, 'base64'));
	const certificates = openssl.read('pkcs7', '-inform', 'DER', '-in', 'answer.p7', '-print_certs').toString();
	return { status: answer.status, certificates, body: answer.body };
}

describe('a partner that helps itself', { skip: skipWithoutOpenssl }, () => {
	it('gets its first certificate with curl, openssl and a code, once', async (context) => {
		const openssl = createOpensslFolder(context);
		const created = await platform.sallyport('enrolment', 'create', '--client', client.clientId, '--output', 'json');
		assert.equal(created.code, 0, created.stderr);
		const { code } = JSON.parse(created.stdout) as { code: string };
		const first = await enrol('simpleenroll', openssl, '--user', `${client.clientId}:${code}`);
		assert.equal(first.status, 200, first.body);
		const leaf = new X509Certificate(first.certificates.slice(first.certificates.indexOf('-----BEGIN')));
		assert.match(leaf.subjectAltName ?? '', new RegExp(`/client/${client.clientId}$`));
		assert.equal((await enrol('simpleenroll', openssl, '--user', `${client.clientId}:${code}`)).status, 401);
		const listed = await platform.sallyport('enrolment', 'list', '--client', client.clientId, '--output', 'json');
		assert.equal((JSON.parse(listed.stdout) as [{ status: string }])[0].status, 'used');
	});

	it('is told that it is too early to renew, over mutual TLS, and is refused without it', async (context) => {
		const openssl = createOpensslFolder(context);
		const early = await enrol('simplereenroll', openssl, ...client.identity);
		assert.deepEqual([early.status, JSON.parse(early.body).type], [403, 'urn:sallyport:problem:renewal_not_due']);
		assert.equal((await enrol('simplereenroll', openssl)).status, 401);
	});

	it('renews with one command when it is due, says what the server says, and tidies up after a run that was killed', async () => {
		const files = { certificate: join(folder, 'own.pem'), key: join(folder, 'own.key') };
		await copyFile(client.certificateFile, files.certificate);
		await copyFile(client.keyFile, files.key);
		const own = ['--certificate-file', files.certificate, '--key-file', files.key];
		const server = ['--server', platform.demo.issuer, '--ca-file', platform.file(platform.demo.caFile)];
		const renew = (...args: readonly string[]) => runSallyport('certificate', 'renew', ...own, ...server, ...args);
		const quiet = await renew('--once');
		assert.equal(quiet.code, 0, quiet.stderr);
		assert.match(quiet.stderr, /not due before/);
		const refused = await renew('--force');
		assert.equal(refused.code, 1);
		assert.match(refused.stderr, /the server refused \(403\): The certificate can be renewed from/);
		assert.equal(await readFile(files.key, 'utf8'), await readFile(client.keyFile, 'utf8'), 'nothing was replaced');

		// A run that was killed before it had a certificate leaves a key behind, which the next one removes.
		const { keyPem } = createPartnerKey('x');
		await writeFile(`${files.key}.next`, keyPem);
		assert.equal((await renew('--once')).code, 0);
		await assert.rejects(stat(`${files.key}.next`));
	});
});
