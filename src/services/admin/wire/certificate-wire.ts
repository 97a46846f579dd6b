// Wire forms of certificates.
import { z } from '@hono/zod-openapi';
import type { Certificate } from '../../../domain/certificate/certificate.ts';
import { CERTIFICATE_STATES, certificateState } from '../../../domain/certificate/certificate-state.ts';
import { COMPROMISED_KEYS_MAX } from '../../../domain/certificate/bar-key.ts';
import { LIFETIME_MS_BOUND } from '../../../domain/certificate/profile.ts';
import { credentialSchema } from './credential-wire.ts';
import { pageSchema } from './page-wire.ts';
import { idSchema, timeSchema } from './value-wire.ts';
import { writeLife } from './life-wire.ts';

export const certificateParams = z.strictObject({ certificateId: idSchema('crt', 'The certificate.') });

export const certificateInput = z
	.strictObject({
		csr: z
			.string()
			.min(1)
			.max(16_384)
			.openapi({
				description:
					'Certificate request (PKCS#10, PEM), made with the key that the client keeps. Only its public key is used: ' +
					'P-256, P-384, Ed25519, ML-DSA-65, or RSA of at least 2048 bits, as the profile takes them.',
			}),
		lifetimeSeconds: z
			.int()
			.min(60)
			.max(LIFETIME_MS_BOUND / 1000)
			.optional()
			.openapi({
				description: 'From now; at most what the profile allows, by default 90 days.',
			}),
	})
	.openapi('CertificateInput');

/** A certificate of an internal server or service. */
export const endpointCertificateInput = z
	.strictObject({
		profile: z.enum(['server', 'service']),
		csr: certificateInput.shape.csr,
		lifetimeSeconds: certificateInput.shape.lifetimeSeconds,
		serviceName: z
			.string()
			.regex(/^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/)
			.optional()
			.openapi({ description: 'For `service`: the last part of its SPIFFE id.' }),
		dnsNames: z.array(z.string().max(253)).max(50).optional().openapi({ description: 'For `server`: host names.' }),
		ipAddresses: z.array(z.string().max(45)).max(50).optional().openapi({ description: 'For `server`: addresses.' }),
	})
	.openapi('EndpointCertificateInput');

export const certificateSchema = z
	.object({
		id: idSchema('crt', 'The certificate.'),
		profile: z.enum(['partner-client', 'server', 'service', 'operator']),
		serial: z.string().openapi({ description: 'Serial number, hexadecimal.' }),
		thumbprint: z.string().openapi({ description: 'base64url SHA-256 of the DER certificate (x5t#S256).' }),
		issuer: z.string(),
		subject: z.string().openapi({ description: 'The SPIFFE id, or the first DNS name of a server certificate.' }),
		partnerId: idSchema('prt', 'The partner.').optional(),
		clientId: idSchema('cli', 'The client.').optional(),
		status: z.enum(['active', 'held', 'revoked']),
		state: z.enum(CERTIFICATE_STATES).openapi({ description: 'Where it is in its life, at the time of this answer.' }),
		predecessorId: idSchema('crt', 'The certificate that was renewed into this one.').optional(),
		notBefore: timeSchema,
		notAfter: timeSchema,
		pem: z.string().openapi({ description: 'The certificate alone, PEM.' }),
		createdAt: timeSchema,
		updatedAt: timeSchema,
		revokedAt: timeSchema.optional(),
		revocationReason: z.string().optional(),
		revision: z.int(),
	})
	.openapi('Certificate');

export const certificatePage = pageSchema(certificateSchema, 'CertificatePage');

export const issuedCertificateSchema = z
	.object({
		certificate: certificateSchema,
		credential: credentialSchema,
		chain: z.string().openapi({ description: 'The certificate followed by that of its authority, PEM.' }),
	})
	.openapi('IssuedCertificate');

export const issuedEndpointCertificateSchema = z
	.object({
		certificate: certificateSchema,
		chain: z.string().openapi({ description: 'The certificate followed by that of its authority, PEM.' }),
	})
	.openapi('IssuedEndpointCertificate');

export const barredKeysInput = z
	.strictObject({
		publicKeyHashes: z
			.array(z.string().max(64))
			.min(1)
			.max(COMPROMISED_KEYS_MAX)
			.openapi({ description: 'SHA-256 of each DER SubjectPublicKeyInfo, in hexadecimal or base64url.' }),
		source: z
			.string()
			.regex(/^[\x21-\x7e]{1,64}$/)
			.openapi({ description: 'Where the list is from, for whoever asks why a key is refused.' }),
	})
	.openapi('CompromisedKeysInput');

export const barredKeysSchema = z
	.object({
		added: z.int().openapi({ description: 'Keys that were not on the list before.' }),
		total: z.int().openapi({ description: 'Keys on the list.' }),
		certificates: z
			.array(z.string())
			.openapi({ description: 'Certificates that carry one of the keys and are not revoked: revoke them.' }),
	})
	.openapi('CompromisedKeys');

/** Writes a certificate for the wire. */
export function writeCertificate(certificate: Certificate, nowMs: number): z.infer<typeof certificateSchema> {
	return {
		id: certificate.id,
		profile: certificate.profile,
		serial: certificate.serial,
		thumbprint: certificate.thumbprint,
		issuer: certificate.issuer,
		subject: certificate.subject,
		...(certificate.partnerId === undefined ? undefined : { partnerId: certificate.partnerId }),
		...(certificate.clientId === undefined ? undefined : { clientId: certificate.clientId }),
		status: certificate.status,
		state: certificateState(certificate, nowMs),
		...(certificate.predecessorId === undefined ? undefined : { predecessorId: certificate.predecessorId }),
		pem: certificate.pem,
		...writeLife(certificate),
	};
}
