import assert from 'node:assert/strict';
import { test } from 'node:test';
import { openMemoryStore } from '../../adapters/store/memory/open-memory-store.ts';
import { ManualClock } from '../../kernel/clock.ts';
import { newId } from '../../kernel/ids.ts';
import { systemRandom } from '../../kernel/random.ts';
import { unwrap } from '../../kernel/result.ts';
import { parseIpAddress } from '../network/ip-address.ts';
import { allowNetworks } from './allow-networks.ts';
import { isAllowedForPartner } from './allowed-networks.ts';
import { registerPartner } from './register-partner.ts';

async function oneTestPartner() {
	const clock = new ManualClock(1_800_000_000_000);
	const { registry } = openMemoryStore();
	const deps = { clock, random: systemRandom };
	const { record } = unwrap(await registry.transaction((inner) => registerPartner(inner, { name: 'Acme' }, deps)));
	const allow = (networks: readonly string[] | undefined, expectedRevision?: number) =>
		allowNetworks(registry, { partnerId: record.id, expectedRevision, networks }, deps);
	return { registry, deps, partner: record, allow };
}

test('sets the list as one change of the feed, and changes nothing when it is set again in other spellings', async () => {
	const { registry, allow } = await oneTestPartner();
	const set = unwrap(await allow(['203.0.113.7', '2001:DB8:0::/48']));
	assert.deepEqual(set.record.allowedNetworks, ['2001:db8::/48', '203.0.113.7/32']);
	assert.deepEqual((await registry.changes.after(1, 10))[0]?.change, { kind: 'partner', record: set.record });
	const again = unwrap(await allow(['2001:db8::/48', '::ffff:203.0.113.7', '203.0.113.7/32']));
	assert.deepEqual([again.changed, again.record.revision], [false, 2]);
	const lifted = unwrap(await allow(undefined));
	assert.equal('allowedNetworks' in lifted.record, false);
});

test('refuses an empty list, what is no network, an outdated revision, and a partner that is gone', async () => {
	const { registry, allow, deps, partner } = await oneTestPartner();
	const many = Array.from({ length: 201 }, (_, index) => `10.0.${index}.0/24`);
	for (const networks of [[], ['10.0.0.1/8'], ['any'], many]) {
		const outcome = await allow(networks);
		assert.equal(outcome.ok ? 'ok' : outcome.fault.code, 'input_invalid');
	}
	const outdated = await allow(['10.0.0.0/8'], 7);
	assert.equal(outdated.ok ? 'ok' : outdated.fault.code, 'revision_mismatch');
	const partnerId = newId('prt', deps.clock, deps.random);
	const unknown = await allowNetworks(registry, { partnerId, expectedRevision: undefined, networks: undefined }, deps);
	assert.equal(unknown.ok ? 'ok' : unknown.fault.code, 'not_found');
	await registry.partners.update({ ...partner, status: 'offboarded', revision: 2 }, 1);
	const gone = await allow(['10.0.0.0/8']);
	assert.equal(gone.ok ? 'ok' : gone.fault.code, 'conflict');
});

test('lets a partner call from its networks alone, and from anywhere without a list', async () => {
	const { partner } = await oneTestPartner();
	const at = (text: string) => parseIpAddress(text);
	const listed = { ...partner, allowedNetworks: ['203.0.113.0/24', '2001:db8::/32'] };
	const answers = ['203.0.113.9', '::ffff:203.0.113.9', '2001:db8::1', '203.0.114.1', '::1'].map((text) =>
		isAllowedForPartner(listed, at(text)),
	);
	assert.deepEqual(answers, [true, true, true, false, false]);
	assert.equal(isAllowedForPartner(listed, undefined), false);
	assert.equal(isAllowedForPartner(partner, undefined), true);
});
