// @peculiar/x509 wants this before it is loaded.
// oxlint-disable-next-line import/no-unassigned-import
import 'reflect-metadata';
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { X509Crl, X509CrlReason } from '@peculiar/x509';
import { CertificateRevocationList } from 'pkijs';
import { createAuthorities, DAY_MS, NOW_MS } from '../../../test/fixture/authorities.ts';
import { createOpensslFolder, skipWithoutOpenssl } from '../../../test/fixture/openssl.ts';
import { encodePem } from './pem.ts';
import { CRL_REASON, encodeRevocationList, encodeSignedList, isListed } from './revocation-list.ts';
import type { RevocationEntry, RevocationListFields } from './revocation-list.ts';

const { root, partnerIssuing } = await createAuthorities();

const ENTRIES: readonly RevocationEntry[] = Object.keys(CRL_REASON).map((reason, index) => ({
	serial: `4${'0'.repeat(29)}f${index}`,
	revokedAtMs: NOW_MS - index * 1000,
	reason,
}));

async function signList(changes: Partial<RevocationListFields> = {}): Promise<Buffer> {
	const { algorithm } = partnerIssuing.signer;
	const tbs = encodeRevocationList({
		algorithm,
		issuer: partnerIssuing.subject,
		authorityKeyId: partnerIssuing.keyId,
		number: 4711,
		thisUpdateMs: NOW_MS,
		nextUpdateMs: NOW_MS + DAY_MS,
		entries: ENTRIES,
		...changes,
	});
	return encodeSignedList(tbs, algorithm, await partnerIssuing.signer.sign(tbs));
}

test('check 103: version 2, number, key identifier, next update and reasons, as openssl reads them', {
	skip: skipWithoutOpenssl,
}, async (context) => {
	const folder = createOpensslFolder(context);
	folder.write('root.pem', root.certificatePem);
	folder.write('issuing.pem', partnerIssuing.certificatePem);
	folder.write('list.der', await signList());
	folder.write('list.pem', encodePem('X509 CRL', await signList()));
	for (const form of ['DER', 'PEM'] as const) {
		const file = `list.${form.toLowerCase()}`;
		const text = folder.read('crl', '-in', file, '-inform', form, '-noout', '-text').toString();
		assert.match(text, /Version 2 \(0x1\)/);
		assert.match(text, /X509v3 CRL Number:\s+4711/);
		assert.match(text, /X509v3 Authority Key Identifier/);
		assert.match(text, /Last Update: Nov 24 12:00:00 2026 GMT/);
		assert.match(text, /Next Update: Nov 25 12:00:00 2026 GMT/);
		assert.equal(text.match(/Serial Number: 4/g)?.length, ENTRIES.length);
		for (const reason of ['Key Compromise', 'Affiliation Changed', 'Superseded', 'Certificate Hold'])
			assert.match(text, new RegExp(`CRL Reason Code:\\s+${reason}`));
		// Unspecified is said by saying nothing (RFC 5280 §5.3.1).
		assert.doesNotMatch(text, /Unspecified/);
	}
	const verdict = folder.run('crl', '-in', 'list.pem', '-noout', '-CAfile', 'issuing.pem', '-verify');
	assert.match(verdict.output, /verify OK/);
	const other = folder.run('crl', '-in', 'list.pem', '-noout', '-CAfile', 'root.pem', '-verify');
	assert.doesNotMatch(other.output, /verify OK/);
});

test('check 103: two parsers that others wrote read the same entries', async () => {
	const der = await signList();
	const list = new X509Crl(new Uint8Array(der));
	assert.equal(list.version, 1);
	assert.equal(list.entries.length, ENTRIES.length);
	for (const [index, { serial, revokedAtMs, reason }] of ENTRIES.entries()) {
		const entry = list.entries[index];
		assert.deepEqual([entry?.serialNumber, entry?.revocationDate.getTime()], [serial, revokedAtMs]);
		assert.equal(entry?.reason ?? X509CrlReason.unspecified, CRL_REASON[reason]);
	}
	const parsed = CertificateRevocationList.fromBER(new Uint8Array(der));
	assert.equal(parsed.revokedCertificates?.length, ENTRIES.length);
	assert.deepEqual(
		parsed.crlExtensions?.extensions.map(({ extnID, critical }) => [extnID, critical]),
		[
			['2.5.29.35', false],
			['2.5.29.20', false],
		],
	);
});

test('a list without entries leaves them out, and dates past 2049 are written in full', async () => {
	const empty = new X509Crl(new Uint8Array(await signList({ entries: [] })));
	assert.equal(empty.entries.length, 0);
	const far = new X509Crl(new Uint8Array(await signList({ nextUpdateMs: Date.UTC(2051, 0, 1) })));
	assert.equal(far.nextUpdate?.getUTCFullYear(), 2051);
});

test('refuses a reason that it has no code for', async () => {
	await assert.rejects(signList({ entries: [{ serial: '41', revokedAtMs: NOW_MS, reason: 'because' }] }), TypeError);
});

test('check 103: a certificate is named until one whole list lifetime after its own end, and then no more', () => {
	const end = NOW_MS;
	assert.equal(isListed(end, end - 1, DAY_MS), true);
	assert.equal(isListed(end, end + DAY_MS - 1, DAY_MS), true);
	assert.equal(isListed(end, end + DAY_MS, DAY_MS), false);
});

test('writes and signs a list of 10,000 entries in less than half a second of processor time', {
	skip: skipWithoutOpenssl,
}, async (context) => {
	const entries = Array.from({ length: 10_000 }, (_, index) => ({
		serial: (2n ** 126n + BigInt(index)).toString(16),
		revokedAtMs: NOW_MS,
		reason: 'superseded',
	}));
	let der: Buffer = Buffer.alloc(0);
	const tookMs: number[] = [];
	for (let run = 0; run < 3; run++) {
		const before = process.threadCpuUsage();
		der = await signList({ entries });
		const { user, system } = process.threadCpuUsage(before);
		tookMs.push((user + system) / 1000);
	}
	assert.ok(der.length > 300_000);
	const folder = createOpensslFolder(context);
	folder.write('list.der', der);
	const text = folder.read('crl', '-in', 'list.der', '-inform', 'DER', '-noout', '-text').toString();
	assert.equal(text.match(/Serial Number: 4/g)?.length, 10_000);
	assert.ok(Math.min(...tookMs) < 500, `${tookMs.join()} ms`);
});
