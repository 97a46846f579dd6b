// Routes of certificates: issued from the partner's own certificate request, listed, shown. The private key never
// comes here; a certificate is ended by revoking its credential.
import { z } from '@hono/zod-openapi';
import { issueClientCertificate } from '../../../domain/certificate/issue-client-certificate.ts';
import { fault } from '../../../kernel/faults.ts';
import { fail, ok } from '../../../kernel/result.ts';
import { type AdminRouter, addCommand, addRead, noParams } from '../admin-route.ts';
import {
	certificateInput,
	certificatePage,
	certificateParams,
	certificateSchema,
	issuedCertificateSchema,
	writeCertificate,
	writeCredential,
} from '../wire/certificate-wire.ts';
import { pageQuery, pageRequestOf, writePage } from '../wire/page-wire.ts';
import { givenTimeSchema, idSchema } from '../wire/value-wire.ts';
import { clientParams } from '../wire/partner-wire.ts';

/** Adds the routes of certificates. */
export function addCertificateRoutes(router: AdminRouter): void {
	addIssueRoute(router);
	const { deps } = router;
	addRead(router, {
		path: '/certificates',
		operationId: 'listCertificates',
		tag: 'certificates',
		summary: 'List certificates, oldest first',
		params: noParams,
		query: z.strictObject({
			...pageQuery,
			partnerId: idSchema('prt', 'Only certificates of this partner.').optional(),
			clientId: idSchema('cli', 'Only certificates of this client.').optional(),
			expiresBefore: givenTimeSchema.optional().openapi({ description: 'Only those that end before this time.' }),
		}),
		answer: { description: 'A page of certificates.', schema: certificatePage, hasRevision: false },
		problems: [400],
		read: async ({ query }) => {
			const { partnerId, clientId, expiresBefore } = query;
			const filter = {
				...(partnerId === undefined ? undefined : { partnerId }),
				...(clientId === undefined ? undefined : { clientId }),
				...(expiresBefore === undefined ? undefined : { expiresBeforeMs: Date.parse(expiresBefore) }),
			};
			return ok(writePage(await deps.store.certificates.list(pageRequestOf(query), filter), writeCertificate, query));
		},
	});
	addRead(router, {
		path: '/certificates/{certificateId}',
		operationId: 'getCertificate',
		tag: 'certificates',
		summary: 'Show a certificate',
		params: certificateParams,
		query: noParams,
		answer: { description: 'The certificate.', schema: certificateSchema, hasRevision: true },
		problems: [400],
		read: async ({ params }) => {
			const certificate = await deps.store.certificates.get(params.certificateId);
			if (certificate === undefined) return fail(fault('not_found', 'There is no such certificate.'));
			return ok({ body: writeCertificate(certificate), revision: certificate.revision });
		},
	});
}

function addIssueRoute(router: AdminRouter): void {
	const { deps } = router;
	addCommand(router, {
		method: 'post',
		path: '/clients/{clientId}/certificates',
		operationId: 'issueCertificate',
		tag: 'certificates',
		summary: 'Issue a certificate to a client from its certificate request',
		description: 'The certificate is a credential of the client at once. Several live side by side, for rotation.',
		params: clientParams,
		body: certificateInput,
		status: 201,
		answer: { description: 'The certificate and its chain.', schema: issuedCertificateSchema, hasRevision: false },
		problems: [],
		ifMatch: 'none',
		auditType: 'certificate.issued',
		work: async (registry, { params, body }) => {
			const client = await registry.clients.get(params.clientId);
			if (client === undefined) return fail(fault('not_found', 'There is no such client.'));
			const { csr, lifetimeSeconds } = body;
			const outcome = await issueClientCertificate(
				registry,
				{
					partnerId: client.partnerId,
					clientId: client.id,
					csr,
					...(lifetimeSeconds === undefined ? undefined : { lifetimeMs: lifetimeSeconds * 1000 }),
				},
				{ authority: deps.partnerIssuing, trustDomain: deps.trustDomain, clock: deps.clock, random: deps.random },
			);
			if (!outcome.ok) return outcome;
			const { certificate, credential, chainPem, sequence } = outcome.value;
			return ok({
				body: {
					certificate: writeCertificate(certificate),
					credential: writeCredential(credential),
					chain: chainPem,
				},
				location: `/certificates/${certificate.id}`,
				facts: {
					partner: certificate.partnerId,
					client: certificate.clientId,
					certificate: certificate.id,
					credential: credential.id,
					serial: certificate.serial,
					thumbprint: certificate.thumbprint,
					not_after: new Date(certificate.notAfterMs).toISOString(),
				},
				sequence,
			});
		},
	});
}
