// Makes a key and a certificate for the platform itself: its servers, its services, its operators. Signed by
// `platform-issuing`, which never signs for a partner.
import { generateKeyPairSync } from 'node:crypto';
import type { Fault } from '../../kernel/faults.ts';
import type { OperatorId } from '../../kernel/ids.ts';
import { ok } from '../../kernel/result.ts';
import type { Result } from '../../kernel/result.ts';
import { Secret } from '../../kernel/secret.ts';
import { issueCertificate } from './issue-certificate.ts';
import type { CertificateRequest, IssueDependencies } from './issue-certificate.ts';
import type { IssuedCertificate } from './issued-certificate.ts';
import type { Issuer } from './issuer.ts';
import { subjectPublicKeyOf } from './public-key.ts';
import { formatSpiffeId } from './spiffe-id.ts';

/** Whom a platform certificate is for. */
export type PlatformSubject =
	| { readonly profile: 'server'; readonly dnsNames?: readonly string[]; readonly ipAddresses?: readonly string[] }
	| { readonly profile: 'service'; readonly serviceName: string }
	| { readonly profile: 'operator'; readonly operatorId: OperatorId };

export interface PlatformCertificate {
	/** PKCS#8 PEM of the new P-256 key. */
	readonly privateKeyPem: Secret;
	readonly certificate: IssuedCertificate;
}

export interface PlatformIssueDependencies extends IssueDependencies {
	readonly trustDomain: string;
}

const COMMON_NAME_LENGTH_MAX = 64;

/** Makes a P-256 key and issues its certificate. Faults as those of `issueCertificate`. */
export async function issuePlatformCertificate(
	authority: Issuer,
	subject: PlatformSubject & { readonly lifetimeMs?: number },
	deps: PlatformIssueDependencies,
): Promise<Result<PlatformCertificate, Fault>> {
	const { publicKey, privateKey } = generateKeyPairSync('ec', {
		namedCurve: 'P-256',
		publicKeyEncoding: { type: 'spki', format: 'der' },
		privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
	});
	const request: CertificateRequest = {
		profile: subject.profile,
		publicKey: subjectPublicKeyOf(publicKey),
		...namesOf(subject, deps.trustDomain),
		...(subject.lifetimeMs === undefined ? {} : { lifetimeMs: subject.lifetimeMs }),
	};
	const issued = await issueCertificate(authority, request, deps);
	return issued.ok ? ok({ privateKeyPem: new Secret(privateKey), certificate: issued.value }) : issued;
}

type Names = Pick<CertificateRequest, 'subject' | 'uri' | 'dnsNames' | 'ipAddresses'>;

/** The names that a certificate of the platform carries for its subject. */
export function namesOf(subject: PlatformSubject, trustDomain: string): Names {
	switch (subject.profile) {
		case 'server': {
			const { dnsNames = [], ipAddresses = [] } = subject;
			const first = [...dnsNames, ...ipAddresses][0];
			// A long host name does not fit a common name; the SAN carries it in any case.
			const fits = first !== undefined && first.length <= COMMON_NAME_LENGTH_MAX;
			return { subject: fits ? { commonName: first } : {}, dnsNames, ipAddresses };
		}
		case 'service':
			return {
				subject: { commonName: subject.serviceName.slice(0, COMMON_NAME_LENGTH_MAX) },
				uri: formatSpiffeId({ kind: 'service', trustDomain, serviceName: subject.serviceName }),
			};
		case 'operator':
			return {
				subject: { commonName: subject.operatorId },
				uri: formatSpiffeId({ kind: 'operator', trustDomain, operatorId: subject.operatorId }),
			};
	}
}
