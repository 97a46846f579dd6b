import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { test } from 'node:test';
import fc from 'fast-check';
import { openMemoryStore } from '../../adapters/store/memory/open-memory-store.ts';
import { ManualClock } from '../../kernel/clock.ts';
import type { CredentialId } from '../../kernel/ids.ts';
import { systemRandom } from '../../kernel/random.ts';
import { unwrap } from '../../kernel/result.ts';
import { revokeCredential } from '../certificate/revoke-credential.ts';
import { registerPartner } from '../partner/register-partner.ts';
import { commitChange } from '../registry/commit-change.ts';
import { addClientSecret } from './add-client-secret.ts';
import { addPublicKey } from './add-public-key.ts';
import { type Credential, credentialEndMs, isCredentialLive } from './credential.ts';
import { cancelRotation, completeRotation } from './end-rotation.ts';
import { registerClient } from './register-client.ts';
import { rotateCredential } from './rotate-credential.ts';
import type { Rotation } from './rotation.ts';

const START_MS = 1_800_000_000_000;
const DAY_SECONDS = 86_400;
const DAY_MS = DAY_SECONDS * 1000;

async function openWorld() {
	const clock = new ManualClock(START_MS);
	const { registry } = openMemoryStore();
	const deps = { clock, random: systemRandom };
	const partner = unwrap(await registerPartner(registry, { name: 'Acme' }, deps)).record;
	const request = {
		partnerId: partner.id,
		name: 'app',
		environment: 'production',
		authenticationMethod: 'client_secret_basic',
	} as const;
	const client = unwrap(await registerClient(registry, request, deps)).record;
	const first = unwrap(await addClientSecret(registry, { clientId: client.id }, deps)).credential;
	const get = async (id: CredentialId) => (await registry.credentials.get(id)) as Credential;
	const rotate = (credentialId: CredentialId, overlapSeconds?: number, reason?: 'key-compromise') =>
		commitChange(registry, (inside) =>
			rotateCredential(
				inside,
				{ credentialId, overlapSeconds, reason },
				(old) => addClientSecret(inside, { clientId: old.clientId }, deps),
				deps,
			),
		);
	return { clock, registry, deps, client, first, get, rotate };
}

type World = Awaited<ReturnType<typeof openWorld>>;

const codeOf = (outcome: { ok: true } | { ok: false; fault: { code: string } }): string =>
	outcome.ok ? 'ok' : outcome.fault.code;

test('both are alive during the overlap, and the old one is revoked at its end', async () => {
	const { clock, registry, deps, first, get, rotate } = await openWorld();
	const { rotation, made } = unwrap(await rotate(first.id, 7 * DAY_SECONDS));
	assert.equal(rotation.endsAtMs, START_MS + 7 * DAY_MS);
	clock.advance(7 * DAY_MS - 1);
	assert.ok(isCredentialLive(await get(first.id), clock.nowMs()));
	assert.ok(isCredentialLive(await get(made.credential.id), clock.nowMs()));
	assert.deepEqual(await registry.rotations.listDue(clock.nowMs(), 10), []);
	clock.advance(1);
	// Whether anybody comes to revoke it or not, it is dead.
	assert.ok(!isCredentialLive(await get(first.id), clock.nowMs()));
	assert.equal((await registry.rotations.listDue(clock.nowMs(), 10)).length, 1);
	const ended = unwrap(await completeRotation(registry, rotation.id, deps)).rotation;
	assert.equal(ended.status, 'completed');
	assert.equal((await get(first.id)).status, 'revoked');
	assert.equal(unwrap(await completeRotation(registry, rotation.id, deps)).rotation.revision, ended.revision);
	assert.equal(codeOf(await cancelRotation(registry, rotation.id, deps)), 'conflict');
	const kinds = (await registry.events.after(0, 100)).map(({ event }) => event.kind);
	assert.deepEqual(kinds, ['credential.rotation-started', 'credential.rotation-completed']);
});

test('the overlap is a week unless said otherwise, and never lengthens a life', async () => {
	const { clock, first, get, rotate } = await openWorld();
	clock.advance(first.notAfterMs - START_MS - 2 * DAY_MS);
	const { rotation } = unwrap(await rotate(first.id));
	assert.equal(rotation.endsAtMs, first.notAfterMs);
	assert.equal(credentialEndMs(await get(first.id)), first.notAfterMs);
});

test('without an overlap the old one is dead at once, for the reason that is given', async () => {
	const { registry, clock, first, get, rotate } = await openWorld();
	const { rotation } = unwrap(await rotate(first.id, 0, 'key-compromise'));
	assert.equal(rotation.status, 'completed');
	const old = await get(first.id);
	assert.deepEqual([old.status, old.revocationReason, old.revokedAtMs], ['revoked', 'key-compromise', clock.nowMs()]);
	assert.equal(await registry.rotations.findOpen(first.id), undefined);
	assert.equal(codeOf(await rotate(first.id, DAY_SECONDS, 'key-compromise')), 'input_invalid');
});

test('a key that is rotated because it is known to others does not come back as its own successor', async () => {
	const { registry, deps } = await openWorld();
	const partner = unwrap(await registerPartner(registry, { name: 'Key holder' }, deps)).record;
	const request = { partnerId: partner.id, name: 'k', environment: 'production' } as const;
	const client = unwrap(
		await registerClient(registry, { ...request, authenticationMethod: 'private_key_jwt' }, deps),
	).record;
	const jwk = { ...generateKeyPairSync('ed25519').publicKey.export({ format: 'jwk' }) };
	const key = unwrap(await addPublicKey(registry, { clientId: client.id, jwk }, deps)).credential;
	const rotate = (next: object) =>
		commitChange(registry, (inside) =>
			rotateCredential(
				inside,
				{ credentialId: key.id, overlapSeconds: 0, reason: 'key-compromise' },
				() => addPublicKey(inside, { clientId: client.id, jwk: next }, deps),
				deps,
			),
		);
	assert.equal(codeOf(await rotate(jwk)), 'key_rejected');
	// All or nothing: the refused successor leaves the old one as it was.
	assert.equal((await registry.credentials.get(key.id))?.status, 'active');
	assert.equal(codeOf(await rotate({ ...generateKeyPairSync('ed25519').publicKey.export({ format: 'jwk' }) })), 'ok');
	assert.equal((await registry.credentials.get(key.id))?.status, 'revoked');
});

test('a credential is in one rotation at a time, and a dead one in none', async () => {
	const { clock, first, rotate } = await openWorld();
	const { made } = unwrap(await rotate(first.id));
	assert.equal(codeOf(await rotate(first.id)), 'conflict');
	assert.equal(codeOf(await rotate(made.credential.id)), 'conflict');
	assert.equal(codeOf(await rotate('crd_00000000000000000000000000' as CredentialId)), 'not_found');
	for (const overlap of [-1, 1.5, 91 * DAY_SECONDS])
		assert.equal(codeOf(await rotate(first.id, overlap)), 'input_invalid');
	clock.advance(8 * DAY_MS);
	assert.equal(codeOf(await rotate(first.id)), 'conflict');
});

test('where the new one is lost during the overlap, the old one gets its life back', async () => {
	const { clock, registry, deps, first, get, rotate } = await openWorld();
	const lost = unwrap(await rotate(first.id));
	await revokeCredential(registry, { credentialId: lost.made.credential.id, reason: 'key-compromise' }, deps);
	assert.equal((await registry.rotations.get(lost.rotation.id))?.status, 'cancelled');
	assert.equal(credentialEndMs(await get(first.id)), first.notAfterMs);
	// Given up on purpose: the same.
	const cancelled = unwrap(await rotate(first.id));
	unwrap(await cancelRotation(registry, cancelled.rotation.id, deps));
	assert.equal((await get(cancelled.made.credential.id)).status, 'revoked');
	assert.equal(credentialEndMs(await get(first.id)), first.notAfterMs);
	// Held at the end of the overlap: neither is revoked.
	const held = unwrap(await rotate(first.id));
	const credential = await get(held.made.credential.id);
	await registry.credentials.update({ ...credential, status: 'held', revision: 2 }, 1);
	clock.advance(7 * DAY_MS);
	assert.equal(unwrap(await completeRotation(registry, held.rotation.id, deps)).rotation.status, 'cancelled');
	assert.ok(isCredentialLive(await get(first.id), clock.nowMs()));
});

test('a rotation whose old credential is revoked by whatever way can still be ended', async () => {
	const { clock, registry, deps, first, get, rotate } = await openWorld();
	const { rotation } = unwrap(await rotate(first.id));
	const old = await get(first.id);
	await registry.credentials.update({ ...old, status: 'revoked', revision: old.revision + 1 }, old.revision);
	clock.advance(7 * DAY_MS);
	assert.equal(unwrap(await completeRotation(registry, rotation.id, deps)).rotation.status, 'completed');
});

test('revoking the old one ends the rotation, and an earlier end that it had comes back with a cancellation', async () => {
	const { registry, deps, clock, first, get, rotate } = await openWorld();
	const one = unwrap(await rotate(first.id));
	await revokeCredential(registry, { credentialId: first.id, reason: 'privilege-withdrawn' }, deps);
	assert.equal((await registry.rotations.get(one.rotation.id))?.status, 'completed');
	const current = one.made.credential.id;
	const retiresAtMs = clock.nowMs() + 20 * DAY_MS;
	await registry.credentials.update({ ...(await get(current)), retiresAtMs, revision: 2 }, 1);
	const two = unwrap(await rotate(current, DAY_SECONDS));
	unwrap(await cancelRotation(registry, two.rotation.id, deps));
	assert.equal((await get(current)).retiresAtMs, retiresAtMs);
});

interface Step {
	readonly what: 'rotate' | 'emergency' | 'complete' | 'cancel' | 'job' | 'wait' | 'fail';
	readonly pick: number;
	readonly days: number;
}

const steps = fc.array(
	fc.record({
		what: fc.constantFrom<Step['what'][]>('rotate', 'emergency', 'complete', 'cancel', 'job', 'wait', 'fail'),
		pick: fc.nat(20),
		days: fc.nat(12),
	}),
	{ maxLength: 30 },
);

test('whatever is rotated, completed, cancelled and rolled back, the client has a live credential', async () => {
	await fc.assert(
		fc.asyncProperty(steps, async (sequence) => {
			const world = await openWorld();
			for (const step of sequence) {
				await carryOut(world, step);
				await checkRotationInvariants(world);
			}
		}),
		{ numRuns: 60 },
	);
});

async function carryOut(world: World, { what, pick, days }: Step): Promise<void> {
	const { registry, clock, deps, rotate } = world;
	const credentials = (await registry.credentials.list({ limit: 200 })).items;
	const rotations = (await registry.rotations.list({ limit: 200 })).items;
	const credential = credentials[pick % credentials.length];
	const rotation = rotations[pick % Math.max(1, rotations.length)];
	if (what === 'rotate' && credential !== undefined) await rotate(credential.id, days * DAY_SECONDS + 1);
	if (what === 'emergency' && credential !== undefined) await rotate(credential.id, 0);
	if (what === 'complete' && rotation !== undefined) await completeRotation(registry, rotation.id, deps);
	if (what === 'cancel' && rotation !== undefined) await cancelRotation(registry, rotation.id, deps);
	if (what === 'wait') {
		// Nobody who follows the rules lets a credential run out.
		const rest = Math.max(...credentials.filter((one) => one.status === 'active').map((one) => one.notAfterMs));
		clock.advance(Math.min(days * DAY_MS, Math.max(0, rest - clock.nowMs() - 30 * DAY_MS)));
	}
	if (what === 'job' || what === 'wait') {
		for (const { id } of await registry.rotations.listDue(clock.nowMs(), 100)) {
			unwrap(await completeRotation(registry, id, deps));
		}
	}
	if (what === 'fail' && credential !== undefined) {
		const killed = commitChange(registry, async (inside) => {
			await rotateCredential(
				inside,
				{ credentialId: credential.id },
				(old) => addClientSecret(inside, { clientId: old.clientId }, deps),
				deps,
			);
			throw new Error('killed');
		});
		await assert.rejects(killed, /killed/);
	}
}

async function checkRotationInvariants({ registry, clock }: World): Promise<void> {
	const nowMs = clock.nowMs();
	const credentials = new Map((await registry.credentials.list({ limit: 200 })).items.map((one) => [one.id, one]));
	const rotations = (await registry.rotations.list({ limit: 200 })).items;
	const live = [...credentials.values()].filter((one) => isCredentialLive(one, nowMs));
	assert.ok(live.length > 0, 'the client has nothing left');
	const open = new Set<CredentialId>();
	for (const rotation of rotations) checkRotation(rotation, credentials, open, nowMs);
	for (const credential of credentials.values()) {
		if (credential.retiresAtMs === undefined) continue;
		const isOld = rotations.some((one) => one.oldCredentialId === credential.id && one.status !== 'cancelled');
		assert.ok(isOld, 'a credential retires without a rotation');
	}
}

function checkRotation(
	rotation: Rotation,
	credentials: ReadonlyMap<CredentialId, Credential>,
	open: Set<CredentialId>,
	nowMs: number,
): void {
	const old = credentials.get(rotation.oldCredentialId);
	const fresh = credentials.get(rotation.newCredentialId);
	assert.ok(old !== undefined && fresh !== undefined);
	assert.equal(rotation.endedAtMs === undefined, rotation.status === 'overlapping');
	if (rotation.status === 'completed') assert.equal(old.status, 'revoked');
	if (rotation.status !== 'overlapping') return;
	for (const id of [old.id, fresh.id]) {
		assert.ok(!open.has(id), 'a credential is in two open rotations');
		open.add(id);
	}
	assert.equal(old.status, 'active');
	assert.equal(fresh.status, 'active');
	assert.equal(credentialEndMs(old), rotation.endsAtMs);
	assert.equal(isCredentialLive(old, nowMs), nowMs < rotation.endsAtMs);
}
