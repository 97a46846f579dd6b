// Issues a certificate to an internal server or service from its own certificate request: signed by
// `platform-issuing`, known to the registry, and nobody's credential. Runs inside a transaction of the
// registry: the caller commits and records.
import type { Fault } from '../../kernel/faults.ts';
import { fail, ok } from '../../kernel/result.ts';
import type { Result } from '../../kernel/result.ts';
import type { Registry } from '../registry/registry.ts';
import type { Certificate } from './certificate.ts';
import { parseCsr } from './csr.ts';
import { issueCertificate } from './issue-certificate.ts';
import type { IssueDependencies } from './issue-certificate.ts';
import { namesOf } from './issue-platform-certificate.ts';
import type { PlatformSubject } from './issue-platform-certificate.ts';
import type { Issuer } from './issuer.ts';
import { judgeKeyHistory } from './key-history.ts';
import { registerPlatformCertificate } from './register-platform-certificate.ts';

export interface EndpointCertificateCommand {
	readonly subject: Exclude<PlatformSubject, { readonly profile: 'operator' }>;
	/** Certificate request in PEM, at most 16 KiB. */
	readonly csr: string;
	readonly lifetimeMs?: number;
}

export interface EndpointCertificateDependencies extends IssueDependencies {
	/** The `platform-issuing` authority. */
	readonly authority: Issuer;
	readonly trustDomain: string;
}

/** Issues and registers it. Faults: `csr_rejected`, `input_invalid` for names or lifetime, `authority_unavailable`. */
export async function issueEndpointCertificate(
	registry: Registry,
	command: EndpointCertificateCommand,
	deps: EndpointCertificateDependencies,
): Promise<Result<{ readonly certificate: Certificate; readonly chainPem: string }, Fault>> {
	const csr = parseCsr(command.csr);
	if (!csr.ok) return csr;
	const { publicKey } = csr.value;
	const refused = await judgeKeyHistory(registry, undefined, publicKey.hash);
	if (refused !== undefined) return fail(refused);
	const { profile } = command.subject;
	const names = namesOf(command.subject, deps.trustDomain);
	const lifetime = command.lifetimeMs === undefined ? {} : { lifetimeMs: command.lifetimeMs };
	const issued = await issueCertificate(deps.authority, { profile, publicKey, ...names, ...lifetime }, deps);
	if (!issued.ok) return issued;
	const certificate = await registerPlatformCertificate(registry, issued.value, command.subject, deps);
	return ok({ certificate, chainPem: issued.value.chainPem });
}
