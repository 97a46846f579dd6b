// Revokes a credential, and the certificate behind it where there is one. Runs inside a transaction of the registry: the caller
// commits, publishes the sequence (then the next request on any open connection is refused) and records.
import type { Clock } from '../../kernel/clock.ts';
import { fault } from '../../kernel/faults.ts';
import type { Fault } from '../../kernel/faults.ts';
import type { CertificateId, CredentialId } from '../../kernel/ids.ts';
import { fail, ok } from '../../kernel/result.ts';
import type { Result } from '../../kernel/result.ts';
import type { Credential } from '../client/credential.ts';
import { settleRotation } from '../client/settle-rotation.ts';
import type { Registry } from '../registry/registry.ts';
import type { Certificate } from './certificate.ts';
import { barKey } from './bar-key.ts';
import { certificateStatusOf } from './certificate.ts';

/** Why a credential is revoked: the reasons of RFC 5280 §5.3.1 that are for certificates of holders. */
export const REVOCATION_REASONS = [
	'unspecified',
	'key-compromise',
	'affiliation-changed',
	'superseded',
	'cessation-of-operation',
	'privilege-withdrawn',
] as const;

export type RevocationReason = (typeof REVOCATION_REASONS)[number];

export interface RevokeCredentialCommand {
	readonly credentialId: CredentialId;
	readonly reason: RevocationReason;
	/** Revoke only if the credential has this revision (`If-Match`); undefined = whatever it has. */
	readonly expectedRevision?: number;
}

export interface RevokedCredential {
	readonly credential: Credential;
	/** Of the change feed: publish it after the commit, also when the credential had been revoked before. */
	readonly sequence: number;
}

/**
 * Revokes a credential. Idempotent: one that is revoked already keeps its moment and reason, and the answer
 * carries the newest sequence, so that publishing it still confirms the revocation everywhere. Only the
 * reason `key-compromise` is added to an earlier revocation, because it bars the key from ever coming back.
 * Faults: `not_found`, `revision_mismatch`.
 */
export async function revokeCredential(
	registry: Registry,
	command: RevokeCredentialCommand,
	{ clock }: { readonly clock: Clock },
): Promise<Result<RevokedCredential, Fault>> {
	const credential = await registry.credentials.get(command.credentialId);
	if (credential === undefined) return fail(fault('not_found', 'There is no such credential.'));
	if (command.expectedRevision !== undefined && command.expectedRevision !== credential.revision)
		return fail(fault('revision_mismatch', 'The credential was changed in the meantime. Read it again.'));
	const isNews =
		credential.status !== 'revoked' ||
		(command.reason === 'key-compromise' && credential.revocationReason !== 'key-compromise');
	if (!isNews) return ok({ credential, sequence: await registry.changes.latest() });
	const revocation = {
		status: 'revoked',
		// A hold that becomes final keeps the moment at which it began: the certificate has been dead since then.
		revokedAtMs: credential.revokedAtMs ?? clock.nowMs(),
		revocationReason: command.reason,
		updatedAtMs: clock.nowMs(),
	} as const;
	const revoked: Credential = { ...credential, ...revocation, revision: credential.revision + 1 };
	await registry.credentials.update(revoked, credential.revision);
	const publicKeyHash =
		credential.kind === 'certificate'
			? await revokeCertificate(registry, credential.certificateId, revocation)
			: 'publicKeyHash' in credential
				? credential.publicKeyHash
				: undefined;
	if (command.reason === 'key-compromise' && publicKeyHash !== undefined) await barKey(registry, publicKeyHash, clock);
	if (command.reason === 'key-compromise' && credential.kind === 'key-set') {
		// Which of them others know is not known: none of the keys at the URL comes back.
		for (const key of (await registry.keySets.get(credential.id))?.keys ?? []) {
			await barKey(registry, key.publicKeyHash, clock);
		}
	}
	await registry.changes.append({ kind: 'credential', record: revoked });
	await settleRotation(registry, revoked.id, { clock });
	return ok({ credential: revoked, sequence: await registry.changes.latest() });
}

/**
 * Revokes the certificate behind a credential, and gives the hash of its key.
 * INVARIANT: a certificate credential is inserted together with its certificate, and neither is ever deleted.
 */
async function revokeCertificate(
	registry: Registry,
	id: CertificateId,
	revocation: Pick<Certificate, 'status' | 'updatedAtMs'> & { readonly revocationReason: string },
): Promise<string> {
	const certificate = await registry.certificates.get(id);
	if (certificate === undefined) throw new Error(`certificate ${id} is not in the registry`);
	const record = { ...certificate, ...revocation, revision: certificate.revision + 1 };
	await registry.certificates.update(record, certificate.revision);
	await registry.changes.append({ kind: 'certificate', record: certificateStatusOf(record) });
	return certificate.publicKeyHash;
}
