// Adds one credential to a client, whatever its kind: the holder may have it, there is room for it, and those that it
// replaces end when the overlap does. Runs inside a transaction of the registry: the caller commits, publishes and records.
import type { Clock } from '../../kernel/clock.ts';
import { type Fault, fault } from '../../kernel/faults.ts';
import { type ClientId, newId } from '../../kernel/ids.ts';
import type { Random } from '../../kernel/random.ts';
import { fail, ok, type Result } from '../../kernel/result.ts';
import type { Registry } from '../registry/registry.ts';
import { StoreConflict } from '../registry/store-conflict.ts';
import { hasUseFor } from './authentication-method.ts';
import type { Client } from './client.ts';
import { type Credential, type CredentialKind, credentialEndMs, isCredentialLive } from './credential.ts';

/** Most credentials of one client that are alive at the same time. */
export const LIVE_CREDENTIALS_MAX = 20;

/** Longest overlap of a rotation: 90 days, in seconds. */
export const OVERLAP_SECONDS_MAX = 90 * 86_400;

const LIFETIME_SECONDS_MIN = 60;

/** What is asked for each time a credential is added. */
export interface AddCredentialCommand {
	readonly clientId: ClientId;
	/** From now on; undefined = the default of the kind. */
	readonly lifetimeSeconds?: number | undefined;
	/**
	 * For rotation: other live credentials of this kind end this many seconds from now, 0 at once. Undefined leaves them
	 * alone.
	 */
	readonly overlapSeconds?: number | undefined;
}

/** A credential that was added, and what has to be published before it is in force. */
export interface AddedCredential<C extends Credential = Credential> {
	readonly credential: C;
	/** How many others got an end by the overlap. */
	readonly retired: number;
	readonly sequence: number;
}

export interface AddCredentialDeps {
	readonly clock: Clock;
	readonly random: Random;
}

/** What every credential has that has just been made. */
export interface NewCredential {
	readonly id: Credential['id'];
	readonly clientId: Credential['clientId'];
	readonly partnerId: Credential['partnerId'];
	readonly status: 'active';
	readonly notBeforeMs: number;
	readonly notAfterMs: number;
	readonly createdAtMs: number;
	readonly updatedAtMs: number;
	readonly revision: 1;
}

/**
 * Finds the client that is to get a credential of `kind`. Faults: `not_found`, `partner_suspended`, `client_disabled`,
 * `conflict` for an offboarded partner and for a kind that the client has no use for.
 */
export async function findHolder(
	registry: Registry,
	clientId: ClientId,
	kind: CredentialKind,
): Promise<Result<Client, Fault>> {
	const client = await registry.clients.get(clientId);
	if (client === undefined) return fail(fault('not_found', 'There is no such client.'));
	const partner = await registry.partners.get(client.partnerId);
	if (partner?.status === 'suspended') {
		return fail(fault('partner_suspended', 'The partner is suspended. Resume it before it gets credentials.'));
	}
	if (partner?.status !== 'active') {
		return fail(fault('conflict', 'The partner is offboarded and gets no credentials.'));
	}
	if (client.status !== 'active') {
		return fail(fault('client_disabled', 'The client is disabled. Enable it before it gets credentials.'));
	}
	if (!hasUseFor(client, kind)) {
		const detail = `The client authenticates by ${client.authenticationMethod}, and has no use for this credential.`;
		return fail(fault('conflict', `${detail} Register another client for another method.`));
	}
	return ok(client);
}

/** Makes what all new credentials of `client` have in common. Faults: `input_invalid` for the lifetime. */
export function newCredential(
	client: Client,
	command: AddCredentialCommand,
	lifetime: { readonly defaultSeconds: number; readonly maxSeconds: number },
	deps: AddCredentialDeps,
): Result<NewCredential, Fault> {
	const seconds = command.lifetimeSeconds ?? lifetime.defaultSeconds;
	if (!Number.isSafeInteger(seconds) || seconds < LIFETIME_SECONDS_MIN || seconds > lifetime.maxSeconds) {
		const detail = `must be whole seconds, from ${LIFETIME_SECONDS_MIN} to ${lifetime.maxSeconds}`;
		return fail(invalidInput('#/lifetimeSeconds', detail));
	}
	const nowMs = deps.clock.nowMs();
	return ok({
		id: newId('crd', deps.clock, deps.random),
		clientId: client.id,
		partnerId: client.partnerId,
		status: 'active',
		notBeforeMs: nowMs,
		notAfterMs: nowMs + seconds * 1000,
		createdAtMs: nowMs,
		updatedAtMs: nowMs,
		revision: 1,
	});
}

/**
 * Inserts `credential` and retires those that it replaces. Nothing is written before the last of the faults:
 * `input_invalid` for the overlap, `conflict` when the client has too many live credentials or one with the same `kid`,
 * thumbprint or secret.
 */
export async function insertCredential<C extends Credential>(
	registry: Registry,
	credential: C,
	overlapSeconds: number | undefined,
	deps: AddCredentialDeps,
): Promise<Result<AddedCredential<C>, Fault>> {
	const nowMs = deps.clock.nowMs();
	if (overlapSeconds !== undefined && !isOverlap(overlapSeconds)) {
		return fail(invalidInput('#/overlapSeconds', `must be whole seconds, from 0 to ${OVERLAP_SECONDS_MAX}`));
	}
	const others = (await registry.credentials.listActive(credential.clientId, nowMs)).filter((other) =>
		isCredentialLive(other, nowMs),
	);
	const replaced = overlapSeconds === undefined ? [] : others.filter((other) => other.kind === credential.kind);
	const retiresAtMs = nowMs + (overlapSeconds ?? 0) * 1000;
	const left = overlapSeconds === 0 ? others.length - replaced.length : others.length;
	if (left >= LIVE_CREDENTIALS_MAX) {
		return fail(
			fault('conflict', `The client has ${LIVE_CREDENTIALS_MAX} live credentials already. Revoke some of them first.`),
		);
	}
	let retired = 0;
	for (const other of replaced) {
		// An overlap never lengthens a life.
		if (credentialEndMs(other) <= retiresAtMs) continue;
		const record: Credential = { ...other, retiresAtMs, updatedAtMs: nowMs, revision: other.revision + 1 };
		await registry.credentials.update(record, other.revision);
		await registry.changes.append({ kind: 'credential', record });
		retired++;
	}
	try {
		await registry.credentials.insert(credential);
	} catch (error) {
		if (!(error instanceof StoreConflict)) throw error;
		const detail = 'This credential, or one with the same kid, is registered already.';
		return fail(fault('conflict', detail, { internal: error.message }));
	}
	const sequence = await registry.changes.append({ kind: 'credential', record: credential });
	return ok({ credential, retired, sequence });
}

function isOverlap(seconds: number): boolean {
	return Number.isSafeInteger(seconds) && seconds >= 0 && seconds <= OVERLAP_SECONDS_MAX;
}

/** The fault of one member of a command that is out of its bounds. */
export function invalidInput(pointer: string, detail: string): Fault {
	return fault('input_invalid', 'The credential cannot be added as asked.', {
		members: { errors: [{ pointer, detail }] },
	});
}
