import assert from 'node:assert/strict';
import { generateKeyPairSync, X509Certificate } from 'node:crypto';
import { test } from 'node:test';
import { authorityDependencies, DAY_MS, NOW_MS } from '../../../test/fixture/authorities.ts';
import { createOpensslFolder, skipWithoutOpenssl } from '../../../test/fixture/openssl.ts';
import { openMemoryStore } from '../../adapters/store/memory/open-memory-store.ts';
import { Secret } from '../../kernel/secret.ts';
import type { KeyStore, StoredKey } from '../registry/key-store.ts';
import { loadOrCreateAuthorities } from './authority.ts';

/** A key store that is killed at insert number `at`, once. */
function createKilledKeyStore(at: number): KeyStore {
	const { keys } = openMemoryStore();
	let left = at;
	const insert = async (key: StoredKey): Promise<void> => {
		if (left-- === 0) throw new Error('killed');
		await keys.insert(key);
	};
	return { ...keys, insert };
}

test('makes a root and two issuing authorities under it, and loads the same ones again', async () => {
	const deps = authorityDependencies();
	const first = await loadOrCreateAuthorities(deps);
	for (const issuing of [first.partnerIssuing, first.platformIssuing]) {
		assert.ok(issuing.certificate.verify(first.root.certificate.publicKey));
		assert.ok(issuing.certificate.checkIssued(first.root.certificate));
		assert.equal(issuing.chainPem, issuing.certificatePem + first.root.certificatePem);
		assert.ok(issuing.notAfterMs <= first.root.notAfterMs);
	}
	const second = await loadOrCreateAuthorities(deps);
	for (const name of ['root', 'partnerIssuing', 'platformIssuing'] as const) {
		assert.equal(second[name].certificatePem, first[name].certificatePem);
		assert.ok(second[name].keyId.equals(first[name].keyId));
	}
	const names = [first.root, first.partnerIssuing, first.platformIssuing].map(({ certificate }) => certificate.subject);
	assert.equal(new Set(names).size, 3);
});

test('goes on where a killed start ended, whatever the insert', async () => {
	for (let at = 0; at < 3; at++) {
		const keys = createKilledKeyStore(at);
		const deps = authorityDependencies({ keys });
		await assert.rejects(loadOrCreateAuthorities(deps), /killed/);
		const before = (await keys.list('certificate-authority')).map(({ certificatePem }) => certificatePem);
		assert.equal(before.length, at);
		const { root, partnerIssuing, platformIssuing } = await loadOrCreateAuthorities(deps);
		const after = new Set([root, partnerIssuing, platformIssuing].map(({ chainPem }) => chainPem));
		assert.ok(
			before.every((chain) => after.has(chain)),
			'what was stored is kept',
		);
		assert.ok(partnerIssuing.certificate.verify(root.certificate.publicKey));
		assert.ok(platformIssuing.certificate.verify(root.certificate.publicKey));
	}
});

test('uses one set of authorities when two starts race', async () => {
	const deps = authorityDependencies();
	const [one, two] = await Promise.all([loadOrCreateAuthorities(deps), loadOrCreateAuthorities(deps)]);
	assert.equal(one.root.certificatePem, two.root.certificatePem);
	assert.equal(one.partnerIssuing.certificatePem, two.partnerIssuing.certificatePem);
	assert.equal(one.platformIssuing.certificatePem, two.platformIssuing.certificatePem);
});

test('does not start with a stored authority that belongs to another key or another root', async () => {
	const deps = authorityDependencies();
	await loadOrCreateAuthorities(deps);
	const stored = await deps.keys.get('ca/partner-issuing');
	assert.ok(stored !== undefined);
	const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
	const otherKey = new Secret(privateKey.export({ type: 'pkcs8', format: 'pem' }).toString());
	await deps.keys.put({ ...stored, privateKeyPem: otherKey });
	await assert.rejects(loadOrCreateAuthorities(deps), /belongs to another key/);

	const foreign = authorityDependencies();
	await loadOrCreateAuthorities(foreign);
	const foreignIssuing = await foreign.keys.get('ca/partner-issuing');
	assert.ok(foreignIssuing !== undefined);
	await deps.keys.put(foreignIssuing);
	await assert.rejects(loadOrCreateAuthorities(deps), /not issued by the root/);
});

test('limits paths: the root to a successor and its authorities below it, the issuing authorities to none', async () => {
	const { root, partnerIssuing } = await loadOrCreateAuthorities(authorityDependencies());
	assert.ok(root.certificate.ca);
	assert.equal(new Date(root.certificate.validFrom).getTime(), NOW_MS - 60_000);
	assert.ok(root.notAfterMs - NOW_MS <= 7300 * DAY_MS);
	assert.ok(partnerIssuing.notAfterMs - NOW_MS <= 3650 * DAY_MS);
	assert.equal(new X509Certificate(partnerIssuing.certificatePem).keyUsage, undefined, 'no extended key usage');
});

test('makes authorities that openssl reads as intended', { skip: skipWithoutOpenssl }, async (context) => {
	const { root, partnerIssuing } = await loadOrCreateAuthorities(authorityDependencies());
	const folder = createOpensslFolder(context);
	folder.write('root.pem', root.certificatePem);
	folder.write('issuing.pem', partnerIssuing.certificatePem);
	const text = folder.read('x509', '-in', 'issuing.pem', '-noout', '-text').toString();
	assert.match(text, /X509v3 Basic Constraints: critical\s+CA:TRUE, pathlen:0/);
	assert.match(text, /X509v3 Key Usage: critical\s+Certificate Sign, CRL Sign/);
	assert.match(text, /Signature Algorithm: ecdsa-with-SHA256/);
	assert.match(folder.read('x509', '-in', 'root.pem', '-noout', '-text').toString(), /CA:TRUE, pathlen:2/);
	const at = String(NOW_MS / 1000);
	const verdict = folder.run('verify', '-x509_strict', '-attime', at, '-CAfile', 'root.pem', 'issuing.pem');
	assert.equal(verdict.status, 0, verdict.output);
});
