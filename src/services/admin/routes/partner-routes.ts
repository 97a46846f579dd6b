// Routes of partners.
import { z } from '@hono/zod-openapi';
import { allowNetworks } from '../../../domain/partner/allow-networks.ts';
import { resumePartner, suspendPartner } from '../../../domain/partner/change-partner-status.ts';
import type { Partner } from '../../../domain/partner/partner.ts';
import { registerPartner } from '../../../domain/partner/register-partner.ts';
import type { Changed } from '../../../domain/registry/commit-change.ts';
import { type Fault, fault } from '../../../kernel/faults.ts';
import { fail, ok, type Result } from '../../../kernel/result.ts';
import { type AdminRouter, addCommand, addRead, noParams, type Performed } from '../admin-route.ts';
import { pageQuery, pageRequestOf, writePage } from '../wire/page-wire.ts';
import {
	allowedNetworksInput,
	partnerInput,
	partnerPage,
	partnerParams,
	partnerSchema,
	writePartner,
} from '../wire/partner-wire.ts';

type PartnerAnswer = z.infer<typeof partnerSchema>;

/** Adds the routes of partners. */
export function addPartnerRoutes(router: AdminRouter): void {
	const { deps } = router;
	addCommand(router, {
		method: 'post',
		path: '/partners',
		operationId: 'registerPartner',
		tag: 'partners',
		summary: 'Register a partner',
		params: noParams,
		body: partnerInput,
		status: 201,
		answer: { description: 'The new partner.', schema: partnerSchema, hasRevision: true },
		problems: [],
		ifMatch: 'none',
		auditType: 'partner.registered',
		work: async (registry, { body }) => {
			const outcome = await registerPartner(registry, body, deps);
			if (!outcome.ok) return outcome;
			return ok({ ...partnerPerformed(outcome.value), location: `/partners/${outcome.value.record.id}` });
		},
	});
	addRead(router, {
		path: '/partners',
		operationId: 'listPartners',
		tag: 'partners',
		summary: 'List partners, oldest first',
		params: noParams,
		query: z.strictObject(pageQuery),
		answer: { description: 'A page of partners.', schema: partnerPage, hasRevision: false },
		problems: [400],
		read: async ({ query }) => ok(writePage(await deps.store.partners.list(pageRequestOf(query)), writePartner, query)),
	});
	addRead(router, {
		path: '/partners/{partnerId}',
		operationId: 'getPartner',
		tag: 'partners',
		summary: 'Show a partner',
		params: partnerParams,
		query: noParams,
		answer: { description: 'The partner.', schema: partnerSchema, hasRevision: true },
		problems: [400],
		read: async ({ params }) => {
			const partner = await deps.store.partners.get(params.partnerId);
			if (partner === undefined) return fail(fault('not_found', 'There is no such partner.'));
			return ok({ body: writePartner(partner), revision: partner.revision });
		},
	});
	addCommand(router, {
		method: 'post',
		path: '/partners/{partnerId}/allow-addresses',
		operationId: 'allowAddresses',
		tag: 'partners',
		summary: 'Set the networks from which a partner may call',
		description:
			'Holds at the gateway and at the token endpoint, for every client of the partner, from its next request on.',
		params: partnerParams,
		body: allowedNetworksInput,
		status: 200,
		answer: { description: 'The partner as it is now.', schema: partnerSchema, hasRevision: true },
		problems: [412],
		ifMatch: 'optional',
		auditType: 'partner.addresses_allowed',
		work: async (registry, { params, body, expectedRevision }) => {
			const networks = body.networks ?? undefined;
			const outcome = await allowNetworks(registry, { ...params, expectedRevision, networks }, deps);
			if (!outcome.ok) return outcome;
			const performed = partnerPerformed(outcome.value);
			const listed = outcome.value.record.allowedNetworks?.join(' ') ?? 'anywhere';
			return ok({ ...performed, facts: { ...performed.facts, networks: listed } });
		},
	});
	addStatusRoutes(router);
}

function addStatusRoutes(router: AdminRouter): void {
	const { deps } = router;
	const shared = {
		method: 'post',
		tag: 'partners',
		params: partnerParams,
		body: undefined,
		status: 200,
		answer: { description: 'The partner as it is now.', schema: partnerSchema, hasRevision: true },
		problems: [412],
		ifMatch: 'optional',
	} as const;
	addCommand(router, {
		...shared,
		path: '/partners/{partnerId}/suspend',
		operationId: 'suspendPartner',
		summary: 'Refuse everything that a partner asks for, from its next request on',
		auditType: 'partner.suspended',
		work: async (registry, { params, expectedRevision }) =>
			performedOf(await suspendPartner(registry, { ...params, expectedRevision }, deps)),
	});
	addCommand(router, {
		...shared,
		path: '/partners/{partnerId}/resume',
		operationId: 'resumePartner',
		summary: 'Let a suspended partner in again',
		description: 'Access tokens that have not expired and were not revoked in the meantime work again.',
		auditType: 'partner.resumed',
		work: async (registry, { params, expectedRevision }) =>
			performedOf(await resumePartner(registry, { ...params, expectedRevision }, deps)),
	});
}

function performedOf(outcome: Result<Changed<Partner>, Fault>): Result<Performed<PartnerAnswer>, Fault> {
	return outcome.ok ? ok(partnerPerformed(outcome.value)) : outcome;
}

function partnerPerformed({ record, sequence, changed }: Changed<Partner>): Performed<PartnerAnswer> {
	return {
		body: writePartner(record),
		revision: record.revision,
		facts: { partner: record.id, status: record.status, revision: record.revision, changed },
		sequence,
	};
}
