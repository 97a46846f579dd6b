// Issues a certificate to a partner's client from the partner's own certificate request, and registers it as
// a credential. Runs inside a transaction of the registry: the caller commits, publishes and records.
// The names in the certificate come from the registry, only the key comes from the request.
import type { Clock } from '../../kernel/clock.ts';
import { fault } from '../../kernel/faults.ts';
import type { Fault } from '../../kernel/faults.ts';
import { newId } from '../../kernel/ids.ts';
import type { CertificateId, ClientId, PartnerId } from '../../kernel/ids.ts';
import type { Random } from '../../kernel/random.ts';
import { fail, ok } from '../../kernel/result.ts';
import type { Result } from '../../kernel/result.ts';
import { hasUseFor } from '../client/authentication-method.ts';
import type { CertificateCredential } from '../client/credential.ts';
import type { Registry } from '../registry/registry.ts';
import type { Certificate } from './certificate.ts';
import { certificateRecord } from './certificate-record.ts';
import { parseCsr } from './csr.ts';
import { issueCertificate } from './issue-certificate.ts';
import type { Issuer } from './issuer.ts';
import { judgeKeyHistory } from './key-history.ts';
import type { Profiles } from './profile.ts';
import { formatSpiffeId } from './spiffe-id.ts';

export interface ClientCertificateCommand {
	readonly partnerId: PartnerId;
	readonly clientId: ClientId;
	/** Certificate request, PEM (text) or DER (bytes), at most 16 KiB. */
	readonly csr: string | Uint8Array;
	/** From now; at least one minute, at most and by default what the profile says. */
	readonly lifetimeMs?: number;
	/** The certificate that it replaces. */
	readonly predecessorId?: CertificateId;
}

export interface ClientCertificateDependencies {
	/** The `partner-issuing` authority. */
	readonly authority: Issuer;
	/** As the configuration has them; the built-in ones when absent. */
	readonly profiles?: Profiles;
	readonly trustDomain: string;
	readonly clock: Clock;
	readonly random: Random;
}

/** What was added to the registry. */
export interface ClientCertificate {
	readonly certificate: Certificate;
	readonly credential: CertificateCredential;
	/** The certificate followed by that of its authority, PEM. */
	readonly chainPem: string;
	/** Of the change feed: publish it after the commit. */
	readonly sequence: number;
}

/**
 * Issues and registers a certificate of a client. Faults: `not_found`, `partner_suspended`, `client_disabled`,
 * `conflict` for an offboarded partner, `csr_rejected` (also for a key that is in use elsewhere or was
 * compromised), `input_invalid` for the lifetime, `authority_unavailable`. Nothing is written before the last
 * of them. Throws StoreConflict when a random id is taken; the transaction then leaves no trace.
 */
export async function issueClientCertificate(
	registry: Registry,
	command: ClientCertificateCommand,
	deps: ClientCertificateDependencies,
): Promise<Result<ClientCertificate, Fault>> {
	// Step 1: the holder.
	const refusal = await judgeHolder(registry, command);
	if (refusal !== undefined) return fail(refusal);
	// Step 2: the key.
	const csr = parseCsr(command.csr);
	if (!csr.ok) return csr;
	const { publicKey } = csr.value;
	const keyRefusal = await judgeKeyHistory(registry, command.partnerId, publicKey.hash);
	if (keyRefusal !== undefined) return fail(keyRefusal);
	// Step 3: the certificate.
	const { partnerId, clientId, lifetimeMs } = command;
	const uri = formatSpiffeId({ kind: 'partner-client', trustDomain: deps.trustDomain, partnerId, clientId });
	const subject = { organization: partnerId, commonName: clientId };
	const lifetime = lifetimeMs === undefined ? {} : { lifetimeMs };
	const request = { profile: 'partner-client', publicKey, subject, uri, ...lifetime } as const;
	const issued = await issueCertificate(deps.authority, request, deps);
	if (!issued.ok) return issued;
	// Step 4: the records, and the change that tells everybody.
	const predecessor = command.predecessorId === undefined ? {} : { predecessorId: command.predecessorId };
	const holder = { partnerId, clientId, ...predecessor };
	const facts = { profile: 'partner-client', subject: uri, issuer: deps.authority.id, ...holder } as const;
	const certificate = certificateRecord(issued.value, facts, deps);
	const credential = credentialRecord(command, deps, certificate);
	await registry.certificates.insert(certificate);
	await registry.credentials.insert(credential);
	const sequence = await registry.changes.append({ kind: 'credential', record: credential });
	return ok({ certificate, credential, chainPem: issued.value.chainPem, sequence });
}

async function judgeHolder(registry: Registry, command: ClientCertificateCommand): Promise<Fault | undefined> {
	const partner = await registry.partners.get(command.partnerId);
	if (partner === undefined) return fault('not_found', 'There is no such partner.');
	const client = await registry.clients.get(command.clientId);
	if (client === undefined || client.partnerId !== partner.id)
		return fault('not_found', 'The partner has no such client.');
	if (partner.status === 'suspended')
		return fault('partner_suspended', 'The partner is suspended. Resume it before it gets certificates.');
	if (partner.status === 'offboarded') return fault('conflict', 'The partner is offboarded and gets no certificates.');
	if (client.status !== 'active')
		return fault('client_disabled', 'The client is disabled. Enable it before it gets certificates.');
	if (!hasUseFor(client, 'certificate')) {
		return fault('conflict', 'The client neither authenticates by a certificate nor binds its tokens to one.');
	}
	return undefined;
}

function credentialRecord(
	command: ClientCertificateCommand,
	deps: ClientCertificateDependencies,
	certificate: Certificate,
): CertificateCredential {
	return {
		id: newId('crd', deps.clock, deps.random),
		clientId: command.clientId,
		partnerId: command.partnerId,
		kind: 'certificate',
		status: 'active',
		certificateId: certificate.id,
		thumbprint: certificate.thumbprint,
		notBeforeMs: certificate.notBeforeMs,
		notAfterMs: certificate.notAfterMs,
		createdAtMs: certificate.createdAtMs,
		updatedAtMs: certificate.updatedAtMs,
		revision: 1,
	};
}
