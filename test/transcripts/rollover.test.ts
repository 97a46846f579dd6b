// Rollover of an issuing authority, and of the root, on the running platform: what was issued before works as before, also on connections that
// are open; what is issued afterwards works at once in every thread; relying parties find a list for both.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { type DemoPlatform, startDemoPlatform } from '../fixture/demo-platform.ts';
import { createOpensslFolder, skipWithoutOpenssl } from '../fixture/openssl.ts';
import {
	onboardPartnerClient,
	openOperatorClient,
	type PartnerClient,
	type PlatformAddress,
} from '../fixture/partner-client.ts';
import { RawConnection } from '../fixture/raw-client.ts';
import { curl, readLedger } from '../fixture/run-program.ts';

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

describe('the rollover of the root', { skip: skipWithoutOpenssl }, () => {
	/** Calls the gateway as a client that trusts these roots alone. */
	const callTrusting = async (client: PartnerClient, roots: string, token: string): Promise<number> => {
		const file = join(folder, 'trusted.pem');
		await writeFile(file, roots);
		const identity = ['--cert', client.certificateFile, '--key', client.keyFile, '--cacert', file];
		const url = `${platform.demo.gateway}/bank/v1/accounts/acc-1001`;
		const [answer] = await curl(...identity, '-H', `Authorization: Bearer ${token}`, url);
		return answer?.status ?? 0;
	};
	it('check 105: both roots are trusted, live; who knows the old one alone verifies what the new one signs; the old one is retired', async (context) => {
		const caFile = join(platform.data, 'ca.pem');
		const oldRoot = await readFile(caFile, 'utf8');
		const before = await onboardPartnerClient(address, 'Under the old root', 'standard');
		const early = await before.token();
		const open = await RawConnection.open({
			port: platform.portBase,
			ca: oldRoot,
			cert: await readFile(before.certificateFile, 'utf8'),
			key: await readFile(before.keyFile, 'utf8'),
		});
		const operator = await openOperatorClient(address);
		await operator.post('/authorities/root/rotate');
		const [first = '', newRoot = ''] = chainOf(caFile);
		assert.equal(first, oldRoot);
		await assert.rejects(operator.post('/authorities/root/rotate'), /Retire the older one first/);
		const force = { body: { force: true } };
		await assert.rejects(operator.post('/authorities/root/retire', force), /Replace the root, then both/);
		await operator.post('/authorities/partner-issuing/rotate');
		await operator.post('/authorities/platform-issuing/rotate');

		const after = await onboardPartnerClient(address, 'Under the new root', 'standard');
		const late = await after.token();
		for (const roots of [oldRoot, newRoot]) {
			assert.equal(await callTrusting(after, roots, late), 200);
			assert.equal(await callTrusting(before, roots, early), 200);
		}
		await verifyByPublishedDocuments(createOpensslFolder(context), after, oldRoot);

		const refused = await platform.sallyport('authority', 'retire', 'root');
		assert.equal(refused.code, 5, refused.stderr);
		assert.match(refused.stderr, /still valid/);
		const retired = await platform.sallyport('authority', 'retire', 'root', '--force');
		assert.equal(retired.code, 0, retired.stderr);
		assert.match(retired.stderr, /knows only this root/);
		// Which the command line could do by the certificate that the operator got with the new authority.
		await assert.rejects(operator.get('/authorities'), /certificate/);
		await operator.close();
		assert.equal(await readFile(caFile, 'utf8'), newRoot);
		// The bank still shows a certificate that the old root stands behind: it should have renewed it before.
		assert.equal(await callTrusting(after, newRoot, late), 502);
		assert.equal(await callTrusting(before, newRoot, early), 401, 'what the old root stands behind is over');
		const get = `GET /bank/v1/accounts/acc-1001 HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer ${early}\r\n\r\n`;
		assert.equal((await open.send(get))?.status, 401, 'on open connections, too');
		open.close();
		const types = (await readLedger(platform.data, '--type', 'authority')).map(({ type }) => type);
		assert.ok(types.includes('authority.retired'));
		await platform.stop();
		platform = await startDemoPlatform(platform.data, platform.portBase);
		const listed = JSON.parse((await platform.sallyport('authority', 'list', '--output', 'json')).stdout);
		assert.deepEqual([...new Set(listed.map((one: { rootId: string }) => one.rootId))], ['root-2']);
		assert.equal(await callTrusting(after, newRoot, late), 200);
		assert.equal(await callTrusting(before, newRoot, early), 401);
	});

	/** What a relying party does that has the old root and a leaf, and fetches everything else from the public listener. */
	async function verifyByPublishedDocuments(
		judge: ReturnType<typeof createOpensslFolder>,
		{ certificateFile }: PartnerClient,
		oldRoot: string,
	): Promise<void> {
		const fetched = async (path: string): Promise<Buffer> => {
			const answer = await fetch(`http://localhost:${platform.portBase + 5}${path}`);
			assert.equal(answer.status, 200, path);
			return Buffer.from(await answer.arrayBuffer());
		};
		const [leaf = '', issuing = ''] = chainOf(certificateFile);
		judge.write('leaf.pem', leaf);
		judge.write('old.pem', oldRoot);
		judge.write('root-2.p7c', await fetched('/ca/root-2.p7c'));
		const bundle = judge.read('pkcs7', '-inform', 'DER', '-in', 'root-2.p7c', '-print_certs').toString();
		judge.write('above.pem', issuing + bundle);
		const lists = await Promise.all(['root', 'root-2', 'partner-issuing-3'].map((id) => fetched(`/crl/${id}.crl.pem`)));
		judge.write('lists.pem', Buffer.concat(lists));
		const args = ['verify', '-x509_strict', '-crl_check_all', '-CRLfile', 'lists.pem', '-CAfile', 'old.pem'];
		assert.match(judge.run(...args, '-untrusted', 'above.pem', 'leaf.pem').output, /leaf\.pem: OK/);
		judge.write('cross.cer', await fetched('/ca/root-2-by-root.cer'));
		assert.match(judge.run('x509', '-in', 'cross.cer', '-noout', '-text').output, /pathlen:1/);

		const [answer] = await curl(
			'--cacert',
			join(platform.data, 'ca.pem'),
			`${platform.demo.issuer}/.well-known/est/cacerts`,
		);
		judge.write('cacerts.p7', Buffer.from(answer?.body ?? '', 'base64'));
		const published = judge.read('pkcs7', '-inform', 'DER', '-in', 'cacerts.p7', '-print_certs').toString();
		assert.equal(published.match(/BEGIN CERTIFICATE/g)?.length, 5, 'issuing, both roots, each by the other');
	}
});
