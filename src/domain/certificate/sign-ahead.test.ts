// Certificates signed by a key elsewhere: no transaction waits for it, and what is recorded is what is handed out.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createCertificateRegistry, newCsr } from '../../../test/fixture/certificate-registry.ts';
import { distantSigner, gate, takenOut } from '../../../test/fixture/distant-signer.ts';
import { MemoryAuditSink } from '../../adapters/ledger/memory-audit-sink.ts';
import { silentLog } from '../../kernel/log.ts';
import { systemRandom } from '../../kernel/random.ts';
import { unwrap } from '../../kernel/result.ts';
import { enrol, type Proof } from '../../services/certificate-authority/enrol.ts';
import type { Client } from '../client/client.ts';
import { commitChange } from '../registry/commit-change.ts';
import type { Registry } from '../registry/registry.ts';
import { openEnrolment } from './enrolment.ts';
import { issueClientCertificate } from './issue-client-certificate.ts';
import type { Issuer } from './issuer.ts';
import { revokeCredential } from './revoke-credential.ts';
import { revokeIssued } from './revoke-issued.ts';
import { PendingSignatures } from './pending-signatures.ts';
import { signAhead } from './sign-ahead.ts';

/** A registry whose authority has its key elsewhere, and a client that wants a certificate from it. */
async function setting() {
	const made = await createCertificateRegistry();
	const { registry, issuing, client } = made;
	const distant = distantSigner(issuing.authority.signer);
	const authority: Issuer = { ...issuing.authority, signer: distant.signer };
	const { id: clientId, partnerId } = client;
	const attempt = (inside: Registry, issuer: Issuer, csr: Buffer) =>
		issueClientCertificate(inside, { clientId, partnerId, csr }, { ...issuing, authority: issuer });
	const issueAhead = (csr = newCsr()) =>
		signAhead(
			() => authority,
			(issuer) => commitChange(registry, (inside) => attempt(inside, issuer, csr)),
		);
	const credentials = async () => [...(await registry.credentials.list({ limit: 100 })).items];
	return { ...made, distant, authority, attempt, issueAhead, credentials };
}

test('a revocation goes through at once while a signature hangs, and so does everything else', async () => {
	const { registry, clock, distant, issue, issueAhead, credentials } = await setting();
	const { credential } = await issue();
	const hanging = gate();
	distant.before = hanging.closed;
	const issuing = [issueAhead(), issueAhead(), issueAhead()];
	while (distant.asked() < 3) await new Promise((resolve) => setImmediate(resolve));
	const revoked = await commitChange(registry, (inside) =>
		revokeCredential(inside, { credentialId: credential.id, reason: 'key-compromise' }, { clock }),
	);
	assert.ok(revoked.ok);
	assert.equal((await credentials()).length, 1, 'nothing is recorded that was not signed');
	hanging.open();
	for (const one of await Promise.all(issuing)) assert.ok(one.ok);
	assert.equal((await credentials()).length, 4);
});

test('what is handed out is what is recorded, signed once, and a key in memory takes one attempt', async () => {
	const { registry, distant, issueAhead, authority, issuing, attempt } = await setting();
	const issued = unwrap(await issueAhead());
	assert.equal(distant.asked(), 1);
	const recorded = await registry.certificates.get(issued.certificate.id);
	assert.ok(recorded !== undefined && issued.chainPem.startsWith(recorded.pem));
	let attempts = 0;
	unwrap(
		await signAhead(
			() => issuing.authority,
			(issuer) => {
				attempts += 1;
				return commitChange(registry, (inside) => attempt(inside, issuer, newCsr()));
			},
		),
	);
	assert.equal(attempts, 1);
	assert.equal(authority.takeSigned, undefined, 'an issuer outside of signAhead is as it was');
});

test('what is judged is judged again after the signature: a client that was disabled meanwhile gets nothing', async () => {
	const { registry, client, distant, issueAhead, credentials } = await setting();
	distant.before = async () => {
		await registry.clients.update({ ...client, status: 'disabled', revision: 2 }, 1);
	};
	const refused = await issueAhead();
	assert.ok(!refused.ok);
	assert.equal(refused.fault.code, 'client_disabled');
	assert.deepEqual(await credentials(), []);
});

test('a request that is refused anyway costs no signature', async () => {
	const { registry, client, distant, issueAhead } = await setting();
	await registry.clients.update({ ...client, status: 'disabled', revision: 2 }, 1);
	assert.ok(!(await issueAhead()).ok);
	assert.ok(!(await issueAhead(Buffer.from('no request'))).ok);
	assert.equal(distant.asked(), 0);
});

test('an authority that is replaced while it signs gets no certificate into the records: the one that signs now does', async () => {
	const { registry, clock, authority, attempt, distant, credentials } = await setting();
	let now: Issuer = { ...authority, id: 'partner-issuing' };
	distant.before = async () => {
		distant.before = () => Promise.resolve();
		now = { ...authority, id: 'partner-issuing-2' };
		const old = { issuer: 'partner-issuing', reason: 'superseded' } as const;
		const { left } = unwrap(await commitChange(registry, (inside) => revokeIssued(inside, old, { clock })));
		assert.equal(left.certificates, 0);
	};
	const csr = newCsr();
	const issued = unwrap(
		await signAhead(
			() => now,
			(issuer) => commitChange(registry, (inside) => attempt(inside, issuer, csr)),
		),
	);
	assert.equal(issued.certificate.issuer, 'partner-issuing-2');
	assert.equal((await registry.certificates.countHolders('partner-issuing', clock.nowMs())).certificates, 0);
	assert.equal((await credentials()).length, 1);
	assert.equal(distant.asked(), 2);
});

test('a key that cannot be used leaves no trace, and the refusal says when to come back', async () => {
	const { distant, issueAhead, credentials } = await setting();
	distant.before = takenOut;
	const refused = await issueAhead();
	assert.ok(!refused.ok);
	assert.equal(refused.fault.code, 'authority_unavailable');
	assert.equal(refused.fault.retryAfterSeconds, 7);
	assert.deepEqual(await credentials(), []);
	distant.before = () => Promise.resolve();
	assert.ok((await issueAhead()).ok);
});

test('records that ask for another certificate with every attempt end in a conflict, not in a loop', async () => {
	const { registry, distant, authority, attempt, credentials } = await setting();
	const outcome = await signAhead(
		() => authority,
		(issuer) => commitChange(registry, (inside) => attempt(inside, issuer, newCsr())),
	);
	assert.ok(!outcome.ok);
	assert.equal(outcome.fault.code, 'conflict');
	assert.equal(distant.asked(), 3);
	assert.deepEqual(await credentials(), []);
});

async function enrolmentOf(
	made: Awaited<ReturnType<typeof setting>>,
	more: { readonly ledgerFails?: boolean; readonly client?: Client; readonly pending?: PendingSignatures } = {},
) {
	const { registry, authority, issuing } = made;
	const { client = made.client } = more;
	const audit = new MemoryAuditSink();
	if (more.ledgerFails === true) audit.recordDurable = () => Promise.reject(new Error('the disk is full'));
	const { code } = unwrap(
		await openEnrolment(registry, { clientId: client.id }, { clock: issuing.clock, random: systemRandom }),
	);
	const proof: Proof = { kind: 'enrolment-code', clientId: client.id, code: code.reveal() };
	const deps = {
		store: registry,
		publisher: { publish: () => Promise.resolve() },
		audit,
		log: silentLog,
		pendingSignatures: more.pending ?? new PendingSignatures(),
		issuing: () => ({ ...issuing, authority }),
		renewal: { afterPercent: 0, graceMs: 0, overlapMs: 0, perDay: 100 },
		renewalAudience: 'x',
	};
	const caller = { requestId: 'req-1', address: '192.0.2.1', ip: undefined, operation: 'simpleenroll' } as const;
	return { audit, enrolOnce: () => enrol(proof, newCsr(), caller, deps) };
}

test('an enrolment code that is used twenty times at once gives one certificate, however many were signed', async () => {
	const made = await setting();
	const { audit, enrolOnce } = await enrolmentOf(made);
	const held = gate();
	made.distant.before = held.closed;
	const running = Array.from({ length: 20 }, enrolOnce);
	while (made.distant.asked() < 20) await new Promise((resolve) => setImmediate(resolve));
	held.open();
	const outcomes = await Promise.all(running);
	assert.equal(outcomes.filter(({ ok }) => ok).length, 1);
	assert.equal((await made.credentials()).length, 1);
	const decisions = audit.entries.map(({ decision }) => decision);
	assert.equal(decisions.filter((decision) => decision === 'permit').length, 1);
	assert.equal(decisions.length, 20, 'each attempt leaves one entry');
});

test('one partner fills no queue: beyond its share it is refused at once, and another one is signed for', async () => {
	const made = await setting();
	const pending = new PendingSignatures();
	const { audit, enrolOnce } = await enrolmentOf(made, { pending });
	const held = gate();
	made.distant.before = held.closed;
	const running = Array.from({ length: 64 }, enrolOnce);
	while (made.distant.asked() < 64) await new Promise((resolve) => setImmediate(resolve));
	const refused = await enrolOnce();
	assert.ok(!refused.ok);
	assert.deepEqual([refused.fault.code, refused.fault.retryAfterSeconds], ['authority_unavailable', 5]);
	assert.deepEqual([made.distant.asked(), audit.entries.length], [64, 1]);
	const other = (await enrolmentOf(made, { pending, client: made.stranger })).enrolOnce();
	while (made.distant.asked() < 65) await new Promise((resolve) => setImmediate(resolve));
	held.open();
	assert.ok((await other).ok);
	assert.equal((await Promise.all(running)).filter(({ ok }) => ok).length, 1);
	const { enrolOnce: later } = await enrolmentOf(made, { pending });
	assert.ok((await later()).ok, 'what was waited for is over');
});

test('a code that is wrong never reaches the key', async () => {
	const made = await setting();
	const { enrolOnce } = await enrolmentOf(made);
	assert.ok((await enrolOnce()).ok);
	assert.ok(!(await enrolOnce()).ok);
	assert.equal(made.distant.asked(), 1);
});

test('a certificate that was signed and cannot be recorded is given to nobody', async () => {
	const made = await setting();
	const { enrolOnce } = await enrolmentOf(made, { ledgerFails: true });
	const refused = await enrolOnce();
	assert.ok(!refused.ok);
	assert.equal(refused.fault.code, 'audit_unavailable');
	assert.equal(made.distant.asked(), 1);
	assert.deepEqual(await made.credentials(), []);
});
