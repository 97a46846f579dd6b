// The TLS identities of the platform: made by the platform CA at the first start, kept sealed in the key store, renewed
// when two thirds of their lifetime are over. An identity whose names no longer fit the configuration is made anew.
import { X509Certificate } from 'node:crypto';
import type { Authority } from '../../domain/certificate/authority.ts';
import { parseIpAddress } from '../../domain/network/ip-address.ts';
import { issuePlatformCertificate, type PlatformSubject } from '../../domain/certificate/issue-platform-certificate.ts';
import type { Profiles } from '../../domain/certificate/profile.ts';
import { registerPlatformCertificate } from '../../domain/certificate/register-platform-certificate.ts';
import type { KeyPurpose, KeyStore, StoredKey } from '../../domain/registry/key-store.ts';
import type { RegistryStore } from '../../domain/registry/registry.ts';
import type { Clock } from '../../kernel/clock.ts';
import type { Random } from '../../kernel/random.ts';
import { unwrap } from '../../kernel/result.ts';
import type { TlsIdentity } from '../gateway/messages.ts';

export interface IdentityDependencies {
	readonly keys: KeyStore;
	/** Where each certificate is registered, so that it is found, counted and can be revoked like any other. */
	readonly registry: RegistryStore;
	readonly profiles: Profiles;
	readonly authority: Authority;
	readonly trustDomain: string;
	readonly clock: Clock;
	readonly random: Random;
}

/** Gives the identity of a server that is reached under `names` (host names and addresses). */
export function provideServerIdentity(
	name: string,
	names: readonly string[],
	deps: IdentityDependencies,
): Promise<TlsIdentity> {
	const ipAddresses = names.filter((one) => parseIpAddress(one) !== undefined);
	const dnsNames = names.filter((one) => parseIpAddress(one) === undefined);
	const fits = (certificate: X509Certificate): boolean =>
		dnsNames.every((one) => certificate.checkHost(one) !== undefined) &&
		ipAddresses.every((one) => certificate.checkIP(one) !== undefined);
	return provide(`server/${name}`, 'server', { profile: 'server', dnsNames, ipAddresses }, fits, deps);
}

/** Gives the identity `spiffe://<trust domain>/service/<name>` that is shown to upstreams. */
export function provideServiceIdentity(name: string, deps: IdentityDependencies): Promise<TlsIdentity> {
	const uri = `URI:spiffe://${deps.trustDomain}/service/${name}`;
	const fits = (certificate: X509Certificate): boolean => certificate.subjectAltName === uri;
	return provide(`service/${name}`, 'service', { profile: 'service', serviceName: name }, fits, deps);
}

async function provide(
	name: string,
	purpose: KeyPurpose,
	subject: PlatformSubject,
	fits: (certificate: X509Certificate) => boolean,
	deps: IdentityDependencies,
): Promise<TlsIdentity> {
	const stored = await deps.keys.get(name);
	if (stored !== undefined && isGood(stored, fits, deps)) {
		return { chain: stored.certificatePem, key: stored.privateKeyPem.reveal() };
	}
	const issued = unwrap(await issuePlatformCertificate(deps.authority, subject, deps));
	await registerPlatformCertificate(deps.registry, issued.certificate, subject, deps);
	await deps.keys.put({
		name,
		purpose,
		privateKeyPem: issued.privateKeyPem,
		certificatePem: issued.certificate.chainPem,
		createdAtMs: deps.clock.nowMs(),
	});
	return { chain: issued.certificate.chainPem, key: issued.privateKeyPem.reveal() };
}

function isGood(
	stored: StoredKey,
	fits: (certificate: X509Certificate) => boolean,
	deps: IdentityDependencies,
): boolean {
	const certificate = new X509Certificate(stored.certificatePem);
	const { validFromDate, validToDate } = certificate;
	const renewAtMs = validFromDate.getTime() + ((validToDate.getTime() - validFromDate.getTime()) * 2) / 3;
	return deps.clock.nowMs() < renewAtMs && certificate.checkIssued(deps.authority.certificate) && fits(certificate);
}
