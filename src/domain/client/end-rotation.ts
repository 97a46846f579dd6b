// Ends a rotation: by its date, early, or by giving the new credential up. Each runs inside a transaction of the registry:
// the caller commits, publishes and records.
import { revokeCredential } from '../certificate/revoke-credential.ts';
import type { Clock } from '../../kernel/clock.ts';
import { type Fault, fault } from '../../kernel/faults.ts';
import type { CredentialId, RotationId } from '../../kernel/ids.ts';
import { fail, ok, type Result } from '../../kernel/result.ts';
import type { Registry } from '../registry/registry.ts';
import { isCredentialLive } from './credential.ts';
import type { Rotation } from './rotation.ts';
import { closeRotation, restoreOld } from './settle-rotation.ts';

interface EndedRotation {
	readonly rotation: Rotation;
	/** Of the change feed: publish it after the commit, also when nothing had to be done any more. */
	readonly sequence: number;
}

type Deps = { readonly clock: Clock };

/**
 * Revokes the old credential and completes the rotation. Where the new one is not alive the rotation is cancelled instead,
 * and the old one lives on. Idempotent: one that has ended is given as it is. Faults: `not_found`.
 */
export async function completeRotation(
	registry: Registry,
	id: RotationId,
	deps: Deps,
): Promise<Result<EndedRotation, Fault>> {
	const rotation = await registry.rotations.get(id);
	if (rotation === undefined) return fail(fault('not_found', 'There is no such rotation.'));
	if (rotation.status !== 'overlapping') return asItIs(registry, rotation);
	const fresh = await registry.credentials.get(rotation.newCredentialId);
	if (fresh === undefined || !isCredentialLive(fresh, deps.clock.nowMs())) {
		await restoreOld(registry, rotation, deps);
		return asItIs(registry, await closeRotation(registry, rotation, 'cancelled', deps));
	}
	const old = await registry.credentials.get(rotation.oldCredentialId);
	// However it came to be revoked, there is nothing left to do but to say so.
	if (old?.status === 'revoked') return asItIs(registry, await closeRotation(registry, rotation, 'completed', deps));
	return revokeOneSide(registry, rotation, rotation.oldCredentialId, deps);
}

/**
 * Gives the new credential up: it is revoked, and the old one lives as long as it did before. Idempotent for a cancelled
 * rotation. Faults: `not_found`; `conflict` when it is completed, because a revocation is for good.
 */
export async function cancelRotation(
	registry: Registry,
	id: RotationId,
	deps: Deps,
): Promise<Result<EndedRotation, Fault>> {
	const rotation = await registry.rotations.get(id);
	if (rotation === undefined) return fail(fault('not_found', 'There is no such rotation.'));
	if (rotation.status === 'cancelled') return asItIs(registry, rotation);
	const old = await registry.credentials.get(rotation.oldCredentialId);
	if (rotation.status === 'completed' || old === undefined || !isCredentialLive(old, deps.clock.nowMs())) {
		return fail(fault('conflict', 'The old credential is not alive any more, so that there is nothing to go back to.'));
	}
	const refused = await revokeRenewed(registry, rotation, deps);
	if (refused !== undefined) return fail(refused);
	return revokeOneSide(registry, rotation, rotation.newCredentialId, deps);
}

/**
 * Revokes the certificates of the rotation that the new one has renewed. SECURITY: the one that was handed over lives on for the
 * overlap of its renewal, and what is given up must not. src/domain/certificate/renewal.test.ts
 */
async function revokeRenewed(registry: Registry, rotation: Rotation, deps: Deps): Promise<Fault | undefined> {
	let credential = await registry.credentials.get(rotation.newCredentialId);
	while (credential?.kind === 'certificate') {
		const { predecessorId } = (await registry.certificates.get(credential.certificateId)) ?? {};
		const renewed = predecessorId === undefined ? undefined : await registry.certificates.get(predecessorId);
		credential = renewed && (await registry.credentials.findByThumbprint(renewed.thumbprint));
		if (credential === undefined) return undefined;
		const command = { credentialId: credential.id, reason: 'superseded' } as const;
		const revoked = await revokeCredential(registry, command, deps);
		if (!revoked.ok) return revoked.fault;
	}
	return undefined;
}

/** Revokes one of the two; settling closes the rotation in the same transaction. */
async function revokeOneSide(
	registry: Registry,
	rotation: Rotation,
	credentialId: CredentialId,
	deps: Deps,
): Promise<Result<EndedRotation, Fault>> {
	const revoked = await revokeCredential(registry, { credentialId, reason: 'superseded' }, deps);
	if (!revoked.ok) return revoked;
	const ended = await registry.rotations.get(rotation.id);
	if (ended === undefined || ended.status === 'overlapping') throw new Error(`rotation ${rotation.id} was not settled`);
	return asItIs(registry, ended);
}

async function asItIs(registry: Registry, rotation: Rotation): Promise<Result<EndedRotation, Fault>> {
	return ok({ rotation, sequence: await registry.changes.latest() });
}
