// Routes of rotations: a credential is replaced by a new one, both live side by side for a while, then the old one is
// revoked by itself. Shown with the last use of both, so that people see whether the partner has switched over.
import { z } from '@hono/zod-openapi';
import type { Credential } from '../../../domain/client/credential.ts';
import { cancelRotation, completeRotation } from '../../../domain/client/end-rotation.ts';
import { rotateCredential } from '../../../domain/client/rotate-credential.ts';
import { type Rotation, ROTATION_STATUSES } from '../../../domain/client/rotation.ts';
import { fault } from '../../../kernel/faults.ts';
import type { CredentialId } from '../../../kernel/ids.ts';
import { fail, ok } from '../../../kernel/result.ts';
import type { AdminDependencies } from '../admin-dependencies.ts';
import type { AuditFacts } from '../admin-exchange.ts';
import { type AdminRouter, addCommand, addRead, noParams } from '../admin-route.ts';
import { credentialParams, writeCredential } from '../wire/credential-wire.ts';
import { pageQuery, pageRequestOf, writePage } from '../wire/page-wire.ts';
import {
	rotateInput,
	rotationPage,
	rotationParams,
	rotationSchema,
	startedRotationSchema,
	writeRotation,
} from '../wire/rotation-wire.ts';
import { idSchema } from '../wire/value-wire.ts';
import { makeSuccessor } from './make-successor.ts';

/** Adds the routes of rotations. */
export function addRotationRoutes(router: AdminRouter): void {
	addRotateRoute(router);
	addReadRoutes(router);
	addEndRoute(router, 'complete', completeRotation, 'End the overlap now: the old credential is revoked');
	addEndRoute(router, 'cancel', cancelRotation, 'Give the new credential up: it is revoked, and the old one lives on');
}

function addRotateRoute(router: AdminRouter): void {
	const { deps } = router;
	addCommand(router, {
		method: 'post',
		path: '/credentials/{credentialId}/rotate',
		operationId: 'rotateCredential',
		tag: 'credentials',
		summary: 'Replace a credential by a new one of its kind; both live until the overlap ends',
		description:
			'Send `csr` for a certificate, `jwk` for a public key, `certificate` for one that the client made itself, `subject` ' +
			'for a name below a trust anchor; a client secret and an API key are made. At the end of the overlap the ' +
			'old credential is revoked by itself. With `overlapSeconds` 0 it is revoked at once.',
		params: credentialParams,
		body: rotateInput,
		status: 201,
		answer: { description: 'The rotation and the new credential.', schema: startedRotationSchema, hasRevision: false },
		problems: [],
		ifMatch: 'none',
		auditType: 'credential.rotation-started',
		issuer: () => deps.authorities.partnerIssuing,
		work: async (registry, { params, body }, _, authority) => {
			const command = { ...params, overlapSeconds: body.overlapSeconds, reason: body.reason };
			const make = (old: Credential) => makeSuccessor(registry, old, body, { ...deps, authority });
			const outcome = await rotateCredential(registry, command, make, deps);
			if (!outcome.ok) return outcome;
			const { rotation, made, sequence } = outcome.value;
			const { credential, chain, secret } = made;
			const shown = {
				rotation: writeRotation(rotation),
				credential: writeCredential(credential),
				...(chain === undefined ? undefined : { chain }),
			};
			return ok({
				body: shown,
				...(secret === undefined ? undefined : { bodyOnce: { ...shown, secret } }),
				location: `/rotations/${rotation.id}`,
				facts: { ...factsOf(rotation), ends_at: new Date(rotation.endsAtMs).toISOString() },
				sequence,
			});
		},
	});
}

function addReadRoutes(router: AdminRouter): void {
	const { deps } = router;
	addRead(router, {
		path: '/rotations',
		operationId: 'listRotations',
		tag: 'credentials',
		summary: 'List rotations, oldest first',
		params: noParams,
		query: z.strictObject({
			...pageQuery,
			clientId: idSchema('cli', 'Only rotations of this client.').optional(),
			status: z.enum(ROTATION_STATUSES).optional(),
		}),
		answer: { description: 'A page of rotations.', schema: rotationPage, hasRevision: false },
		problems: [400],
		read: async ({ query }) => {
			const { clientId, status } = query;
			const page = await deps.store.rotations.list(pageRequestOf(query), { clientId, status });
			const uses = await lastUses(deps, page.items);
			return ok(writePage(page, (rotation) => writeRotation(rotation, uses), query));
		},
	});
	addRead(router, {
		path: '/rotations/{rotationId}',
		operationId: 'getRotation',
		tag: 'credentials',
		summary: 'Show a rotation, and when each of its credentials was last used',
		params: rotationParams,
		query: noParams,
		answer: { description: 'The rotation.', schema: rotationSchema, hasRevision: true },
		problems: [400],
		read: async ({ params }) => {
			const rotation = await deps.store.rotations.get(params.rotationId);
			if (rotation === undefined) return fail(fault('not_found', 'There is no such rotation.'));
			return ok({ body: writeRotation(rotation, await lastUses(deps, [rotation])), revision: rotation.revision });
		},
	});
}

function addEndRoute(
	router: AdminRouter,
	verb: 'complete' | 'cancel',
	end: typeof completeRotation,
	summary: string,
): void {
	const { deps } = router;
	addCommand(router, {
		method: 'post',
		path: `/rotations/{rotationId}/${verb}`,
		operationId: `${verb}Rotation`,
		tag: 'credentials',
		summary,
		params: rotationParams,
		body: undefined,
		status: 200,
		answer: { description: 'The rotation as it is now.', schema: rotationSchema, hasRevision: true },
		problems: [],
		ifMatch: 'none',
		auditType: verb === 'complete' ? 'credential.rotation-completed' : 'credential.rotation-cancelled',
		work: async (registry, { params }) => {
			const outcome = await end(registry, params.rotationId, deps);
			if (!outcome.ok) return outcome;
			const { rotation, sequence } = outcome.value;
			const facts = { ...factsOf(rotation), status: rotation.status };
			return ok({ body: writeRotation(rotation), revision: rotation.revision, facts, sequence });
		},
	});
}

/** When the credentials of some rotations were last used. */
async function lastUses(
	deps: AdminDependencies,
	rotations: readonly Rotation[],
): Promise<(id: CredentialId) => number | undefined> {
	const known = new Map<CredentialId, number>();
	// A page has up to 200 rotations with two credentials each, and the store takes 200 ids at once.
	for (const side of ['oldCredentialId', 'newCredentialId'] as const) {
		const uses = await deps.store.credentialUses.find(rotations.map((rotation) => rotation[side]));
		for (const { credentialId, lastUsedAtMs } of uses) known.set(credentialId, lastUsedAtMs);
	}
	return (id) => known.get(id);
}

function factsOf(rotation: Rotation): AuditFacts {
	return {
		rotation: rotation.id,
		partner: rotation.partnerId,
		client: rotation.clientId,
		credential: rotation.oldCredentialId,
		new_credential: rotation.newCredentialId,
		kind: rotation.kind,
	};
}
