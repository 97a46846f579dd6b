// Disables and enables clients, and cuts off the access tokens of one. All three act on the very next request.
//
// The cut. A token carries the second in which it was issued (`iat`), and the client a second before which tokens are
// refused. A cut at 10:00:00.5 sets 10:00:01: a token of 10:00:00.2 must die, and `iat` cannot tell it from one of
// 10:00:00.8. So every token issued in the second of the cut is dead, also one issued after the cut: for less than a
// second the client has to ask again, unless the issuer gives such a token the later second as its `iat`.
import type { Clock } from '../../kernel/clock.ts';
import { fault, type Fault } from '../../kernel/faults.ts';
import type { ClientId } from '../../kernel/ids.ts';
import { fail, ok, type Result } from '../../kernel/result.ts';
import { checkRevision, type Changed } from '../registry/commit-change.ts';
import type { Registry } from '../registry/registry.ts';
import { type CutDeps, nextCutSecond } from '../token/token-cut.ts';
import type { Client } from './client.ts';

/** `latestTokenCut` also knows the cuts of partner and platform; absent: those of the client's own record. */
type CutClientDeps = Pick<CutDeps, 'clock'> & Partial<CutDeps>;

/** Which client, and the revision that the decision was made on (undefined = whatever it is now). */
interface ClientTarget {
	readonly clientId: ClientId;
	readonly expectedRevision: number | undefined;
}

/**
 * Disables a client and cuts off its tokens, so that enabling it again does not bring them back. Disabling it again
 * changes nothing. Run it in a transaction. Faults: `not_found`, `revision_mismatch`.
 */
export async function disableClient(
	registry: Registry,
	target: ClientTarget,
	deps: CutClientDeps,
): Promise<Result<Changed<Client>, Fault>> {
	return changeClient(registry, target, deps.clock, (client) =>
		client.status === 'disabled' ? undefined : { status: 'disabled', tokensNotBeforeSeconds: cutSecond(client, deps) },
	);
}

/**
 * Enables a disabled client; enabling an active one changes nothing. Run it in a transaction.
 * Faults: `not_found`, `revision_mismatch`.
 */
export async function enableClient(
	registry: Registry,
	target: ClientTarget,
	deps: { readonly clock: Clock },
): Promise<Result<Changed<Client>, Fault>> {
	return changeClient(registry, target, deps.clock, (client) =>
		client.status === 'active' ? undefined : { status: 'active' },
	);
}

/**
 * Revokes every access token that the client holds (see the head of this file for the exact second). Run it in a
 * transaction. Faults: `not_found`, `revision_mismatch`.
 */
export async function revokeClientTokens(
	registry: Registry,
	target: ClientTarget,
	deps: CutClientDeps,
): Promise<Result<Changed<Client>, Fault>> {
	return changeClient(registry, target, deps.clock, (client) => {
		return { tokensNotBeforeSeconds: cutSecond(client, deps) };
	});
}

/** INVARIANT: the cut moves on each time, also when the clock does not: what was revoked stays revoked. */
function cutSecond(client: Client, { clock, latestTokenCut }: CutClientDeps): number {
	return nextCutSecond(clock, Math.max(client.tokensNotBeforeSeconds, latestTokenCut?.(client.id) ?? 0));
}

async function changeClient(
	registry: Registry,
	target: ClientTarget,
	clock: Clock,
	changesOf: (client: Client) => Partial<Pick<Client, 'status' | 'tokensNotBeforeSeconds'>> | undefined,
): Promise<Result<Changed<Client>, Fault>> {
	const client = await registry.clients.get(target.clientId);
	if (client === undefined) return fail(fault('not_found', 'There is no such client.'));
	const outdated = checkRevision(client, target.expectedRevision);
	if (outdated !== undefined) return fail(outdated);
	const changes = changesOf(client);
	if (changes === undefined) return ok({ record: client, sequence: await registry.changes.latest(), changed: false });
	const record: Client = { ...client, ...changes, updatedAtMs: clock.nowMs(), revision: client.revision + 1 };
	await registry.clients.update(record, client.revision);
	const sequence = await registry.changes.append({ kind: 'client', record });
	return ok({ record, sequence, changed: true });
}
