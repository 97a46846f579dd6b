// The operations on the registry: issuing to a partner's client, and revoking.
import assert from 'node:assert/strict';
import { createHash, sign, X509Certificate } from 'node:crypto';
import type { KeyObject } from 'node:crypto';
import { test } from 'node:test';
import {
	createAuthorities,
	createSubjectKey,
	DAY_MS,
	NOW_MS,
	TRUST_DOMAIN,
} from '../../../test/fixture/authorities.ts';
import { openMemoryStore } from '../../adapters/store/memory/open-memory-store.ts';
import { ManualClock } from '../../kernel/clock.ts';
import { newId } from '../../kernel/ids.ts';
import { systemRandom } from '../../kernel/random.ts';
import { unwrap } from '../../kernel/result.ts';
import type { Client } from '../client/client.ts';
import type { Partner } from '../partner/partner.ts';
import type { RegistryStore } from '../registry/registry.ts';
import { derBitString, derContextConstructed, derInteger, derObjectIdentifier, derSequence } from './der.ts';
import { issueClientCertificate } from './issue-client-certificate.ts';
import type { ClientCertificateCommand } from './issue-client-certificate.ts';
import { OID } from './object-identifier.ts';
import { revokeCredential } from './revoke-credential.ts';
import type { RevokeCredentialCommand } from './revoke-credential.ts';
import { createClientCertificateVerifier } from './verify-client-certificate.ts';
import { encodeName } from './x509-certificate.ts';

const authorities = await createAuthorities();

interface Setting {
	readonly registry: RegistryStore;
	readonly clock: ManualClock;
	readonly issue: (command: ClientCertificateCommand) => ReturnType<typeof issueClientCertificate>;
	readonly revoke: (command: RevokeCredentialCommand) => ReturnType<typeof revokeCredential>;
	readonly add: (changes?: { partner?: Partial<Partner>; client?: Partial<Client> }) => Promise<Client>;
}

function createSetting(): Setting {
	const { registry } = openMemoryStore();
	const clock = new ManualClock(NOW_MS);
	const deps = { authority: authorities.partnerIssuing, trustDomain: TRUST_DOMAIN, clock, random: systemRandom };
	const dates = { createdAtMs: NOW_MS, updatedAtMs: NOW_MS, revision: 1 };
	const add: Setting['add'] = async (changes = {}) => {
		const partnerId = newId('prt', clock, systemRandom);
		const id = newId('cli', clock, systemRandom);
		const client: Client = {
			id,
			partnerId,
			name: 'c',
			environment: 'sandbox',
			status: 'active',
			authenticationMethod: 'tls_client_auth',
			senderConstraint: 'mtls',
			tokensNotBeforeSeconds: 0,
			...dates,
			...changes.client,
		};
		await registry.partners.insert({ id: partnerId, name: 'p', status: 'active', ...dates, ...changes.partner });
		await registry.clients.insert(client);
		return client;
	};
	return {
		registry,
		clock,
		add,
		issue: (command) => registry.transaction((inside) => issueClientCertificate(inside, command, deps)),
		revoke: (command) => registry.transaction((inside) => revokeCredential(inside, command, deps)),
	};
}

/** A certificate request for a P-256 key, in PEM. */
function csrFor(privateKey: KeyObject, spki: Buffer): string {
	const info = derSequence(derInteger(Uint8Array.of(0)), encodeName({}), spki, derContextConstructed(0));
	const algorithm = derSequence(derObjectIdentifier(OID.ecdsaWithSha256));
	const der = derSequence(info, algorithm, derBitString(sign('sha256', info, privateKey)));
	const label = 'CERTIFICATE REQUEST';
	return `-----BEGIN ${label}-----\n${der.toString('base64')}\n-----END ${label}-----\n`;
}

function newCsr(): string {
	const { privateKey, publicKey } = createSubjectKey();
	return csrFor(privateKey, publicKey.spki);
}

test('issues a certificate, its credential and the change that tells everybody, all in agreement', async () => {
	const { registry, add, issue } = createSetting();
	const client = await add();
	const issued = unwrap(await issue({ partnerId: client.partnerId, clientId: client.id, csr: newCsr() }));
	const { certificate, credential } = issued;
	assert.deepEqual(await registry.certificates.get(certificate.id), certificate);
	assert.deepEqual(await registry.credentials.findByThumbprint(certificate.thumbprint), credential);
	assert.deepEqual(await registry.changes.after(0, 10), [
		{ sequence: issued.sequence, change: { kind: 'credential', record: credential } },
	]);
	assert.equal(credential.certificateId, certificate.id);
	const { raw } = new X509Certificate(certificate.pem);
	assert.equal(credential.thumbprint, createHash('sha256').update(raw).digest('base64url'));
	assert.ok(issued.chainPem.startsWith(certificate.pem));
	assert.ok(issued.chainPem.endsWith(authorities.partnerIssuing.certificatePem));
	const verifier = createClientCertificateVerifier({
		trustDomain: TRUST_DOMAIN,
		authorities: [authorities.partnerIssuing, authorities.platformIssuing],
	});
	const verified = unwrap(verifier.verify(raw, NOW_MS));
	assert.equal(verified.spiffeId, certificate.subject);
	assert.equal(verified.partnerId, client.partnerId);
	assert.equal(verified.clientId, client.id);
	assert.equal(verified.serial, certificate.serial);
	assert.deepEqual([verified.notBeforeMs, verified.notAfterMs], [credential.notBeforeMs, credential.notAfterMs]);
});

test('issues a shorter certificate when asked, never a longer one', async () => {
	const { add, issue } = createSetting();
	const client = await add();
	const command = { partnerId: client.partnerId, clientId: client.id };
	const short = unwrap(await issue({ ...command, csr: newCsr(), lifetimeMs: DAY_MS }));
	assert.equal(short.certificate.notAfterMs, NOW_MS + DAY_MS);
	const long = await issue({ ...command, csr: newCsr(), lifetimeMs: 91 * DAY_MS });
	assert.ok(!long.ok);
	assert.equal(long.fault.code, 'input_invalid');
});

test('refuses unknown, foreign, disabled and suspended holders, and writes nothing', async () => {
	const { registry, add, issue } = createSetting();
	const client = await add();
	const other = await add();
	const disabled = await add({ client: { status: 'disabled' } });
	const suspended = await add({ partner: { status: 'suspended' } });
	const offboarded = await add({ partner: { status: 'offboarded' } });
	const clock = new ManualClock(NOW_MS);
	const cases = [
		[{ partnerId: newId('prt', clock, systemRandom), clientId: client.id }, 'not_found'],
		[{ partnerId: client.partnerId, clientId: newId('cli', clock, systemRandom) }, 'not_found'],
		[{ partnerId: client.partnerId, clientId: other.id }, 'not_found'],
		[{ partnerId: disabled.partnerId, clientId: disabled.id }, 'client_disabled'],
		[{ partnerId: suspended.partnerId, clientId: suspended.id }, 'partner_suspended'],
		[{ partnerId: offboarded.partnerId, clientId: offboarded.id }, 'conflict'],
		[{ partnerId: client.partnerId, clientId: client.id, csr: 'x' }, 'csr_rejected'],
	] as const;
	for (const [command, code] of cases) {
		const refused = await issue({ csr: newCsr(), ...command });
		assert.ok(!refused.ok, code);
		assert.equal(refused.fault.code, code);
	}
	assert.equal(await registry.changes.latest(), 0);
	assert.deepEqual((await registry.certificates.list({ limit: 10 })).items, []);
});

test('check 100: refuses a key that another partner uses, in every encoding, and lets the same partner renew', async () => {
	const { add, issue } = createSetting();
	const first = await add();
	const second = await add();
	const { privateKey, publicKey } = createSubjectKey();
	const csr = csrFor(privateKey, publicKey.spki);
	unwrap(await issue({ partnerId: first.partnerId, clientId: first.id, csr }));
	const stolen = await issue({ partnerId: second.partnerId, clientId: second.id, csr });
	assert.ok(!stolen.ok);
	assert.equal(stolen.fault.code, 'csr_rejected');
	assert.match(stolen.fault.detail, /in use elsewhere/);
	const renewed = unwrap(await issue({ partnerId: first.partnerId, clientId: first.id, csr }));
	assert.equal(renewed.credential.status, 'active');
});

test('check 100: refuses a key that was compromised for good, also to its own partner', async () => {
	const { add, issue, revoke } = createSetting();
	const client = await add();
	const { privateKey, publicKey } = createSubjectKey();
	const command = { partnerId: client.partnerId, clientId: client.id, csr: csrFor(privateKey, publicKey.spki) };
	const { credential } = unwrap(await issue(command));
	unwrap(await revoke({ credentialId: credential.id, reason: 'superseded' }));
	assert.ok((await issue(command)).ok, 'a superseded key may come back');
	unwrap(await revoke({ credentialId: credential.id, reason: 'key-compromise' }));
	const refused = await issue(command);
	assert.ok(!refused.ok);
	assert.match(refused.fault.detail, /known to be compromised/);
});

test('revokes a credential with its certificate, once, and tells everybody', async () => {
	const { registry, clock, add, issue, revoke } = createSetting();
	const client = await add();
	const { credential } = unwrap(await issue({ partnerId: client.partnerId, clientId: client.id, csr: newCsr() }));
	clock.advance(5000);
	const first = unwrap(await revoke({ credentialId: credential.id, reason: 'cessation-of-operation' }));
	assert.equal(first.credential.status, 'revoked');
	assert.equal(first.credential.revokedAtMs, NOW_MS + 5000);
	assert.equal(first.credential.revision, 2);
	const certificate = await registry.certificates.get(credential.certificateId);
	assert.equal(certificate?.status, 'revoked');
	assert.equal(certificate.revocationReason, 'cessation-of-operation');
	assert.deepEqual(
		(await registry.changes.after(first.sequence - 1, 10)).map(({ change }) => change),
		[{ kind: 'credential', record: first.credential }],
	);
	clock.advance(5000);
	const again = unwrap(await revoke({ credentialId: credential.id, reason: 'superseded' }));
	assert.deepEqual(again.credential, first.credential, 'moment and reason stay');
	assert.equal(again.sequence, first.sequence, 'publishing it again still confirms the revocation');
});

test('revokes nothing that is unknown or was changed in the meantime', async () => {
	const { clock, add, issue, revoke } = createSetting();
	const client = await add();
	const { credential } = unwrap(await issue({ partnerId: client.partnerId, clientId: client.id, csr: newCsr() }));
	const stale = await revoke({ credentialId: credential.id, reason: 'unspecified', expectedRevision: 7 });
	assert.ok(!stale.ok);
	assert.equal(stale.fault.code, 'revision_mismatch');
	const unknown = await revoke({ credentialId: newId('crd', clock, systemRandom), reason: 'unspecified' });
	assert.ok(!unknown.ok);
	assert.equal(unknown.fault.code, 'not_found');
});
