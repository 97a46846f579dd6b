// Something that others than the caller want to hear of: people by mail, systems by webhook. An event is written in the
// transaction of the change that it tells of, and is delivered from there at leisure.
import type { ClientId, CredentialId, PartnerId } from '../../kernel/ids.ts';

/** Everything that there are events of. */
export const EVENT_KINDS = [
	'credential.expiring',
	'credential.expired',
	'credential.rotation-started',
	'credential.rotation-completed',
	'credential.rotation-cancelled',
] as const;

export type EventKind = (typeof EVENT_KINDS)[number];

/** One event. It holds ids and moments, never a secret. */
export interface PlatformEvent {
	/** What makes it one event and not two: the same key is written once, whoever writes it and however often. */
	readonly key: string;
	readonly kind: EventKind;
	readonly atMs: number;
	readonly partnerId: PartnerId;
	readonly clientId: ClientId;
	readonly credentialId: CredentialId;
	readonly facts: { readonly [name: string]: string | number | boolean };
}
