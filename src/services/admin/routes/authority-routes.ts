// Routes of the authorities: what they are, and the rollover of one. The new authority goes to everybody with the change
// feed; it signs from the moment when every thread trusts it.
import { z } from '@hono/zod-openapi';
import type { Authority, AuthorityAdded } from '../../../domain/certificate/authority.ts';
import type { AuthorityName } from '../../../domain/certificate/profile.ts';
import type { Operator } from '../../../domain/registry/operator-store.ts';
import { AheadWanted } from '../../../domain/registry/get-ahead.ts';
import type { Registry } from '../../../domain/registry/registry.ts';
import { type Fault, fault } from '../../../kernel/faults.ts';
import { fail, ok, type Result } from '../../../kernel/result.ts';
import { REVOKED_AT_ONCE_MAX, revokeIssued } from '../../../domain/certificate/revoke-issued.ts';
import { SignerUnavailable } from '../../../domain/certificate/signer.ts';
import type { AdminDependencies } from '../admin-dependencies.ts';
import { type AdminRouter, addCommand, addRead, noParams } from '../admin-route.ts';
import { timeSchema, writeTime } from '../wire/value-wire.ts';

const authoritySchema = z
	.object({
		id: z.string().openapi({ description: 'Name, with a number after a rollover.' }),
		name: z.enum(['root', 'partner-issuing', 'platform-issuing']),
		rootId: z.string().openapi({ description: 'Id of the root that signed it; its own for a root.' }),
		isSigning: z.boolean().openapi({ description: 'Whether new certificates of its name are signed by it.' }),
		subject: z.string(),
		notBefore: timeSchema,
		notAfter: timeSchema,
		pem: z.string().openapi({ description: 'Its certificate, PEM.' }),
	})
	.openapi('Authority');

const authorityList = z.object({ items: z.array(authoritySchema) }).openapi('AuthorityList');

const authorityParams = z.strictObject({
	name: z
		.enum(['root', 'partner-issuing', 'platform-issuing'])
		.openapi({ description: 'Which authority is replaced.' }),
});

const rootParams = z.strictObject({
	id: z
		.string()
		.regex(/^root(-\d{1,6})?$/)
		.openapi({ description: 'Id of the older of two roots.' }),
});

const retirementInput = z
	.strictObject({
		force: z.boolean().default(false).openapi({
			description:
				'Retire it although certificates that it stands behind are still valid. WARNING: they are refused from then on.',
		}),
	})
	.openapi('RootRetirement');

const addedAuthoritySchema = z
	.object({ id: z.string(), name: z.string(), pem: z.string().openapi({ description: 'Its certificate, PEM.' }) })
	.openapi('AddedAuthority');

const retiredRootSchema = z
	.object({
		id: z.string(),
		untrusted: z.array(z.string()).openapi({ description: 'Ids of all authorities that are not trusted any more.' }),
	})
	.openapi('RetiredRoot');

/** Adds the routes of authorities. */
export function addAuthorityRoutes(router: AdminRouter): void {
	const { authorities } = router.deps;
	addOldAuthorityRoutes(router);
	addRead(router, {
		path: '/authorities',
		operationId: 'listAuthorities',
		tag: 'authorities',
		summary: 'List the authorities of the platform, the roots first',
		params: noParams,
		query: noParams,
		answer: { description: 'All of them.', schema: authorityList, hasRevision: false },
		problems: [],
		read: () => {
			const signing = new Set<Authority>([authorities.root, authorities.partnerIssuing, authorities.platformIssuing]);
			const items = authorities.all().map((authority) => writeAuthority(authority, signing.has(authority)));
			return Promise.resolve(ok({ body: { items } }));
		},
	});
	addCommand(router, {
		method: 'post',
		path: '/authorities/{name}/rotate',
		operationId: 'rotateAuthority',
		tag: 'authorities',
		summary: 'Replace an authority, without a restart',
		description:
			'The new one is trusted everywhere before it signs. The old one stays trusted until its end, and its revocation ' +
			'list goes on. A new root stands beside the old one, each certified by the other; issuing authorities that are made ' +
			'from then on are signed by it.',
		params: authorityParams,
		body: undefined,
		status: 201,
		answer: { description: 'The new authority.', schema: addedAuthoritySchema, hasRevision: false },
		problems: [],
		ifMatch: 'none',
		auditType: 'authority.rotated',
		prepare: (): Promise<Result<Rollover, Fault>> => Promise.resolve(ok({ added: undefined })),
		work: async (registry, { params }, rollover) => {
			if (params.name === 'root' && authorities.roots().length > 1) {
				return fail(fault('conflict', 'There are two roots already. Retire the older one first.'));
			}
			const { added } = rollover;
			// The key of the root may lie elsewhere, and no change waits for it.
			if (added === undefined) throw new AheadWanted(() => prepareSuccessor(authorities, params.name, rollover));
			if (!authorities.isPrepared(added)) return fail(otherRollover());
			const sequence = await registry.changes.append({ kind: 'authority', record: added });
			const { id, name, certificatePem: pem } = added;
			return ok({ body: { id, name, pem }, facts: { authority: id }, sequence });
		},
	});
	addRetirement(router);
}

/** One rollover, from the attempt that asks for its authority to the one that announces it. */
interface Rollover {
	added: AuthorityAdded | undefined;
}

async function prepareSuccessor(
	authorities: AdminDependencies['authorities'],
	name: AuthorityName,
	rollover: Rollover,
): Promise<Fault | undefined> {
	try {
		rollover.added = await authorities.prepare(name);
		return rollover.added === undefined ? otherRollover() : undefined;
	} catch (error) {
		if (!(error instanceof SignerUnavailable)) throw error;
		const { retryAfterSeconds } = error;
		return fault('authority_unavailable', 'The key of the root cannot be used now.', { retryAfterSeconds });
	}
}

function otherRollover(): Fault {
	return fault('conflict', 'Another rollover is under way. Wait until it is done.', { retryAfterSeconds: 60 });
}

const LIVE_COUNTED_MAX = 200;

function addRetirement(router: AdminRouter): void {
	const { authorities, clock } = router.deps;
	addCommand(router, {
		method: 'post',
		path: '/authorities/{id}/retire',
		operationId: 'retireRoot',
		tag: 'authorities',
		summary: 'Trust the older of two roots no longer',
		description:
			'Nothing that it stands behind is accepted any more, its key is destroyed, and it is not handed out to partners any ' +
			'more. Refused while an authority that signs now was signed by it, and, without `force`, while certificates of ' +
			'such authorities are valid. WARNING: relying parties that know only this root refuse the platform from then on.',
		params: rootParams,
		body: retirementInput,
		status: 200,
		answer: { description: 'What is not trusted any more.', schema: retiredRootSchema, hasRevision: false },
		problems: [],
		ifMatch: 'none',
		auditType: 'authority.retired',
		work: async (registry, { params: { id }, body: { force } }) => {
			if (!authorities.roots().some((root) => root.id === id))
				return fail(fault('not_found', 'There is no such root.'));
			const plan = authorities.planRetirement(id);
			if (plan?.untrusted === undefined) {
				const detail = 'Replace the root, then both issuing authorities, before you retire the older root.';
				return fail(fault('conflict', detail));
			}
			const below = authorities
				.all()
				.filter(({ rootId }) => rootId === id)
				.map((authority) => authority.id);
			const refusal = await judgeRetirement(registry, below, force, clock.nowMs());
			if (refusal !== undefined) return fail(refusal);
			const sequence = await registry.changes.append({ kind: 'authority', record: plan });
			return ok({
				body: { id, untrusted: below },
				facts: { authority: id, untrusted: below.join(' '), forced: force },
				sequence,
			});
		},
	});
}

/** Says what speaks against the end of these authorities; undefined when nothing does. */
async function judgeRetirement(
	registry: Registry,
	below: readonly string[],
	isForced: boolean,
	nowMs: number,
): Promise<Fault | undefined> {
	const isLasting = async ({ status, thumbprint }: Operator): Promise<boolean> => {
		const certificate = status === 'active' ? await registry.certificates.findByThumbprint(thumbprint) : undefined;
		return certificate?.status === 'active' && certificate.notAfterMs > nowMs && !below.includes(certificate.issuer);
	};
	// Also with force: nobody could undo it, or do anything else.
	const lasting = await Promise.all((await registry.operators.list()).map(isLasting));
	if (!lasting.includes(true)) {
		return fault(
			'conflict',
			'No operator would have a valid certificate any more. Renew those of the operators first.',
		);
	}
	if (isForced) return undefined;
	const filter = { status: 'active', expiresFromMs: nowMs } as const;
	for (const issuer of below) {
		const { items, next } = await registry.certificates.list({ limit: LIVE_COUNTED_MAX }, { ...filter, issuer });
		if (items.length === 0) continue;
		const count = `${next === undefined ? '' : 'more than '}${items.length}`;
		return fault('conflict', `Certificates of ${issuer} are still valid: ${count}. Renew them first, or use force.`);
	}
	return undefined;
}

const holderSchema = z
	.object({
		certificates: z.int().openapi({ description: 'Certificates of clients that are neither revoked nor over.' }),
		clients: z.int().openapi({ description: 'Clients that hold them.' }),
	})
	.openapi('AuthorityHolders');

const revokedIssuedSchema = z
	.object({ revoked: z.int().openapi({ description: 'Revoked by this command.' }), left: holderSchema })
	.openapi('RevokedIssued');

const oldAuthorityParams = z.strictObject({
	authorityId: z
		.string()
		.regex(/^partner-issuing(?:-[1-9][0-9]{0,3})?$/)
		.openapi({ description: 'Id of an authority that a rollover has replaced, such as `partner-issuing`.' }),
});

/** The reasons that say nothing of the keys of the holders. */
const ISSUED_REASONS = ['superseded', 'cessation-of-operation', 'privilege-withdrawn', 'unspecified'] as const;

const revokeIssuedInput = z
	.strictObject({
		reason: z.enum(ISSUED_REASONS).default('superseded').openapi({ description: 'What the lists say.' }),
	})
	.openapi('RevokeIssuedInput');

/** Adds the routes that stop the trust in an old authority before its end. */
function addOldAuthorityRoutes(router: AdminRouter): void {
	const { deps } = router;
	const isKnown = (id: string): boolean => deps.authorities.trusted('partner-issuing').some((one) => one.id === id);
	addRead(router, {
		path: '/authorities/{authorityId}/holders',
		operationId: 'countHolders',
		tag: 'authorities',
		summary: 'Count who would be hit if the certificates of an authority were revoked',
		params: oldAuthorityParams,
		query: noParams,
		answer: { description: 'Who holds certificates of it.', schema: holderSchema, hasRevision: false },
		problems: [400],
		read: async ({ params }) => {
			if (!isKnown(params.authorityId)) return fail(fault('not_found', 'There is no such authority.'));
			return ok({ body: await deps.store.certificates.countHolders(params.authorityId, deps.clock.nowMs()) });
		},
	});
	addCommand(router, {
		method: 'post',
		path: '/authorities/{authorityId}/revoke-certificates',
		operationId: 'revokeIssued',
		tag: 'authorities',
		summary: 'Trust what an old authority has issued no more: revoke the certificates of clients, some at a time',
		description:
			`Up to ${REVOKED_AT_ONCE_MAX} with each call; repeat it until nobody is left. They are refused from the next request ` +
			'on, and stand on its revocation list. Only for an authority that a rollover has replaced.',
		params: oldAuthorityParams,
		body: revokeIssuedInput,
		status: 200,
		answer: { description: 'How many were revoked, and who is left.', schema: revokedIssuedSchema, hasRevision: false },
		problems: [],
		ifMatch: 'none',
		auditType: 'authority.certificates-revoked',
		work: async (registry, { params, body }) => {
			if (!isKnown(params.authorityId)) return fail(fault('not_found', 'There is no such authority.'));
			if (deps.authorities.partnerIssuing.id === params.authorityId) {
				return fail(fault('conflict', 'This authority signs new certificates. Replace it first: authority rotate.'));
			}
			const outcome = await revokeIssued(registry, { issuer: params.authorityId, ...body }, deps);
			if (!outcome.ok) return outcome;
			const { revoked, left, sequence } = outcome.value;
			const facts = { authority: params.authorityId, reason: body.reason, revoked, left: left.certificates };
			return ok({ body: { revoked, left }, facts, sequence });
		},
	});
}

function writeAuthority(authority: Authority, isSigning: boolean): z.infer<typeof authoritySchema> {
	const { id, name, rootId, certificate, notBeforeMs, notAfterMs, certificatePem: pem } = authority;
	const subject = certificate.subject.replaceAll('\n', ', ');
	return {
		id,
		name,
		rootId,
		isSigning,
		subject,
		notBefore: writeTime(notBeforeMs),
		notAfter: writeTime(notAfterMs),
		pem,
	};
}
