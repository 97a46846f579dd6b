// Wire forms of rotations.
import { z } from '@hono/zod-openapi';
import { REVOCATION_REASONS } from '../../../domain/certificate/revoke-credential.ts';
import { OVERLAP_SECONDS_MAX } from '../../../domain/client/add-credential.ts';
import { ROTATION_STATUSES, type Rotation } from '../../../domain/client/rotation.ts';
import { certificateInput } from './certificate-wire.ts';
import { credentialSchema, publicKeyInput, selfSignedCertificateInput } from './credential-wire.ts';
import { anchoredCertificateInput } from './trust-anchor-wire.ts';
import { pageSchema } from './page-wire.ts';
import { idSchema, timeSchema, writeTime } from './value-wire.ts';

export const rotationParams = z.strictObject({ rotationId: idSchema('rot', 'The rotation.') });

export const rotationSchema = z
	.object({
		id: idSchema('rot', 'The rotation.'),
		clientId: idSchema('cli', 'The client.'),
		partnerId: idSchema('prt', 'The partner.'),
		kind: credentialSchema.shape.kind,
		oldCredentialId: idSchema('crd', 'The credential that is replaced.'),
		newCredentialId: idSchema('crd', 'The credential that takes its place.'),
		status: z.enum(ROTATION_STATUSES).openapi({
			description:
				'`overlapping`: both are alive. `completed`: the old one is revoked. `cancelled`: the new one was given up, and ' +
				'the old one lives on.',
		}),
		endsAt: timeSchema.openapi({ description: 'When the overlap ends, and with it the old credential.' }),
		endedAt: timeSchema.optional().openapi({ description: 'When it was completed or cancelled.' }),
		oldLastUsedAt: timeSchema.optional().openapi({
			description: 'When the old credential was last used, to about a minute: whether the partner has switched over.',
		}),
		newLastUsedAt: timeSchema.optional().openapi({ description: 'When the new credential was last used.' }),
		createdAt: timeSchema,
		updatedAt: timeSchema,
		revision: z.int().openapi({ description: 'Counts changes from 1; the ETag.' }),
	})
	.openapi('Rotation');

export const rotationPage = pageSchema(rotationSchema, 'RotationPage');

export const rotateInput = z
	.strictObject({
		overlapSeconds: z.int().min(0).max(OVERLAP_SECONDS_MAX).optional().openapi({
			description: 'How long both live; 0 revokes the old one at once. A week when absent, 90 days at most.',
		}),
		reason: z.enum(REVOCATION_REASONS).optional().openapi({
			description: 'Why the old one is revoked at once; only with `overlapSeconds` 0. `superseded` when absent.',
		}),
		lifetimeSeconds: z.int().min(60).optional().openapi({
			description: 'Life of the new credential, from now on. When absent the default of its kind.',
		}),
		csr: certificateInput.shape.csr.optional().openapi({ description: 'For a certificate: the new request, PEM.' }),
		jwk: publicKeyInput.shape.jwk.optional().openapi({ description: 'For a public key: the new one.' }),
		certificate: selfSignedCertificateInput.shape.certificate
			.optional()
			.openapi({ description: 'For a certificate that the client made itself: the new one, PEM.' }),
		subject: z
			.strictObject({
				trustAnchorId: anchoredCertificateInput.shape.trustAnchorId.optional(),
				attribute: anchoredCertificateInput.shape.attribute.optional(),
				value: anchoredCertificateInput.shape.value.optional(),
			})
			.optional()
			.openapi({
				description:
					'For a name below a trust anchor: what is new of anchor, attribute and value, such as the next authority of ' +
					'the partner. What is absent stays as it was.',
			}),
	})
	.openapi('RotateInput');

export type RotateInput = z.infer<typeof rotateInput>;

export const startedRotationSchema = z
	.object({
		rotation: rotationSchema,
		credential: credentialSchema,
		chain: z.string().optional().openapi({
			description: 'For a certificate: the new one, followed by that of its authority, PEM.',
		}),
		secret: z.string().optional().openapi({
			description: 'For a client secret or an API key: the new one. Shown in this one answer, and kept nowhere.',
		}),
	})
	.openapi('StartedRotation');

/** Writes a rotation for the wire; `lastUsed` tells when a credential was last used. */
export function writeRotation(
	rotation: Rotation,
	lastUsed: (id: Rotation['oldCredentialId']) => number | undefined = () => undefined,
): z.infer<typeof rotationSchema> {
	const { id, clientId, partnerId, kind, oldCredentialId, newCredentialId, status, revision } = rotation;
	const [oldUse, newUse] = [lastUsed(oldCredentialId), lastUsed(newCredentialId)];
	return {
		id,
		clientId,
		partnerId,
		kind,
		oldCredentialId,
		newCredentialId,
		status,
		endsAt: writeTime(rotation.endsAtMs),
		...(rotation.endedAtMs === undefined ? undefined : { endedAt: writeTime(rotation.endedAtMs) }),
		...(oldUse === undefined ? undefined : { oldLastUsedAt: writeTime(oldUse) }),
		...(newUse === undefined ? undefined : { newLastUsedAt: writeTime(newUse) }),
		createdAt: writeTime(rotation.createdAtMs),
		updatedAt: writeTime(rotation.updatedAtMs),
		revision,
	};
}
