// Routes of clients.
import { z } from '@hono/zod-openapi';
import { disableClient, enableClient, revokeClientTokens } from '../../../domain/client/change-client.ts';
import type { Client } from '../../../domain/client/client.ts';
import { registerClient } from '../../../domain/client/register-client.ts';
import type { Changed } from '../../../domain/registry/commit-change.ts';
import { type Fault, fault } from '../../../kernel/faults.ts';
import { fail, ok, type Result } from '../../../kernel/result.ts';
import { type AdminRouter, addCommand, addRead, noParams, type Performed } from '../admin-route.ts';
import { pageQuery, pageRequestOf, writePage } from '../wire/page-wire.ts';
import { idSchema } from '../wire/value-wire.ts';
import {
	clientInput,
	clientPage,
	clientParams,
	clientSchema,
	partnerParams,
	writeClient,
} from '../wire/partner-wire.ts';

type ClientAnswer = z.infer<typeof clientSchema>;

/** Adds the routes of clients. */
export function addClientRoutes(router: AdminRouter): void {
	const { deps } = router;
	addCommand(router, {
		method: 'post',
		path: '/partners/{partnerId}/clients',
		operationId: 'registerClient',
		tag: 'clients',
		summary: 'Register a client of a partner',
		params: partnerParams,
		body: clientInput,
		status: 201,
		answer: { description: 'The new client.', schema: clientSchema, hasRevision: true },
		problems: [],
		ifMatch: 'none',
		auditType: 'client.registered',
		work: async (registry, { params, body }) => {
			const outcome = await registerClient(registry, { ...params, ...body }, deps);
			if (!outcome.ok) return outcome;
			return ok({ ...clientPerformed(outcome.value), location: `/clients/${outcome.value.record.id}` });
		},
	});
	addRead(router, {
		path: '/clients',
		operationId: 'listClients',
		tag: 'clients',
		summary: 'List clients, oldest first',
		params: noParams,
		query: z.strictObject({ ...pageQuery, partnerId: idSchema('prt', 'Only clients of this partner.').optional() }),
		answer: { description: 'A page of clients.', schema: clientPage, hasRevision: false },
		problems: [400],
		read: async ({ query }) => {
			const filter = query.partnerId === undefined ? {} : { partnerId: query.partnerId };
			return ok(writePage(await deps.store.clients.list(pageRequestOf(query), filter), writeClient, query));
		},
	});
	addRead(router, {
		path: '/clients/{clientId}',
		operationId: 'getClient',
		tag: 'clients',
		summary: 'Show a client',
		params: clientParams,
		query: noParams,
		answer: { description: 'The client.', schema: clientSchema, hasRevision: true },
		problems: [400],
		read: async ({ params }) => {
			const client = await deps.store.clients.get(params.clientId);
			if (client === undefined) return fail(fault('not_found', 'There is no such client.'));
			return ok({ body: writeClient(client), revision: client.revision });
		},
	});
	addChangeRoutes(router);
}

function addChangeRoutes(router: AdminRouter): void {
	const { deps } = router;
	const shared = {
		method: 'post',
		tag: 'clients',
		params: clientParams,
		body: undefined,
		status: 200,
		answer: { description: 'The client as it is now.', schema: clientSchema, hasRevision: true },
		problems: [412],
		ifMatch: 'optional',
	} as const;
	addCommand(router, {
		...shared,
		path: '/clients/{clientId}/disable',
		operationId: 'disableClient',
		summary: 'Refuse a client from its next request on, and revoke its access tokens',
		auditType: 'client.disabled',
		work: async (registry, { params, expectedRevision }) =>
			performedOf(await disableClient(registry, { ...params, expectedRevision }, deps)),
	});
	addCommand(router, {
		...shared,
		path: '/clients/{clientId}/enable',
		operationId: 'enableClient',
		summary: 'Let a disabled client in again; it has to ask for a new access token',
		auditType: 'client.enabled',
		work: async (registry, { params, expectedRevision }) =>
			performedOf(await enableClient(registry, { ...params, expectedRevision }, deps)),
	});
	addCommand(router, {
		...shared,
		path: '/clients/{clientId}/revoke-tokens',
		operationId: 'revokeClientTokens',
		summary: 'Revoke all access tokens that a client holds',
		description:
			'The cut has the resolution of `iat`, one second: a token issued in the second of the cut is dead too.',
		auditType: 'client.tokens_revoked',
		work: async (registry, { params, expectedRevision }) =>
			performedOf(await revokeClientTokens(registry, { ...params, expectedRevision }, deps)),
	});
}

function performedOf(outcome: Result<Changed<Client>, Fault>): Result<Performed<ClientAnswer>, Fault> {
	return outcome.ok ? ok(clientPerformed(outcome.value)) : outcome;
}

function clientPerformed({ record, sequence, changed }: Changed<Client>): Performed<ClientAnswer> {
	return {
		body: writeClient(record),
		revision: record.revision,
		facts: {
			partner: record.partnerId,
			client: record.id,
			authentication_method: record.authenticationMethod,
			sender_constraint: record.senderConstraint,
			status: record.status,
			tokens_not_before: record.tokensNotBeforeSeconds,
			revision: record.revision,
			changed,
		},
		sequence,
	};
}
