import assert from 'node:assert/strict';
import { generateKeyPairSync, X509Certificate } from 'node:crypto';
import { test } from 'node:test';
import { authorityDependencies, DAY_MS, NOW_MS, TRUST_DOMAIN } from '../../../test/fixture/authorities.ts';
import { ManualClock } from '../../kernel/clock.ts';
import { newId } from '../../kernel/ids.ts';
import { systemRandom } from '../../kernel/random.ts';
import { unwrap } from '../../kernel/result.ts';
import { loadOrCreateAuthorities } from './authority.ts';
import { issueCertificate } from './issue-certificate.ts';
import { lintCertificate } from './lint-certificate.ts';
import { configureProfiles, LIFETIME_MS_BOUND, PROFILES, type ProfileSettings } from './profile.ts';
import { type SubjectPublicKey, subjectPublicKeyOf } from './public-key.ts';
import { formatSpiffeId } from './spiffe-id.ts';
import { parseCertificate } from './x509-parse.ts';

const clock = new ManualClock(NOW_MS);
const publicUrl = 'http://pki.bank.example';
const { partnerIssuing } = await loadOrCreateAuthorities(authorityDependencies({ publicUrl }));
const silent = (await loadOrCreateAuthorities(authorityDependencies())).partnerIssuing;
const partnerId = newId('prt', clock, systemRandom);
const clientId = newId('cli', clock, systemRandom);
const uri = formatSpiffeId({ kind: 'partner-client', trustDomain: TRUST_DOMAIN, partnerId, clientId });

const SETTINGS: ProfileSettings = {
	keys: ['P-256', 'RSA'],
	rsaBitsMin: 3072,
	lifetimeMsDefault: 7 * DAY_MS,
	lifetimeMsMax: 30 * DAY_MS,
};
const profiles = configureProfiles({ 'partner-client': SETTINGS });

function keyOf(type: string, options?: object): SubjectPublicKey {
	const { publicKey } = generateKeyPairSync(type as 'ec', options as { namedCurve: string });
	return subjectPublicKeyOf(publicKey.export({ type: 'spki', format: 'der' }));
}

const issue = (publicKey: SubjectPublicKey, more: { lifetimeMs?: number } = {}, issuer = partnerIssuing) => {
	const request = { profile: 'partner-client', publicKey, subject: { commonName: clientId }, uri, ...more } as const;
	return issueCertificate(issuer, request, { clock, random: systemRandom, profiles });
};

test('check 101: a request gets the lifetime of its profile, less when it asks for less, and never more', async () => {
	const key = keyOf('ec', { namedCurve: 'P-256' });
	assert.equal(unwrap(await issue(key)).notAfterMs, NOW_MS + 7 * DAY_MS);
	assert.equal(unwrap(await issue(key, { lifetimeMs: DAY_MS })).notAfterMs, NOW_MS + DAY_MS);
	const more = await issue(key, { lifetimeMs: 30 * DAY_MS + 1 });
	assert.equal(more.ok ? 'ok' : more.fault.code, 'input_invalid');
});

test('check 100: a profile takes no other keys than its own, and the linter holds it to them', async () => {
	for (const key of [keyOf('ed25519'), keyOf('ec', { namedCurve: 'P-384' }), keyOf('ml-dsa-65')]) {
		const refused = await issue(key);
		assert.equal(refused.ok ? 'ok' : refused.fault.code, 'csr_rejected');
	}
	const short = await issue(keyOf('rsa', { modulusLength: 2048 }));
	assert.equal(short.ok ? 'ok' : short.fault.code, 'csr_rejected');
	const wide = { profile: 'partner-client', publicKey: keyOf('ed25519'), subject: { commonName: 'x' }, uri } as const;
	const issued = unwrap(await issueCertificate(partnerIssuing, wide, { clock, random: systemRandom }));
	const tbs = parseCertificate(issued.der)?.signed as Buffer;
	const linted = lintCertificate(tbs, profiles['partner-client'], partnerIssuing);
	assert.ok(!linted.ok && linted.fault.includes('the type of the key is not of its profile'));
	assert.ok(!linted.ok && linted.fault.includes('it lives longer than its profile allows'));
});

test('check 101: every key type that is offered gets a certificate that node:crypto reads', async () => {
	for (const key of [
		keyOf('ec', { namedCurve: 'P-256' }),
		keyOf('ec', { namedCurve: 'P-384' }),
		keyOf('ed25519'),
		keyOf('rsa', { modulusLength: 2048 }),
		keyOf('ml-dsa-65'),
	]) {
		const request = { profile: 'partner-client', publicKey: key, subject: { commonName: clientId }, uri } as const;
		const issued = unwrap(await issueCertificate(partnerIssuing, request, { clock, random: systemRandom }));
		const certificate = new X509Certificate(issued.der);
		assert.ok(certificate.verify(partnerIssuing.certificate.publicKey), key.algorithm);
		assert.ok(certificate.publicKey.export({ type: 'spki', format: 'der' }).equals(key.spki), key.algorithm);
	}
});

test('check 101: CRL, OCSP and issuer are named where the platform publishes them, exactly, and nowhere else', async () => {
	const key = keyOf('ec', { namedCurve: 'P-256' });
	const published = unwrap(await issue(key));
	const tbs = parseCertificate(published.der)?.signed as Buffer;
	assert.match(
		new X509Certificate(published.der).infoAccess ?? '',
		/OCSP - URI:http:\/\/pki\.bank\.example\/ocsp\nCA Issuers - URI:http:\/\/pki\.bank\.example\/ca\/partner-issuing\.cer/,
	);
	const elsewhere = {
		...partnerIssuing,
		publication: { ...partnerIssuing.publication, crlUrl: 'http://evil.example' },
	};
	const { publication: _, ...rest } = partnerIssuing;
	for (const issuer of [elsewhere as typeof partnerIssuing, { ...rest, publication: undefined }])
		assert.equal(lintCertificate(tbs, profiles['partner-client'], issuer).ok, false);
	assert.equal(new X509Certificate(unwrap(await issue(key, {}, silent)).der).infoAccess, undefined);
});

test('a configuration cannot widen a profile beyond its bounds', () => {
	const good = { ...SETTINGS };
	for (const bad of [
		{ ...good, lifetimeMsMax: LIFETIME_MS_BOUND + 1 },
		{ ...good, lifetimeMsDefault: 31 * DAY_MS },
		{ ...good, lifetimeMsDefault: 1 },
		{ ...good, rsaBitsMin: 1024 },
		{ ...good, keys: [] },
	])
		assert.throws(() => configureProfiles({ 'partner-client': bad }), RangeError);
	assert.deepEqual(configureProfiles({}), PROFILES);
});
