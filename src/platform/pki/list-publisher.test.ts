import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CertificateRevocationList } from 'pkijs';
import { DAY_MS, NOW_MS } from '../../../test/fixture/authorities.ts';
import { createCertificateRegistry, newKey } from '../../../test/fixture/certificate-registry.ts';
import { MemoryAuditSink } from '../../adapters/ledger/memory-audit-sink.ts';
import { openMemoryStore } from '../../adapters/store/memory/open-memory-store.ts';
import type { Authority } from '../../domain/certificate/authority.ts';
import {
	holdCertificate,
	releaseCertificate,
	revokeCertificate,
} from '../../domain/certificate/change-certificate-status.ts';
import type { PublishedRevocationList } from '../../domain/certificate/revocation-list-store.ts';
import { encodeRevocationList, type RevocationListFields } from '../../domain/certificate/revocation-list.ts';
import { renewClientCertificate } from '../../domain/certificate/renew-client-certificate.ts';
import { encodeCsr } from '../../domain/certificate/encode-csr.ts';
import { silentLog } from '../../kernel/log.ts';
import { unwrap } from '../../kernel/result.ts';
import { ListPublisher } from './list-publisher.ts';
import { revokeSuperseded } from './revoke-superseded.ts';

async function createSetting() {
	const setting = await createCertificateRegistry();
	const { registry, clock, issuing } = setting;
	const authority = issuing.authority as Authority;
	const lists = openMemoryStore().revocationLists;
	const delivered: PublishedRevocationList[] = [];
	const trouble: { encode: Error | undefined } = { encode: undefined };
	const audit = new MemoryAuditSink();
	const known: Authority[] = [authority];
	const open = (): ListPublisher =>
		new ListPublisher({
			authorities: () => known,
			certificates: registry.certificates,
			lists,
			encode: (fields: RevocationListFields) =>
				trouble.encode === undefined ? Promise.resolve(encodeRevocationList(fields)) : Promise.reject(trouble.encode),
			deliver: (list) => delivered.push(list),
			audit,
			lifetimeMs: DAY_MS,
			clock,
			log: silentLog,
		});
	return { ...setting, authority, known, delivered, trouble, audit, open };
}

function entriesOf(list: PublishedRevocationList | undefined): readonly string[] {
	const parsed = CertificateRevocationList.fromBER(new Uint8Array(list?.der ?? []));
	return (parsed.revokedCertificates ?? []).map(({ userCertificate }) =>
		Buffer.from(userCertificate.valueBlock.valueHexView).toString('hex').replace(/^0+/, ''),
	);
}

test('check 103: a list is there from the start, its number grows, also over a restart, and each is recorded', async () => {
	const { open, delivered, audit, clock } = await createSetting();
	const publisher = open();
	await publisher.open();
	assert.deepEqual(
		delivered.map(({ number, entries }) => [number, entries]),
		[[1, 0]],
	);
	// A list is backdated by a minute, so that half of its time is over half a minute earlier.
	clock.advance(DAY_MS / 2 - 31_000);
	await publisher.refresh();
	assert.equal(delivered.length, 1);
	clock.advance(1000);
	await publisher.refresh();
	assert.equal(delivered.length, 2, 'half of its time is over');
	await publisher.close();
	const restarted = open();
	await restarted.open();
	assert.deepEqual(
		delivered.map(({ number }) => number),
		[1, 2, 2],
		'the stored list is served again, not made again',
	);
	clock.advance(DAY_MS);
	await restarted.refresh();
	assert.equal(delivered.at(-1)?.number, 3);
	assert.deepEqual(
		audit.entries.map(({ type, facts }) => [type, facts?.['number']]),
		[1, 2, 3].map((number) => ['certificate.list_published', number]),
	);
	await restarted.close();
});

test('check 103: names what is revoked and held, drops what is released, and what ended more than a lifetime ago', async () => {
	const { open, delivered, clock, registry, issue } = await createSetting();
	const [revoked, held, released] = [await issue(), await issue(), await issue()].map(({ certificate }) => certificate);
	assert.ok(revoked !== undefined && held !== undefined && released !== undefined);
	unwrap(await revokeCertificate(registry, { certificateId: revoked.id, reason: 'key-compromise' }, { clock }));
	for (const { id } of [held, released]) unwrap(await holdCertificate(registry, { certificateId: id }, { clock }));
	unwrap(await releaseCertificate(registry, { certificateId: released.id }, { clock }));
	const publisher = open();
	await publisher.open();
	assert.deepEqual(new Set(entriesOf(delivered.at(-1))), new Set([revoked.serial, held.serial]));
	clock.advance(revoked.notAfterMs - NOW_MS + DAY_MS - 2000);
	await publisher.refresh();
	assert.equal(entriesOf(delivered.at(-1)).length, 2);
	clock.advance(DAY_MS);
	await publisher.refresh();
	assert.deepEqual(entriesOf(delivered.at(-1)), []);
	await publisher.close();
});

test('check 103: a list that cannot be made leaves the old one, raises the alarm long before that ends, and is tried again', async () => {
	const { open, delivered, trouble, clock } = await createSetting();
	const publisher = open();
	await publisher.open();
	trouble.encode = new Error('the thread is gone');
	clock.advance(DAY_MS * 0.6);
	await publisher.refresh();
	assert.equal(delivered.length, 1);
	assert.match(publisher.renderMetrics(), /sallyport_crl_overdue\{authority="partner-issuing"\} 0/);
	clock.advance(DAY_MS * 0.2);
	await publisher.refresh();
	assert.match(publisher.renderMetrics(), /sallyport_crl_overdue\{authority="partner-issuing"\} 1/);
	const [{ nextUpdateMs } = { nextUpdateMs: 0 }] = publisher.current();
	assert.ok(nextUpdateMs > clock.nowMs(), 'the old list is still valid when the alarm is raised');
	trouble.encode = undefined;
	await publisher.refresh();
	assert.equal(delivered.length, 2);
	assert.match(publisher.renderMetrics(), /sallyport_crl_overdue\{authority="partner-issuing"\} 0/);
	await publisher.close();
});

test('many revocations within a moment go into one list', async (context) => {
	context.mock.timers.enable({ apis: ['setTimeout'] });
	const { open, delivered, clock, registry, issue } = await createSetting();
	const publisher = open();
	await publisher.open();
	for (let count = 0; count < 5; count++) {
		const { certificate } = await issue();
		unwrap(await revokeCertificate(registry, { certificateId: certificate.id, reason: 'superseded' }, { clock }));
		publisher.request(certificate.issuer);
	}
	assert.equal(delivered.length, 1);
	context.mock.timers.tick(2000);
	for (let turn = 0; turn < 100 && delivered.length < 2; turn++) await new Promise((resolve) => setImmediate(resolve));
	await publisher.close();
	assert.deepEqual(
		delivered.map(({ entries }) => entries),
		[0, 5],
	);
});

test('check 102: a certificate that was renewed is revoked as superseded when its overlap is over, recorded and published', async () => {
	const { registry, clock, issuing, issue, audit } = await createSetting();
	const { certificate, credential } = await issue();
	const policy = { afterPercent: 0, graceMs: 0, overlapMs: DAY_MS, perDay: 9 };
	const command = { thumbprint: certificate.thumbprint, csr: encodeCsr(newKey(), {}) };
	const renewed = unwrap(await renewClientCertificate(registry, command, policy, issuing));
	const published: number[] = [];
	const publisher = {
		publish: (sequence: number) => {
			published.push(sequence);
			return Promise.resolve();
		},
	};
	const deps = { store: registry, audit, publisher, clock, log: silentLog };
	clock.advance(DAY_MS - 1);
	await revokeSuperseded(deps);
	assert.deepEqual([published, audit.entries.length], [[], 0]);
	clock.advance(1);
	audit.refuse();
	await revokeSuperseded(deps);
	assert.equal(
		(await registry.certificates.get(certificate.id))?.status,
		'active',
		'what cannot be recorded is not done',
	);
	const recorded = new MemoryAuditSink();
	await revokeSuperseded({ ...deps, audit: recorded });
	const old = await registry.certificates.get(certificate.id);
	assert.deepEqual([old?.status, old?.revocationReason], ['revoked', 'superseded']);
	assert.equal((await registry.credentials.get(credential.id))?.status, 'revoked');
	assert.equal((await registry.certificates.get(renewed.certificate.id))?.status, 'active');
	assert.deepEqual(
		recorded.entries.map(({ type, facts }) => [type, facts?.['certificate']]),
		[['certificate.revoked', certificate.id]],
	);
	assert.equal(published.length, 1);
	await revokeSuperseded({ ...deps, audit: recorded });
	assert.equal(recorded.entries.length, 1);
});

test('the list of an authority that is not trusted any more is neither renewed nor an alarm', async () => {
	const { open, known, delivered, clock } = await createSetting();
	const publisher = open();
	await publisher.open();
	clock.advance(DAY_MS);
	assert.match(publisher.renderMetrics(), /sallyport_crl_overdue\{authority="partner-issuing"\} 1/);
	known.length = 0;
	await publisher.refresh();
	assert.doesNotMatch(publisher.renderMetrics(), /partner-issuing/);
	assert.equal(delivered.length, 1);
	await publisher.close();
});
