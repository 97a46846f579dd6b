// Wire forms of trust anchors: the authorities of partners' own.
import { z } from '@hono/zod-openapi';
import { NAME_LENGTH_MAX } from '../../../domain/registry/display-name.ts';
import { SUBJECT_ATTRIBUTES } from '../../../domain/trust-anchor/subject-names.ts';
import {
	type AnchorList,
	REVOCATION_RULES,
	TRUST_ANCHOR_BOUNDS,
	type TrustAnchor,
} from '../../../domain/trust-anchor/trust-anchor.ts';
import { pageSchema } from './page-wire.ts';
import { idSchema, timeSchema, writeTime } from './value-wire.ts';

const PEM_LENGTH_MAX = 24_576;

export const trustAnchorParams = z.strictObject({ trustAnchorId: idSchema('anc', 'The trust anchor.') });

const revocationRule = z.enum(REVOCATION_RULES).openapi({
	description:
		'`required`: without a current revocation list nobody below the anchor is let in. `best-effort`: a list that is ' +
		'missing or out of date is announced and not waited for; what a list names is refused. `none`: no lists are used, and the partner revokes by telling you.',
});

const listSchema = z.object({
	issuerKeyHash: z.string().openapi({ description: 'base64url SHA-256 of the key that signed it.' }),
	number: z.string().openapi({ description: 'CRL number, hexadecimal.' }),
	thisUpdate: timeSchema,
	nextUpdate: timeSchema,
	entries: z.int().openapi({ description: 'How many certificates it names.' }),
	takenAt: timeSchema,
});

export const trustAnchorSchema = z
	.object({
		id: idSchema('anc', 'The trust anchor.'),
		partnerId: idSchema('prt', 'The partner whose clients it speaks for, and nobody else.'),
		name: z.string(),
		subject: z.string().openapi({ description: 'For people; nothing is decided by it.' }),
		publicKeyHash: z
			.string()
			.openapi({ description: 'base64url SHA-256 of its SubjectPublicKeyInfo: what is pinned.' }),
		status: z.enum(['active', 'revoked']),
		intermediates: z.int().openapi({ description: 'How many authorities below it are registered.' }),
		revocation: revocationRule,
		listUrls: z.array(z.string()),
		lists: z
			.array(listSchema)
			.optional()
			.openapi({ description: 'The latest list of each key; when one anchor is shown.' }),
		notBefore: timeSchema,
		notAfter: timeSchema,
		addedBy: idSchema('opr', 'The operator who added it.'),
		createdAt: timeSchema,
		updatedAt: timeSchema,
		revokedAt: timeSchema.optional(),
		revocationReason: z.string().optional(),
		revision: z.int().openapi({ description: 'Counts changes from 1; the ETag.' }),
	})
	.openapi('TrustAnchor');

export const trustAnchorPage = pageSchema(trustAnchorSchema, 'TrustAnchorPage');

const pem = z.string().min(1).max(PEM_LENGTH_MAX);

export const trustAnchorInput = z
	.strictObject({
		name: z
			.string()
			.min(1)
			.max(2 * NAME_LENGTH_MAX)
			.openapi({ description: 'Shown to people.' }),
		certificate: pem.openapi({ description: 'The certificate of the authority, PEM.' }),
		intermediates: z
			.array(pem)
			.max(TRUST_ANCHOR_BOUNDS.intermediatesMax)
			.default([])
			.openapi({
				description:
					'Authorities below it, PEM, each after the one that signed it. Clients that do not send them are served all ' +
					'the same, and their revocation lists are accepted.',
			}),
		revocation: revocationRule,
		listUrls: z.array(z.string().min(1).max(2048)).max(TRUST_ANCHOR_BOUNDS.listUrlsMax).default([]).openapi({
			description: 'Where revocation lists are fetched from (http or https). Without any they are uploaded.',
		}),
	})
	.openapi('TrustAnchorInput');

export const trustAnchorRevocation = z
	.strictObject({ reason: z.string().min(1).max(200).openapi({ description: 'Why, for the record.' }) })
	.openapi('TrustAnchorRevocation');

export const anchorListInput = z
	.strictObject({
		list: z.string().min(1).max(11_500_000).openapi({ description: 'The revocation list: PEM, or DER in base64.' }),
	})
	.openapi('RevocationListInput');

export const takenListSchema = listSchema
	.extend({ changed: z.boolean().openapi({ description: 'False when exactly this list was known.' }) })
	.openapi('TakenRevocationList');

export const revokedAnchorSchema = z
	.object({
		trustAnchor: trustAnchorSchema,
		credentials: z
			.int()
			.openapi({ description: 'Active credentials that are known by a name below it, and are dead now.' }),
	})
	.openapi('RevokedTrustAnchor');

export const anchoredCertificateInput = z
	.strictObject({
		trustAnchorId: idSchema('anc', 'The trust anchor below which the certificates are.'),
		attribute: z.enum(SUBJECT_ATTRIBUTES).openapi({
			description:
				'What the certificates name the client by (RFC 8705 §2.1.2, without the prefix `tls_client_auth_`). A ' +
				'certificate has to have exactly one of the kind.',
		}),
		value: z
			.string()
			.min(1)
			.max(2048)
			.openapi({ description: 'Exactly this value. `subject_dn` is written as in RFC 4514.' }),
		lifetimeSeconds: z
			.int()
			.min(60)
			.optional()
			.openapi({ description: 'From now; as long as the anchor when absent.' }),
		overlapSeconds: z.int().min(0).optional().openapi({
			description: 'For rotation: other live credentials of this kind end this many seconds from now, 0 at once.',
		}),
	})
	.openapi('AnchoredCertificateInput');

/** Writes a list for the wire. */
export function writeAnchorList(list: AnchorList): z.infer<typeof listSchema> {
	return {
		issuerKeyHash: list.issuerKeyHash,
		number: list.number,
		thisUpdate: writeTime(list.thisUpdateMs),
		nextUpdate: writeTime(list.nextUpdateMs),
		entries: list.entries,
		takenAt: writeTime(list.takenAtMs),
	};
}

/** Writes a trust anchor for the wire. */
export function writeTrustAnchor(
	anchor: TrustAnchor,
	lists?: readonly AnchorList[],
): z.infer<typeof trustAnchorSchema> {
	return {
		id: anchor.id,
		partnerId: anchor.partnerId,
		name: anchor.name,
		subject: anchor.subject,
		publicKeyHash: anchor.publicKeyHash,
		status: anchor.status,
		intermediates: anchor.intermediates.length,
		revocation: anchor.revocation,
		listUrls: [...anchor.listUrls],
		...(lists === undefined ? undefined : { lists: lists.map(writeAnchorList) }),
		notBefore: writeTime(anchor.notBeforeMs),
		notAfter: writeTime(anchor.notAfterMs),
		addedBy: anchor.addedBy,
		createdAt: writeTime(anchor.createdAtMs),
		updatedAt: writeTime(anchor.updatedAtMs),
		...(anchor.revokedAtMs === undefined ? undefined : { revokedAt: writeTime(anchor.revokedAtMs) }),
		...(anchor.revocationReason === undefined ? undefined : { revocationReason: anchor.revocationReason }),
		revision: anchor.revision,
	};
}
