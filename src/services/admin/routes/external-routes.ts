// Routes about others: external issuers with their keys, the link of a client of theirs to one of ours, and the URL at
// which a client publishes its keys.
import { addKeySet } from '../../../domain/client/add-key-set.ts';
import { linkExternalClient } from '../../../domain/client/link-external-client.ts';
import { issuerOwner } from '../../../domain/issuer/external-issuer.ts';
import { ok } from '../../../kernel/result.ts';
import { type AdminRouter, addCommand, addRead, noParams } from '../admin-route.ts';
import { credentialSchema, writeCredential } from '../wire/credential-wire.ts';
import { externalClientInput, issuerList, keySetInput, writeIssuer } from '../wire/key-set-wire.ts';
import { clientParams } from '../wire/partner-wire.ts';

const SHARED = {
	method: 'post',
	tag: 'credentials',
	params: clientParams,
	status: 201,
	problems: [],
	ifMatch: 'none',
	auditType: 'credential.added',
	answer: { description: 'The new credential.', schema: credentialSchema, hasRevision: true },
} as const;

/** Adds the routes about external issuers and keys at URLs. */
export function addExternalRoutes(router: AdminRouter): void {
	const { deps } = router;
	addRead(router, {
		path: '/issuers',
		operationId: 'listIssuers',
		tag: 'issuers',
		summary: 'List the external issuers of the running configuration, and how their keys stand',
		params: noParams,
		query: noParams,
		answer: { description: 'All external issuers.', schema: issuerList, hasRevision: false },
		problems: [400],
		read: async () => {
			const nowMs = deps.clock.nowMs();
			const items = deps.issuers.map((one) => writeIssuer(one, deps.keySetOf(issuerOwner(one.issuer)), nowMs));
			return ok({ body: { items } });
		},
	});
	addCommand(router, {
		...SHARED,
		path: '/clients/{clientId}/external-clients',
		operationId: 'linkExternalClient',
		summary: 'Link a client of an external issuer to a client',
		description: 'Its access tokens are then taken as those of the client. The same link again renews it.',
		body: externalClientInput,
		work: async (registry, { params, body }) => {
			const outcome = await linkExternalClient(registry, { ...params, ...body }, deps);
			if (!outcome.ok) return outcome;
			const { credential, sequence } = outcome.value;
			return ok({
				body: writeCredential(credential),
				revision: credential.revision,
				location: `/credentials/${credential.id}`,
				facts: {
					partner: credential.partnerId,
					client: credential.clientId,
					credential: credential.id,
					kind: credential.kind,
					not_after: new Date(credential.notAfterMs).toISOString(),
					issuer: credential.issuer,
					external_client: credential.externalClientId,
				},
				sequence,
			});
		},
	});
	addCommand(router, {
		...SHARED,
		path: '/clients/{clientId}/key-sets',
		operationId: 'addKeySet',
		summary: 'Register the URL at which a client publishes the keys of its client assertions',
		description: 'For clients with `private_key_jwt`. The keys are fetched as soon as the credential is in force.',
		body: keySetInput,
		work: async (registry, { params, body }) => {
			const outcome = await addKeySet(registry, { ...params, ...body }, deps);
			if (!outcome.ok) return outcome;
			const { credential, retired, sequence } = outcome.value;
			return ok({
				body: writeCredential(credential),
				revision: credential.revision,
				location: `/credentials/${credential.id}`,
				facts: {
					partner: credential.partnerId,
					client: credential.clientId,
					credential: credential.id,
					kind: credential.kind,
					not_after: new Date(credential.notAfterMs).toISOString(),
					retired,
					algorithm: credential.algorithm,
					jwks_uri: credential.jwksUri,
				},
				sequence,
			});
		},
	});
}
