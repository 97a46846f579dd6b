// How far a revocation reaches, checks 98 and 110: every process on the store, a gateway thread that is started again, and a
// platform that is. Whatever was revoked, all of them judge alike, and nobody forgets it while a token lives.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { openMemoryStore } from '../../../src/adapters/store/memory/open-memory-store.ts';
import {
	clientFixture,
	credentialFixture,
	insertFixtures,
	partnerFixture,
} from '../../../src/adapters/store/store-fixture.ts';
import { revokeCredential } from '../../../src/domain/certificate/revoke-credential.ts';
import { disableClient, revokeClientTokens } from '../../../src/domain/client/change-client.ts';
import { suspendPartner } from '../../../src/domain/partner/change-partner-status.ts';
import { Directory } from '../../../src/domain/registry/directory.ts';
import { readDirectoryState } from '../../../src/domain/registry/read-directory-state.ts';
import type { Registry } from '../../../src/domain/registry/registry.ts';
import type { VerifiedToken } from '../../../src/domain/token/access-token.ts';
import { isLiveToken } from '../../../src/domain/token/judge-live-token.ts';
import { revokeToken } from '../../../src/domain/token/revoke-token.ts';
import { type CutScope, cutTokens } from '../../../src/domain/token/token-cut.ts';
import { ManualClock } from '../../../src/kernel/clock.ts';
import { systemRandom } from '../../../src/kernel/random.ts';
import { type Result, unwrap } from '../../../src/kernel/result.ts';

const clock = new ManualClock(Date.UTC(2026, 10, 23, 12));
const now = Math.floor(clock.nowMs() / 1000);
const [partner, client, credential] = [partnerFixture(1), clientFixture(1), credentialFixture(1)];
const JTI = 'AAAAAAAAAAAAAAAAAAAAAA';
// Only what its liveness is judged by.
const token = {
	jti: JTI,
	partnerId: partner.id,
	clientId: client.id,
	credentialId: credential.id,
	issuedAtSeconds: now - 1,
	expiresAtSeconds: now + 300,
} as VerifiedToken;

interface Deps {
	readonly clock: ManualClock;
	readonly random: typeof systemRandom;
	readonly latestTokenCut: (scope: CutScope) => number;
}

type Revoke = (registry: Registry, deps: Deps) => Promise<Result<unknown, unknown>>;

const REVOCATIONS: Readonly<Record<string, Revoke>> = {
	'the token': (registry, deps) => revokeToken(registry, { jti: JTI, expiresAtSeconds: now + 300 }, deps),
	'every token of the client': (registry, deps) =>
		revokeClientTokens(registry, { clientId: client.id, expectedRevision: undefined }, deps),
	'everything issued before now': (registry, deps) =>
		cutTokens(registry, { scope: 'platform', beforeMs: undefined }, deps),
	'everything of the partner issued before now': (registry, deps) =>
		cutTokens(registry, { scope: partner.id, beforeMs: undefined }, deps),
	'the credential': (registry, deps) =>
		revokeCredential(registry, { credentialId: credential.id, reason: 'key-compromise' }, deps),
	'the client': (registry, deps) => disableClient(registry, { clientId: client.id, expectedRevision: undefined }, deps),
	'the partner': (registry, deps) =>
		suspendPartner(registry, { partnerId: partner.id, expectedRevision: undefined }, deps),
};

for (const [what, revoke] of Object.entries(REVOCATIONS)) {
	test(`checks 98, 110: ${what} is refused in every process on the store, and after every kind of restart`, async () => {
		const { registry } = openMemoryStore();
		await insertFixtures(registry, 1);
		const open = async (): Promise<Directory> => new Directory(await readDirectoryState(registry, clock));
		const processes = [await open(), await open()] as const;
		const isLive = (directory: Directory): boolean => isLiveToken(token, directory, clock.nowMs());
		assert.deepEqual(processes.map(isLive), [true, true]);
		const [first] = processes;
		const deps: Deps = { clock, random: systemRandom, latestTokenCut: (scope) => first.latestTokenCut(scope) };
		await registry.transaction(async (inside) => unwrap((await revoke(inside, deps)) as Result<unknown, never>));
		for (const directory of processes) {
			for (const change of await registry.changes.after(directory.sequence, 100)) directory.apply(change);
		}
		assert.deepEqual(processes.map(isLive), [false, false], 'two processes that follow the feed');
		assert.equal(isLive(new Directory(first.state())), false, 'a gateway thread that was started again');
		assert.equal(isLive(await open()), false, 'a platform that was started again');
		for (const directory of processes) directory.forgetExpired(now + 300);
		assert.equal(isLive(first), false, 'nothing is forgotten while the token lives');
	});
}
