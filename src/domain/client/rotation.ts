// A rotation: a credential and the one that takes its place, both alive until the overlap ends. Then the old one is revoked.
import type { ClientId, CredentialId, PartnerId, RotationId } from '../../kernel/ids.ts';
import type { CredentialKind } from './credential.ts';

export const ROTATION_STATUSES = ['overlapping', 'completed', 'cancelled'] as const;
export type RotationStatus = (typeof ROTATION_STATUSES)[number];

export interface Rotation {
	readonly id: RotationId;
	readonly clientId: ClientId;
	readonly partnerId: PartnerId;
	readonly kind: CredentialKind;
	readonly oldCredentialId: CredentialId;
	readonly newCredentialId: CredentialId;
	/** `cancelled`: the old one lives on, because the new one was given up. */
	readonly status: RotationStatus;
	/** When the overlap ends, and with it the old credential. */
	readonly endsAtMs: number;
	/** The early end that the old credential had before, to be given back when the rotation is cancelled. */
	readonly retiredBeforeMs?: number;
	/** When it was completed or cancelled. */
	readonly endedAtMs?: number;
	readonly createdAtMs: number;
	readonly updatedAtMs: number;
	readonly revision: number;
}

/** The overlap where none was asked for: a week, in seconds. */
export const OVERLAP_SECONDS_DEFAULT = 7 * 86_400;
