import assert from 'node:assert/strict';
import { test } from 'node:test';
import { authorityDependencies } from '../../../test/fixture/authorities.ts';
import { KeyServiceFailure } from '../../adapters/keys/remote/key-service.ts';
import { loadOrCreateAuthorities } from '../../domain/certificate/authority.ts';
import { silentLog } from '../../kernel/log.ts';
import { applyAuthorityChanges } from './authority-changes.ts';

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
