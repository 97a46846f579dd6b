// Holds, releases and revokes certificates. A certificate of a client takes its credential along, so that the
// next request on any open connection is judged by the new state. Runs inside a transaction of the registry:
// the caller commits, publishes the sequence and records.
import type { Clock } from '../../kernel/clock.ts';
import { fault } from '../../kernel/faults.ts';
import type { Fault } from '../../kernel/faults.ts';
import type { CertificateId } from '../../kernel/ids.ts';
import { fail, ok } from '../../kernel/result.ts';
import type { Result } from '../../kernel/result.ts';
import { checkRevision } from '../registry/commit-change.ts';
import type { Changed } from '../registry/commit-change.ts';
import { settleRotation } from '../client/settle-rotation.ts';
import type { Registry } from '../registry/registry.ts';
import { barKey } from './bar-key.ts';
import { certificateStatusOf } from './certificate.ts';
import type { Certificate } from './certificate.ts';
import type { RevocationReason } from './revoke-credential.ts';

/** Why a held certificate is not valid (RFC 5280 §5.3.1). */
export const HOLD_REASON = 'certificate-hold';

export interface CertificateTarget {
	readonly certificateId: CertificateId;
	/** The revision that the decision was made on; undefined = whatever it has. */
	readonly expectedRevision?: number;
}

/**
 * Suspends a certificate until it is released or revoked. Holding it again changes nothing.
 * Faults: `not_found`, `revision_mismatch`, `conflict` for one that is revoked.
 */
export async function holdCertificate(
	registry: Registry,
	target: CertificateTarget,
	deps: { readonly clock: Clock },
): Promise<Result<Changed<Certificate>, Fault>> {
	const found = await findCertificate(registry, target);
	if (!found.ok) return found;
	if (found.value.status === 'revoked')
		return fail(fault('conflict', 'The certificate is revoked for good and cannot be held.'));
	if (found.value.status === 'held') return unchanged(registry, found.value);
	const hold = { status: 'held', revokedAtMs: deps.clock.nowMs(), revocationReason: HOLD_REASON } as const;
	return await change(registry, found.value, hold, deps.clock);
}

/**
 * Makes a held certificate valid again. Faults: `not_found`, `revision_mismatch`, `conflict` for one that is
 * revoked. Releasing one that is not held changes nothing.
 */
export async function releaseCertificate(
	registry: Registry,
	target: CertificateTarget,
	deps: { readonly clock: Clock },
): Promise<Result<Changed<Certificate>, Fault>> {
	const found = await findCertificate(registry, target);
	if (!found.ok) return found;
	if (found.value.status === 'revoked')
		return fail(fault('conflict', 'The certificate is revoked for good and never comes back. Issue a new one.'));
	if (found.value.status === 'active') return unchanged(registry, found.value);
	return await change(registry, found.value, { status: 'active' }, deps.clock);
}

/**
 * Revokes a certificate for good. Idempotent: moment and reason of an earlier revocation stay, but
 * `key-compromise` is always added, because it bars the key. Faults: `not_found`, `revision_mismatch`.
 */
export async function revokeCertificate(
	registry: Registry,
	target: CertificateTarget & { readonly reason: RevocationReason },
	deps: { readonly clock: Clock },
): Promise<Result<Changed<Certificate>, Fault>> {
	const found = await findCertificate(registry, target);
	if (!found.ok) return found;
	const { status, revocationReason, revokedAtMs, publicKeyHash } = found.value;
	const isCompromise = target.reason === 'key-compromise';
	if (status === 'revoked' && !(isCompromise && revocationReason !== 'key-compromise'))
		return unchanged(registry, found.value);
	if (isCompromise) await barKey(registry, publicKeyHash, deps.clock);
	const revocation = {
		status: 'revoked',
		// A hold that becomes final keeps the moment at which it began.
		revokedAtMs: revokedAtMs ?? deps.clock.nowMs(),
		revocationReason: target.reason,
	} as const;
	return await change(registry, found.value, revocation, deps.clock);
}

async function findCertificate(registry: Registry, target: CertificateTarget): Promise<Result<Certificate, Fault>> {
	const certificate = await registry.certificates.get(target.certificateId);
	if (certificate === undefined) return fail(fault('not_found', 'There is no such certificate.'));
	const outdated = checkRevision(certificate, target.expectedRevision);
	return outdated === undefined ? ok(certificate) : fail(outdated);
}

async function unchanged(registry: Registry, record: Certificate): Promise<Result<Changed<Certificate>, Fault>> {
	return ok({ record, sequence: await registry.changes.latest(), changed: false });
}

type Status = Pick<Certificate, 'status' | 'revokedAtMs' | 'revocationReason'>;

async function change(
	registry: Registry,
	certificate: Certificate,
	status: Status,
	clock: Clock,
): Promise<Result<Changed<Certificate>, Fault>> {
	const record = withStatus(certificate, status, clock);
	await registry.certificates.update(record, certificate.revision);
	const told = await registry.changes.append({ kind: 'certificate', record: certificateStatusOf(record) });
	const credential = await registry.credentials.findByThumbprint(certificate.thumbprint);
	if (credential === undefined) return ok({ record, sequence: told, changed: true });
	const changed = withStatus(credential, status, clock);
	await registry.credentials.update(changed, credential.revision);
	await registry.changes.append({ kind: 'credential', record: changed });
	if (status.status === 'revoked') await settleRotation(registry, credential.id, { clock });
	return ok({ record, sequence: await registry.changes.latest(), changed: true });
}

/** Replaces the status members, and leaves none of the old ones behind. */
function withStatus<T extends Status & { readonly revision: number }>(record: T, status: Status, clock: Clock): T {
	const { revokedAtMs: _, revocationReason: __, ...rest } = record;
	return { ...rest, ...status, updatedAtMs: clock.nowMs(), revision: record.revision + 1 } as unknown as T;
}
