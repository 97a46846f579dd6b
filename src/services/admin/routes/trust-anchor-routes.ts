// Routes of trust anchors: the authorities of partners' own, below which their clients' certificates are accepted, and the
// revocation lists of these authorities.
import { z } from '@hono/zod-openapi';
import { addAnchoredCertificate } from '../../../domain/client/add-anchored-certificate.ts';
import { decodeBase64 } from '../../../domain/certificate/pem.ts';
import { parsePublicKey } from '../../../domain/certificate/public-key.ts';
import { addTrustAnchor, revokeTrustAnchor } from '../../../domain/trust-anchor/add-trust-anchor.ts';
import { type ReadList, readAnchorList, takeAnchorList } from '../../../domain/trust-anchor/take-anchor-list.ts';
import type { TrustAnchor } from '../../../domain/trust-anchor/trust-anchor.ts';
import { type Fault, fault } from '../../../kernel/faults.ts';
import { fail, ok, type Result } from '../../../kernel/result.ts';
import type { AdminDependencies } from '../admin-dependencies.ts';
import type { AuditFacts } from '../admin-exchange.ts';
import { type AdminRouter, addCommand, addRead, noParams } from '../admin-route.ts';
import { credentialSchema, writeCredential } from '../wire/credential-wire.ts';
import { pageQuery, pageRequestOf, writePage } from '../wire/page-wire.ts';
import { clientParams, partnerParams } from '../wire/partner-wire.ts';
import {
	anchoredCertificateInput,
	anchorListInput,
	revokedAnchorSchema,
	takenListSchema,
	trustAnchorInput,
	trustAnchorPage,
	trustAnchorParams,
	trustAnchorRevocation,
	trustAnchorSchema,
	writeAnchorList,
	writeTrustAnchor,
} from '../wire/trust-anchor-wire.ts';
import { idSchema } from '../wire/value-wire.ts';

const TAG = 'trust anchors';
const ANCHOR_BYTES_MAX = 262_144;
const LIST_BYTES_MAX = 11_600_000;

/** Adds the routes of trust anchors. */
export function addTrustAnchorRoutes(router: AdminRouter): void {
	addAnchorRoutes(router);
	addReadRoutes(router);
	addListRoute(router);
	addCredentialRoute(router);
}

function addAnchorRoutes(router: AdminRouter): void {
	const { deps } = router;
	addCommand(router, {
		method: 'post',
		path: '/partners/{partnerId}/trust-anchors',
		operationId: 'addTrustAnchor',
		tag: TAG,
		summary: "Trust an authority of a partner's own, for clients of this partner alone",
		description:
			'It is pinned by its key. Several live side by side, so that the partner can roll its authority over. No client ' +
			'is let in by it before it is known by a name below the anchor.',
		params: partnerParams,
		body: trustAnchorInput,
		bodyBytesMax: ANCHOR_BYTES_MAX,
		status: 201,
		answer: { description: 'The new trust anchor.', schema: trustAnchorSchema, hasRevision: true },
		problems: [],
		ifMatch: 'none',
		auditType: 'trust-anchor.added',
		work: async (registry, { params, body, operatorId }) => {
			const command = { ...params, ...body, addedBy: operatorId };
			const ownKeyHashes = (): ReadonlySet<string> => keyHashesOf(deps);
			const outcome = await addTrustAnchor(registry, command, { ...deps, ownKeyHashes });
			if (!outcome.ok) return outcome;
			const { record, sequence } = outcome.value;
			return ok({
				body: writeTrustAnchor(record),
				revision: record.revision,
				location: `/trust-anchors/${record.id}`,
				facts: factsOf(record),
				sequence,
			});
		},
	});
	addCommand(router, {
		method: 'post',
		path: '/trust-anchors/{trustAnchorId}/revoke',
		operationId: 'revokeTrustAnchor',
		tag: TAG,
		summary: 'Trust an authority no more, from the next request on, also on open connections',
		params: trustAnchorParams,
		body: trustAnchorRevocation,
		status: 200,
		answer: { description: 'The trust anchor as it is now.', schema: revokedAnchorSchema, hasRevision: true },
		problems: [412],
		ifMatch: 'optional',
		auditType: 'trust-anchor.revoked',
		work: async (registry, { params, body, expectedRevision }) => {
			const outcome = await revokeTrustAnchor(registry, { ...params, ...body, expectedRevision }, deps);
			if (!outcome.ok) return outcome;
			const { record, sequence, changed } = outcome.value;
			const credentials = await registry.credentials.countByTrustAnchor(record.id);
			return ok({
				body: { trustAnchor: writeTrustAnchor(record), credentials },
				revision: record.revision,
				facts: { ...factsOf(record), reason: body.reason, credentials, changed },
				sequence,
			});
		},
	});
}

function addReadRoutes(router: AdminRouter): void {
	const { deps } = router;
	addRead(router, {
		path: '/trust-anchors',
		operationId: 'listTrustAnchors',
		tag: TAG,
		summary: 'List trust anchors, oldest first',
		params: noParams,
		query: z.strictObject({ ...pageQuery, partnerId: idSchema('prt', 'Only those of this partner.').optional() }),
		answer: { description: 'A page of trust anchors.', schema: trustAnchorPage, hasRevision: false },
		problems: [400],
		read: async ({ query }) => {
			const page = await deps.store.trustAnchors.list(pageRequestOf(query), { partnerId: query.partnerId });
			return ok(writePage(page, (anchor) => writeTrustAnchor(anchor), query));
		},
	});
	addRead(router, {
		path: '/trust-anchors/{trustAnchorId}',
		operationId: 'getTrustAnchor',
		tag: TAG,
		summary: 'Show a trust anchor, and the revocation lists that are known below it',
		params: trustAnchorParams,
		query: noParams,
		answer: { description: 'The trust anchor.', schema: trustAnchorSchema, hasRevision: true },
		problems: [400],
		read: async ({ params }) => {
			const anchor = await deps.store.trustAnchors.get(params.trustAnchorId);
			if (anchor === undefined) return fail(fault('not_found', 'There is no such trust anchor.'));
			const lists = await deps.store.anchorLists.listByAnchor(anchor.id);
			return ok({ body: writeTrustAnchor(anchor, lists), revision: anchor.revision });
		},
	});
}

function addListRoute(router: AdminRouter): void {
	const { deps } = router;
	addCommand(router, {
		method: 'post',
		path: '/trust-anchors/{trustAnchorId}/revocation-lists',
		operationId: 'takeRevocationList',
		tag: TAG,
		summary: "Hand a revocation list of the partner's authority in",
		description:
			'For authorities whose lists cannot be fetched. It must be signed by the anchor, or by a registered authority below it, and be newer than the known one.',
		params: trustAnchorParams,
		body: anchorListInput,
		bodyBytesMax: LIST_BYTES_MAX,
		status: 200,
		answer: { description: 'The list that is known now.', schema: takenListSchema, hasRevision: false },
		problems: [],
		ifMatch: 'none',
		auditType: 'trust-anchor.list-taken',
		prepare: ({ body }): Promise<Result<ReadList, Fault>> => {
			const bytes = body.list.includes('-----BEGIN') ? Buffer.from(body.list, 'latin1') : decodeBase64(body.list);
			if (bytes === undefined)
				return Promise.resolve(fail(fault('input_invalid', 'The list is neither PEM nor base64.')));
			return readAnchorList(bytes);
		},
		work: async (registry, { params }, read) => {
			const outcome = await takeAnchorList(registry, params.trustAnchorId, read, deps);
			if (!outcome.ok) return outcome;
			const { record, sequence, changed } = outcome.value;
			return ok({
				body: { ...writeAnchorList(record), changed },
				facts: {
					partner: record.partnerId,
					number: record.number,
					entries: record.entries,
					next_update: new Date(record.nextUpdateMs).toISOString(),
					changed,
				},
				sequence,
			});
		},
	});
}

function addCredentialRoute(router: AdminRouter): void {
	const { deps } = router;
	addCommand(router, {
		method: 'post',
		path: '/clients/{clientId}/anchored-certificates',
		operationId: 'addAnchoredCertificate',
		tag: 'credentials',
		summary: "Let a client be known by a name in certificates of its partner's own authority",
		description:
			'For clients with `tls_client_auth`, and for those whose tokens are bound to a certificate. The partner renews its ' +
			'certificates without us: every one below the anchor with exactly this name is accepted.',
		params: clientParams,
		body: anchoredCertificateInput,
		status: 201,
		answer: { description: 'The new credential.', schema: credentialSchema, hasRevision: true },
		problems: [],
		ifMatch: 'none',
		auditType: 'credential.added',
		work: async (registry, { params, body }) => {
			const outcome = await addAnchoredCertificate(registry, { ...params, ...body }, deps);
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
					trust_anchor: credential.trustAnchorId,
					attribute: credential.subjectAttribute,
					value: credential.subjectValue,
					not_after: new Date(credential.notAfterMs).toISOString(),
					retired,
				},
				sequence,
			});
		},
	});
}

function factsOf(anchor: TrustAnchor): AuditFacts {
	return {
		partner: anchor.partnerId,
		trust_anchor: anchor.id,
		public_key: anchor.publicKeyHash,
		revocation: anchor.revocation,
		not_after: new Date(anchor.notAfterMs).toISOString(),
	};
}

/** What may not be trusted twice: the keys of the platform's own authorities. */
function keyHashesOf({ authorities }: AdminDependencies): ReadonlySet<string> {
	const hashes = authorities.all().map(({ certificate }) => {
		const key = parsePublicKey(certificate.publicKey.export({ type: 'spki', format: 'der' }));
		return key.ok ? key.value.hash : '';
	});
	return new Set(hashes);
}
