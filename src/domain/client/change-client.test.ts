import assert from 'node:assert/strict';
import { test } from 'node:test';
import { openMemoryStore } from '../../adapters/store/memory/open-memory-store.ts';
import { ManualClock } from '../../kernel/clock.ts';
import { newId } from '../../kernel/ids.ts';
import { systemRandom } from '../../kernel/random.ts';
import { unwrap } from '../../kernel/result.ts';
import { suspendPartner } from '../partner/change-partner-status.ts';
import { registerPartner } from '../partner/register-partner.ts';
import { disableClient, enableClient, revokeClientTokens } from './change-client.ts';
import { registerClient } from './register-client.ts';

const START_SECONDS = 1_800_000_000;

async function oneTestClient() {
	const clock = new ManualClock(START_SECONDS * 1000 + 500);
	const { registry } = openMemoryStore();
	const deps = { clock, random: systemRandom };
	const partner = unwrap(await registerPartner(registry, { name: 'Acme' }, deps)).record;
	const request = { partnerId: partner.id, name: 'payments', environment: 'production' } as const;
	const client = unwrap(await registerClient(registry, request, deps)).record;
	return { registry, deps, clock, partner, client, target: { clientId: client.id, expectedRevision: undefined } };
}

test('registers a client of an active partner only', async () => {
	const { registry, deps, clock, partner, client } = await oneTestClient();
	assert.deepEqual([client.status, client.tokensNotBeforeSeconds, client.partnerId], ['active', 0, partner.id]);
	const request = { name: 'second', environment: 'sandbox' } as const;
	const unknown = await registerClient(registry, { ...request, partnerId: newId('prt', clock, systemRandom) }, deps);
	assert.equal(unknown.ok ? 'ok' : unknown.fault.code, 'not_found');
	await suspendPartner(registry, { partnerId: partner.id, expectedRevision: undefined }, deps);
	const suspended = await registerClient(registry, { ...request, partnerId: partner.id }, deps);
	assert.equal(suspended.ok ? 'ok' : suspended.fault.code, 'conflict');
});

test('cuts off every token that was issued up to and in the second of the cut', async () => {
	const { registry, deps, target } = await oneTestClient();
	const { record } = unwrap(await revokeClientTokens(registry, target, deps));
	assert.equal(record.tokensNotBeforeSeconds, START_SECONDS + 1);
	const isRefused = (iat: number): boolean => iat < record.tokensNotBeforeSeconds;
	assert.deepEqual([START_SECONDS - 1, START_SECONDS, START_SECONDS + 1].map(isRefused), [true, true, false]);
});

test('never moves the cut back, also when the clock does', async () => {
	const { registry, deps, clock, target } = await oneTestClient();
	await revokeClientTokens(registry, target, deps);
	clock.advance(-3_600_000);
	const again = unwrap(await revokeClientTokens(registry, target, deps));
	assert.deepEqual([again.changed, again.record.tokensNotBeforeSeconds], [true, START_SECONDS + 2]);
});

test('does not bring tokens back by disabling and enabling', async () => {
	const { registry, deps, target } = await oneTestClient();
	const disabled = unwrap(await disableClient(registry, target, deps)).record;
	assert.deepEqual([disabled.status, disabled.tokensNotBeforeSeconds], ['disabled', START_SECONDS + 1]);
	const enabled = unwrap(await enableClient(registry, target, deps)).record;
	assert.deepEqual([enabled.status, enabled.tokensNotBeforeSeconds], ['active', START_SECONDS + 1]);
	assert.equal(enabled.revision, 3);
});

test('changes nothing when the client is already as asked', async () => {
	const { registry, deps, target } = await oneTestClient();
	assert.equal(unwrap(await enableClient(registry, target, deps)).changed, false);
	await disableClient(registry, target, deps);
	const again = unwrap(await disableClient(registry, target, deps));
	assert.deepEqual([again.changed, again.sequence], [false, await registry.changes.latest()]);
});

test('refuses an unknown client and an outdated revision', async () => {
	const { registry, deps, clock, client } = await oneTestClient();
	const unknown = { clientId: newId('cli', clock, systemRandom), expectedRevision: undefined };
	const codes = [
		await disableClient(registry, unknown, deps),
		await disableClient(registry, { clientId: client.id, expectedRevision: 7 }, deps),
	].map((outcome) => (outcome.ok ? 'ok' : outcome.fault.code));
	assert.deepEqual(codes, ['not_found', 'revision_mismatch']);
});
