// Renewal by the holder: when a certificate may be renewed, what becomes of the old one, and what proves the key.
import assert from 'node:assert/strict';
import { generateKeyPairSync, sign } from 'node:crypto';
import { test } from 'node:test';
import { DAY_MS, NOW_MS } from '../../../test/fixture/authorities.ts';
import { createCertificateRegistry, newCsr, newKey } from '../../../test/fixture/certificate-registry.ts';
import type { Fault } from '../../kernel/faults.ts';
import { systemRandom } from '../../kernel/random.ts';
import type { CredentialId } from '../../kernel/ids.ts';
import { ok, type Result, unwrap } from '../../kernel/result.ts';
import { credentialEndMs } from '../client/credential.ts';
import { cancelRotation, completeRotation } from '../client/end-rotation.ts';
import { rotateCredential } from '../client/rotate-credential.ts';
import type { Registry } from '../registry/registry.ts';
import { holdCertificate, releaseCertificate } from './change-certificate-status.ts';
import { certificateOfRenewalToken, createRenewalToken, verifyRenewalToken } from './renewal-token.ts';
import { type RenewalPolicy, renewClientCertificate } from './renew-client-certificate.ts';
import { revokeCredential } from './revoke-credential.ts';

const POLICY: RenewalPolicy = { afterPercent: 50, graceMs: 5 * DAY_MS, overlapMs: 2 * DAY_MS, perDay: 3 };
const codeOf = (outcome: Result<unknown, Fault>): string => (outcome.ok ? 'ok' : outcome.fault.code);

/** Rotates a certificate as the admin API does. */
function rotate(
	registry: Registry,
	credentialId: CredentialId,
	issue: Awaited<ReturnType<typeof createCertificateRegistry>>['issue'],
	deps: Parameters<typeof rotateCredential>[3],
) {
	return rotateCredential(registry, { credentialId }, async () => ok(await issue()), deps);
}

async function createSetting() {
	const setting = await createCertificateRegistry();
	const issued = await setting.issue();
	const renew = (thumbprint = issued.certificate.thumbprint, policy: Partial<RenewalPolicy> = {}) =>
		renewClientCertificate(setting.registry, { thumbprint, csr: newCsr() }, { ...POLICY, ...policy }, setting.issuing);
	return { ...setting, ...issued, renew };
}

test('check 102: renewed with the live certificate, which lives on for the overlap and then is over', async () => {
	const { registry, clock, renew, certificate, credential } = await createSetting();
	clock.advance(50 * DAY_MS);
	const renewed = unwrap(await renew());
	assert.equal(renewed.certificate.predecessorId, certificate.id);
	const old = await registry.credentials.get(credential.id);
	assert.equal(old === undefined ? 0 : credentialEndMs(old), NOW_MS + 52 * DAY_MS);
	assert.deepEqual(await registry.certificates.listSuperseded(NOW_MS + 52 * DAY_MS - 1, 9), []);
	const [due] = await registry.certificates.listSuperseded(NOW_MS + 52 * DAY_MS, 9);
	assert.equal(due?.id, certificate.id);
	clock.advance(2 * DAY_MS);
	assert.equal(codeOf(await renew()), 'certificate_expired', 'a replaced certificate has no grace');
	assert.equal(codeOf(await renew(renewed.certificate.thumbprint)), 'renewal_not_due');
});

test('check 102: an overlap never lengthens the life of the old certificate', async () => {
	const { registry, clock, renew, credential } = await createSetting();
	clock.advance(89 * DAY_MS);
	unwrap(await renew());
	const old = await registry.credentials.get(credential.id);
	assert.equal(old?.retiresAtMs, undefined);
});

test('check 102: not before the window, and the answer says when', async () => {
	const { clock, renew } = await createSetting();
	clock.advance(44 * DAY_MS);
	const early = await renew();
	assert.equal(codeOf(early), 'renewal_not_due');
	assert.ok(!early.ok && (early.fault.retryAfterSeconds ?? 0) > 86_000);
	assert.equal(codeOf(await renew(undefined, { afterPercent: 0 })), 'ok');
});

test('check 102: within the grace after its end, and not after it', async () => {
	const { clock, renew, certificate } = await createSetting();
	clock.advance(certificate.notAfterMs - NOW_MS + 5 * DAY_MS - 1);
	assert.equal(codeOf(await renew(undefined, { graceMs: 0 })), 'certificate_expired');
	assert.equal(codeOf(await renew()), 'ok');
	clock.advance(1);
	const late = await renew();
	assert.equal(codeOf(late), 'certificate_expired');
	assert.match(late.ok ? '' : late.fault.detail, /expired on 2027-02-2\d/);
});

test('check 102: never with a revoked certificate, nor with a held one until it is released', async () => {
	const { registry, clock, renew, certificate, credential } = await createSetting();
	clock.advance(50 * DAY_MS);
	unwrap(await holdCertificate(registry, { certificateId: certificate.id }, { clock }));
	assert.equal(codeOf(await renew()), 'credential_revoked');
	unwrap(await releaseCertificate(registry, { certificateId: certificate.id }, { clock }));
	assert.equal(codeOf(await renew()), 'ok');
	unwrap(await revokeCredential(registry, { credentialId: credential.id, reason: 'superseded' }, { clock }));
	assert.equal(codeOf(await renew()), 'credential_revoked');
	assert.equal(codeOf(await renew('x'.repeat(43))), 'certificate_invalid');
});

test('check 102: only so many certificates in a day', async () => {
	const { clock, renew } = await createSetting();
	clock.advance(50 * DAY_MS);
	for (let count = 0; count < 3; count++) assert.equal(codeOf(await renew()), 'ok');
	const fourth = await renew();
	assert.equal(codeOf(fourth), 'limit_exceeded');
	clock.advance(DAY_MS + 1);
	assert.equal(codeOf(await renew()), 'ok');
});

test('a renewal token is good for its certificate, its request, its server and its time, whatever the kind of key', async () => {
	const { issue } = await createCertificateRegistry();
	const csr = newCsr();
	const audience = 'https://localhost:8444/.well-known/est/simplereenroll';
	for (const key of [
		newKey(),
		generateKeyPairSync('ec', { namedCurve: 'P-384' }).privateKey,
		generateKeyPairSync('ed25519').privateKey,
		generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey,
		generateKeyPairSync('ml-dsa-65').privateKey,
	]) {
		const { certificate } = await issue(key);
		const { thumbprint, pem: certificatePem } = certificate;
		const token = createRenewalToken(key, { thumbprint, audience, csr, nowMs: NOW_MS }, systemRandom);
		assert.equal(certificateOfRenewalToken(token), thumbprint);
		const expected = { certificatePem, thumbprint, audience, csr, nowMs: NOW_MS };
		assert.equal(codeOf(verifyRenewalToken(token, expected)), 'ok', key.asymmetricKeyType ?? '');
		const other = await issue();
		for (const changes of [
			{ csr: newCsr() },
			{ audience: `${audience}/` },
			{ nowMs: NOW_MS + 311_000 },
			{ nowMs: NOW_MS - 11_000 },
			{ certificatePem: other.certificate.pem },
			{ thumbprint: other.certificate.thumbprint },
		])
			assert.equal(codeOf(verifyRenewalToken(token, { ...expected, ...changes })), 'renewal_token_invalid');
	}
	assert.equal(certificateOfRenewalToken('no token'), undefined);
});

test('a renewal token of another type, with too long a life or an odd jti, is refused although its key has signed it', async () => {
	const key = newKey();
	const { issue } = await createCertificateRegistry();
	const { thumbprint, pem: certificatePem } = (await issue(key)).certificate;
	const csr = newCsr();
	const audience = 'https://localhost/x';
	const nowMs = NOW_MS;
	const iat = nowMs / 1000;
	const good = createRenewalToken(key, { thumbprint, audience, csr, nowMs }, systemRandom);
	const [head = '', body = ''] = good.split('.');
	const read = (text: string) => JSON.parse(Buffer.from(text, 'base64url').toString()) as Record<string, unknown>;
	const make = (header: object, payload: object): string => {
		const encode = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url');
		const input = `${encode({ ...read(head), ...header })}.${encode({ ...read(body), ...payload })}`;
		const signature = sign('sha256', Buffer.from(input), { key, dsaEncoding: 'ieee-p1363' });
		return `${input}.${signature.toString('base64url')}`;
	};
	const expected = { certificatePem, thumbprint, audience, csr, nowMs };
	assert.equal(codeOf(verifyRenewalToken(make({}, {}), expected)), 'ok');
	for (const [header, payload] of [
		[{ typ: 'at+jwt' }, {}],
		[{ typ: 'dpop+jwt' }, {}],
		[{ alg: 'none' }, {}],
		[{ alg: 'ES384' }, {}],
		[{ crit: ['b64'] }, {}],
		[{}, { exp: iat + 301 }],
		[{}, { exp: iat }],
		[{}, { iat: String(iat) }],
		[{}, { jti: 'short' }],
		[{}, { jti: 7 }],
		[{}, { aud: [audience] }],
		[{}, { 'csr#S256': undefined }],
	] as const)
		assert.equal(
			codeOf(verifyRenewalToken(make(header, payload), expected)),
			'renewal_token_invalid',
			JSON.stringify([header, payload]),
		);
});

test('what a rotation is replacing is not renewed, and can be again when the rotation is given up', async () => {
	const { registry, clock, renew, credential, issue, issuing } = await createSetting();
	clock.advance(50 * DAY_MS);
	const { rotation } = unwrap(await rotate(registry, credential.id, issue, issuing));
	assert.equal(codeOf(await renew()), 'conflict');
	unwrap(await cancelRotation(registry, rotation.id, { clock }));
	assert.equal(codeOf(await renew()), 'ok');
});

test('a renewal of the new one carries a rotation on: the old one is revoked at the end of the overlap', async () => {
	const { registry, clock, renew, credential, issue, issuing } = await createSetting();
	clock.advance(10 * DAY_MS);
	const { rotation, made } = unwrap(await rotate(registry, credential.id, issue, issuing));
	const second = await registry.certificates.get(made.credential.certificateId);
	assert.ok(second);
	const renewed = unwrap(await renew(second.thumbprint, { afterPercent: 0, overlapMs: DAY_MS }));
	const moved = await registry.rotations.get(rotation.id);
	assert.equal(moved?.newCredentialId, renewed.credential.id);
	// The one in the middle is over long before the overlap is; nothing is given up for it.
	clock.advance(3 * DAY_MS);
	unwrap(await revokeCredential(registry, { credentialId: made.credential.id, reason: 'superseded' }, { clock }));
	clock.advance(4 * DAY_MS);
	assert.equal(unwrap(await completeRotation(registry, rotation.id, { clock })).rotation.status, 'completed');
	assert.equal((await registry.credentials.get(credential.id))?.status, 'revoked');
	assert.equal((await registry.credentials.get(renewed.credential.id))?.status, 'active');
});

test('a rotation that is given up takes along the certificate that was handed over, also when it has been renewed since', async () => {
	const { registry, clock, credential, issue, issuing, renew } = await createSetting();
	const { rotation, made } = unwrap(
		await rotateCredential(
			registry,
			{ credentialId: credential.id, overlapSeconds: 60 * 86_400 },
			async () => ok(await issue()),
			issuing,
		),
	);
	clock.advance(50 * DAY_MS);
	const renewed = unwrap(await renew(made.certificate.thumbprint));
	unwrap(await cancelRotation(registry, rotation.id, { clock }));
	for (const { id } of [made.credential, renewed.credential]) {
		assert.equal((await registry.credentials.get(id))?.status, 'revoked');
	}
	assert.equal((await registry.credentials.get(credential.id))?.status, 'active');
	assert.equal((await registry.rotations.get(rotation.id))?.status, 'cancelled');
});

test('a renewal and a rotation of one certificate, in either order, leave the partner with a live one', async () => {
	const { registry, clock, renew, credential, issue, issuing } = await createSetting();
	clock.advance(50 * DAY_MS);
	const renewed = unwrap(await renew());
	const { rotation, made } = unwrap(await rotate(registry, credential.id, issue, issuing));
	// The overlap of the renewal is shorter, and counts.
	assert.equal(rotation.endsAtMs, clock.nowMs() + POLICY.overlapMs);
	clock.advance(POLICY.overlapMs);
	unwrap(await completeRotation(registry, rotation.id, { clock }));
	for (const { id } of [renewed.credential, made.credential]) {
		assert.equal((await registry.credentials.get(id))?.status, 'active');
	}
	assert.equal((await registry.credentials.get(credential.id))?.status, 'revoked');
});
