import assert from 'node:assert/strict';
import { test } from 'node:test';
import { openMemoryStore } from '../../adapters/store/memory/open-memory-store.ts';
import { ManualClock } from '../../kernel/clock.ts';
import { fault } from '../../kernel/faults.ts';
import { systemRandom } from '../../kernel/random.ts';
import { fail, ok, unwrap } from '../../kernel/result.ts';
import { registerPartner } from '../partner/register-partner.ts';
import { commitChange } from './commit-change.ts';
import { StoreConflict } from './store-conflict.ts';

const deps = { clock: new ManualClock(1_800_000_000_000), random: systemRandom };

test('keeps what an operation did that succeeded', async () => {
	const { registry } = openMemoryStore();
	const { record } = unwrap(await commitChange(registry, (inner) => registerPartner(inner, { name: 'Acme' }, deps)));
	assert.deepEqual(await registry.partners.get(record.id), record);
	assert.equal(await registry.changes.latest(), 1);
});

test('leaves no trace of an operation that refused after it had written', async () => {
	const { registry } = openMemoryStore();
	const outcome = await commitChange(registry, async (inner) => {
		unwrap(await registerPartner(inner, { name: 'Acme' }, deps));
		return fail(fault('conflict', 'No.'));
	});
	assert.deepEqual(outcome, { ok: false, fault: { code: 'conflict', detail: 'No.' } });
	assert.deepEqual((await registry.partners.list({ limit: 10 })).items, []);
	assert.equal(await registry.changes.latest(), 0);
});

test('turns a lost race for a revision into revision_mismatch and one for a unique key into conflict', async () => {
	const { registry } = openMemoryStore();
	const codes: string[] = [];
	for (const reason of ['revision', 'unique'] as const) {
		const outcome = await commitChange(registry, async () => {
			throw new StoreConflict(reason, 'internal');
		});
		codes.push(outcome.ok ? 'ok' : outcome.fault.code);
	}
	assert.deepEqual(codes, ['revision_mismatch', 'conflict']);
});

test('throws on what is neither a fault nor a conflict, after the roll-back', async () => {
	const { registry } = openMemoryStore();
	const work = commitChange(registry, async (inner) => {
		unwrap(await registerPartner(inner, { name: 'Acme' }, deps));
		if (deps.clock.nowMs() > 0) throw new RangeError('a bug');
		return ok(undefined);
	});
	await assert.rejects(work, RangeError);
	assert.deepEqual((await registry.partners.list({ limit: 10 })).items, []);
});
