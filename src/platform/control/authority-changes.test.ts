import assert from 'node:assert/strict';
import { test } from 'node:test';
import { authorityDependencies } from '../../../test/fixture/authorities.ts';
import { openMemoryStore } from '../../adapters/store/memory/open-memory-store.ts';
import { KeyServiceFailure } from '../../adapters/keys/remote/key-service.ts';
import { loadOrCreateAuthorities } from '../../domain/certificate/authority.ts';
import { silentLog } from '../../kernel/log.ts';
import { applyAuthorityChanges, finishRetirements } from './authority-changes.ts';

test('an authority whose key cannot be stored is not adopted, and the changes behind it do not wait', async () => {
	const deps = authorityDependencies();
	let isAway = false;
	const keys: typeof deps.keys = {
		...deps.keys,
		insert: (key) =>
			isAway
				? Promise.reject(new KeyServiceFailure('unavailable', 'the place does not answer'))
				: deps.keys.insert(key),
	};
	const authorities = await loadOrCreateAuthorities({ ...deps, keys });
	const before = authorities.partnerIssuing;
	const added = await authorities.prepare('partner-issuing');
	assert.ok(added !== undefined);
	isAway = true;
	await applyAuthorityChanges([{ sequence: 1, change: { kind: 'authority', record: added } }], authorities, silentLog);
	authorities.activate('partner-issuing');
	assert.equal(authorities.partnerIssuing, before, 'the one before goes on');
	isAway = false;
	deps.clock.advance(60_000);
	const again = await authorities.prepare('partner-issuing');
	assert.ok(again !== undefined, 'and the command can be repeated');
	await applyAuthorityChanges([{ sequence: 2, change: { kind: 'authority', record: again } }], authorities, silentLog);
	authorities.activate('partner-issuing');
	assert.equal(authorities.partnerIssuing.certificatePem, again.certificatePem);
});

test('a root whose end was committed and not carried out is not trusted after the next start', async () => {
	const deps = authorityDependencies();
	const killed = await loadOrCreateAuthorities(deps);
	for (const name of ['root', 'partner-issuing', 'platform-issuing'] as const) {
		const added = await killed.prepare(name);
		assert.ok(added !== undefined && (await killed.adopt(added)));
		killed.activate(name);
	}
	const plan = killed.planRetirement('root');
	assert.ok(plan !== undefined);
	const { changes } = openMemoryStore().registry;
	await changes.append({ kind: 'authority', record: plan });
	const started = await loadOrCreateAuthorities(deps);
	assert.equal(started.roots().length, 2, 'nothing of it was stored');
	await finishRetirements(changes, started);
	for (const authorities of [started, await loadOrCreateAuthorities(deps)]) {
		assert.deepEqual(
			authorities.roots().map(({ id }) => id),
			['root-2'],
		);
		assert.equal(authorities.trusted('partner-issuing').length, 1);
		await finishRetirements(changes, authorities);
		assert.equal(authorities.roots().length, 1, 'once is enough');
	}
});
