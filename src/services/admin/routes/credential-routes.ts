// Routes of credentials: listed, shown, revoked. How each kind is added is in new-credential-routes.ts.
import { z } from '@hono/zod-openapi';
import { revokeCredential } from '../../../domain/certificate/revoke-credential.ts';
import type { Credential } from '../../../domain/client/credential.ts';
import { fault } from '../../../kernel/faults.ts';
import { fail, ok } from '../../../kernel/result.ts';
import { type AdminRouter, addCommand, addRead, noParams } from '../admin-route.ts';
import {
	credentialPage,
	credentialParams,
	credentialSchema,
	revocationInput,
	writeCredential,
} from '../wire/credential-wire.ts';
import { writeKeySet } from '../wire/key-set-wire.ts';
import { pageQuery, pageRequestOf, writePage } from '../wire/page-wire.ts';
import { givenTimeSchema, idSchema } from '../wire/value-wire.ts';

/** Adds the routes of credentials. */
export function addCredentialRoutes(router: AdminRouter): void {
	const { deps } = router;
	const keySetOf = (credential: Credential) =>
		credential.kind === 'key-set' && credential.status === 'active'
			? { keySet: writeKeySet(deps.keySetOf(credential.id), deps.clock.nowMs()) }
			: undefined;
	addRead(router, {
		path: '/credentials',
		operationId: 'listCredentials',
		tag: 'credentials',
		summary: 'List credentials, oldest first',
		params: noParams,
		query: z.strictObject({
			...pageQuery,
			clientId: idSchema('cli', 'Only credentials of this client.').optional(),
			endsBefore: givenTimeSchema
				.optional()
				.openapi({ description: 'Only active credentials that end before this moment, also by a rotation.' }),
		}),
		answer: { description: 'A page of credentials.', schema: credentialPage, hasRevision: false },
		problems: [400],
		read: async ({ query }) => {
			const { clientId, endsBefore } = query;
			const filter = { clientId, endsBeforeMs: endsBefore === undefined ? undefined : Date.parse(endsBefore) };
			const page = await deps.store.credentials.list(pageRequestOf(query), filter);
			const uses = await deps.store.credentialUses.find(page.items.map(({ id }) => id));
			const lastUsed = new Map(uses.map((use) => [use.credentialId, use.lastUsedAtMs]));
			const write = (credential: Credential) => ({
				...writeCredential(credential, lastUsed.get(credential.id)),
				...keySetOf(credential),
			});
			return ok(writePage(page, write, query));
		},
	});
	addRead(router, {
		path: '/credentials/{credentialId}',
		operationId: 'getCredential',
		tag: 'credentials',
		summary: 'Show a credential',
		params: credentialParams,
		query: noParams,
		answer: { description: 'The credential.', schema: credentialSchema, hasRevision: true },
		problems: [400],
		read: async ({ params }) => {
			const credential = await deps.store.credentials.get(params.credentialId);
			if (credential === undefined) return fail(fault('not_found', 'There is no such credential.'));
			const [use] = await deps.store.credentialUses.find([credential.id]);
			const body = { ...writeCredential(credential, use?.lastUsedAtMs), ...keySetOf(credential) };
			return ok({ body, revision: credential.revision });
		},
	});
	addCommand(router, {
		method: 'post',
		path: '/credentials/{credentialId}/revoke',
		operationId: 'revokeCredential',
		tag: 'credentials',
		summary: 'Revoke a credential for good, from the next request on, also on open connections',
		params: credentialParams,
		body: revocationInput,
		status: 200,
		answer: { description: 'The credential as it is now.', schema: credentialSchema, hasRevision: true },
		problems: [412],
		ifMatch: 'optional',
		auditType: 'credential.revoked',
		work: async (registry, { params, body, expectedRevision }) => {
			const command = {
				...params,
				reason: body.reason,
				...(expectedRevision === undefined ? undefined : { expectedRevision }),
			};
			const outcome = await revokeCredential(registry, command, deps);
			if (!outcome.ok) return outcome;
			const { credential, sequence } = outcome.value;
			return ok({
				body: writeCredential(credential),
				revision: credential.revision,
				facts: {
					partner: credential.partnerId,
					client: credential.clientId,
					credential: credential.id,
					kind: credential.kind,
					...(credential.kind === 'certificate' ? { certificate: credential.certificateId } : undefined),
					reason: body.reason,
					revision: credential.revision,
				},
				sequence,
			});
		},
	});
}
