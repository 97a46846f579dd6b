// Revocation as others learn of it, from the whole platform: the addresses in a certificate lead to a list and to OCSP
// answers that openssl and curl believe; a revocation shows up there soon, and at the platform's own listeners at once.
import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { type DemoPlatform, startDemoPlatform } from '../fixture/demo-platform.ts';
import { createOpensslFolder, skipWithoutOpenssl } from '../fixture/openssl.ts';
import { onboardPartnerClient, type PartnerClient } from '../fixture/partner-client.ts';

const PUBLISHED_WITHIN_MS = 15_000;

let folder: string;
let platform: DemoPlatform;
let client: PartnerClient;
let origin: string;

before(async () => {
	folder = await mkdtemp(join(tmpdir(), 'sallyport-publication-'));
	platform = await startDemoPlatform(join(folder, 'data'));
	const { gateway, admin, tokenEndpoint, partner } = platform.demo;
	const address = { data: platform.data, gateway, admin, tokenEndpoint, resource: partner.resource };
	client = await onboardPartnerClient(address, 'Acme', 'standard');
	origin = `http://localhost:${platform.portBase + 5}`;
});
after(async () => {
	await platform.stop('SIGKILL');
	await rm(folder, { recursive: true });
});

async function fetchList(): Promise<Buffer> {
	return Buffer.from(await (await fetch(`${origin}/crl/partner-issuing.crl.pem`)).arrayBuffer());
}

describe('what a certificate says about its revocation', { skip: skipWithoutOpenssl }, () => {
	it('check 101, 103: openssl verifies the chain strictly, with the list that the certificate names', async (context) => {
		const openssl = createOpensslFolder(context);
		const [leaf = '', issuing = ''] = readFileSync(client.certificateFile, 'utf8').split(
			/(?<=-----END CERTIFICATE-----\n)/,
		);
		openssl.write('root.pem', readFileSync(platform.file(platform.demo.caFile)));
		openssl.write('issuing.pem', issuing);
		openssl.write('leaf.pem', leaf);
		const text = openssl.read('x509', '-in', 'leaf.pem', '-noout', '-text').toString();
		assert.match(text, new RegExp(`URI:${origin}/crl/partner-issuing\\.crl`));
		assert.match(text, new RegExp(`OCSP - URI:${origin}/ocsp`));
		openssl.write('list.pem', await fetchList());
		const args = ['verify', '-x509_strict', '-purpose', 'sslclient', '-crl_check', '-CRLfile', 'list.pem'];
		const verdict = openssl.run(...args, '-CAfile', 'root.pem', '-untrusted', 'issuing.pem', 'leaf.pem');
		assert.match(verdict.output, /leaf\.pem: OK/);
		const issuer = Buffer.from(await (await fetch(`${origin}/ca/partner-issuing.cer`)).arrayBuffer());
		assert.deepEqual(issuer, new X509Certificate(issuing).raw);
	});

	it('check 54, 55, 103, 104: a revocation is at once at the gateway, then in OCSP and in the next list', async (context) => {
		const openssl = createOpensslFolder(context);
		const [leaf = '', issuing = ''] = readFileSync(client.certificateFile, 'utf8').split(
			/(?<=-----END CERTIFICATE-----\n)/,
		);
		openssl.write('root.pem', readFileSync(platform.file(platform.demo.caFile)));
		openssl.write('issuing.pem', issuing);
		openssl.write('leaf.pem', leaf);
		const base = [
			'ocsp',
			'-url',
			`${origin}/ocsp`,
			'-issuer',
			'issuing.pem',
			'-cert',
			'leaf.pem',
			'-CAfile',
			'root.pem',
		];
		const ask = (...more: readonly string[]): string => openssl.run(...base, ...more).output;
		assert.match(ask(), /Response verify OK[^]*leaf\.pem: good|leaf\.pem: good[^]*Response verify OK/);
		assert.match(ask('-no_nonce'), /leaf\.pem: good/);
		const token = await client.token();
		assert.equal((await client.call(token, '/accounts/acc-1001')).status, 200);

		const { serialNumber } = new X509Certificate(leaf);
		const found = await platform.sallyport('certificate', 'list', '--serial', serialNumber, '--output', 'json');
		const [{ id }] = JSON.parse(found.stdout) as [{ id: string }];
		const held = await platform.sallyport('certificate', 'hold', id);
		assert.equal(held.code, 0, held.stderr);
		const refused = await client.call(token, '/accounts/acc-1001');
		assert.deepEqual(
			[refused.status, JSON.parse(refused.body).type],
			[401, 'urn:sallyport:problem:credential_revoked'],
		);
		assert.match(ask('-no_nonce'), /leaf\.pem: revoked[^]*Reason: certificateHold/);

		const released = await platform.sallyport('certificate', 'release', id);
		assert.equal(released.code, 0, released.stderr);
		assert.equal((await client.call(token, '/accounts/acc-1001')).status, 200);
		assert.match(ask('-no_nonce'), /leaf\.pem: good/);

		const revoked = await platform.sallyport('certificate', 'revoke', id, '--reason', 'superseded');
		assert.equal(revoked.code, 0, revoked.stderr);
		assert.equal((await client.call(token, '/accounts/acc-1001')).status, 401);
		assert.match(ask(), /leaf\.pem: revoked[^]*Reason: superseded/);
		const deadline = performance.now() + PUBLISHED_WITHIN_MS;
		const args = ['verify', '-crl_check', '-CRLfile', 'list.pem', '-CAfile', 'root.pem', '-untrusted', 'issuing.pem'];
		for (;;) {
			openssl.write('list.pem', await fetchList());
			const { output } = openssl.run(...args, 'leaf.pem');
			if (output.includes('certificate revoked')) break;
			assert.ok(performance.now() < deadline, `still not listed: ${output}`);
			await sleep(200);
		}
	});

	it('every listener staples an answer about its own certificate, which openssl believes', (context) => {
		const openssl = createOpensslFolder(context);
		openssl.write('root.pem', readFileSync(platform.file(platform.demo.caFile)));
		for (const step of [0, 1, 2]) {
			const connect = ['s_client', '-connect', `localhost:${platform.portBase + step}`, '-servername', 'localhost'];
			const { output } = openssl.run(...connect, '-status', '-CAfile', 'root.pem');
			assert.match(output, /OCSP Response Status: successful[^]*Cert Status: good/, String(step));
			assert.match(output, /Verify return code: 0 \(ok\)/, String(step));
		}
	});

	it('check 104: openssl asks by GET through what a cache would keep; numbers of lists grow; metrics tell their end', async () => {
		const { headers } = await fetch(`${origin}/crl/partner-issuing.crl`);
		assert.ok(Number(headers.get('etag')?.replaceAll('"', '')) >= 2, 'one at the start, one after the changes');
		const metrics = await (await fetch(`${platform.demo.private}/metrics`)).text();
		assert.match(metrics, /sallyport_crl_overdue\{authority="partner-issuing"\} 0/);
		assert.match(metrics, /sallyport_certificates_expiring\{within="60d"\} \d+/);
		assert.match(metrics, /sallyport_pki_requests_total\{outcome="ocsp_answered"\} [1-9]/);
	});
});
