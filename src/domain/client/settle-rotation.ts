// Keeps rotations in step with what happens to their credentials. Where the new one is gone the old one gets its life back:
// a rotation must never leave a partner with nothing.
import type { Clock } from '../../kernel/clock.ts';
import type { CredentialId } from '../../kernel/ids.ts';
import type { Registry } from '../registry/registry.ts';
import type { Credential } from './credential.ts';
import type { Rotation, RotationStatus } from './rotation.ts';

/**
 * To be called after a credential was revoked, in the same transaction. The rotation that it is in ends: completed, when it
 * is the old one; cancelled, when it is the new one.
 */
export async function settleRotation(
	registry: Registry,
	credentialId: CredentialId,
	deps: { readonly clock: Clock },
): Promise<void> {
	const rotation = await registry.rotations.findOpen(credentialId);
	if (rotation === undefined) return;
	if (rotation.oldCredentialId === credentialId) {
		await closeRotation(registry, rotation, 'completed', deps);
		return;
	}
	await restoreOld(registry, rotation, deps);
	await closeRotation(registry, rotation, 'cancelled', deps);
}

/** Lets a rotation go on with the credential that has renewed its new one. */
export async function followRenewal(
	registry: Registry,
	rotation: Rotation,
	newCredentialId: CredentialId,
	{ clock }: { readonly clock: Clock },
): Promise<void> {
	const moved: Rotation = { ...rotation, newCredentialId, updatedAtMs: clock.nowMs(), revision: rotation.revision + 1 };
	await registry.rotations.update(moved, rotation.revision);
}

/** Ends a rotation in the records, and writes the event of it. */
export async function closeRotation(
	registry: Registry,
	rotation: Rotation,
	status: Exclude<RotationStatus, 'overlapping'>,
	{ clock }: { readonly clock: Clock },
): Promise<Rotation> {
	const nowMs = clock.nowMs();
	const revision = rotation.revision + 1;
	const closed: Rotation = { ...rotation, status, endedAtMs: nowMs, updatedAtMs: nowMs, revision };
	await registry.rotations.update(closed, rotation.revision);
	await registry.events.append({
		key: `rotation/${rotation.id}/${status}`,
		kind: `credential.rotation-${status}`,
		atMs: nowMs,
		partnerId: rotation.partnerId,
		clientId: rotation.clientId,
		credentialId: rotation.oldCredentialId,
		facts: { rotation: rotation.id, kind: rotation.kind, new_credential: rotation.newCredentialId },
	});
	return closed;
}

/** Takes the early end away that the overlap gave to the old credential. */
export async function restoreOld(
	registry: Registry,
	rotation: Rotation,
	{ clock }: { readonly clock: Clock },
): Promise<void> {
	const old = await registry.credentials.get(rotation.oldCredentialId);
	if (old === undefined || old.status === 'revoked') return;
	const { retiresAtMs: _, ...kept } = old;
	const before = rotation.retiredBeforeMs === undefined ? undefined : { retiresAtMs: rotation.retiredBeforeMs };
	const record = { ...kept, ...before, updatedAtMs: clock.nowMs(), revision: old.revision + 1 } as Credential;
	await registry.credentials.update(record, old.revision);
	await registry.changes.append({ kind: 'credential', record });
}
