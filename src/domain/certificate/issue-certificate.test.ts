import assert from 'node:assert/strict';
import { createHash, createPrivateKey, generateKeyPairSync, X509Certificate } from 'node:crypto';
import type { KeyObject } from 'node:crypto';
import { test } from 'node:test';
import { AsnConvert } from '@peculiar/asn1-schema';
import * as x509 from '@peculiar/asn1-x509';
import fc from 'fast-check';
import {
	createAuthorities,
	createSubjectKey,
	DAY_MS,
	NOW_MS,
	TRUST_DOMAIN,
} from '../../../test/fixture/authorities.ts';
import { createOpensslFolder, skipWithoutOpenssl } from '../../../test/fixture/openssl.ts';
import { openLocalSigner } from '../../adapters/keys/local-signer.ts';
import { ManualClock } from '../../kernel/clock.ts';
import { newId } from '../../kernel/ids.ts';
import { systemRandom } from '../../kernel/random.ts';
import { unwrap } from '../../kernel/result.ts';
import { Secret } from '../../kernel/secret.ts';
import { issueCertificate } from './issue-certificate.ts';
import type { CertificateRequest } from './issue-certificate.ts';
import { issuePlatformCertificate } from './issue-platform-certificate.ts';
import type { Issuer } from './issuer.ts';
import { lintCertificate } from './lint-certificate.ts';
import { PROFILES } from './profile.ts';
import { SignerUnavailable } from './signer.ts';
import { formatSpiffeId } from './spiffe-id.ts';
import { encodeName, encodeTbs } from './x509-certificate.ts';
import type { TbsFields } from './x509-certificate.ts';
import { alternativeNamesExtension, authorityKeyIdentifierExtension } from './x509-extension.ts';
import { basicConstraintsExtension, extendedKeyUsageExtension } from './x509-extension.ts';
import { keyUsageExtension, subjectKeyIdentifierExtension } from './x509-extension.ts';

const clock = new ManualClock(NOW_MS);
const deps = { clock, random: systemRandom, trustDomain: TRUST_DOMAIN };
const { root, partnerIssuing, platformIssuing } = await createAuthorities();
const key = createSubjectKey().publicKey;
const partnerId = newId('prt', clock, systemRandom);
const clientId = newId('cli', clock, systemRandom);
const operatorId = newId('opr', clock, systemRandom);
const uri = formatSpiffeId({ kind: 'partner-client', trustDomain: TRUST_DOMAIN, partnerId, clientId });
const clientRequest: CertificateRequest = {
	profile: 'partner-client',
	publicKey: key,
	subject: { organization: partnerId, commonName: clientId },
	uri,
};

test('issues a partner certificate that says exactly what its profile says', async () => {
	const issued = unwrap(await issueCertificate(partnerIssuing, clientRequest, deps));
	const certificate = new X509Certificate(issued.pem);
	assert.ok(certificate.raw.equals(issued.der));
	assert.ok(certificate.verify(partnerIssuing.certificate.publicKey));
	assert.equal(certificate.serialNumber.toLowerCase(), issued.serial);
	assert.equal(certificate.ca, false);
	assert.equal(certificate.subjectAltName, `URI:${uri}`);
	assert.deepEqual(certificate.keyUsage, ['1.3.6.1.5.5.7.3.2']);
	assert.equal(certificate.subject, `O=${partnerId}\nCN=${clientId}`);
	assert.equal(new Date(certificate.validFrom).getTime(), NOW_MS - 60_000);
	assert.equal(new Date(certificate.validTo).getTime(), issued.notAfterMs);
	assert.equal(issued.notAfterMs, NOW_MS - 60_000 + 90 * DAY_MS);
	assert.equal(issued.thumbprint, createHash('sha256').update(issued.der).digest('base64url'));
	assert.equal(issued.publicKeyHash, createHash('sha256').update(key.spki).digest('base64url'));
	assert.equal(issued.chainPem, issued.pem + partnerIssuing.certificatePem);
	const { extensions = [] } = AsnConvert.parse(issued.der, x509.Certificate).tbsCertificate;
	assert.deepEqual(
		Array.from(extensions, ({ extnID, critical }) => [extnID, critical]),
		[
			[x509.id_ce_basicConstraints, true],
			[x509.id_ce_keyUsage, true],
			[x509.id_ce_extKeyUsage, false],
			[x509.id_ce_subjectAltName, false],
			[x509.id_ce_subjectKeyIdentifier, false],
			[x509.id_ce_authorityKeyIdentifier, false],
		],
	);
});

test('makes certificates that an independent parser writes back byte for byte', async () => {
	await fc.assert(
		fc.asyncProperty(
			fc.string({ unit: 'grapheme', minLength: 1, maxLength: 40 }),
			fc.integer({ min: 60_000, max: 90 * DAY_MS }),
			async (commonName, lifetimeMs) => {
				const request = { ...clientRequest, subject: { commonName }, lifetimeMs };
				const { der, serial } = unwrap(await issueCertificate(partnerIssuing, request, deps));
				const parsed = AsnConvert.parse(der, x509.Certificate);
				assert.ok(Buffer.from(AsnConvert.serialize(parsed)).equals(der));
				assert.equal(Buffer.from(parsed.tbsCertificate.serialNumber).toString('hex'), serial);
				const [name] = parsed.tbsCertificate.subject.flat();
				assert.equal(name?.value.utf8String, commonName);
			},
		),
		{ numRuns: 60 },
	);
});

test('gives serial numbers of 16 bytes that are positive and never repeat', async () => {
	const serials = new Set<string>();
	for (let count = 0; count < 200; count++) {
		const { serial } = unwrap(await issueCertificate(partnerIssuing, clientRequest, deps));
		assert.match(serial, /^[4-7][0-9a-f]{31}$/);
		serials.add(serial);
	}
	assert.equal(serials.size, 200);
});

test('gives less lifetime when asked, never more than the profile or the authority has', async () => {
	const short = unwrap(await issueCertificate(partnerIssuing, { ...clientRequest, lifetimeMs: 3_600_000 }, deps));
	assert.equal(short.notAfterMs, NOW_MS + 3_600_000);
	for (const lifetimeMs of [90 * DAY_MS + 1, 59_999, 0, -1, Number.NaN, Number.POSITIVE_INFINITY]) {
		const refused = await issueCertificate(partnerIssuing, { ...clientRequest, lifetimeMs }, deps);
		assert.ok(!refused.ok);
		assert.equal(refused.fault.code, 'input_invalid');
	}
	const nearItsEnd = new ManualClock(partnerIssuing.notAfterMs - 10 * DAY_MS);
	const capped = unwrap(await issueCertificate(partnerIssuing, clientRequest, { ...deps, clock: nearItsEnd }));
	assert.equal(capped.notAfterMs, partnerIssuing.notAfterMs);
});

test('issues nothing while the authority itself is not valid', async () => {
	for (const nowMs of [partnerIssuing.notBeforeMs - 1, partnerIssuing.notAfterMs, partnerIssuing.notAfterMs + DAY_MS]) {
		const refused = await issueCertificate(partnerIssuing, clientRequest, { ...deps, clock: new ManualClock(nowMs) });
		assert.ok(!refused.ok);
		assert.equal(refused.fault.code, 'authority_unavailable');
	}
});

test('backdates by at most a minute at any moment', async () => {
	for (const ms of [0, 1, 499, 999]) {
		const at = new ManualClock(NOW_MS + DAY_MS + ms);
		const issued = unwrap(await issueCertificate(partnerIssuing, clientRequest, { ...deps, clock: at }));
		const backdated = at.nowMs() - issued.notBeforeMs;
		assert.ok(backdated <= 60_000 && backdated > 59_000, String(backdated));
	}
});

test('issues no certificate with a name that is not of its profile', async () => {
	const bad: CertificateRequest[] = [
		{ ...clientRequest, uri: formatSpiffeId({ kind: 'operator', trustDomain: TRUST_DOMAIN, operatorId }) },
		{ ...clientRequest, uri: `${uri}?x` },
		{ profile: 'partner-client', publicKey: key, subject: {} },
		{ profile: 'server', publicKey: key, subject: {} },
		{ profile: 'server', publicKey: key, subject: {}, dnsNames: ['*.bank.example'] },
		{ profile: 'server', publicKey: key, subject: {}, dnsNames: ['bank.example'], ipAddresses: ['300.0.0.1'] },
	];
	for (const request of bad) {
		const refused = await issueCertificate(
			request.profile === 'partner-client' ? partnerIssuing : platformIssuing,
			request,
			deps,
		);
		assert.ok(!refused.ok);
		assert.equal(refused.fault.code, 'input_invalid');
	}
});

test('never signs with an authority that the profile does not name', async () => {
	for (const issuer of [root, platformIssuing])
		await assert.rejects(issueCertificate(issuer, clientRequest, deps), /may not sign certificates of this profile/);
	await assert.rejects(
		issuePlatformCertificate(partnerIssuing, { profile: 'operator', operatorId }, deps),
		/may not sign certificates of this profile/,
	);
});

/** What a good partner certificate says, before it is written. */
const goodFields = (): TbsFields => ({
	serial: Buffer.alloc(16, 0x55),
	algorithm: partnerIssuing.signer.algorithm,
	issuer: partnerIssuing.subject,
	subject: encodeName({ commonName: clientId }),
	notBeforeMs: NOW_MS,
	notAfterMs: NOW_MS + DAY_MS,
	publicKey: key,
	extensions: goodExtensions(),
});

const goodExtensions = (replaced: Record<number, Buffer> = {}, more: readonly Buffer[] = []): Buffer[] => [
	...[
		basicConstraintsExtension({ ca: false }),
		keyUsageExtension(['digitalSignature']),
		extendedKeyUsageExtension(['clientAuth']),
		alternativeNamesExtension({ uris: [uri] }, false),
		subjectKeyIdentifierExtension(key.keyId),
		authorityKeyIdentifierExtension(partnerIssuing.keyId),
	].map((extension, index) => replaced[index] ?? extension),
	...more,
];

test('passes nothing through the linter that differs from the profile in any point', () => {
	const lint = (changes: Partial<TbsFields>, issuer: Issuer = partnerIssuing) =>
		lintCertificate(encodeTbs({ ...goodFields(), ...changes }), PROFILES['partner-client'], issuer);
	assert.ok(lint({}).ok);
	const bad: Record<string, Partial<TbsFields>> = {
		'serial of 64 bits': { serial: Buffer.alloc(8, 0x55) },
		'serial of 21 bytes': { serial: Buffer.alloc(21, 0x55) },
		'other issuer name': { issuer: platformIssuing.subject },
		'other signature algorithm': { algorithm: 'ecdsa-with-SHA384' },
		'ends before it begins': { notAfterMs: NOW_MS - 1000 },
		'a second too long': { notAfterMs: NOW_MS + 90 * DAY_MS + 1000 },
		'begins before its authority': { notBeforeMs: partnerIssuing.notBeforeMs - 1000 },
		'authority instead of end entity': { extensions: goodExtensions({ 0: basicConstraintsExtension({ ca: true }) }) },
		'more key usage': { extensions: goodExtensions({ 1: keyUsageExtension(['digitalSignature', 'keyCertSign']) }) },
		'other key usage': { extensions: goodExtensions({ 1: keyUsageExtension(['cRLSign']) }) },
		'more purposes': { extensions: goodExtensions({ 2: extendedKeyUsageExtension(['clientAuth', 'serverAuth']) }) },
		'other purpose': { extensions: goodExtensions({ 2: extendedKeyUsageExtension(['serverAuth']) }) },
		'two URIs': { extensions: goodExtensions({ 3: alternativeNamesExtension({ uris: [uri, uri] }, false) }) },
		'URI and host name': {
			extensions: goodExtensions({ 3: alternativeNamesExtension({ uris: [uri], dnsNames: ['a.example'] }, false) }),
		},
		'critical SAN beside a name': {
			extensions: goodExtensions({ 3: alternativeNamesExtension({ uris: [uri] }, true) }),
		},
		'other subject key id': { extensions: goodExtensions({ 4: subjectKeyIdentifierExtension(Buffer.alloc(20)) }) },
		'other authority key id': {
			extensions: goodExtensions({ 5: authorityKeyIdentifierExtension(platformIssuing.keyId) }),
		},
		'extension twice': { extensions: goodExtensions({}, [keyUsageExtension(['digitalSignature'])]) },
		'missing extension': { extensions: goodExtensions().slice(0, 5) },
		'no name at all and a SAN that is not critical': { subject: encodeName({}) },
	};
	for (const [what, changes] of Object.entries(bad)) assert.ok(!lint(changes).ok, what);
	const soon: Issuer = { ...partnerIssuing, notAfterMs: NOW_MS + 1000 };
	assert.ok(!lint({}, soon).ok, 'outlives its authority');
	assert.ok(!lintCertificate(encodeTbs(goodFields()), PROFILES.service, partnerIssuing).ok, 'name of another profile');
	assert.ok(
		!lintCertificate(Buffer.concat([encodeTbs(goodFields()), Buffer.of(0)]), PROFILES['partner-client'], partnerIssuing)
			.ok,
	);
});

test('makes server, service and operator certificates with keys that belong to them', async () => {
	const server = unwrap(
		await issuePlatformCertificate(
			platformIssuing,
			{ profile: 'server', dnsNames: ['localhost', 'api.bank.example'], ipAddresses: ['127.0.0.1', '::1'] },
			deps,
		),
	);
	const certificate = new X509Certificate(server.certificate.pem);
	assert.ok(certificate.checkPrivateKey(privateKeyOf(server.privateKeyPem)));
	assert.equal(certificate.checkHost('api.bank.example'), 'api.bank.example');
	assert.equal(certificate.checkIP('127.0.0.1'), '127.0.0.1');
	assert.equal(certificate.checkIP('::1'), '::1');
	assert.deepEqual(certificate.keyUsage, ['1.3.6.1.5.5.7.3.1']);
	const service = unwrap(
		await issuePlatformCertificate(platformIssuing, { profile: 'service', serviceName: 'gateway' }, deps),
	);
	assert.equal(
		new X509Certificate(service.certificate.pem).subjectAltName,
		`URI:spiffe://${TRUST_DOMAIN}/service/gateway`,
	);
	const operator = unwrap(await issuePlatformCertificate(platformIssuing, { profile: 'operator', operatorId }, deps));
	assert.equal(operator.certificate.notAfterMs, NOW_MS - 60_000 + 365 * DAY_MS);
	const long = unwrap(
		await issuePlatformCertificate(
			platformIssuing,
			{ profile: 'server', dnsNames: [`${'a'.repeat(60)}.example`] },
			deps,
		),
	);
	assert.equal(new X509Certificate(long.certificate.pem).subject, undefined, 'a long name stands in the SAN alone');
	assert.equal(JSON.stringify(server.privateKeyPem), '"[secret]"');
});

function privateKeyOf(pem: Secret): KeyObject {
	return createPrivateKey(pem.reveal());
}

test('signs with every kind of authority key', async () => {
	const kinds = [
		generateKeyPairSync('ec', { namedCurve: 'P-384' }).privateKey,
		generateKeyPairSync('ed25519').privateKey,
		generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey,
	];
	for (const privateKey of kinds) {
		const signer = openLocalSigner(new Secret(privateKey.export({ type: 'pkcs8', format: 'pem' }).toString()));
		const issued = unwrap(await issueCertificate({ ...partnerIssuing, signer }, clientRequest, deps));
		assert.ok(new X509Certificate(issued.pem).verify(signer.publicKey), signer.algorithm);
	}
	const { privateKey } = generateKeyPairSync('x25519');
	const pem = new Secret(privateKey.export({ type: 'pkcs8', format: 'pem' }).toString());
	assert.throws(() => openLocalSigner(pem), TypeError);
});

test('refuses as unavailable while the key of the authority cannot be used, and hides why', async () => {
	const sign = () => Promise.reject(new SignerUnavailable('the token is gone', { retryAfterSeconds: 7 }));
	const signer = { ...partnerIssuing.signer, sign };
	const refused = await issueCertificate({ ...partnerIssuing, signer }, clientRequest, deps);
	assert.ok(!refused.ok && refused.fault.code === 'authority_unavailable');
	assert.equal(refused.fault.retryAfterSeconds, 7);
	assert.match(refused.fault.internal ?? '', /the token is gone/);
	assert.doesNotMatch(refused.fault.detail, /token/);
	const broken = { ...partnerIssuing.signer, sign: () => Promise.reject(new TypeError('a bug')) };
	await assert.rejects(issueCertificate({ ...partnerIssuing, signer: broken }, clientRequest, deps), TypeError);
});

test('makes chains that openssl accepts strictly, for their purpose only', {
	skip: skipWithoutOpenssl,
}, async (context) => {
	const folder = createOpensslFolder(context);
	const server = unwrap(
		await issuePlatformCertificate(platformIssuing, { profile: 'server', dnsNames: ['localhost'] }, deps),
	);
	const service = unwrap(
		await issuePlatformCertificate(platformIssuing, { profile: 'service', serviceName: 'gateway' }, deps),
	);
	const client = unwrap(await issueCertificate(partnerIssuing, clientRequest, deps));
	folder.write('root.pem', root.certificatePem);
	folder.write('issuing.pem', partnerIssuing.certificatePem + platformIssuing.certificatePem);
	folder.write('client.pem', client.pem);
	folder.write('server.pem', server.certificate.pem);
	folder.write('service.pem', service.certificate.pem);
	const at = ['-attime', String(NOW_MS / 1000)];
	const verify = (purpose: string, file: string, time: readonly string[] = at) =>
		folder.run(
			'verify',
			'-x509_strict',
			'-purpose',
			purpose,
			...time,
			'-CAfile',
			'root.pem',
			'-untrusted',
			'issuing.pem',
			file,
		);
	for (const [purpose, file] of [
		['sslclient', 'client.pem'],
		['sslclient', 'service.pem'],
		['sslserver', 'server.pem'],
	] as const)
		assert.equal(verify(purpose, file).status, 0, `${file}: ${verify(purpose, file).output}`);
	for (const [purpose, file] of [
		['sslserver', 'client.pem'],
		['sslclient', 'server.pem'],
	] as const)
		assert.notEqual(verify(purpose, file).status, 0, `${file} for ${purpose}`);
	const late = ['-attime', String(NOW_MS / 1000 + 91 * 86_400)];
	assert.match(verify('sslclient', 'client.pem', late).output, /certificate has expired/);
	const text = folder.read('x509', '-in', 'client.pem', '-noout', '-text').toString();
	assert.match(text, /X509v3 Key Usage: critical\s+Digital Signature\n/);
	assert.match(text, /X509v3 Basic Constraints: critical\s+CA:FALSE\n/);
});
