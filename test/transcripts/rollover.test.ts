// Rollover of an issuing authority on the running platform: what was issued before works as before, also on connections that
// are open; what is issued afterwards works at once in every thread; relying parties find a list for both.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { type DemoPlatform, startDemoPlatform } from '../fixture/demo-platform.ts';
import { createOpensslFolder, skipWithoutOpenssl } from '../fixture/openssl.ts';
import { onboardPartnerClient, type PlatformAddress } from '../fixture/partner-client.ts';
import { RawConnection } from '../fixture/raw-client.ts';

let folder: string;
let platform: DemoPlatform;
let address: PlatformAddress;

before(async () => {
	folder = await mkdtemp(join(tmpdir(), 'sallyport-rollover-'));
	platform = await startDemoPlatform(join(folder, 'data'));
	const { gateway, admin, tokenEndpoint, partner } = platform.demo;
	address = { data: platform.data, gateway, admin, tokenEndpoint, resource: partner.resource };
});
after(async () => {
	await platform.stop('SIGKILL');
	await rm(folder, { recursive: true });
});

const chainOf = (file: string): readonly string[] =>
	readFileSync(file, 'utf8')
		.split(/(?<=-----END CERTIFICATE-----\n)/)
		.filter((pem) => pem !== '');

describe('the rollover of the authority of partners', { skip: skipWithoutOpenssl }, () => {
	it('check 105: both are trusted, in every thread and on open connections, and both have a list', async (context) => {
		const old = await onboardPartnerClient(address, 'Before', 'standard');
		const token = await old.token();
		const ca = await readFile(join(platform.data, 'ca.pem'), 'utf8');
		const [cert, key] = [await readFile(old.certificateFile, 'utf8'), await readFile(old.keyFile, 'utf8')];
		const open = await RawConnection.open({ port: platform.portBase, ca, cert, key });
		const get = `GET /bank/v1/accounts/acc-1001 HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer ${token}\r\n\r\n`;
		assert.equal((await open.send(get))?.status, 200);

		const rotated = await platform.sallyport('authority', 'rotate', 'partner-issuing', '--output', 'json');
		assert.equal(rotated.code, 0, rotated.stderr);
		assert.equal((JSON.parse(rotated.stdout) as { id: string }).id, 'partner-issuing-2');

		const young = await onboardPartnerClient(address, 'After', 'standard');
		const [oldLeaf = '', oldIssuer = ''] = chainOf(old.certificateFile);
		const [leaf = '', issuer = ''] = chainOf(young.certificateFile);
		assert.notEqual(issuer, oldIssuer);
		// More calls than there are threads: each of them trusts both.
		for (let count = 0; count < 6; count++) {
			assert.equal((await young.call(await young.token(), '/accounts/acc-1001')).status, 200);
			assert.equal((await old.call(token, '/accounts/acc-1001')).status, 200);
		}
		assert.equal((await open.send(get))?.status, 200, 'the open connection goes on');
		open.close();

		const openssl = createOpensslFolder(context);
		openssl.write('root.pem', ca);
		for (const [id, one, above] of [
			['partner-issuing', oldLeaf, oldIssuer],
			['partner-issuing-2', leaf, issuer],
		] as const) {
			openssl.write('leaf.pem', one);
			openssl.write('issuing.pem', above);
			const list = await fetch(`http://localhost:${platform.portBase + 5}/crl/${id}.crl.pem`);
			openssl.write('list.pem', Buffer.from(await list.arrayBuffer()));
			const args = ['verify', '-x509_strict', '-crl_check', '-CRLfile', 'list.pem', '-CAfile', 'root.pem'];
			const { output } = openssl.run(...args, '-untrusted', 'issuing.pem', 'leaf.pem');
			assert.match(output, /leaf\.pem: OK/, id);
		}
	});

	it('the platform takes certificates of its new authority, and its operators go on', async () => {
		const rotated = await platform.sallyport('authority', 'rotate', 'platform-issuing');
		assert.equal(rotated.code, 0, rotated.stderr);
		const listed = await platform.sallyport('authority', 'list', '--output', 'json');
		const signing = (JSON.parse(listed.stdout) as { id: string; isSigning: boolean }[]).filter(
			({ isSigning }) => isSigning,
		);
		assert.deepEqual(
			signing.map(({ id }) => id),
			['root', 'partner-issuing-2', 'platform-issuing-2'],
		);
		const client = await onboardPartnerClient(address, 'Third', 'standard');
		assert.equal((await client.call(await client.token(), '/accounts/acc-1001')).status, 200);
	});
});
