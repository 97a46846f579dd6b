// Rollover of the root: two roots that certify each other, so that whoever knows one of them verifies what either has signed;
// openssl is the judge. And the end of the older one.
import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { describe, it, type TestContext } from 'node:test';
import { authorityDependencies, createSubjectKey, TRUST_DOMAIN } from '../../../test/fixture/authorities.ts';
import { createOpensslFolder, skipWithoutOpenssl } from '../../../test/fixture/openssl.ts';
import { newId } from '../../kernel/ids.ts';
import { unwrap } from '../../kernel/result.ts';
import { type AuthorityName, PROFILES } from './profile.ts';
import {
	type AuthorityAdded,
	type AuthorityDependencies,
	type AuthoritySet,
	loadOrCreateAuthorities,
} from './authority.ts';
import { certificatesOfPem } from './certs-only.ts';
import { issueCertificate } from './issue-certificate.ts';
import type { IssuedCertificate } from './issued-certificate.ts';
import { SignerUnavailable } from './signer.ts';
import { formatSpiffeId } from './spiffe-id.ts';

async function rotate(authorities: AuthoritySet, ...names: readonly AuthorityName[]): Promise<AuthorityAdded> {
	let added: AuthorityAdded | undefined;
	for (const name of names) {
		added = await authorities.prepare(name);
		assert.ok(added !== undefined);
		assert.equal(await authorities.adopt(added), true);
		authorities.activate(name);
	}
	assert.ok(added !== undefined);
	return added;
}

async function issueLeaf(authorities: AuthoritySet, deps: AuthorityDependencies): Promise<IssuedCertificate> {
	const [partnerId, clientId] = [newId('prt', deps.clock, deps.random), newId('cli', deps.clock, deps.random)];
	const uri = formatSpiffeId({ kind: 'partner-client', trustDomain: TRUST_DOMAIN, partnerId, clientId });
	const { publicKey } = createSubjectKey();
	const request = { profile: 'partner-client', publicKey, subject: { commonName: clientId }, uri } as const;
	return unwrap(await issueCertificate(authorities.partnerIssuing, request, deps));
}

/** What openssl says of a leaf, trusting these roots alone, with what the leaf's holder sends and what is published. */
function verify(context: TestContext, roots: string, chainPem: string, published = ''): string {
	const openssl = createOpensslFolder(context);
	const [leaf = '', ...above] = chainPem.split(/(?<=-----END CERTIFICATE-----\n)/);
	openssl.write('roots.pem', roots);
	openssl.write('above.pem', above.join('') + published);
	openssl.write('leaf.pem', leaf);
	const at = String(Math.floor(new X509Certificate(leaf).validFromDate.getTime() / 1000) + 120);
	const args = ['-x509_strict', '-purpose', 'sslclient', '-attime', at, '-CAfile', 'roots.pem'];
	return openssl.run('verify', ...args, '-untrusted', 'above.pem', 'leaf.pem').output;
}

describe('the rollover of the root', () => {
	it('check 105: whoever trusts either root verifies what either has signed, through the cross certificates', {
		skip: skipWithoutOpenssl,
	}, async (context) => {
		const deps = authorityDependencies();
		const authorities = await loadOrCreateAuthorities(deps);
		const oldRoot = authorities.root;
		const before = await issueLeaf(authorities, deps);
		const added = await rotate(authorities, 'root');
		assert.deepEqual([added.id, added.name], ['root-2', 'root']);
		const between = await issueLeaf(authorities, deps);
		assert.equal(
			between.chainPem.split('END CERTIFICATE').length,
			3,
			'the old root is in no need of a cross certificate',
		);
		await rotate(authorities, 'partner-issuing', 'platform-issuing');
		const newRoot = authorities.root;
		const after = await issueLeaf(authorities, deps);
		const published = authorities
			.crossCertificates()
			.map(({ certificatePem }) => certificatePem)
			.join('');

		// The chain as it is sent is enough for those who know the old root alone.
		assert.match(verify(context, oldRoot.certificatePem, after.chainPem), /leaf\.pem: OK/);
		assert.match(verify(context, newRoot.certificatePem, after.chainPem), /leaf\.pem: OK/);
		for (const leaf of [before, between]) {
			assert.match(verify(context, oldRoot.certificatePem, leaf.chainPem), /leaf\.pem: OK/);
			assert.match(verify(context, newRoot.certificatePem, leaf.chainPem, published), /leaf\.pem: OK/);
			assert.doesNotMatch(verify(context, newRoot.certificatePem, leaf.chainPem), /leaf\.pem: OK/);
		}
		assert.equal(newRoot.publication, undefined);
		assert.deepEqual(
			authorities.crossCertificates().map(({ id }) => id),
			['root-2-by-root', 'root-by-root-2'],
		);
	});

	it('check 105: a cross certificate says what the root says of itself, ends with the earlier of both, and has one level below it', async () => {
		const deps = authorityDependencies({ publicUrl: 'http://pki.bank.example' });
		const authorities = await loadOrCreateAuthorities(deps);
		const older = authorities.root;
		deps.clock.advance(PROFILES.root.lifetimeMsMax / 2);
		await rotate(authorities, 'root');
		const [byOlder, ofOlder] = authorities
			.crossCertificates()
			.map(({ certificatePem }) => new X509Certificate(certificatePem));
		assert.ok(byOlder !== undefined && ofOlder !== undefined);
		assert.equal(byOlder.subject, authorities.root.certificate.subject);
		assert.ok(byOlder.publicKey.equals(authorities.root.certificate.publicKey));
		assert.ok(byOlder.verify(older.certificate.publicKey) && ofOlder.verify(authorities.root.certificate.publicKey));
		for (const cross of [byOlder, ofOlder]) assert.ok(cross.validToDate.getTime() <= older.notAfterMs);
		const { crlUrl, certificateUrl } = authorities.root.publication ?? {};
		assert.deepEqual(
			[crlUrl, certificateUrl],
			['http://pki.bank.example/crl/root-2.crl', 'http://pki.bank.example/ca/root-2.p7c'],
		);
	});

	it('goes on after a start as before it, and makes no third root', async () => {
		const deps = authorityDependencies();
		const first = await loadOrCreateAuthorities(deps);
		await rotate(first, 'root');
		await rotate(first, 'partner-issuing');
		const second = await loadOrCreateAuthorities(deps);
		assert.deepEqual(
			second.all().map(({ id, rootId }) => `${id} ${rootId}`),
			['root root', 'root-2 root-2', 'partner-issuing root', 'partner-issuing-2 root-2', 'platform-issuing root'],
		);
		assert.deepEqual(second.crossCertificates(), first.crossCertificates());
		assert.equal(second.root.id, 'root-2');
		assert.equal(second.partnerIssuing.crossPem, first.partnerIssuing.crossPem);
		assert.equal(second.partnerIssuing.crossPem, second.crossCertificates()[0]?.certificatePem);
		assert.equal(await second.prepare('root'), undefined);
	});

	it('makes nothing when the old root cannot sign, such as one that is offline', async () => {
		const deps = authorityDependencies();
		await loadOrCreateAuthorities(deps);
		const openSigner: AuthorityDependencies['openSigner'] = (stored) => ({
			...deps.openSigner(stored),
			sign: () => Promise.reject(new SignerUnavailable('the key is elsewhere')),
		});
		const authorities = await loadOrCreateAuthorities({ ...deps, openSigner });
		for (const name of ['root', 'partner-issuing'] as const) {
			await assert.rejects(authorities.prepare(name), SignerUnavailable, name);
		}
		assert.equal(authorities.all().length, 3);
	});

	it('is not opened when a stored cross certificate is not one of its roots', async () => {
		const deps = authorityDependencies();
		await rotate(await loadOrCreateAuthorities(deps), 'root');
		const other = await loadOrCreateAuthorities(authorityDependencies());
		await rotate(other, 'root');
		const stored = await deps.keys.get('ca/root-2');
		assert.ok(stored !== undefined);
		const [own = ''] = stored.certificatePem.split(/(?<=-----END CERTIFICATE-----\n)/);
		const foreign = other.crossCertificates()[0]?.certificatePem ?? '';
		await deps.keys.put({ ...stored, certificatePem: own + foreign });
		await assert.rejects(loadOrCreateAuthorities(deps), /does not join two roots/);
	});
});

describe('the end of the older root', () => {
	it('is refused while an authority that signs was signed by it', async () => {
		const authorities = await loadOrCreateAuthorities(authorityDependencies());
		assert.equal(authorities.planRetirement('root'), undefined, 'there is no other');
		await rotate(authorities, 'root', 'partner-issuing');
		assert.equal(authorities.planRetirement('root'), undefined, 'platform-issuing is still below it');
		await rotate(authorities, 'platform-issuing');
		assert.equal(authorities.planRetirement('root-2'), undefined, 'the newer one');
		assert.equal(authorities.planRetirement('root')?.untrusted?.length, 3);
	});

	it('takes the trust from it and from what it has signed, destroys its key, and is kept over starts', async (context) => {
		const deps = authorityDependencies();
		const authorities = await loadOrCreateAuthorities(deps);
		const oldRoot = authorities.root;
		await rotate(authorities, 'root', 'partner-issuing', 'platform-issuing');
		const plan = authorities.planRetirement('root');
		assert.ok(plan !== undefined);
		await authorities.retire(plan);
		await authorities.retire(plan);
		const ids = ['root-2', 'partner-issuing-2', 'platform-issuing-2'];
		const again = await loadOrCreateAuthorities(deps);
		for (const set of [authorities, again]) {
			assert.deepEqual(
				set.all().map(({ id }) => id),
				ids,
			);
			assert.deepEqual([set.crossCertificates(), set.partnerIssuing.crossPem], [[], undefined]);
		}
		const stored = await deps.keys.get('ca/root');
		assert.equal(stored?.privateKeyPem.reveal().includes('PRIVATE KEY'), false);
		const leaf = await issueLeaf(again, deps);
		assert.equal(certificatesOfPem(leaf.chainPem).length, 2);
		if (skipWithoutOpenssl === false) {
			assert.match(verify(context, again.root.certificatePem, leaf.chainPem), /leaf\.pem: OK/);
			assert.doesNotMatch(verify(context, oldRoot.certificatePem, leaf.chainPem), /leaf\.pem: OK/);
		}
		// The next generation takes numbers that nobody had.
		const next = await rotate(again, 'root', 'partner-issuing');
		assert.deepEqual([again.root.id, next.id], ['root-3', 'partner-issuing-3']);
		const last = await loadOrCreateAuthorities(deps);
		assert.deepEqual(
			last.crossCertificates().map(({ id }) => id),
			['root-3-by-root-2', 'root-2-by-root-3'],
		);
	});
});
