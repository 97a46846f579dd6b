// Routes of the authorities: what they are, and the rollover of one. The new authority goes to everybody with the change
// feed; it signs from the moment when every thread trusts it.
import { z } from '@hono/zod-openapi';
import type { Authority } from '../../../domain/certificate/authority.ts';
import { fault } from '../../../kernel/faults.ts';
import { fail, ok } from '../../../kernel/result.ts';
import { SignerUnavailable } from '../../../domain/certificate/signer.ts';
import { type AdminRouter, addCommand, addRead, noParams } from '../admin-route.ts';
import { timeSchema, writeTime } from '../wire/value-wire.ts';

const authoritySchema = z
	.object({
		id: z.string().openapi({ description: 'Name, with a number after a rollover.' }),
		name: z.enum(['root', 'partner-issuing', 'platform-issuing']),
		isSigning: z.boolean().openapi({ description: 'Whether new certificates of its name are signed by it.' }),
		subject: z.string(),
		notBefore: timeSchema,
		notAfter: timeSchema,
		pem: z.string().openapi({ description: 'Its certificate, PEM.' }),
	})
	.openapi('Authority');

const authorityList = z.object({ items: z.array(authoritySchema) }).openapi('AuthorityList');

const authorityParams = z.strictObject({
	name: z.enum(['partner-issuing', 'platform-issuing']).openapi({ description: 'Which authority is replaced.' }),
});

const addedAuthoritySchema = z
	.object({ id: z.string(), name: z.string(), pem: z.string().openapi({ description: 'Its certificate, PEM.' }) })
	.openapi('AddedAuthority');

/** Adds the routes of authorities. */
export function addAuthorityRoutes(router: AdminRouter): void {
	const { authorities } = router.deps;
	addRead(router, {
		path: '/authorities',
		operationId: 'listAuthorities',
		tag: 'authorities',
		summary: 'List the authorities of the platform, the root first',
		params: noParams,
		query: noParams,
		answer: { description: 'All of them.', schema: authorityList, hasRevision: false },
		problems: [],
		read: () => {
			const signing = new Set([authorities.root, authorities.partnerIssuing, authorities.platformIssuing]);
			const items = authorities.all().map((authority) => writeAuthority(authority, signing.has(authority)));
			return Promise.resolve(ok({ body: { items } }));
		},
	});
	addCommand(router, {
		method: 'post',
		path: '/authorities/{name}/rotate',
		operationId: 'rotateAuthority',
		tag: 'authorities',
		summary: 'Replace an issuing authority, without a restart',
		description:
			'The new one is trusted everywhere before it signs. The old one stays trusted until its end, and its revocation ' +
			'list goes on.',
		params: authorityParams,
		body: undefined,
		status: 201,
		answer: { description: 'The new authority.', schema: addedAuthoritySchema, hasRevision: false },
		problems: [],
		ifMatch: 'none',
		auditType: 'authority.rotated',
		work: async (registry, { params }) => {
			try {
				const added = await authorities.prepare(params.name);
				if (added === undefined)
					return fail(
						fault('conflict', 'Another rollover is under way. Wait until it is done.', { retryAfterSeconds: 60 }),
					);
				const sequence = await registry.changes.append({ kind: 'authority', record: added });
				const { id, name, certificatePem: pem } = added;
				return ok({ body: { id, name, pem }, facts: { authority: id }, sequence });
			} catch (error) {
				if (!(error instanceof SignerUnavailable)) throw error;
				const { retryAfterSeconds } = error;
				return fail(fault('authority_unavailable', 'The key of the root cannot be used now.', { retryAfterSeconds }));
			}
		},
	});
}

function writeAuthority(authority: Authority, isSigning: boolean): z.infer<typeof authoritySchema> {
	const { id, name, certificate, notBeforeMs, notAfterMs, certificatePem: pem } = authority;
	const subject = certificate.subject.replaceAll('\n', ', ');
	return { id, name, isSigning, subject, notBefore: writeTime(notBeforeMs), notAfter: writeTime(notAfterMs), pem };
}
