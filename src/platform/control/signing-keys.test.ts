import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MemoryAuditSink } from '../../adapters/ledger/memory-audit-sink.ts';
import { openMemoryStore } from '../../adapters/store/memory/open-memory-store.ts';
import { SignerUnavailable } from '../../domain/certificate/signer.ts';
import { Directory } from '../../domain/registry/directory.ts';
import { readDirectoryState } from '../../domain/registry/read-directory-state.ts';
import { revokeSigningKey, rotateSigningKey } from '../../domain/token/change-signing-key.ts';
import {
	obtainSigningKey,
	provideFirstSigningKeys,
	type SigningKeyPolicies,
} from '../../domain/token/signing-key-keeper.ts';
import { ManualClock } from '../../kernel/clock.ts';
import { silentLog } from '../../kernel/log.ts';
import { unwrap } from '../../kernel/result.ts';
import { openSigningKeys } from './signing-keys.ts';

const policy = { algorithm: 'ES256', rotateEverySeconds: 90 * 86_400, publishAheadSeconds: 3600 } as const;
const policies: SigningKeyPolicies = { 'token-signing': policy, 'assertion-signing': policy };

test('where the last key was revoked without another, tokens are refused as unavailable and never signed', async () => {
	const store = openMemoryStore();
	const clock = new ManualClock(Date.UTC(2026, 10, 23, 12));
	const keeping = { keys: store.keys, registry: store.registry, clock };
	await provideFirstSigningKeys(keeping, policies);
	const directory = new Directory(await readDirectoryState(store.registry, clock));
	const audit = new MemoryAuditSink();
	const keys = await openSigningKeys({ ...keeping, directory, policies, audit, log: silentLog });
	assert.match(String(await keys.tokenSigner()({ a: 1 })), /^ey/);
	assert.equal(keys.canSignTokens(), true);
	const follow = async (): Promise<void> => {
		const changes = await store.registry.changes.after(directory.sequence, 100);
		await keys.prepareChanges(changes, () => undefined);
		for (const change of changes) directory.apply(change);
	};
	// One before it is still published, for what it has signed: it does not sign again.
	const prepared = unwrap(await obtainSigningKey(keeping, 'token-signing', 'ES256'));
	const rotation = {
		purpose: 'token-signing',
		prepared,
		activeFromMs: clock.nowMs() + 2000,
		algorithm: undefined,
	} as const;
	unwrap(await store.registry.transaction((registry) => rotateSigningKey(registry, rotation, keeping)));
	await follow();
	clock.advance(2000);
	const kid = prepared.publicJwk.kid;
	const [header = ''] = String(await keys.tokenSigner()({ a: 1 })).split('.');
	assert.equal((JSON.parse(Buffer.from(header, 'base64url').toString()) as { kid: string }).kid, kid);
	const revocation = { kid, prepared: undefined, isLastAllowed: true };
	unwrap(await store.registry.transaction((registry) => revokeSigningKey(registry, revocation, keeping)));
	await follow();
	assert.equal(directory.signingKeys.published('token-signing').length, 1);
	for (const signer of [keys.tokenSigner, keys.introspectionSigner]) {
		await assert.rejects(async () => signer()({ a: 1 }), SignerUnavailable);
	}
	assert.equal(keys.canSignTokens(), false);
});
