// Routes of token revocation: one access token by its jti, and every token that was issued before a moment.
import { z } from '@hono/zod-openapi';
import type { ExternalIssuer } from '../../../domain/issuer/external-issuer.ts';
import { externalTokenName } from '../../../domain/issuer/verify-external-token.ts';
import { revokeToken } from '../../../domain/token/revoke-token.ts';
import { type CutScope, cutTokens, readTokenCut } from '../../../domain/token/token-cut.ts';
import { fault } from '../../../kernel/faults.ts';
import { parseId } from '../../../kernel/ids.ts';
import { fail, ok } from '../../../kernel/result.ts';
import { type AdminRouter, addCommand, noParams } from '../admin-route.ts';
import { givenTimeSchema, timeSchema, writeTime } from '../wire/value-wire.ts';

const tokenRevocationInput = z
	.strictObject({
		jti: z.string().min(1).max(512).openapi({
			description: 'The `jti` of the access token, as the ledger names it; never the token itself.',
		}),
		issuer: z
			.string()
			.min(1)
			.max(512)
			.optional()
			.openapi({
				description:
					'For a token of an external issuer: its name in the configuration, or its exact `iss`. `jti` is then what the ' +
					'issuer calls the token (`jti`; `uti` for Entra).',
			}),
		expiresAt: givenTimeSchema.optional().openapi({
			description:
				'When the token expires (its `exp`). Absent: the longest lifetime that any token can have. A time before ' +
				'the real expiry would let the token live again; leave it out when in doubt.',
		}),
	})
	.openapi('TokenRevocationInput');

const tokenRevocationSchema = z
	.object({
		jti: z.string(),
		keptUntil: timeSchema.openapi({ description: 'Until when the revocation is remembered.' }),
		revokedAt: timeSchema,
	})
	.openapi('TokenRevocation');

/** Adds the routes of token revocation. */
export function addTokenRoutes(router: AdminRouter): void {
	const { deps } = router;
	addCutRoute(router);
	addCommand(router, {
		method: 'post',
		path: '/token-revocations',
		operationId: 'revokeToken',
		tag: 'tokens',
		summary: 'Revoke an access token, from the next request on',
		params: noParams,
		body: tokenRevocationInput,
		status: 201,
		answer: { description: 'The revocation.', schema: tokenRevocationSchema, hasRevision: false },
		problems: [],
		ifMatch: 'none',
		auditType: 'token.revoked',
		work: async (registry, { body }) => {
			const expiresAtSeconds = body.expiresAt === undefined ? undefined : Math.ceil(Date.parse(body.expiresAt) / 1000);
			const jti = nameOfToken(body, deps.issuers);
			if (jti === undefined) {
				const errors = [{ pointer: '#/issuer', detail: 'must be an external issuer of the configuration' }];
				return fail(fault('input_invalid', 'The token cannot be revoked as asked.', { members: { errors } }));
			}
			const outcome = await revokeToken(registry, { jti, expiresAtSeconds }, deps);
			if (!outcome.ok) return outcome;
			const { record, sequence } = outcome.value;
			return ok({
				body: {
					jti: record.jti,
					keptUntil: writeTime(record.expiresAtSeconds * 1000),
					revokedAt: writeTime(record.revokedAtMs),
				},
				facts: { jti: record.jti, kept_until: writeTime(record.expiresAtSeconds * 1000) },
				sequence,
			});
		},
	});
}

/** By which name the token is revoked here; undefined for an issuer that is not known. */
function nameOfToken(
	{ jti, issuer }: { readonly jti: string; readonly issuer?: string | undefined },
	issuers: readonly ExternalIssuer[],
): string | undefined {
	if (issuer === undefined) return jti;
	const known = issuers.find((one) => one.name === issuer || one.issuer === issuer);
	return known && externalTokenName(known.issuer, jti);
}

const tokenCutInput = z
	.strictObject({
		issuedBefore: givenTimeSchema.optional().openapi({
			description: 'Tokens that were issued before this moment are dead. Absent: now. Not in the future.',
		}),
		partner: z.string().max(64).optional().openapi({ description: 'Only the tokens of this partner.' }),
		client: z.string().max(64).optional().openapi({ description: 'Only the tokens of this client.' }),
	})
	.openapi('TokenCutInput');

const tokenCutSchema = z
	.object({
		scope: z.string().openapi({ description: '`platform`, or the id of the partner or the client.' }),
		tokensNotBefore: timeSchema.openapi({ description: 'Tokens that were issued before this second are refused.' }),
		keptUntil: timeSchema.openapi({ description: 'Until when the cut is remembered: no token lives longer.' }),
	})
	.openapi('TokenCut');

function addCutRoute(router: AdminRouter): void {
	const { deps } = router;
	addCommand(router, {
		method: 'post',
		path: '/token-cuts',
		operationId: 'revokeTokensIssuedBefore',
		tag: 'tokens',
		summary: 'Revoke every access token that was issued before a moment: of the platform, a partner or a client',
		params: noParams,
		body: tokenCutInput,
		status: 201,
		answer: { description: 'The cut.', schema: tokenCutSchema, hasRevision: false },
		problems: [404],
		ifMatch: 'none',
		auditType: 'token.cut',
		work: async (registry, { body }) => {
			const scope = readScope(body);
			if (scope === undefined) {
				const errors = [{ pointer: '#/client', detail: 'must be the id of a client; or name a partner; never both' }];
				return fail(fault('input_invalid', 'The tokens cannot be cut off as asked.', { members: { errors } }));
			}
			const beforeMs = body.issuedBefore === undefined ? undefined : Date.parse(body.issuedBefore);
			const outcome = await cutTokens(registry, { scope, beforeMs }, deps);
			if (!outcome.ok) return outcome;
			const { record, sequence } = outcome.value;
			const tokensNotBefore = writeTime((readTokenCut(record)?.notBeforeSeconds ?? 0) * 1000);
			return ok({
				body: { scope, tokensNotBefore, keptUntil: writeTime(record.expiresAtSeconds * 1000) },
				facts: { scope, tokens_not_before: tokensNotBefore },
				sequence,
			});
		},
	});
}

/** Whose tokens are meant; undefined for ids that are none, and for two of them. */
function readScope(body: {
	readonly partner?: string | undefined;
	readonly client?: string | undefined;
}): CutScope | undefined {
	const { partner, client } = body;
	if (partner === undefined && client === undefined) return 'platform';
	if (partner !== undefined && client !== undefined) return undefined;
	return partner === undefined ? parseId('cli', client) : parseId('prt', partner);
}
