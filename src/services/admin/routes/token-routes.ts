// Route of token revocation: one access token by its jti. All tokens of a client are revoked at the client.
import { z } from '@hono/zod-openapi';
import { revokeToken } from '../../../domain/token/revoke-token.ts';
import { ok } from '../../../kernel/result.ts';
import { type AdminRouter, addCommand, noParams } from '../admin-route.ts';
import { givenTimeSchema, timeSchema, writeTime } from '../wire/value-wire.ts';

const tokenRevocationInput = z
	.strictObject({
		jti: z.string().min(1).max(128).openapi({ description: 'The `jti` of the access token; never the token itself.' }),
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

/** Adds the route of token revocation. */
export function addTokenRoutes(router: AdminRouter): void {
	const { deps } = router;
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
			const outcome = await revokeToken(registry, { jti: body.jti, expiresAtSeconds }, deps);
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
