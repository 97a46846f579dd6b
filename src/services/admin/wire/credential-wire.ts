// Wire forms of credentials. One form for all kinds: what a kind does not have is absent.
import { z } from '@hono/zod-openapi';
import { REVOCATION_REASONS } from '../../../domain/certificate/revoke-credential.ts';
import { OVERLAP_SECONDS_MAX } from '../../../domain/client/add-credential.ts';
import { API_KEY_BOUNDS } from '../../../domain/client/add-api-key.ts';
import type { Credential } from '../../../domain/client/credential.ts';
import { fetchedKeyFields } from './key-set-wire.ts';
import { writeLife } from './life-wire.ts';
import { pageSchema } from './page-wire.ts';
import { idSchema, timeSchema, writeTime } from './value-wire.ts';

export const credentialParams = z.strictObject({ credentialId: idSchema('crd', 'The credential.') });

const algorithmSchema = z.enum(['ES256', 'ES384', 'EdDSA', 'PS256', 'ML-DSA-65']);

export const credentialSchema = z
	.object({
		id: idSchema('crd', 'The credential.'),
		clientId: idSchema('cli', 'The client that it proves.'),
		partnerId: idSchema('prt', 'The partner.'),
		kind: z.enum([
			'certificate',
			'anchored-certificate',
			'self-signed-certificate',
			'public-key',
			'client-secret',
			'api-key',
			'key-set',
			'external-client',
		]),
		status: z.enum(['active', 'held', 'revoked']),
		certificateId: idSchema('crt', 'The certificate.').optional(),
		thumbprint: z.string().optional().openapi({ description: 'base64url SHA-256 of the DER certificate (x5t#S256).' }),
		trustAnchorId: idSchema('anc', 'The trust anchor below which its certificates are.').optional(),
		subjectAttribute: z.string().optional().openapi({ description: 'What certificates name the client by.' }),
		subjectValue: z.string().optional().openapi({ description: 'Exactly this value.' }),
		algorithm: algorithmSchema.optional().openapi({ description: 'The one algorithm of its client assertions.' }),
		keyId: z.string().optional().openapi({ description: 'The `kid` by which client assertions name it.' }),
		jwk: z.record(z.string(), z.string()).optional().openapi({ description: 'The public key.' }),
		...fetchedKeyFields,
		prefix: z.string().optional().openapi({ description: 'The first characters of the API key.' }),
		allowedAddresses: z.array(z.string()).optional().openapi({ description: 'Where the API key is accepted from.' }),
		limits: z
			.array(z.object({ name: z.string(), requests: z.int(), windowSeconds: z.int() }))
			.optional()
			.openapi({ description: 'The limits of the API key alone.' }),
		notBefore: timeSchema,
		notAfter: timeSchema,
		retiresAt: timeSchema.optional().openapi({
			description: 'Set when a successor took its place: it ends then, if that is earlier than `notAfter`.',
		}),
		lastUsedAt: timeSchema.optional().openapi({
			description: 'When it was last used, for a token or a call, to about two minutes. Absent when it never was.',
		}),
		createdAt: timeSchema,
		updatedAt: timeSchema,
		revokedAt: timeSchema.optional(),
		revocationReason: z.string().optional(),
		revision: z.int().openapi({ description: 'Counts changes from 1; the ETag.' }),
	})
	.openapi('Credential');

export const credentialPage = pageSchema(credentialSchema, 'CredentialPage');

const lifetimeSeconds = z.int().min(60).optional();
const overlapSeconds = z
	.int()
	.min(0)
	.max(OVERLAP_SECONDS_MAX)
	.optional()
	.openapi({
		description:
			'For rotation: the other live credentials of the same kind end this many seconds from now, 0 at once. ' +
			'They live on when it is absent.',
	});

export const publicKeyInput = z
	.strictObject({
		jwk: z.record(z.string().max(64), z.union([z.string(), z.boolean(), z.array(z.string())])).openapi({
			description:
				'The public key (RFC 7517): EC on P-256 or P-384, Ed25519, or RSA with 2048 to 4096 bits. A `kid` in it is ' +
				'kept; without one its RFC 7638 thumbprint is the `kid`. Never send a private key.',
		}),
		algorithm: algorithmSchema.optional().openapi({
			description: 'The algorithm that you expect of it. It follows from the key; another one is refused.',
		}),
		lifetimeSeconds: lifetimeSeconds.openapi({ description: 'From now; a year when absent, three at most.' }),
		overlapSeconds,
	})
	.openapi('PublicKeyInput');

export const clientSecretInput = z
	.strictObject({
		lifetimeSeconds: lifetimeSeconds.openapi({ description: 'From now; 90 days when absent, a year at most.' }),
		overlapSeconds,
	})
	.openapi('ClientSecretInput');

export const selfSignedCertificateInput = z
	.strictObject({
		certificate: z.string().min(1).max(16_384).openapi({ description: 'The certificate, PEM, without its key.' }),
		lifetimeSeconds: lifetimeSeconds.openapi({ description: 'From now; as long as the certificate when absent.' }),
		overlapSeconds,
	})
	.openapi('SelfSignedCertificateInput');

export const apiKeyInput = z
	.strictObject({
		allowedAddresses: z
			.array(z.string().max(64))
			.min(1)
			.max(API_KEY_BOUNDS.addressesMax)
			.openapi({ description: 'Networks (CIDR) or addresses from which the key is accepted, such as `192.0.2.0/24`.' }),
		limits: z
			.array(
				z.strictObject({
					name: z.string().regex(/^[a-z][a-z0-9_-]{0,31}$/),
					requests: z.int().min(1).max(1_000_000_000),
					windowSeconds: z
						.int()
						.min(1)
						.max(31 * 86_400),
				}),
			)
			.min(1)
			.max(API_KEY_BOUNDS.limitsMax)
			.openapi({ description: 'Limits of this key alone, beside those of the plan.' }),
		lifetimeSeconds: lifetimeSeconds.openapi({ description: 'From now; 90 days when absent, a year at most.' }),
		overlapSeconds,
	})
	.openapi('ApiKeyInput');

export const issuedSecretSchema = z
	.object({
		credential: credentialSchema,
		secret: z.string().optional().openapi({
			description:
				'The secret. It is shown in this one answer and kept nowhere: a repeat with the same Idempotency-Key lacks it.',
		}),
	})
	.openapi('IssuedSecret');

export const revocationInput = z
	.strictObject({
		reason: z.enum(REVOCATION_REASONS).openapi({
			description: 'Why (RFC 5280 §5.3.1). After `key-compromise` the key never gets a certificate again.',
		}),
	})
	.openapi('RevocationInput');

/** Writes a credential for the wire; never a hash of a secret. */
export function writeCredential(credential: Credential, lastUsedAtMs?: number): z.infer<typeof credentialSchema> {
	return {
		id: credential.id,
		clientId: credential.clientId,
		partnerId: credential.partnerId,
		kind: credential.kind,
		status: credential.status,
		...writeKind(credential),
		...(credential.retiresAtMs === undefined ? undefined : { retiresAt: writeTime(credential.retiresAtMs) }),
		...(lastUsedAtMs === undefined ? undefined : { lastUsedAt: writeTime(lastUsedAtMs) }),
		...writeLife(credential),
	};
}

function writeKind(credential: Credential): Partial<z.infer<typeof credentialSchema>> {
	switch (credential.kind) {
		case 'certificate':
			return { certificateId: credential.certificateId, thumbprint: credential.thumbprint };
		case 'anchored-certificate': {
			const { trustAnchorId, subjectAttribute, subjectValue } = credential;
			return { trustAnchorId, subjectAttribute, subjectValue };
		}
		case 'self-signed-certificate':
			return { thumbprint: credential.thumbprint };
		case 'public-key':
			return { algorithm: credential.algorithm, keyId: credential.keyId, jwk: { ...credential.jwk } };
		case 'key-set':
			return { algorithm: credential.algorithm, jwksUri: credential.jwksUri };
		case 'external-client':
			return { issuer: credential.issuer, externalClientId: credential.externalClientId };
		case 'client-secret':
			return {};
		case 'api-key':
			return {
				prefix: credential.prefix,
				allowedAddresses: [...credential.allowedAddresses],
				limits: credential.limits.map(({ name, requests, windowSeconds }) => ({ name, requests, windowSeconds })),
			};
	}
}
