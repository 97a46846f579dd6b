// Attacks by certificate: each certificate here is signed by a key of our own authorities or of an attacker,
// and wrong in one point. Expected: certificate_invalid (or certificate_expired), whatever else is right.
import assert from 'node:assert/strict';
import { createHash, createPrivateKey, generateKeyPairSync, sign } from 'node:crypto';
import { test } from 'node:test';
import fc from 'fast-check';
import {
	authorityDependencies,
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
import { loadOrCreateAuthorities } from './authority.ts';
import type { Authority } from './authority.ts';
import {
	derBitString,
	derContextPrimitive,
	derElement,
	derNull,
	derObjectIdentifier,
	derOctetString,
	derSequence,
} from './der.ts';
import { derTrue, TAG } from './der.ts';
import { readInside, readOnly } from './der-reader.ts';
import { issueCertificate } from './issue-certificate.ts';
import { issuePlatformCertificate } from './issue-platform-certificate.ts';
import { OID } from './object-identifier.ts';
import type { SubjectPublicKey } from './public-key.ts';
import { formatSpiffeId } from './spiffe-id.ts';
import { createClientCertificateVerifier, judgeCertificateDates } from './verify-client-certificate.ts';
import { encodeCertificate, encodeName, encodeTbs } from './x509-certificate.ts';
import type { TbsFields } from './x509-certificate.ts';
import { alternativeNamesExtension, authorityKeyIdentifierExtension } from './x509-extension.ts';
import { basicConstraintsExtension, extendedKeyUsageExtension } from './x509-extension.ts';
import { keyUsageExtension, subjectKeyIdentifierExtension } from './x509-extension.ts';

const clock = new ManualClock(NOW_MS);
const deps = { clock, random: systemRandom, trustDomain: TRUST_DOMAIN };
const authorities = await createAuthorities();
const { root, partnerIssuing, platformIssuing } = authorities;
const verifier = createClientCertificateVerifier({
	trustDomain: TRUST_DOMAIN,
	authorities: [partnerIssuing, platformIssuing],
});
const holder = createSubjectKey();
const partnerId = newId('prt', clock, systemRandom);
const clientId = newId('cli', clock, systemRandom);
const operatorId = newId('opr', clock, systemRandom);
const partnerUri = formatSpiffeId({ kind: 'partner-client', trustDomain: TRUST_DOMAIN, partnerId, clientId });
const operatorUri = formatSpiffeId({ kind: 'operator', trustDomain: TRUST_DOMAIN, operatorId });

interface Forgery {
	readonly by?: Authority;
	/** Signs in place of `by`, whose name and key identifier stay. */
	readonly signer?: Authority['signer'];
	readonly key?: SubjectPublicKey;
	readonly fields?: Partial<TbsFields>;
	readonly basicConstraints?: Buffer;
	readonly keyUsage?: Buffer;
	readonly extendedKeyUsage?: Buffer;
	readonly names?: Buffer;
	readonly authorityKeyId?: Buffer;
	readonly more?: readonly Buffer[];
}

const uriNames = (...uris: string[]) => alternativeNamesExtension({ uris }, false);

/** Signs whatever the attack wants, past profile and linter, as a stolen or careless authority would. */
async function forge(forgery: Forgery = {}): Promise<Buffer> {
	const by = forgery.by ?? partnerIssuing;
	const signer = forgery.signer ?? by.signer;
	const publicKey = forgery.key ?? holder.publicKey;
	const tbs = encodeTbs({
		serial: systemRandom.bytes(16).fill(0x55, 0, 1),
		algorithm: signer.algorithm,
		issuer: by.subject,
		subject: encodeName({ commonName: clientId }),
		notBeforeMs: NOW_MS - 60_000,
		notAfterMs: NOW_MS + DAY_MS,
		publicKey,
		extensions: [
			forgery.basicConstraints ?? basicConstraintsExtension({ ca: false }),
			forgery.keyUsage ?? keyUsageExtension(['digitalSignature']),
			forgery.extendedKeyUsage ?? extendedKeyUsageExtension(['clientAuth']),
			forgery.names ?? uriNames(partnerUri),
			subjectKeyIdentifierExtension(publicKey.keyId),
			forgery.authorityKeyId ?? authorityKeyIdentifierExtension(by.keyId),
			...(forgery.more ?? []),
		].filter((extension) => extension.length > 0),
		...forgery.fields,
	});
	return encodeCertificate(tbs, signer.algorithm, await signer.sign(tbs));
}

function assertRefused(der: Buffer, reason: RegExp, what = ''): void {
	const result = verifier.verify(der, NOW_MS);
	assert.ok(!result.ok, `accepted: ${what}`);
	assert.equal(result.fault.code, 'certificate_invalid');
	assert.match(result.fault.internal ?? '', reason, what);
}

test('names the partner, client, operator or service of a certificate that we issued', async () => {
	const subject = { commonName: clientId };
	const request = { profile: 'partner-client', publicKey: holder.publicKey, subject, uri: partnerUri } as const;
	const issued = unwrap(await issueCertificate(partnerIssuing, request, deps));
	assert.deepEqual(unwrap(verifier.verify(issued.der, NOW_MS)), {
		thumbprint: issued.thumbprint,
		serial: issued.serial,
		profile: 'partner-client',
		authorityKeyId: partnerIssuing.keyId.toString('hex'),
		spiffeId: partnerUri,
		partnerId,
		clientId,
		notBeforeMs: issued.notBeforeMs,
		notAfterMs: issued.notAfterMs,
	});
	assert.ok(verifier.trusts(partnerIssuing.keyId.toString('hex')));
	assert.equal(verifier.trusts('00'), false);
	const operator = unwrap(await issuePlatformCertificate(platformIssuing, { profile: 'operator', operatorId }, deps));
	const verifiedOperator = unwrap(verifier.verify(operator.certificate.der, NOW_MS));
	assert.equal(verifiedOperator.profile, 'operator');
	assert.equal(verifiedOperator.operatorId, operatorId);
	assert.equal(verifiedOperator.partnerId, undefined);
	const service = unwrap(
		await issuePlatformCertificate(platformIssuing, { profile: 'service', serviceName: 'gateway' }, deps),
	);
	assert.equal(unwrap(verifier.verify(service.certificate.der, NOW_MS)).serviceName, 'gateway');
});

test('accepts the forger’s template when nothing is wrong with it, so that the attacks below test one thing each', async () => {
	assert.ok(verifier.verify(await forge(), NOW_MS).ok);
});

test('check 50, T22: refuses another authority with the same name, also when it claims our key identifier', async () => {
	const other = await createAuthorities();
	const impostor: Authority = { ...other.partnerIssuing, subject: partnerIssuing.subject };
	assertRefused(await forge({ by: impostor }), /not issued by an authority of this platform/);
	assertRefused(await forge({ signer: other.partnerIssuing.signer }), /not issued by an authority of this platform/);
});

test('check 51: refuses a self-signed certificate with the right name', async () => {
	const pem = holder.privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
	const signer = openLocalSigner(new Secret(pem));
	assertRefused(await forge({ signer }), /not issued by/);
	const selfIssued = {
		signer,
		fields: { issuer: encodeName({ commonName: clientId }) },
		authorityKeyId: authorityKeyIdentifierExtension(holder.publicKey.keyId),
	};
	assertRefused(await forge(selfIssued), /not issued by/);
});

test('refuses what the root signed, and the certificates of the authorities themselves', async () => {
	assertRefused(await forge({ by: root }), /not issued by/);
	for (const authority of [root, partnerIssuing, platformIssuing])
		assertRefused(authority.certificate.raw, /not issued by/);
	const withRoot = createClientCertificateVerifier({
		trustDomain: TRUST_DOMAIN,
		authorities: [root, partnerIssuing, platformIssuing],
	});
	assert.ok(!withRoot.verify(await forge({ by: root }), NOW_MS).ok, 'the root names nobody even if it is listed');
});

test('check 58, T24: refuses a certificate below another certificate (broken path length)', async () => {
	const intermediate = await forge({ basicConstraints: basicConstraintsExtension({ ca: true, pathLength: 0 }) });
	assertRefused(intermediate, /not that of an end entity/);
	const pem = holder.privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
	const below = await forge({
		signer: openLocalSigner(new Secret(pem)),
		fields: { issuer: encodeName({ commonName: clientId }) },
		authorityKeyId: authorityKeyIdentifierExtension(holder.publicKey.keyId),
		key: createSubjectKey().publicKey,
	});
	assertRefused(below, /not issued by/);
});

test('refuses a certificate without an authority key identifier, or from an issuer with another name', async () => {
	assertRefused(await forge({ authorityKeyId: Buffer.alloc(0) }), /not issued by/);
	assertRefused(await forge({ fields: { issuer: platformIssuing.subject } }), /not issued by/);
});

test('check 52, 53, T24: tells when a certificate expired, and refuses one that is not valid yet', async () => {
	const der = await forge();
	const last = verifier.verify(der, NOW_MS + DAY_MS - 1);
	assert.ok(last.ok);
	const expired = verifier.verify(der, NOW_MS + DAY_MS);
	assert.ok(!expired.ok);
	assert.equal(expired.fault.code, 'certificate_expired');
	assert.match(expired.fault.detail, /certificate expired on 2026-11-25/);
	const early = verifier.verify(der, NOW_MS - 60_001);
	assert.ok(!early.ok);
	assert.equal(early.fault.code, 'certificate_invalid');
	assert.equal(judgeCertificateDates({ notBeforeMs: 0, notAfterMs: 10 }, 5), undefined);
});

test('ends a certificate with its authority, even if the certificate says later', async () => {
	const late = await forge({ fields: { notAfterMs: partnerIssuing.notAfterMs + 10 * DAY_MS } });
	assert.equal(unwrap(verifier.verify(late, NOW_MS)).notAfterMs, partnerIssuing.notAfterMs);
	const result = verifier.verify(late, partnerIssuing.notAfterMs + DAY_MS);
	assert.ok(!result.ok);
	assert.equal(result.fault.code, 'certificate_expired');
});

test('check 58, T24: refuses certificates that are not for client authentication', async () => {
	const none = Buffer.alloc(0);
	assertRefused(await forge({ extendedKeyUsage: extendedKeyUsageExtension(['serverAuth']) }), /client authentication/);
	assertRefused(await forge({ extendedKeyUsage: none }), /client authentication/);
	const anyPurpose = derSequence(
		derObjectIdentifier(OID.extendedKeyUsage),
		derOctetString(derSequence(derObjectIdentifier('2.5.29.37.0'))),
	);
	assertRefused(await forge({ extendedKeyUsage: anyPurpose }), /client authentication/, 'any purpose');
	assertRefused(await forge({ keyUsage: keyUsageExtension(['cRLSign']) }), /not for signatures/);
	assertRefused(await forge({ keyUsage: none }), /not for signatures/);
	assertRefused(await forge({ keyUsage: keyUsageExtension(['digitalSignature', 'keyCertSign']) }), /for certificates/);
	assertRefused(await forge({ basicConstraints: none }), /end entity/);
	assertRefused(await forge({ basicConstraints: basicConstraintsExtension({ ca: true }) }), /end entity/);
	const server = unwrap(
		await issuePlatformCertificate(platformIssuing, { profile: 'server', dnsNames: ['localhost'] }, deps),
	);
	assertRefused(server.certificate.der, /client authentication/, 'our own server certificate');
});

test('check 58, T24: refuses critical extensions that it does not understand, such as name constraints', async () => {
	const extension = (id: string) =>
		derSequence(derObjectIdentifier(id), derTrue(), derOctetString(derSequence(derNull())));
	assertRefused(await forge({ more: [extension('2.5.29.30')] }), /not understood/);
	assertRefused(await forge({ more: [extension('1.2.3.4')] }), /not understood/);
});

test('check 59: refuses a certificate that does not name its holder by exactly one SPIFFE id', async () => {
	const uri = partnerUri;
	const raw = (...names: Buffer[]) =>
		derSequence(derObjectIdentifier(OID.subjectAlternativeName), derOctetString(derSequence(...names)));
	const bad: Record<string, Buffer> = {
		'two URIs': uriNames(uri, operatorUri),
		'the same URI twice': uriNames(uri, uri),
		'a URI and a host name': alternativeNamesExtension({ uris: [uri], dnsNames: ['bank.example'] }, false),
		'a URI and a directory name': raw(derContextPrimitive(6, Buffer.from(uri)), derElement(0xa4, encodeName({}))),
		'no names': raw(),
		'no SAN, id in the common name only': Buffer.alloc(0),
		'id as a host name': alternativeNamesExtension({ dnsNames: [uri] }, false),
		'NUL before a suffix': uriNames(`${uri}\0.evil.example`),
		'NUL inside': uriNames(uri.replace('/client', '\0/client')),
		wildcard: uriNames(`spiffe://${TRUST_DOMAIN}/partner/*/client/*`),
		query: uriNames(`${uri}?a=b`),
		fragment: uriNames(`${uri}#a`),
		port: uriNames(uri.replace(TRUST_DOMAIN, `${TRUST_DOMAIN}:443`)),
		'user information': uriNames(uri.replace('spiffe://', 'spiffe://a@')),
		'upper-case scheme': uriNames(uri.replace('spiffe', 'SPIFFE')),
		'upper-case trust domain': uriNames(uri.replace(TRUST_DOMAIN, TRUST_DOMAIN.toUpperCase())),
		'upper-case path': uriNames(uri.replace('/partner/', '/Partner/')),
		'percent encoding': uriNames(uri.replace('/client/', '/%63lient/')),
		'empty segment': uriNames(uri.replace('/client/', '//client/')),
		'trailing slash': uriNames(`${uri}/`),
		'dot segment': uriNames(uri.replace('/client/', '/./client/')),
		'no path': uriNames(`spiffe://${TRUST_DOMAIN}`),
		'other scheme': uriNames(`https://${TRUST_DOMAIN}/operator/${operatorId}`),
	};
	for (const [what, names] of Object.entries(bad)) assertRefused(await forge({ names }), /exactly one SPIFFE id/, what);
	const nameInCn = { names: Buffer.alloc(0), fields: { subject: encodeName({ commonName: uri }) } };
	assertRefused(await forge(nameInCn), /exactly one SPIFFE id/);
});

test('refuses a holder of another trust domain, also one that ours is a prefix of', async () => {
	for (const domain of ['other.example', `${TRUST_DOMAIN}.evil.example`, `evil-${TRUST_DOMAIN}`])
		assertRefused(await forge({ names: uriNames(partnerUri.replace(TRUST_DOMAIN, domain)) }), /another trust domain/);
});

test('refuses an operator or service from the partner authority, and a partner from the platform authority', async () => {
	const service = `spiffe://${TRUST_DOMAIN}/service/gateway`;
	for (const name of [operatorUri, service])
		assertRefused(await forge({ names: uriNames(name) }), /may not name such a holder/, name);
	assertRefused(await forge({ by: platformIssuing, names: uriNames(partnerUri) }), /may not name such a holder/);
});

test('check 58, T24: refuses weak keys', async () => {
	for (const { publicKey } of [
		generateKeyPairSync('rsa', { modulusLength: 1024 }),
		generateKeyPairSync('ec', { namedCurve: 'secp256k1' }),
	]) {
		const spki = publicKey.export({ type: 'spki', format: 'der' });
		const key: SubjectPublicKey = { ...holder.publicKey, spki };
		assertRefused(await forge({ key }), /public key is not accepted/);
	}
});

test('refuses a signature algorithm that is not ours, or that two places name differently', async () => {
	const good = await forge();
	const sha256 = derObjectIdentifier(OID.ecdsaWithSha256);
	const sha512 = derObjectIdentifier(OID.ecdsaWithSha512);
	const inner = good.indexOf(sha256);
	const outer = good.lastIndexOf(sha256);
	assert.ok(inner > 0 && outer > inner);
	const changed = Buffer.from(good);
	sha512.copy(changed, outer);
	assertRefused(changed, /strict DER/, 'outer only');
	sha512.copy(changed, inner);
	assertRefused(changed, /not issued by/, 'both');
});

test('check 58, T24: refuses a certificate that our own authority key signed with SHA-1', async () => {
	const own = authorityDependencies();
	const { partnerIssuing: issuing } = await loadOrCreateAuthorities(own);
	const stored = await own.keys.get('ca/partner-issuing');
	assert.ok(stored !== undefined);
	const privateKey = createPrivateKey(stored.privateKeyPem.reveal());
	const trusting = createClientCertificateVerifier({ trustDomain: TRUST_DOMAIN, authorities: [issuing] });
	const der = await forge({ by: issuing });
	assert.ok(trusting.verify(der, NOW_MS).ok);
	for (const [id, hash] of [
		['1.2.840.10045.4.1', 'sha1'],
		[OID.ecdsaWithSha512, 'sha512'],
	] as const) {
		const algorithm = derSequence(derObjectIdentifier(id));
		const sha256 = derSequence(derObjectIdentifier(OID.ecdsaWithSha256));
		const fields = readInside(readInside(readOnly(der, TAG.sequence)).expect(TAG.sequence));
		const parts: Buffer[] = [];
		while (!fields.isAtEnd) parts.push(fields.next().raw);
		const tbs = derSequence(...parts.map((part) => (part.equals(sha256) ? algorithm : part)));
		const forged = derSequence(tbs, algorithm, derBitString(sign(hash, tbs, privateKey)));
		assert.ok(!trusting.verify(forged, NOW_MS).ok, hash);
	}
});

test('refuses trailing bytes, BER and other versions', async () => {
	const good = await forge();
	assertRefused(Buffer.concat([good, Buffer.of(0)]), /strict DER/);
	assertRefused(Buffer.concat([Buffer.of(0x30, 0x80), good.subarray(4), Buffer.of(0, 0)]), /strict DER/);
	assertRefused(Buffer.alloc(0), /strict DER/);
	const version = Buffer.from(good);
	version[good.indexOf(Buffer.of(0xa0, 3, 2, 1, 2)) + 4] = 1;
	assertRefused(version, /strict DER/);
});

test('throws on no bytes: any change of a certificate is refused', async () => {
	const good = await forge();
	fc.assert(
		fc.property(fc.nat(), fc.integer({ min: 1, max: 255 }), (at, mask) => {
			const bytes = Buffer.from(good);
			bytes.writeUInt8(bytes.readUInt8(at % bytes.length) ^ mask, at % bytes.length);
			assert.ok(!verifier.verify(bytes, NOW_MS).ok);
		}),
		{ numRuns: 1000 },
	);
	fc.assert(
		fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
			assert.ok(!verifier.verify(Buffer.from(bytes), NOW_MS).ok);
			assert.ok(!verifier.verify(derElement(0x30, bytes), NOW_MS).ok);
		}),
		{ numRuns: 500 },
	);
});

test('tells a stranger nothing about why, and echoes nothing of the certificate', async () => {
	const details = new Set<string>();
	for (const der of [await forge({ by: root }), await forge({ names: uriNames(operatorUri) }), Buffer.alloc(3)]) {
		const result = verifier.verify(der, NOW_MS);
		assert.ok(!result.ok);
		details.add(result.fault.detail);
	}
	assert.equal(details.size, 1);
});

test('does not start with a trust list that holds an end entity', async () => {
	const leaf = unwrap(await issuePlatformCertificate(platformIssuing, { profile: 'service', serviceName: 'a' }, deps));
	const entry = { name: 'partner-issuing', certificatePem: leaf.certificate.pem } as const;
	assert.throws(() => createClientCertificateVerifier({ trustDomain: TRUST_DOMAIN, authorities: [entry] }), TypeError);
});

test('refuses a certificate that openssl made under an authority with our name', {
	skip: skipWithoutOpenssl,
}, (context) => {
	const folder = createOpensslFolder(context);
	folder.write(
		'leaf.cnf',
		`basicConstraints=critical,CA:FALSE\nkeyUsage=critical,digitalSignature\nextendedKeyUsage=clientAuth\nsubjectAltName=URI:${partnerUri}\nauthorityKeyIdentifier=keyid\n`,
	);
	const subject = `/${partnerIssuing.certificate.subject.replaceAll('\n', '/')}`;
	const ec = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes'];
	folder.read('req', '-x509', ...ec, '-keyout', 'ca.key', '-out', 'ca.pem', '-subj', subject, '-days', '3650');
	folder.read('req', '-new', ...ec, '-keyout', 'leaf.key', '-out', 'leaf.csr', '-subj', `/CN=${clientId}`);
	const sign = ['x509', '-req', '-in', 'leaf.csr', '-CA', 'ca.pem', '-CAkey', 'ca.key', '-CAcreateserial'];
	const der = folder.read(...sign, '-extfile', 'leaf.cnf', '-days', '3650', '-outform', 'DER');
	const impostor = folder.read('x509', '-in', 'ca.pem').toString();
	const trusting = createClientCertificateVerifier({
		trustDomain: TRUST_DOMAIN,
		authorities: [{ name: 'partner-issuing', certificatePem: impostor }],
	});
	assert.ok(trusting.verify(der, Date.now()).ok, 'the certificate is good in every other point');
	assertRefused(der, /not issued by/);
});

test('knows a certificate by the hash of its DER, which RFC 8705 binds tokens to', async () => {
	const der = await forge();
	const { thumbprint } = unwrap(verifier.verify(der, NOW_MS));
	assert.equal(thumbprint, createHash('sha256').update(der).digest('base64url'));
});
