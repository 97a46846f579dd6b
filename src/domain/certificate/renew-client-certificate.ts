// Renews the certificate of a client, at the wish of whoever has proved to hold its key: a new certificate for a new
// request, and an end for the old one. The caller has verified the proof; what is decided here is whether this
// certificate may be renewed now. Runs inside a transaction of the registry: the caller commits, publishes and records.
import { type Fault, fault } from '../../kernel/faults.ts';
import { fail, ok, type Result } from '../../kernel/result.ts';
import { type Credential, credentialEndMs } from '../client/credential.ts';
import { followRenewal } from '../client/settle-rotation.ts';
import type { Registry } from '../registry/registry.ts';
import type { Certificate } from './certificate.ts';
import {
	type ClientCertificate,
	type ClientCertificateDependencies,
	issueClientCertificate,
} from './issue-client-certificate.ts';

/** Rules of renewal, from the configuration. */
export interface RenewalPolicy {
	/** Share of the lifetime, in percent, that must be over. */
	readonly afterPercent: number;
	/** How long after its end a certificate can still be renewed. */
	readonly graceMs: number;
	/** How long the old certificate lives on beside the new one, at most. */
	readonly overlapMs: number;
	/** Certificates that a client gets in a day, by whatever way, before renewals are refused. */
	readonly perDay: number;
}

const DAY_MS = 86_400_000;

/**
 * Renews the certificate with this thumbprint. Faults: `certificate_invalid` for one that is not a client's of ours,
 * `credential_revoked` (also while held), `certificate_expired` beyond the grace, `renewal_not_due`, `limit_exceeded`,
 * `conflict` for one that a rotation is replacing, those of `issueClientCertificate`. Where a rotation has brought it, the
 * rotation goes on with the renewed one.
 */
export async function renewClientCertificate(
	registry: Registry,
	command: { readonly thumbprint: string; readonly csr: Uint8Array },
	policy: RenewalPolicy,
	deps: ClientCertificateDependencies,
): Promise<Result<ClientCertificate & { readonly predecessor: Certificate }, Fault>> {
	const predecessor = await registry.certificates.findByThumbprint(command.thumbprint);
	const credential = await registry.credentials.findByThumbprint(command.thumbprint);
	if (predecessor?.clientId === undefined || predecessor.partnerId === undefined || credential === undefined)
		return fail(fault('certificate_invalid', 'This is not the certificate of a client of this platform.'));
	const refused = await judgeRenewal(registry, predecessor, credential, policy, deps.clock.nowMs());
	if (refused !== undefined) return fail(refused);
	const rotation = await registry.rotations.findOpen(credential.id);
	// SECURITY: what is being replaced does not live on in a child of its own: whoever took its key could outlive the
	// rotation by it. src/domain/certificate/renewal.test.ts
	if (rotation?.oldCredentialId === credential.id) {
		return fail(
			fault('conflict', 'This certificate is being replaced. Use the new one that the provider has handed over.'),
		);
	}
	const { clientId, partnerId } = predecessor;
	const request = { clientId, partnerId, csr: command.csr, predecessorId: predecessor.id };
	const issued = await issueClientCertificate(registry, request, deps);
	if (!issued.ok) return issued;
	if (rotation !== undefined) await followRenewal(registry, rotation, issued.value.credential.id, deps);
	await retire(registry, predecessor, credential, policy, deps.clock.nowMs());
	return ok({ ...issued.value, sequence: await registry.changes.latest(), predecessor });
}

async function judgeRenewal(
	registry: Registry,
	certificate: Certificate,
	credential: Credential,
	{ afterPercent, graceMs, perDay }: RenewalPolicy,
	nowMs: number,
): Promise<Fault | undefined> {
	// SECURITY: whoever stole a key must not outlive its revocation. src/domain/certificate/renewal.test.ts
	if (credential.status !== 'active' || certificate.status !== 'active')
		return fault('credential_revoked', 'A revoked or held certificate is not renewed. Ask the provider of this API.');
	const { notBeforeMs } = certificate;
	// A certificate that a successor has replaced ends with the overlap, and that end has no grace.
	const isRetired = credential.retiresAtMs !== undefined;
	const endMs = isRetired ? credentialEndMs(credential) : certificate.notAfterMs + graceMs;
	if (nowMs >= endMs) {
		const day = new Date(Math.min(endMs, certificate.notAfterMs)).toISOString().slice(0, 10);
		return fault(
			'certificate_expired',
			`The certificate expired on ${day} and cannot be renewed any more. Enrol anew.`,
		);
	}
	const dueMs = notBeforeMs + ((certificate.notAfterMs - notBeforeMs) * afterPercent) / 100;
	if (nowMs < dueMs) {
		const detail = `The certificate can be renewed from ${new Date(dueMs).toISOString()} on.`;
		const retryAfterSeconds = Math.ceil((dueMs - nowMs) / 1000);
		return fault('renewal_not_due', detail, { retryAfterSeconds });
	}
	const { clientId } = credential;
	if ((await registry.certificates.countCreatedSince(clientId, nowMs - DAY_MS)) >= perDay) {
		const detail = `A client gets at most ${perDay} certificates in 24 hours. Try again later.`;
		return fault('limit_exceeded', detail, { retryAfterSeconds: 3600 });
	}
	return undefined;
}

/** Sets the end of the old certificate; an overlap never lengthens a life. */
async function retire(
	registry: Registry,
	certificate: Certificate,
	credential: Credential,
	{ overlapMs }: RenewalPolicy,
	nowMs: number,
): Promise<void> {
	const retiresAtMs = nowMs + overlapMs;
	if (credentialEndMs(credential) <= retiresAtMs) return;
	const changed = { ...credential, retiresAtMs, updatedAtMs: nowMs, revision: credential.revision + 1 };
	await registry.credentials.update(changed, credential.revision);
	await registry.changes.append({ kind: 'credential', record: changed });
	const { revision } = certificate;
	const record = { ...certificate, supersededAtMs: retiresAtMs, updatedAtMs: nowMs, revision: revision + 1 };
	await registry.certificates.update(record, revision);
}
