import assert from 'node:assert/strict';
import { test } from 'node:test';
import { openMemoryStore } from '../../adapters/store/memory/open-memory-store.ts';
import { ManualClock } from '../../kernel/clock.ts';
import { newId } from '../../kernel/ids.ts';
import { systemRandom } from '../../kernel/random.ts';
import { unwrap } from '../../kernel/result.ts';
import { resumePartner, suspendPartner } from './change-partner-status.ts';
import { registerPartner } from './register-partner.ts';

async function oneTestPartner() {
	const clock = new ManualClock(1_800_000_000_000);
	const { registry } = openMemoryStore();
	const deps = { clock, random: systemRandom };
	const { record } = unwrap(await registry.transaction((inner) => registerPartner(inner, { name: 'Acme' }, deps)));
	clock.advance(1000);
	return { registry, deps, partner: record };
}

const anyRevision = { expectedRevision: undefined };

test('registers a partner as active, as one change of the feed', async () => {
	const { registry, partner } = await oneTestPartner();
	assert.deepEqual([partner.status, partner.revision, partner.name], ['active', 1, 'Acme']);
	const [change] = await registry.changes.after(0, 10);
	assert.deepEqual(change?.change, { kind: 'partner', record: partner });
});

test('suspends and resumes, each as one change with the next revision', async () => {
	const { registry, deps, partner } = await oneTestPartner();
	const suspended = unwrap(await suspendPartner(registry, { partnerId: partner.id, ...anyRevision }, deps));
	assert.deepEqual([suspended.record.status, suspended.record.revision, suspended.sequence], ['suspended', 2, 2]);
	assert.equal(suspended.record.updatedAtMs, partner.updatedAtMs + 1000);
	const resumed = unwrap(await resumePartner(registry, { partnerId: partner.id, ...anyRevision }, deps));
	assert.deepEqual([resumed.record.status, resumed.record.revision, resumed.sequence], ['active', 3, 3]);
	assert.deepEqual(await registry.partners.get(partner.id), resumed.record);
});

test('changes nothing when asked again, and gives the latest sequence to wait for', async () => {
	const { registry, deps, partner } = await oneTestPartner();
	await suspendPartner(registry, { partnerId: partner.id, ...anyRevision }, deps);
	const again = unwrap(await suspendPartner(registry, { partnerId: partner.id, ...anyRevision }, deps));
	assert.deepEqual([again.changed, again.sequence, again.record.revision], [false, 2, 2]);
});

test('refuses an unknown partner, an outdated revision and an offboarded partner', async () => {
	const { registry, deps, partner } = await oneTestPartner();
	const unknown = { partnerId: newId('prt', deps.clock, deps.random), ...anyRevision };
	const codes = [
		await suspendPartner(registry, unknown, deps),
		await suspendPartner(registry, { partnerId: partner.id, expectedRevision: 2 }, deps),
	].map((outcome) => (outcome.ok ? 'ok' : outcome.fault.code));
	assert.deepEqual(codes, ['not_found', 'revision_mismatch']);
	await registry.partners.update({ ...partner, status: 'offboarded', revision: 2 }, 1);
	const revived = await resumePartner(registry, { partnerId: partner.id, ...anyRevision }, deps);
	assert.equal(revived.ok ? 'ok' : revived.fault.code, 'conflict');
});
