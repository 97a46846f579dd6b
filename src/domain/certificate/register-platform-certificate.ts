// Registers a certificate that the platform has issued to itself.
import type { Registry } from '../registry/registry.ts';
import type { Certificate } from './certificate.ts';
import { certificateRecord } from './certificate-record.ts';
import type { IssuedCertificate } from './issued-certificate.ts';
import { namesOf } from './issue-platform-certificate.ts';
import type { PlatformIssueDependencies, PlatformSubject } from './issue-platform-certificate.ts';
import type { Issuer } from './issuer.ts';

/** Adds the record of a certificate of the platform. Throws StoreConflict when a random id is taken. */
export async function registerPlatformCertificate(
	registry: Registry,
	issued: IssuedCertificate,
	subject: PlatformSubject,
	deps: PlatformIssueDependencies & { readonly authority: Issuer },
): Promise<Certificate> {
	const names = namesOf(subject, deps.trustDomain);
	const name = names.uri ?? names.dnsNames?.[0] ?? names.ipAddresses?.[0] ?? '';
	const facts = { profile: subject.profile, subject: name, issuer: deps.authority.id };
	const certificate = certificateRecord(issued, facts, deps);
	await registry.certificates.insert(certificate);
	return certificate;
}
