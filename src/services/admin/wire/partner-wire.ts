// Wire forms of partners and clients.
import { z } from '@hono/zod-openapi';
import { AUTHENTICATION_METHODS, SENDER_CONSTRAINTS } from '../../../domain/client/authentication-method.ts';
import type { Client } from '../../../domain/client/client.ts';
import { ALLOWED_NETWORKS_MAX } from '../../../domain/partner/allowed-networks.ts';
import type { Partner } from '../../../domain/partner/partner.ts';
import { NAME_LENGTH_MAX } from '../../../domain/registry/display-name.ts';
import { pageSchema } from './page-wire.ts';
import { idSchema, timeSchema, writeTime } from './value-wire.ts';

// In UTF-16 code units, where a character can take two; the domain counts characters.
const nameSchema = z
	.string()
	.min(1)
	.max(2 * NAME_LENGTH_MAX)
	.openapi({
		description: 'Shown to people: 1 to 200 characters, no control characters. Need not be unique.',
		example: 'Acme Payments',
	});

export const partnerParams = z.strictObject({ partnerId: idSchema('prt', 'The partner.') });

const networkSchema = z.string().min(2).max(60).openapi({
	description: 'A network in CIDR notation, or a single address.',
	example: '203.0.113.0/24',
});

export const allowedNetworksInput = z
	.strictObject({
		networks: z
			.array(networkSchema)
			.max(ALLOWED_NETWORKS_MAX)
			.nullable()
			.openapi({ description: 'From where the partner may call: 1 to 200 networks, or null for anywhere.' }),
	})
	.openapi('AllowedNetworksInput');

export const partnerInput = z.strictObject({ name: nameSchema }).openapi('PartnerInput');

export const partnerSchema = z
	.object({
		id: idSchema('prt', 'The partner.'),
		name: z.string(),
		status: z
			.enum(['active', 'suspended', 'offboarded'])
			.openapi({ description: 'A suspended partner is refused everywhere until it is resumed.' }),
		allowedNetworks: z
			.array(networkSchema)
			.optional()
			.openapi({ description: 'Networks from which the partner may call. Absent when it may call from anywhere.' }),
		createdAt: timeSchema,
		updatedAt: timeSchema,
		revision: z.int().openapi({ description: 'Counts changes from 1; the ETag.' }),
	})
	.openapi('Partner');

export const partnerPage = pageSchema(partnerSchema, 'PartnerPage');

/** Writes a partner for the wire. */
export function writePartner(partner: Partner): z.infer<typeof partnerSchema> {
	return {
		id: partner.id,
		name: partner.name,
		status: partner.status,
		...(partner.allowedNetworks === undefined ? undefined : { allowedNetworks: [...partner.allowedNetworks] }),
		createdAt: writeTime(partner.createdAtMs),
		updatedAt: writeTime(partner.updatedAtMs),
		revision: partner.revision,
	};
}

export const clientParams = z.strictObject({ clientId: idSchema('cli', 'The client.') });

const METHOD =
	'How the client proves itself at the token endpoint. It never changes. The two ways with a secret are served only ' +
	'under plans with low assurance.';
const CONSTRAINT =
	'What access tokens of the client are bound to: its certificate, its DPoP key, or nothing. It never changes. ' +
	'Unbound tokens are issued only under plans with low assurance.';

export const clientInput = z
	.strictObject({
		name: nameSchema,
		environment: z
			.enum(['sandbox', 'production'])
			.openapi({ description: 'What the client is for. It never changes.' }),
		authenticationMethod: z.enum(AUTHENTICATION_METHODS).default('tls_client_auth').openapi({ description: METHOD }),
		senderConstraint: z.enum(SENDER_CONSTRAINTS).default('mtls').openapi({ description: CONSTRAINT }),
	})
	.openapi('ClientInput');

export const clientSchema = z
	.object({
		id: idSchema('cli', 'The client; its OAuth client_id.'),
		partnerId: idSchema('prt', 'The partner that it belongs to.'),
		name: z.string(),
		environment: z.enum(['sandbox', 'production']),
		authenticationMethod: z.enum(AUTHENTICATION_METHODS),
		senderConstraint: z.enum(SENDER_CONSTRAINTS),
		status: z.enum(['active', 'disabled']),
		tokensNotBefore: timeSchema.optional().openapi({
			description: 'Access tokens issued before this time are refused. Absent when none was ever cut off.',
		}),
		createdAt: timeSchema,
		updatedAt: timeSchema,
		revision: z.int().openapi({ description: 'Counts changes from 1; the ETag.' }),
	})
	.openapi('Client');

export const clientPage = pageSchema(clientSchema, 'ClientPage');

/** Writes a client for the wire. */
export function writeClient(client: Client): z.infer<typeof clientSchema> {
	return {
		id: client.id,
		partnerId: client.partnerId,
		name: client.name,
		environment: client.environment,
		authenticationMethod: client.authenticationMethod,
		senderConstraint: client.senderConstraint,
		status: client.status,
		...(client.tokensNotBeforeSeconds === 0
			? undefined
			: { tokensNotBefore: writeTime(client.tokensNotBeforeSeconds * 1000) }),
		createdAt: writeTime(client.createdAtMs),
		updatedAt: writeTime(client.updatedAtMs),
		revision: client.revision,
	};
}
