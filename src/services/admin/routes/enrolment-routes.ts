// Routes of enrolments: codes with which clients fetch their first certificate by themselves.
import { z } from '@hono/zod-openapi';
import { cancelEnrolment, ENROLMENT_SECONDS, openEnrolment } from '../../../domain/certificate/enrolment.ts';
import type { Enrolment } from '../../../domain/certificate/enrolment-store.ts';
import { ok } from '../../../kernel/result.ts';
import { type AdminRouter, addCommand, addRead, noParams } from '../admin-route.ts';
import { pageQuery, pageRequestOf, pageSchema, writePage } from '../wire/page-wire.ts';
import { clientParams } from '../wire/partner-wire.ts';
import { idSchema, timeSchema, writeTime } from '../wire/value-wire.ts';

const enrolmentInput = z
	.strictObject({
		lifetimeSeconds: z
			.int()
			.min(ENROLMENT_SECONDS.min)
			.max(ENROLMENT_SECONDS.max)
			.optional()
			.openapi({ description: 'How long the code is good; one day when absent, seven at most.' }),
	})
	.openapi('EnrolmentInput');

const enrolmentSchema = z
	.object({
		id: idSchema('enr', 'The enrolment.'),
		clientId: idSchema('cli', 'The client that it is for.'),
		partnerId: idSchema('prt', 'The partner.'),
		status: z.enum(['open', 'used', 'cancelled']),
		expiresAt: timeSchema,
		certificateId: idSchema('crt', 'The certificate that it was used for.').optional(),
		createdAt: timeSchema,
		updatedAt: timeSchema,
		revision: z.int(),
	})
	.openapi('Enrolment');

const openedEnrolmentSchema = z
	.object({
		enrolment: enrolmentSchema,
		code: z.string().optional().openapi({ description: 'The code. Shown this once, and never again.' }),
	})
	.openapi('OpenedEnrolment');

const enrolmentParams = z.strictObject({ enrolmentId: idSchema('enr', 'The enrolment.') });

/** Adds the routes of enrolments. */
export function addEnrolmentRoutes(router: AdminRouter): void {
	const { deps } = router;
	addCommand(router, {
		method: 'post',
		path: '/clients/{clientId}/enrolments',
		operationId: 'openEnrolment',
		tag: 'certificates',
		summary: 'Make a code with which the client fetches its first certificate by itself, once',
		params: clientParams,
		body: enrolmentInput,
		status: 201,
		answer: { description: 'The enrolment and its code.', schema: openedEnrolmentSchema, hasRevision: false },
		problems: [],
		ifMatch: 'none',
		auditType: 'enrolment.opened',
		work: async (registry, { params, body }) => {
			const { lifetimeSeconds } = body;
			const command = { ...params, ...(lifetimeSeconds === undefined ? undefined : { lifetimeSeconds }) };
			const outcome = await openEnrolment(registry, command, deps);
			if (!outcome.ok) return outcome;
			const { enrolment, code } = outcome.value;
			return ok({
				body: { enrolment: writeEnrolment(enrolment) },
				bodyOnce: { enrolment: writeEnrolment(enrolment), code: code.reveal() },
				facts: {
					enrolment: enrolment.id,
					partner: enrolment.partnerId,
					client: enrolment.clientId,
					expires_at: writeTime(enrolment.expiresAtMs),
				},
				sequence: await registry.changes.latest(),
			});
		},
	});
	addCommand(router, {
		method: 'post',
		path: '/enrolments/{enrolmentId}/cancel',
		operationId: 'cancelEnrolment',
		tag: 'certificates',
		summary: 'Make the code of an enrolment worthless',
		params: enrolmentParams,
		body: undefined,
		status: 200,
		answer: { description: 'The enrolment as it is now.', schema: enrolmentSchema, hasRevision: true },
		problems: [412],
		ifMatch: 'optional',
		auditType: 'enrolment.cancelled',
		work: async (registry, { params, expectedRevision }) => {
			const target = { ...params, ...(expectedRevision === undefined ? undefined : { expectedRevision }) };
			const outcome = await cancelEnrolment(registry, target, deps);
			if (!outcome.ok) return outcome;
			const { id, clientId, partnerId, revision } = outcome.value;
			return ok({
				body: writeEnrolment(outcome.value),
				revision,
				facts: { enrolment: id, partner: partnerId, client: clientId, revision },
				sequence: await registry.changes.latest(),
			});
		},
	});
	addRead(router, {
		path: '/enrolments',
		operationId: 'listEnrolments',
		tag: 'certificates',
		summary: 'List enrolments, oldest first',
		params: noParams,
		query: z.strictObject({ ...pageQuery, clientId: idSchema('cli', 'Only enrolments of this client.').optional() }),
		answer: {
			description: 'A page of enrolments.',
			schema: pageSchema(enrolmentSchema, 'EnrolmentPage'),
			hasRevision: false,
		},
		problems: [400],
		read: async ({ query }) => {
			const filter = query.clientId === undefined ? {} : { clientId: query.clientId };
			return ok(writePage(await deps.store.enrolments.list(pageRequestOf(query), filter), writeEnrolment, query));
		},
	});
}

function writeEnrolment(enrolment: Enrolment): z.infer<typeof enrolmentSchema> {
	const { id, clientId, partnerId, status, certificateId, revision } = enrolment;
	return {
		id,
		clientId,
		partnerId,
		status,
		...(certificateId === undefined ? undefined : { certificateId }),
		expiresAt: writeTime(enrolment.expiresAtMs),
		createdAt: writeTime(enrolment.createdAtMs),
		updatedAt: writeTime(enrolment.updatedAtMs),
		revision,
	};
}
