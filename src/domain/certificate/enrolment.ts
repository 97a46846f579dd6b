// An enrolment lets a client fetch its first certificate by itself: a code that an operator hands over, good for one
// certificate request within a short time. Only its hash is kept: 256 random bits need no slow one.
import type { Enrolment } from './enrolment-store.ts';
import { hash } from 'node:crypto';
import type { Clock } from '../../kernel/clock.ts';
import { type Fault, fault } from '../../kernel/faults.ts';
import { type ClientId, type EnrolmentId, newId } from '../../kernel/ids.ts';
import type { Random } from '../../kernel/random.ts';
import { fail, ok, type Result } from '../../kernel/result.ts';
import { Secret } from '../../kernel/secret.ts';
import { checkRevision } from '../registry/commit-change.ts';
import type { Registry } from '../registry/registry.ts';
import {
	type ClientCertificate,
	type ClientCertificateDependencies,
	issueClientCertificate,
} from './issue-client-certificate.ts';

export const ENROLMENT_SECONDS = { min: 60, default: 86_400, max: 7 * 86_400 } as const;
/** Open enrolments of one client: more is a mistake, and would be more codes to lose. */
const OPEN_MAX = 10;
const CODE_SHAPE = /^spe_[A-Za-z0-9_-]{43}$/;

/**
 * Opens an enrolment of a client and makes its code, which is shown this once. Run it in a transaction.
 * Faults: `not_found`, `input_invalid` for the time, `conflict` when too many are open.
 */
export async function openEnrolment(
	registry: Registry,
	command: { readonly clientId: ClientId; readonly lifetimeSeconds?: number },
	deps: { readonly clock: Clock; readonly random: Random },
): Promise<Result<{ readonly enrolment: Enrolment; readonly code: Secret }, Fault>> {
	const { min, default: usual, max } = ENROLMENT_SECONDS;
	const lifetimeSeconds = command.lifetimeSeconds ?? usual;
	if (!Number.isInteger(lifetimeSeconds) || lifetimeSeconds < min || lifetimeSeconds > max)
		return fail(fault('input_invalid', 'An enrolment code lives between one minute and seven days.'));
	const client = await registry.clients.get(command.clientId);
	if (client === undefined) return fail(fault('not_found', 'There is no such client.'));
	const nowMs = deps.clock.nowMs();
	if ((await registry.enrolments.countOpen(client.id, nowMs)) >= OPEN_MAX)
		return fail(fault('conflict', `The client has ${OPEN_MAX} open enrolments. Cancel some of them first.`));
	const code = new Secret(`spe_${deps.random.bytes(32).toString('base64url')}`);
	const enrolment: Enrolment = {
		id: newId('enr', deps.clock, deps.random),
		clientId: client.id,
		partnerId: client.partnerId,
		codeHash: hash('sha256', code.reveal(), 'base64url'),
		status: 'open',
		expiresAtMs: nowMs + lifetimeSeconds * 1000,
		createdAtMs: nowMs,
		updatedAtMs: nowMs,
		revision: 1,
	};
	await registry.enrolments.insert(enrolment);
	return ok({ enrolment, code });
}

/** Cancels an open enrolment. Run it in a transaction. Faults: `not_found`, `revision_mismatch`, `conflict` once it was used. */
export async function cancelEnrolment(
	registry: Registry,
	target: { readonly enrolmentId: EnrolmentId; readonly expectedRevision?: number },
	{ clock }: { readonly clock: Clock },
): Promise<Result<Enrolment, Fault>> {
	const enrolment = await registry.enrolments.get(target.enrolmentId);
	if (enrolment === undefined) return fail(fault('not_found', 'There is no such enrolment.'));
	const outdated = checkRevision(enrolment, target.expectedRevision);
	if (outdated !== undefined) return fail(outdated);
	if (enrolment.status === 'used')
		return fail(fault('conflict', 'The enrolment was used. Revoke its certificate instead.'));
	const { revision } = enrolment;
	const cancelled: Enrolment = {
		...enrolment,
		status: 'cancelled',
		updatedAtMs: clock.nowMs(),
		revision: revision + 1,
	};
	await registry.enrolments.update(cancelled, revision);
	return ok(cancelled);
}

/**
 * Spends a code on a certificate. Run it in a transaction: code and certificate become true together, so that of many
 * parallel uses exactly one succeeds, and a request that is refused costs nothing. Faults: `enrolment_refused`, one and the
 * same for every code that is not good for this client; those of `issueClientCertificate`.
 */
export async function redeemEnrolment(
	registry: Registry,
	command: { readonly clientId: ClientId; readonly code: string; readonly csr: Uint8Array },
	deps: ClientCertificateDependencies,
): Promise<Result<ClientCertificate, Fault>> {
	const nowMs = deps.clock.nowMs();
	// SECURITY: looked up by its hash, so that no comparison depends on how much of a guess is right.
	// src/domain/certificate/enrolment.test.ts
	const enrolment = CODE_SHAPE.test(command.code)
		? await registry.enrolments.findByCodeHash(hash('sha256', command.code, 'base64url'))
		: undefined;
	if (enrolment === undefined) return refuse('no such code');
	if (enrolment.clientId !== command.clientId) return refuse(`the code is that of ${enrolment.clientId}`);
	if (enrolment.status !== 'open') return refuse(`the enrolment ${enrolment.id} is ${enrolment.status}`);
	if (nowMs >= enrolment.expiresAtMs) return refuse(`the enrolment ${enrolment.id} has expired`);
	const { clientId, partnerId, revision } = enrolment;
	const issued = await issueClientCertificate(registry, { clientId, partnerId, csr: command.csr }, deps);
	if (!issued.ok) return issued;
	const certificateId = issued.value.certificate.id;
	const used: Enrolment = { ...enrolment, status: 'used', certificateId, updatedAtMs: nowMs, revision: revision + 1 };
	await registry.enrolments.update(used, revision);
	return issued;
}

function refuse(internal: string): { readonly ok: false; readonly fault: Fault } {
	const detail = 'The enrolment code is not good for this client, or not any more. Ask for a new one.';
	return fail(fault('enrolment_refused', detail, { internal }));
}
