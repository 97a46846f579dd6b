import assert from 'node:assert/strict';
import { createHash, generateKeyPairSync } from 'node:crypto';
import { test } from 'node:test';
import { createAuthorities, NOW_MS, TRUST_DOMAIN } from '../../../test/fixture/authorities.ts';
import { openMemoryStore } from '../../adapters/store/memory/open-memory-store.ts';
import { ManualClock } from '../../kernel/clock.ts';
import { newId } from '../../kernel/ids.ts';
import { systemRandom } from '../../kernel/random.ts';
import { unwrap } from '../../kernel/result.ts';
import { registerClient } from '../client/register-client.ts';
import { registerPartner } from '../partner/register-partner.ts';
import { barPublicKeys } from './bar-key.ts';
import { certificateState } from './certificate-state.ts';
import { holdCertificate, releaseCertificate, revokeCertificate } from './change-certificate-status.ts';
import { parseCsr } from './csr.ts';
import { encodeCsr } from './encode-csr.ts';
import { issueClientCertificate } from './issue-client-certificate.ts';
import { issueEndpointCertificate } from './issue-endpoint-certificate.ts';
import { encodePem } from './pem.ts';

const { partnerIssuing, platformIssuing } = await createAuthorities();

async function createSetting() {
	const clock = new ManualClock(NOW_MS);
	const { registry } = openMemoryStore();
	const deps = { authority: partnerIssuing, trustDomain: TRUST_DOMAIN, clock, random: systemRandom };
	const partner = unwrap(await registerPartner(registry, { name: 'Acme' }, deps)).record;
	const request = { partnerId: partner.id, name: 'payments', environment: 'production' } as const;
	const client = unwrap(await registerClient(registry, request, deps)).record;
	const issue = async (csr: string | Uint8Array) =>
		await issueClientCertificate(registry, { partnerId: partner.id, clientId: client.id, csr }, deps);
	const csr = newCsr();
	const issued = unwrap(await issue(csr));
	return { registry, clock, deps, issue, csr, ...issued, target: { certificateId: issued.certificate.id } };
}

function newCsr(): Buffer {
	return encodeCsr(generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey, { commonName: 'x' });
}

test('a held certificate takes its credential along, and both come back when it is released', async () => {
	const { registry, clock, credential, target } = await createSetting();
	const held = unwrap(await holdCertificate(registry, target, { clock }));
	assert.deepEqual([held.record.status, held.record.revocationReason], ['held', 'certificate-hold']);
	assert.equal((await registry.credentials.get(credential.id))?.status, 'held');
	const [change] = await registry.changes.after(held.sequence - 1, 1);
	assert.deepEqual(change?.change.kind === 'credential' && change.change.record.status, 'held');
	clock.advance(1000);
	const released = unwrap(await releaseCertificate(registry, target, { clock }));
	assert.equal(released.record.status, 'active');
	assert.deepEqual(
		Object.keys(released.record).filter((name) => name.startsWith('revo')),
		[],
	);
	const back = await registry.credentials.get(credential.id);
	assert.deepEqual([back?.status, back?.revokedAtMs, back?.revision], ['active', undefined, 3]);
});

test('holding, releasing and revoking twice changes nothing, and a stale revision is refused', async () => {
	const { registry, clock, target } = await createSetting();
	assert.equal(unwrap(await releaseCertificate(registry, target, { clock })).changed, false);
	unwrap(await holdCertificate(registry, target, { clock }));
	assert.equal(unwrap(await holdCertificate(registry, target, { clock })).changed, false);
	const stale = await releaseCertificate(registry, { ...target, expectedRevision: 1 }, { clock });
	assert.equal(stale.ok ? 'ok' : stale.fault.code, 'revision_mismatch');
	const unknown = { certificateId: newId('crt', clock, systemRandom) };
	const missing = await holdCertificate(registry, unknown, { clock });
	assert.equal(missing.ok ? 'ok' : missing.fault.code, 'not_found');
});

test('a hold that is made final dates from the hold, and never comes back', async () => {
	const { registry, clock, target } = await createSetting();
	unwrap(await holdCertificate(registry, target, { clock }));
	clock.advance(60_000);
	const revocation = { ...target, reason: 'superseded' } as const;
	const revoked = unwrap(await revokeCertificate(registry, revocation, { clock })).record;
	assert.deepEqual([revoked.status, revoked.revokedAtMs, revoked.revocationReason], ['revoked', NOW_MS, 'superseded']);
	for (const change of [holdCertificate, releaseCertificate]) {
		const refused = await change(registry, target, { clock });
		assert.equal(refused.ok ? 'ok' : refused.fault.code, 'conflict');
	}
	assert.equal(unwrap(await revokeCertificate(registry, revocation, { clock })).changed, false);
	const compromised = await revokeCertificate(registry, { ...target, reason: 'key-compromise' }, { clock });
	assert.equal(unwrap(compromised).record.revocationReason, 'key-compromise');
});

test('check 100: a key that was revoked as compromised is barred everywhere, also for the platform itself', async () => {
	const { registry, clock, deps, issue, csr, target } = await createSetting();
	unwrap(await revokeCertificate(registry, { ...target, reason: 'key-compromise' }, { clock }));
	const again = await issue(csr);
	assert.equal(again.ok ? 'ok' : again.fault.code, 'csr_rejected');
	assert.equal(await registry.compromisedKeys.count(), 1);
	const subject = { profile: 'service', serviceName: 'ledger' } as const;
	const endpoint = { subject, csr: encodePem('CERTIFICATE REQUEST', csr) };
	const refused = await issueEndpointCertificate(registry, endpoint, { ...deps, authority: platformIssuing });
	assert.equal(refused.ok ? 'ok' : refused.fault.code, 'csr_rejected');
});

test('check 100: a key of an imported list is refused, and certificates that carry it already are named', async () => {
	const { registry, clock, issue, csr, certificate } = await createSetting();
	const other = newCsr();
	const hashes = [csr, other].map((one) => unwrap(parseCsr(one)).publicKey.hash);
	const hex = Buffer.from(hashes[1] ?? '', 'base64url')
		.toString('hex')
		.toUpperCase();
	const barred = unwrap(await barPublicKeys(registry, [hashes[0] ?? '', hex, hex], 'a list', { clock }));
	assert.deepEqual([barred.added, barred.total, barred.certificates], [2, 2, [certificate.id]]);
	assert.equal(unwrap(await barPublicKeys(registry, hashes, 'again', { clock })).added, 0);
	const refused = await issue(other);
	assert.equal(refused.ok ? 'ok' : refused.fault.code, 'csr_rejected');
	assert.match(refused.ok ? '' : (refused.fault.internal ?? ''), /a list/);
	const wrong = createHash('sha1').update('x').digest('hex');
	const malformed = await barPublicKeys(registry, [wrong], 'x', { clock });
	assert.equal(malformed.ok ? 'ok' : malformed.fault.code, 'input_invalid');
});

test('an internal server gets a certificate of the platform, with the names that were asked for', async () => {
	const { registry, deps } = await createSetting();
	const subject = { profile: 'server', dnsNames: ['ledger.bank.internal'], ipAddresses: ['10.0.0.7'] } as const;
	const command = { subject, csr: encodePem('CERTIFICATE REQUEST', newCsr()) };
	const issued = unwrap(await issueEndpointCertificate(registry, command, { ...deps, authority: platformIssuing }));
	assert.equal(
		(await registry.certificates.findBySerial('platform-issuing', issued.certificate.serial))?.profile,
		'server',
	);
	assert.equal(issued.certificate.subject, 'ledger.bank.internal');
	const wild = { ...command, subject: { profile: 'server', dnsNames: ['*.bank.internal'] } as const };
	const refused = await issueEndpointCertificate(registry, wild, { ...deps, authority: platformIssuing });
	assert.equal(refused.ok ? 'ok' : refused.fault.code, 'input_invalid');
});

test('the state follows the dates: valid, expiring in its last third or 30 days, expired', () => {
	const day = 86_400_000;
	const year = { status: 'active', notBeforeMs: 0, notAfterMs: 365 * day } as const;
	const at = (nowMs: number, certificate: Parameters<typeof certificateState>[0] = year) =>
		certificateState(certificate, nowMs);
	assert.deepEqual(
		[at(-1), at(0), at(335 * day - 1), at(335 * day), at(365 * day - 1), at(365 * day)],
		['not-yet-valid', 'valid', 'valid', 'expiring', 'expiring', 'expired'],
	);
	assert.equal(at(2 * day, { ...year, notAfterMs: 3 * day }), 'expiring');
	assert.equal(at(0, { ...year, status: 'held' }), 'held');
	assert.equal(at(366 * day, { ...year, status: 'revoked' }), 'revoked');
});
