import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { openMemoryStore } from '../../adapters/store/memory/open-memory-store.ts';
import { ManualClock } from '../../kernel/clock.ts';
import { newId } from '../../kernel/ids.ts';
import { systemRandom } from '../../kernel/random.ts';
import { unwrap } from '../../kernel/result.ts';
import type { Client } from '../client/client.ts';
import { registerPartner } from '../partner/register-partner.ts';
import { registerClient } from '../client/register-client.ts';
import { revokeClientTokens } from '../client/change-client.ts';
import { Directory } from '../registry/directory.ts';
import { readDirectoryState } from '../registry/read-directory-state.ts';
import { revokeToken, TOKEN_LIFE_SECONDS_MAX } from './revoke-token.ts';
import { type CutScope, cutTokens, readTokenCut } from './token-cut.ts';

const NOON = 1_800_000_000;

/** A platform with one client of each of two partners, its store, its directory, and how both are kept in step. */
async function createWorld() {
	const clock = new ManualClock(NOON * 1000);
	let directory: Directory;
	const deps = {
		clock,
		random: systemRandom,
		latestTokenCut: (scope: CutScope): number => directory.latestTokenCut(scope),
	};
	const { registry } = openMemoryStore();
	const clients: Client[] = [];
	for (const name of ['one', 'two']) {
		const partner = unwrap(await registerPartner(registry, { name }, deps)).record;
		const request = {
			partnerId: partner.id,
			name,
			environment: 'production',
			authenticationMethod: 'tls_client_auth',
			senderConstraint: 'mtls',
		} as const;
		clients.push(unwrap(await registerClient(registry, request, deps)).record);
	}
	directory = new Directory(await readDirectoryState(registry, clock));
	const world = {
		clock,
		deps,
		registry,
		directory: (): Directory => directory,
		clients: clients as [Client, Client],
		publish: async (): Promise<void> => {
			for (const change of await registry.changes.after(directory.sequence, 500)) directory.apply(change);
		},
		restart: async (): Promise<void> => {
			directory = new Directory(await readDirectoryState(registry, clock));
		},
		cut: async (scope: CutScope, beforeMs?: number): Promise<void> => {
			unwrap(await cutTokens(registry, { scope, beforeMs }, deps));
			await world.publish();
		},
		notBefore: (index: 0 | 1): number =>
			directory.tokensNotBeforeSeconds(directory.client((clients[index] as Client).id) as Client),
		/** `iat` of a token that is minted now, as the authorization server counts it. */
		mint: (index: 0 | 1): number => Math.max(Math.floor(clock.nowMs() / 1000), world.notBefore(index)),
	};
	return world;
}

test('check 99: a token minted 1 ms before the cut dies, one minted 1 ms after it lives', async () => {
	for (const offset of [0, 1, 499, 998]) {
		const world = await createWorld();
		world.clock.advance(offset);
		const before = world.mint(0);
		world.clock.advance(1);
		await world.cut('platform');
		assert.ok(before < world.notBefore(0), `dies at ${offset}`);
		world.clock.advance(1);
		const after = world.mint(0);
		assert.ok(after >= world.notBefore(0), `lives at ${offset}`);
		assert.ok(after <= world.clock.nowMs() / 1000 + 1, 'and is counted at most a second ahead');
	}
});

test('check 98: a cut concerns the platform, one partner or one client, and nobody else', async () => {
	for (const [scopeOf, other] of [
		[(): CutScope => 'platform', NOON + 1],
		[(client: Client): CutScope => client.partnerId, 0],
		[(client: Client): CutScope => client.id, 0],
	] as const) {
		const world = await createWorld();
		await world.cut(scopeOf(world.clients[0]));
		assert.deepEqual([world.notBefore(0), world.notBefore(1)], [NOON + 1, other]);
	}
});

test('check 98: a cut survives a restart, and lasts until no token lives that it concerns', async () => {
	const world = await createWorld();
	await world.cut('platform');
	await world.restart();
	assert.equal(world.notBefore(0), NOON + 1);
	world.clock.advance(TOKEN_LIFE_SECONDS_MAX * 1000);
	await world.registry.revocations.deleteExpired(Math.floor(world.clock.nowMs() / 1000));
	world.directory().forgetExpired(Math.floor(world.clock.nowMs() / 1000));
	assert.equal(world.notBefore(0), NOON + 1, 'in memory');
	await world.restart();
	assert.equal(world.notBefore(0), NOON + 1, 'in the store');
	world.clock.advance(120_000);
	const now = Math.floor(world.clock.nowMs() / 1000);
	world.directory().forgetExpired(now);
	await world.registry.revocations.deleteExpired(now);
	assert.equal(world.notBefore(0), 0);
	assert.equal(world.directory().state().tokenRevocations.length, 0, 'nothing is kept for ever');
});

test('a cut never moves back, also not by an earlier one that comes later', async () => {
	const world = await createWorld();
	await world.cut('platform');
	await world.cut('platform', NOON * 1000 - 500_000);
	assert.equal(world.notBefore(0), NOON + 1);
	world.clock.advance(-3_600_000);
	await world.cut('platform');
	assert.equal(world.notBefore(0), NOON + 2, 'a clock that was set back');
});

test('a second cut within one second kills what was minted after the first, whatever the scopes', async () => {
	for (const [first, second] of [
		[0, 0],
		[1, 0],
		[2, 0],
		[2, 1],
		[0, 2],
	] as const) {
		const world = await createWorld();
		const [client] = world.clients;
		const scopes: readonly CutScope[] = ['platform', client.partnerId, client.id];
		await world.cut(scopes[first] as CutScope);
		const between = world.mint(0);
		await world.cut(scopes[second] as CutScope);
		assert.ok(between < world.notBefore(0), `${first}, ${second}`);
		const target = { clientId: client.id, expectedRevision: undefined };
		const later = world.mint(0);
		unwrap(await revokeClientTokens(world.registry, target, world.deps));
		await world.publish();
		assert.ok(later < world.notBefore(0), 'and so does a revocation at the client');
	}
});

test('refuses a moment that has not come, and a partner or a client that there is not', async () => {
	const world = await createWorld();
	for (const beforeMs of [NOON * 1000 + 1, Number.NaN, -1, 0, Number.POSITIVE_INFINITY]) {
		const outcome = await cutTokens(world.registry, { scope: 'platform', beforeMs }, world.deps);
		assert.equal(outcome.ok ? 'ok' : outcome.fault.code, 'input_invalid', String(beforeMs));
	}
	for (const scope of [newId('prt', world.clock, systemRandom), newId('cli', world.clock, systemRandom)]) {
		const outcome = await cutTokens(world.registry, { scope, beforeMs: undefined }, world.deps);
		assert.equal(outcome.ok ? 'ok' : outcome.fault.code, 'not_found');
	}
});

test('no jti of a token can be taken for a cut', async () => {
	const { registry } = await createWorld();
	const deps = { clock: new ManualClock(NOON * 1000) };
	const outcome = await revokeToken(registry, { jti: 'issued-before:1:platform', expiresAtSeconds: undefined }, deps);
	assert.equal(outcome.ok, false);
	for (const jti of ['issued-before:01:platform', 'issued-before:1:', 'issued-before::platform', 'x:1:platform']) {
		assert.equal(readTokenCut({ jti, expiresAtSeconds: 1, revokedAtMs: 0 }), undefined);
	}
});

const step = fc.oneof(
	{ weight: 4, arbitrary: fc.record({ kind: fc.constant('mint' as const), of: fc.integer({ min: 0, max: 1 }) }) },
	{ weight: 2, arbitrary: fc.record({ kind: fc.constant('revoke' as const), of: fc.nat(30) }) },
	{ weight: 1, arbitrary: fc.record({ kind: fc.constant('cut' as const), of: fc.nat(4) }) },
	{ weight: 1, arbitrary: fc.record({ kind: fc.constant('cut-earlier' as const), of: fc.nat(4) }) },
	{
		weight: 1,
		arbitrary: fc.record({ kind: fc.constant('revoke-client' as const), of: fc.integer({ min: 0, max: 1 }) }),
	},
	{ weight: 1, arbitrary: fc.record({ kind: fc.constant('restart' as const), of: fc.constant(0) }) },
	{ weight: 1, arbitrary: fc.record({ kind: fc.constant('sweep' as const), of: fc.constant(0) }) },
	{ weight: 4, arbitrary: fc.record({ kind: fc.constant('wait' as const), of: fc.integer({ min: 1, max: 900_000 }) }) },
);

test('simulation: over minting, revoking, cuts, restarts, sweeps and time, what was refused once is refused for ever', async () => {
	await fc.assert(
		fc.asyncProperty(fc.array(step, { minLength: 5, maxLength: 60 }), async (steps) => {
			const world = await createWorld();
			const tokens: {
				readonly jti: string;
				readonly of: 0 | 1;
				readonly iat: number;
				readonly exp: number;
				dead: boolean;
			}[] = [];
			const clientOf = (index: number): Client => world.clients[index === 0 ? 0 : 1];
			const scopes: readonly CutScope[] = [
				'platform',
				...world.clients.flatMap(({ id, partnerId }) => [id, partnerId]),
			];
			for (const { kind, of } of steps) {
				const nowSeconds = Math.floor(world.clock.nowMs() / 1000);
				switch (kind) {
					case 'mint': {
						const index = of === 0 ? 0 : 1;
						const iat = world.mint(index);
						assert.ok(iat >= world.notBefore(index), 'a fresh token lives');
						tokens.push({ jti: `token-number-${tokens.length}`, of: index, iat, exp: iat + 3600, dead: false });
						break;
					}
					case 'revoke': {
						const token = tokens[of];
						if (token === undefined || token.exp <= nowSeconds) break;
						unwrap(await revokeToken(world.registry, { jti: token.jti, expiresAtSeconds: token.exp }, world.deps));
						await world.publish();
						token.dead = true;
						break;
					}
					case 'cut':
						await world.cut(scopes[of] as CutScope);
						for (const token of tokens) {
							const client = clientOf(token.of);
							const isMeant = [client.id, client.partnerId, 'platform'].includes(scopes[of] as CutScope);
							if (isMeant) token.dead = true;
						}
						break;
					case 'cut-earlier':
						await world.cut(scopes[of] as CutScope, world.clock.nowMs() - 100_000);
						break;
					case 'revoke-client': {
						const target = { clientId: clientOf(of).id, expectedRevision: undefined };
						unwrap(await revokeClientTokens(world.registry, target, world.deps));
						await world.publish();
						for (const token of tokens) if (token.of === of) token.dead = true;
						break;
					}
					case 'restart':
						await world.restart();
						break;
					case 'sweep':
						world.directory().forgetExpired(nowSeconds);
						await world.registry.revocations.deleteExpired(nowSeconds);
						break;
					case 'wait':
						world.clock.advance(of);
						break;
				}
				checkNothingRises(world, tokens);
			}
		}),
		{ numRuns: 60 },
	);
});

function checkNothingRises(
	world: Awaited<ReturnType<typeof createWorld>>,
	tokens: readonly {
		readonly jti: string;
		readonly of: 0 | 1;
		readonly iat: number;
		readonly exp: number;
		dead: boolean;
	}[],
): void {
	for (const token of tokens) {
		const isExpired = world.clock.nowMs() >= token.exp * 1000;
		const isRefused = isExpired || world.directory().isTokenRevoked(token.jti) || token.iat < world.notBefore(token.of);
		if (token.dead) assert.ok(isRefused, `${token.jti} was revoked, and lives`);
		// Only what was cut or revoked counts: a token that an earlier cut has killed stays dead as well.
		if (isRefused) (token as { dead: boolean }).dead = true;
	}
}
