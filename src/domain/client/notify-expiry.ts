// Writes the notices that are due for some credentials: each once, whatever restarts, clocks and other instances do. Runs
// inside a transaction of the registry; the caller records and commits.
import type { Clock } from '../../kernel/clock.ts';
import type { PlatformEvent } from '../event/event.ts';
import type { Registry } from '../registry/registry.ts';
import { type Credential, credentialEndMs, isCredentialLive } from './credential.ts';
import { dueNotice } from './credential-life.ts';

/** Most credentials of one call. */
export const NOTICES_MAX = 50;

/**
 * Adds the events that are due and not there yet, and gives them. `credentials` (at most 50) are read again, because
 * what the caller knows of them may be older than the transaction.
 */
export async function notifyExpiry(
	registry: Registry,
	credentials: readonly Pick<Credential, 'id'>[],
	{ clock }: { readonly clock: Clock },
): Promise<readonly PlatformEvent[]> {
	const nowMs = clock.nowMs();
	const written: PlatformEvent[] = [];
	for (const { id } of credentials.slice(0, NOTICES_MAX)) {
		const credential = await registry.credentials.get(id);
		const notice = credential === undefined ? undefined : dueNotice(credential, nowMs);
		if (credential === undefined || notice === undefined) continue;
		const [use] = await registry.credentialUses.find([id]);
		const event: PlatformEvent = {
			key: notice.key,
			kind: notice.days === 0 ? 'credential.expired' : 'credential.expiring',
			atMs: nowMs,
			partnerId: credential.partnerId,
			clientId: credential.clientId,
			credentialId: id,
			facts: {
				kind: credential.kind,
				days: notice.days,
				ends_at: new Date(notice.endMs).toISOString(),
				// Whoever reads it wants to know whether this is urgent: is there another one, and is this one still used?
				has_successor: await hasSuccessor(registry, credential, nowMs),
				...(use === undefined ? undefined : { last_used_at: new Date(use.lastUsedAtMs).toISOString() }),
			},
		};
		if (await registry.events.append(event)) written.push(event);
	}
	return written;
}

async function hasSuccessor(registry: Registry, credential: Credential, nowMs: number): Promise<boolean> {
	const others = await registry.credentials.listActive(credential.clientId, nowMs);
	return others.some(
		(other) =>
			other.id !== credential.id &&
			other.kind === credential.kind &&
			isCredentialLive(other, nowMs) &&
			credentialEndMs(other) > credentialEndMs(credential),
	);
}
