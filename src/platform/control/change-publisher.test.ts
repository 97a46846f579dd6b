import assert from 'node:assert/strict';
import { test } from 'node:test';
import { openMemoryStore } from '../../adapters/store/memory/open-memory-store.ts';
import type { Partner } from '../../domain/partner/partner.ts';
import type { NumberedChange } from '../../domain/registry/change-feed.ts';
import { Directory } from '../../domain/registry/directory.ts';
import { systemClock } from '../../kernel/clock.ts';
import { newId } from '../../kernel/ids.ts';
import { systemRandom } from '../../kernel/random.ts';
import { createChangePublisher } from './change-publisher.ts';

function setUp() {
	const { registry } = openMemoryStore();
	const directory = new Directory({
		sequence: 0,
		partners: [],
		clients: [],
		credentials: [],
		subscriptions: [],
		tokenRevocations: [],
		signingKeys: [],
	});
	const sent: number[][] = [];
	const gate = { fail: false };
	const publisher = createChangePublisher(registry, directory, async (changes: readonly NumberedChange[]) => {
		sent.push(changes.map((change) => change.sequence));
		if (gate.fail) throw new Error('not confirmed');
	});
	const commit = (status: Partner['status'] = 'active') => {
		const record: Partner = {
			id: newId('prt', systemClock, systemRandom),
			name: 'x',
			status,
			createdAtMs: 0,
			updatedAtMs: 0,
			revision: 1,
		};
		return registry.transaction(async (inside) => {
			await inside.partners.insert(record);
			return { record, sequence: await inside.changes.append({ kind: 'partner', record }) };
		});
	};
	return { directory, publisher, sent, gate, commit };
}

test('decides from a change itself, and has it confirmed, before it resolves', async () => {
	const { directory, publisher, sent, commit } = setUp();
	const { record, sequence } = await commit();
	await publisher.publish(sequence);
	assert.deepEqual(directory.partner(record.id), record);
	assert.deepEqual(sent, [[sequence]]);
});

test('sends every change once and in order, however the calls interleave', async () => {
	const { publisher, sent, commit } = setUp();
	const sequences = [];
	for (let count = 0; count < 10; count++) sequences.push((await commit()).sequence);
	await Promise.all(sequences.toReversed().map((sequence) => publisher.publish(sequence)));
	assert.deepEqual(sent.flat(), sequences);
});

test('a change that was not confirmed is sent again, and counts only once it is confirmed', async () => {
	const { publisher, sent, gate, commit } = setUp();
	const { sequence } = await commit();
	gate.fail = true;
	await assert.rejects(publisher.publish(sequence));
	await assert.rejects(publisher.publish(sequence), 'a repeat must not pass for a confirmation');
	gate.fail = false;
	await publisher.publish(sequence);
	assert.deepEqual(sent, [[sequence], [sequence], [sequence]]);
	await publisher.publish(sequence);
	assert.equal(sent.length, 3);
});

test('a failure of one call does not hold up the next', async () => {
	const { publisher, gate, commit } = setUp();
	gate.fail = true;
	await assert.rejects(publisher.publish((await commit()).sequence));
	gate.fail = false;
	await publisher.publish((await commit()).sequence);
});

test('refuses to claim a change that the feed does not have', async () => {
	const { publisher } = setUp();
	await assert.rejects(publisher.publish(7));
});

test('check 110: what another process on the same store has changed is found, and what was not confirmed is sent again', async () => {
	const { directory, publisher, sent, gate, commit } = setUp();
	// Nobody here was told of this one.
	const { record, sequence } = await commit('suspended');
	await publisher.follow();
	assert.equal(directory.partner(record.id)?.status, 'suspended');
	assert.deepEqual(sent, [[sequence]]);
	await publisher.follow();
	assert.equal(sent.length, 1, 'nothing new costs nothing');
	const { sequence: next } = await commit();
	gate.fail = true;
	await assert.rejects(publisher.publish(next));
	await publisher.follow();
	gate.fail = false;
	await publisher.follow();
	assert.deepEqual(sent, [[sequence], [next], [next], [next]]);
	// Whoever made the change has it confirmed, though it was found before.
	await publisher.publish(next);
	assert.equal(sent.length, 4);
});
