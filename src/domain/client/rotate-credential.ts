// Replaces a credential by a new one: both live until the overlap ends, then the old one is revoked. Without an overlap it
// is revoked at once. Runs inside a transaction of the registry: the caller commits, publishes and records.
import { type RevocationReason, revokeCredential } from '../certificate/revoke-credential.ts';
import type { Clock } from '../../kernel/clock.ts';
import { type Fault, fault } from '../../kernel/faults.ts';
import { type CredentialId, newId } from '../../kernel/ids.ts';
import type { Random } from '../../kernel/random.ts';
import { fail, ok, type Result } from '../../kernel/result.ts';
import type { Registry } from '../registry/registry.ts';
import { invalidInput, OVERLAP_SECONDS_MAX } from './add-credential.ts';
import { type Credential, credentialEndMs, isCredentialLive } from './credential.ts';
import { OVERLAP_SECONDS_DEFAULT, type Rotation } from './rotation.ts';

export interface RotateCredentialCommand {
	readonly credentialId: CredentialId;
	/** How long both live, from now; 0 revokes the old one at once. Default: a week. */
	readonly overlapSeconds?: number | undefined;
	/** Why the old one is revoked at once. Default `superseded`; only without an overlap. */
	readonly reason?: RevocationReason | undefined;
}

export interface RotationDeps {
	readonly clock: Clock;
	readonly random: Random;
}

/** Makes the new credential of the same client and kind, in the same transaction. */
export type MakeSuccessor<C extends { readonly credential: Credential }> = (
	old: Credential,
) => Promise<Result<C, Fault>>;

export interface StartedRotation<C> {
	readonly rotation: Rotation;
	readonly old: Credential;
	readonly made: C;
	/** Of the change feed: publish it after the commit. */
	readonly sequence: number;
}

/**
 * Begins a rotation. Faults: `not_found`, `input_invalid` for the overlap, `conflict` when the old credential is not
 * alive or is in a rotation already, and those of `make`.
 */
export async function rotateCredential<C extends { readonly credential: Credential }>(
	registry: Registry,
	command: RotateCredentialCommand,
	make: MakeSuccessor<C>,
	deps: RotationDeps,
): Promise<Result<StartedRotation<C>, Fault>> {
	const nowMs = deps.clock.nowMs();
	// Step 1: the old one.
	const judged = await judgeRotation(registry, command, nowMs);
	if (!judged.ok) return judged;
	const { old, overlapSeconds } = judged.value;
	// Step 2: without an overlap the old one is revoked first, so that a key that is known to others cannot come back.
	if (overlapSeconds === 0) {
		const reason = command.reason ?? 'superseded';
		const revoked = await revokeCredential(registry, { credentialId: old.id, reason }, deps);
		if (!revoked.ok) return revoked;
	}
	// Step 3: the new one.
	const made = await make(old);
	if (!made.ok) return made;
	const { credential } = made.value;
	if (credential.kind !== old.kind || credential.clientId !== old.clientId) {
		throw new Error('the successor of a credential is of another kind or client');
	}
	// Step 4: the end of the old one, which every thread knows in advance, and the record of the rotation. An overlap never
	// lengthens a life. Should nobody come to revoke it, it is dead all the same.
	const endsAtMs = Math.min(nowMs + overlapSeconds * 1000, credentialEndMs(old));
	const retiring = overlapSeconds === 0 ? undefined : await retire(registry, old, endsAtMs, nowMs);
	const rotation: Rotation = {
		id: newId('rot', deps.clock, deps.random),
		clientId: old.clientId,
		partnerId: old.partnerId,
		kind: old.kind,
		oldCredentialId: old.id,
		newCredentialId: credential.id,
		status: overlapSeconds === 0 ? 'completed' : 'overlapping',
		endsAtMs,
		...(old.retiresAtMs === undefined ? undefined : { retiredBeforeMs: old.retiresAtMs }),
		...(overlapSeconds === 0 ? { endedAtMs: nowMs } : undefined),
		createdAtMs: nowMs,
		updatedAtMs: nowMs,
		revision: 1,
	};
	await registry.rotations.insert(rotation);
	await registry.events.append({
		key: `rotation/${rotation.id}/started`,
		kind: 'credential.rotation-started',
		atMs: nowMs,
		partnerId: rotation.partnerId,
		clientId: rotation.clientId,
		credentialId: old.id,
		facts: {
			rotation: rotation.id,
			kind: old.kind,
			new_credential: credential.id,
			ends_at: new Date(endsAtMs).toISOString(),
		},
	});
	return ok({ rotation, old: retiring ?? old, made: made.value, sequence: await registry.changes.latest() });
}

async function judgeRotation(
	registry: Registry,
	{ credentialId, overlapSeconds = OVERLAP_SECONDS_DEFAULT, reason }: RotateCredentialCommand,
	nowMs: number,
): Promise<Result<{ readonly old: Credential; readonly overlapSeconds: number }, Fault>> {
	const old = await registry.credentials.get(credentialId);
	if (old === undefined) return fail(fault('not_found', 'There is no such credential.'));
	if (!Number.isSafeInteger(overlapSeconds) || overlapSeconds < 0 || overlapSeconds > OVERLAP_SECONDS_MAX) {
		return fail(invalidInput('#/overlapSeconds', `must be whole seconds, from 0 to ${OVERLAP_SECONDS_MAX}`));
	}
	if (reason !== undefined && overlapSeconds !== 0) {
		return fail(invalidInput('#/reason', 'is for a rotation without an overlap: send overlapSeconds 0 with it'));
	}
	if (!isCredentialLive(old, nowMs)) {
		return fail(fault('conflict', 'The credential is not alive any more. Add a new one instead of rotating it.'));
	}
	if ((await registry.rotations.findOpen(credentialId)) !== undefined && overlapSeconds !== 0) {
		return fail(fault('conflict', 'The credential is being rotated already. Complete or cancel that rotation first.'));
	}
	return ok({ old, overlapSeconds });
}

async function retire(registry: Registry, old: Credential, retiresAtMs: number, nowMs: number): Promise<Credential> {
	const record: Credential = { ...old, retiresAtMs, updatedAtMs: nowMs, revision: old.revision + 1 };
	await registry.credentials.update(record, old.revision);
	await registry.changes.append({ kind: 'credential', record });
	return record;
}
