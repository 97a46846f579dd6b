import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { test } from 'node:test';
import { authorityDependencies, DAY_MS } from '../../../test/fixture/authorities.ts';
import { openMemoryStore } from '../../adapters/store/memory/open-memory-store.ts';
import { PROFILES } from '../../domain/certificate/profile.ts';
import { loadOrCreateAuthorities } from '../../domain/certificate/authority.ts';
import { provideServerIdentity, provideServiceIdentity } from './server-identity.ts';

async function setUp() {
	const deps = authorityDependencies();
	const { platformIssuing } = await loadOrCreateAuthorities(deps);
	return { ...deps, authority: platformIssuing, registry: openMemoryStore().registry, profiles: PROFILES };
}

test('makes an identity for all of its names, and gives the same one until two thirds of its life are over', async () => {
	const deps = await setUp();
	const first = await provideServerIdentity('gateway', ['localhost', '127.0.0.1'], deps);
	const certificate = new X509Certificate(first.chain);
	assert.ok(certificate.checkHost('localhost'));
	assert.ok(certificate.checkIP('127.0.0.1'));
	const { items } = await deps.registry.certificates.list({ limit: 9 });
	assert.deepEqual(
		items.map(({ profile, subject }) => [profile, subject]),
		[['server', 'localhost']],
	);
	deps.clock.advance(59 * DAY_MS);
	assert.deepEqual(await provideServerIdentity('gateway', ['localhost', '127.0.0.1'], deps), first);
});

test('renews it while a third of its life is left, with a key of its own, and keeps the new one', async () => {
	const deps = await setUp();
	const first = await provideServerIdentity('gateway', ['localhost'], deps);
	deps.clock.advance(61 * DAY_MS);
	const second = await provideServerIdentity('gateway', ['localhost'], deps);
	assert.notEqual(second.key, first.key);
	assert.ok(new X509Certificate(second.chain).validToDate > new X509Certificate(first.chain).validToDate);
	assert.deepEqual(await provideServerIdentity('gateway', ['localhost'], deps), second);
});

test('makes another one when the configuration has a name that it does not carry', async () => {
	const deps = await setUp();
	const first = await provideServerIdentity('gateway', ['localhost'], deps);
	const second = await provideServerIdentity('gateway', ['localhost', 'api.bank.example'], deps);
	assert.notEqual(second.chain, first.chain);
	assert.ok(new X509Certificate(second.chain).checkHost('api.bank.example'));
});

test('shows upstreams the SPIFFE id of the service and nothing else', async () => {
	const deps = await setUp();
	const { chain } = await provideServiceIdentity('gateway', deps);
	assert.equal(new X509Certificate(chain).subjectAltName, 'URI:spiffe://bank.example/service/gateway');
	assert.equal((await provideServiceIdentity('gateway', deps)).chain, chain);
});
