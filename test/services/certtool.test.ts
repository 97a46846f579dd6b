// GnuTLS as an independent judge: what the partner CA issues, lists and answers is read and verified by certtool and ocsptool.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { createHash, generateKeyPairSync, sign } from 'node:crypto';
import { test, type TestContext } from 'node:test';
import { openLocalSigner } from '../../src/adapters/keys/local-signer.ts';
import { openMemoryStore } from '../../src/adapters/store/memory/open-memory-store.ts';
import { loadOrCreateAuthorities } from '../../src/domain/certificate/authority.ts';
import { certificatesOfPem, encodeCertsOnly } from '../../src/domain/certificate/certs-only.ts';
import { issueCertificate } from '../../src/domain/certificate/issue-certificate.ts';
import { createStaple } from '../../src/domain/certificate/ocsp-staple.ts';
import { encodePem } from '../../src/domain/certificate/pem.ts';
import { publicKeyBits, type SubjectPublicKey, subjectPublicKeyOf } from '../../src/domain/certificate/public-key.ts';
import { encodeRevocationList, encodeSignedList } from '../../src/domain/certificate/revocation-list.ts';
import { formatSpiffeId } from '../../src/domain/certificate/spiffe-id.ts';
import { parseCertificate } from '../../src/domain/certificate/x509-parse.ts';
import { systemClock } from '../../src/kernel/clock.ts';
import { newId } from '../../src/kernel/ids.ts';
import { systemRandom } from '../../src/kernel/random.ts';
import { unwrap } from '../../src/kernel/result.ts';
import { createOpensslFolder } from '../fixture/openssl.ts';

const deps = { clock: systemClock, random: systemRandom };
const { root, partnerIssuing } = await loadOrCreateAuthorities({
	...deps,
	keys: openMemoryStore().keys,
	trustDomain: 'bank.example',
	publicUrl: 'http://pki.bank.example',
	openSigner: openLocalSigner,
});

function newKey(): { readonly publicKey: SubjectPublicKey; readonly sign: (data: Uint8Array) => Uint8Array } {
	const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
	return {
		publicKey: subjectPublicKeyOf(publicKey.export({ type: 'spki', format: 'der' })),
		sign: (data) => sign('sha256', data, privateKey),
	};
}

const partnerId = newId('prt', systemClock, systemRandom);
const clientId = newId('cli', systemClock, systemRandom);
const uri = formatSpiffeId({ kind: 'partner-client', trustDomain: 'bank.example', partnerId, clientId });
const leaf = unwrap(
	await issueCertificate(
		partnerIssuing,
		{ profile: 'partner-client', publicKey: newKey().publicKey, subject: { commonName: clientId }, uri },
		deps,
	),
);

async function signList(serials: readonly string[]): Promise<string> {
	const { algorithm } = partnerIssuing.signer;
	const nowMs = systemClock.nowMs();
	const tbs = encodeRevocationList({
		algorithm,
		issuer: partnerIssuing.subject,
		authorityKeyId: partnerIssuing.keyId,
		number: 1,
		thisUpdateMs: nowMs - 1000,
		nextUpdateMs: nowMs + 86_400_000,
		entries: serials.map((serial) => ({ serial, revokedAtMs: nowMs - 1000, reason: 'key-compromise' })),
	});
	return encodePem('X509 CRL', encodeSignedList(tbs, algorithm, await partnerIssuing.signer.sign(tbs)));
}

/** A folder with the chain in it, and a way to run the tools of GnuTLS there. */
function openFolder(context: TestContext) {
	const folder = createOpensslFolder(context);
	folder.write('chain.pem', leaf.pem + partnerIssuing.certificatePem + root.certificatePem);
	folder.write('leaf.pem', leaf.pem);
	folder.write('issuing.pem', partnerIssuing.certificatePem);
	folder.write('root.pem', root.certificatePem);
	const path = folder.path;
	const run = (
		tool: string,
		...args: readonly string[]
	): { readonly status: number | null; readonly output: string } => {
		const { status, stdout, stderr } = spawnSync(tool, args, { cwd: path, encoding: 'utf8' });
		return { status, output: `${stdout}${stderr}` };
	};
	return { folder, run };
}

test('check 101: certtool verifies the chain of a partner certificate, and reads what it says', (context) => {
	const { run } = openFolder(context);
	const verdict = run('certtool', '--verify-chain', '--infile', 'chain.pem');
	assert.match(verdict.output, /Chain verification output: Verified/);
	const { output } = run('certtool', '--certificate-info', '--infile', 'leaf.pem');
	assert.match(output, new RegExp(`URI: ${uri}`));
	assert.match(output, /TLS WWW Client/);
	assert.match(output, /http:\/\/pki\.bank\.example\/crl\/partner-issuing\.crl/);
	assert.match(output, /Certificate Authority \(CA\): FALSE/);
});

test('check 103: certtool verifies a revocation list by its authority, and finds the entry', async (context) => {
	const { folder, run } = openFolder(context);
	folder.write('list.pem', await signList([leaf.serial]));
	const verdict = run('certtool', '--verify-crl', '--load-ca-certificate', 'issuing.pem', '--infile', 'list.pem');
	assert.match(verdict.output, /Verification output: Verified/);
	const { output } = run('certtool', '--crl-info', '--infile', 'list.pem');
	assert.match(output, /Version: 2/);
	assert.match(output, new RegExp(leaf.serial));
});

test('check 104: ocsptool verifies an answer of the delegated responder', async (context) => {
	const { folder, run } = openFolder(context);
	const key = newKey();
	const request = {
		profile: 'ocsp-responder',
		publicKey: key.publicKey,
		subject: { commonName: 'responder' },
	} as const;
	const responder = unwrap(await issueCertificate(partnerIssuing, request, deps));
	const authority = {
		id: partnerIssuing.id,
		subject: partnerIssuing.subject,
		keyBits: publicKeyBits(parseCertificate(partnerIssuing.certificate.raw)?.tbs.publicKey as Buffer),
		responder: {
			algorithm: 'ecdsa-with-SHA256',
			keyHash: createHash('sha1').update(publicKeyBits(key.publicKey.spki)).digest(),
			certificate: responder.der,
			sign: key.sign,
		},
	} as const;
	const times = { nowMs: systemClock.nowMs(), validityMs: 3_600_000 };
	folder.write('answer.der', createStaple(authority, leaf.serial, { kind: 'good' }, times));
	const info = run('ocsptool', '--response-info', '--infile', 'answer.der');
	assert.match(info.output, /Certificate Status: good/);
	const verdict = run(
		'ocsptool',
		'--verify-response',
		'--load-issuer',
		'issuing.pem',
		'--load-trust',
		'issuing.pem',
		'--infile',
		'answer.der',
	);
	assert.match(verdict.output, /Success/);
});

test('RFC 7030: certtool reads the certificates of an EST answer', (context) => {
	const { folder, run } = openFolder(context);
	folder.write('answer.p7', encodeCertsOnly(certificatesOfPem(leaf.chainPem)));
	const { output } = run('certtool', '--p7-info', '--inder', '--infile', 'answer.p7');
	assert.match(output, /Number of certificates: 2/);
});
