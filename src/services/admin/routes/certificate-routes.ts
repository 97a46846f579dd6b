// Routes of certificates: issued from the partner's own certificate request, listed, shown. The private key never
// comes here; a certificate is ended by revoking its credential.
import { z } from '@hono/zod-openapi';
import type { CertificateFilter } from '../../../domain/certificate/certificate-store.ts';
import { issueClientCertificate } from '../../../domain/certificate/issue-client-certificate.ts';
import { issueEndpointCertificate } from '../../../domain/certificate/issue-endpoint-certificate.ts';
import { fault } from '../../../kernel/faults.ts';
import { fail, ok } from '../../../kernel/result.ts';
import { type AdminRouter, addCommand, addRead, noParams } from '../admin-route.ts';
import {
	certificateInput,
	certificatePage,
	certificateParams,
	certificateSchema,
	endpointCertificateInput,
	issuedCertificateSchema,
	issuedEndpointCertificateSchema,
	writeCertificate,
} from '../wire/certificate-wire.ts';
import { writeCredential } from '../wire/credential-wire.ts';
import { pageQuery, pageRequestOf, writePage } from '../wire/page-wire.ts';
import { givenTimeSchema, idSchema } from '../wire/value-wire.ts';
import { clientParams } from '../wire/partner-wire.ts';

/** Adds the routes of certificates. */
export function addCertificateRoutes(router: AdminRouter): void {
	addIssueRoute(router);
	addEndpointIssueRoute(router);
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
			profile: certificateSchema.shape.profile.optional(),
			status: certificateSchema.shape.status.optional(),
			issuer: z.string().max(64).optional().openapi({ description: 'Only those that this authority signed.' }),
			serial: z
				.string()
				.regex(/^[0-9a-f]{1,40}$/)
				.optional()
				.openapi({ description: 'Serial number, lower-case hexadecimal.' }),
			thumbprint: z.string().max(43).optional(),
			subject: z.string().max(512).optional().openapi({ description: 'The whole subject, as it is shown.' }),
			expiresBefore: givenTimeSchema.optional().openapi({ description: 'Only those that end before this time.' }),
			expiresFrom: givenTimeSchema.optional().openapi({ description: 'Only those that end at this time or later.' }),
		}),
		answer: { description: 'A page of certificates.', schema: certificatePage, hasRevision: false },
		problems: [400],
		read: async ({ query }) => {
			const { limit: _, after: __, expiresBefore, expiresFrom, ...members } = query;
			const filter: { [name: string]: string | number } = {};
			for (const [name, value] of Object.entries(members)) if (value !== undefined) filter[name] = value;
			if (expiresBefore !== undefined) filter['expiresBeforeMs'] = Date.parse(expiresBefore);
			if (expiresFrom !== undefined) filter['expiresFromMs'] = Date.parse(expiresFrom);
			const page = await deps.store.certificates.list(pageRequestOf(query), filter as CertificateFilter);
			const nowMs = deps.clock.nowMs();
			return ok(writePage(page, (one) => writeCertificate(one, nowMs), query));
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
			return ok({ body: writeCertificate(certificate, deps.clock.nowMs()), revision: certificate.revision });
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
		issuer: () => deps.authorities.partnerIssuing,
		work: async (registry, { params, body }, _, authority) => {
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
				{ ...deps, authority },
			);
			if (!outcome.ok) return outcome;
			const { certificate, credential, chainPem, sequence } = outcome.value;
			return ok({
				body: {
					certificate: writeCertificate(certificate, deps.clock.nowMs()),
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

function addEndpointIssueRoute(router: AdminRouter): void {
	const { deps } = router;
	addCommand(router, {
		method: 'post',
		path: '/certificates',
		operationId: 'issueEndpointCertificate',
		tag: 'certificates',
		summary: 'Issue a certificate to an internal server or service from its certificate request',
		description: 'Signed by the authority of the platform, which never signs for a partner.',
		params: noParams,
		body: endpointCertificateInput,
		status: 201,
		answer: {
			description: 'The certificate and its chain.',
			schema: issuedEndpointCertificateSchema,
			hasRevision: false,
		},
		problems: [],
		ifMatch: 'none',
		auditType: 'certificate.issued',
		issuer: () => deps.authorities.platformIssuing,
		work: async (registry, { body }, _, authority) => {
			const { profile, csr, lifetimeSeconds, serviceName, dnsNames = [], ipAddresses = [] } = body;
			if ((profile === 'service') !== (serviceName !== undefined) || (profile === 'service' && hasHosts(body)))
				return fail(fault('input_invalid', 'A service has a serviceName; a server has dnsNames or ipAddresses.'));
			const subject =
				serviceName === undefined
					? ({ profile: 'server', dnsNames, ipAddresses } as const)
					: ({ profile: 'service', serviceName } as const);
			const lifetime = lifetimeSeconds === undefined ? undefined : { lifetimeMs: lifetimeSeconds * 1000 };
			const command = { subject, csr, ...lifetime };
			const outcome = await issueEndpointCertificate(registry, command, {
				...deps,
				authority,
			});
			if (!outcome.ok) return outcome;
			const { certificate, chainPem } = outcome.value;
			return ok({
				body: { certificate: writeCertificate(certificate, deps.clock.nowMs()), chain: chainPem },
				location: `/certificates/${certificate.id}`,
				facts: {
					certificate: certificate.id,
					profile,
					subject: certificate.subject,
					serial: certificate.serial,
					thumbprint: certificate.thumbprint,
					not_after: new Date(certificate.notAfterMs).toISOString(),
				},
				sequence: await registry.changes.latest(),
			});
		},
	});
}

function hasHosts(body: { readonly dnsNames?: unknown; readonly ipAddresses?: unknown }): boolean {
	return body.dnsNames !== undefined || body.ipAddresses !== undefined;
}
