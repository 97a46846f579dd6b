// Routes of the keys that sign access tokens and assertions: listed, rotated, revoked. A change is in force when it is
// answered; the private half of a new key is in the key store before the command begins.
import { z } from '@hono/zod-openapi';
import {
	type PreparedSigningKey,
	revokeSigningKey,
	rotateSigningKey,
	SIGNING_KEY_LEAD_MS_MIN,
} from '../../../domain/token/change-signing-key.ts';
import {
	SIGNING_PURPOSES,
	type SigningAlgorithm,
	type SigningKeyRecord,
	type SigningPurpose,
	signingKeyState,
} from '../../../domain/token/signing-key.ts';
import { obtainSigningKey } from '../../../domain/token/signing-key-keeper.ts';
import type { Fault } from '../../../kernel/faults.ts';
import { fail, ok, type Result } from '../../../kernel/result.ts';
import { type AdminRouter, addCommand, addRead, noParams } from '../admin-route.ts';
import { timeSchema, writeTime } from '../wire/value-wire.ts';

const purposeSchema = z
	.enum(['token-signing', 'assertion-signing'])
	.openapi({ description: 'What the key signs: access tokens, or the statement to internal APIs.' });
const algorithmSchema = z.enum(['ES256', 'EdDSA', 'PS256', 'ML-DSA-65']);

const signingKeySchema = z
	.object({
		kid: z.string().openapi({ description: 'RFC 7638 thumbprint of the public key; the `kid` of what it signs.' }),
		purpose: purposeSchema,
		algorithm: algorithmSchema,
		state: z.enum(['next', 'active', 'retiring', 'gone', 'revoked']).openapi({
			description:
				'`next` is published and does not sign yet; `active` signs; `retiring` is published until what it signed has ' +
				'expired; `gone` was published; nothing that a `revoked` one signed is accepted.',
		}),
		activeFrom: timeSchema,
		retiresAt: timeSchema.optional(),
		revokedAt: timeSchema.optional(),
		createdAt: timeSchema,
	})
	.openapi('SigningKey');

const rotationInput = z
	.strictObject({
		purpose: purposeSchema,
		algorithm: algorithmSchema.optional().openapi({ description: 'Default: that of the configuration.' }),
		publishAheadSeconds: z
			.int()
			.min(0)
			.max(30 * 86_400)
			.optional()
			.openapi({
				description:
					'How long the new key is published before it signs. Default: that of the configuration. 0: as soon as ' +
					'every part of the platform knows it, in about two seconds; others who keep the published keys may meet a ' +
					'signature that they cannot verify yet.',
			}),
	})
	.openapi('SigningKeyRotationInput');

const revocationInput = z
	.strictObject({
		force: z
			.boolean()
			.default(false)
			.openapi({
				description:
					'Revoke it although no other key can take over, which happens where keys lie elsewhere and no spare is there. ' +
					'WARNING: no access token is issued from then on, until a place of the configuration offers a key that has not ' +
					'signed before.',
			}),
	})
	.prefault({})
	.openapi('SigningKeyRevocation');

const kidParams = z.strictObject({
	kid: z
		.string()
		.regex(/^[A-Za-z0-9_-]{43}$/)
		.openapi({ param: { name: 'kid', in: 'path' }, description: 'The `kid` of a signing key.' }),
});

const signingKeyList = z.object({ items: z.array(signingKeySchema) }).openapi('SigningKeyList');

/** Adds the routes of signing keys. */
export function addSigningKeyRoutes(router: AdminRouter): void {
	addList(router);
	addRotation(router);
	addRevocation(router);
}

function addList(router: AdminRouter): void {
	const { deps } = router;
	addRead(router, {
		path: '/signing-keys',
		operationId: 'listSigningKeys',
		tag: 'signing-keys',
		summary: 'List the keys that sign, signed, and will sign; newest first',
		params: noParams,
		query: z.strictObject({ purpose: purposeSchema.optional() }),
		answer: { description: 'All signing keys.', schema: signingKeyList, hasRevision: false },
		problems: [400],
		read: async ({ query }) => {
			const purposes = query.purpose === undefined ? SIGNING_PURPOSES : [query.purpose];
			const keys: SigningKeyRecord[] = [];
			for (const purpose of purposes) keys.push(...(await deps.store.signingKeys.list(purpose)));
			keys.sort((a, b) => b.activeFromMs - a.activeFromMs || (a.id < b.id ? 1 : -1));
			return ok({ body: { items: keys.map((key) => writeSigningKey(key, deps.clock.nowMs())) } });
		},
	});
}

function addRotation(router: AdminRouter): void {
	const { deps } = router;
	addCommand(router, {
		method: 'post',
		path: '/signing-keys/rotations',
		operationId: 'rotateSigningKey',
		tag: 'signing-keys',
		summary: 'Publish the next key, which then takes over by itself; or bring a published one forward',
		params: noParams,
		body: rotationInput,
		status: 201,
		answer: { description: 'The key that signs next.', schema: signingKeySchema, hasRevision: false },
		problems: [],
		ifMatch: 'none',
		auditType: 'key.rotated',
		prepare: ({ body: { purpose, algorithm } }) =>
			obtain(router, purpose, algorithm ?? deps.signingKeyPolicies[purpose].algorithm),
		work: async (registry, { body }, prepared) => {
			const { purpose, algorithm } = body;
			const aheadSeconds = body.publishAheadSeconds ?? deps.signingKeyPolicies[purpose].publishAheadSeconds;
			const activeFromMs = deps.clock.nowMs() + Math.max(aheadSeconds * 1000, SIGNING_KEY_LEAD_MS_MIN);
			const outcome = await rotateSigningKey(registry, { purpose, prepared, activeFromMs, algorithm }, deps);
			if (!outcome.ok) return outcome;
			const { record, sequence } = outcome.value;
			return ok({
				body: writeSigningKey(record, deps.clock.nowMs()),
				facts: { ...factsOf(record), active_from: writeTime(record.activeFromMs) },
				sequence,
			});
		},
	});
}

function addRevocation(router: AdminRouter): void {
	const { deps } = router;
	addCommand(router, {
		method: 'post',
		path: '/signing-keys/{kid}/revoke',
		operationId: 'revokeSigningKey',
		tag: 'signing-keys',
		summary: 'Revoke a key: nothing that it has signed is accepted any more, from the next request on',
		description:
			'For a key that may be known to others. Clients have to ask for new access tokens. When the key is the active ' +
			'one, the next one, or a new one, signs from now on. Refused, without `force`, where there is none.',
		params: kidParams,
		body: revocationInput,
		status: 200,
		answer: { description: 'The key as it is now.', schema: signingKeySchema, hasRevision: false },
		problems: [],
		ifMatch: 'none',
		auditType: 'key.revoked',
		prepare: ({ params, body }) => prepareSuccessor(router, params.kid, body.force),
		work: async (registry, { params, body }, prepared) => {
			const revocation = { kid: params.kid, prepared, isLastAllowed: body.force };
			const outcome = await revokeSigningKey(registry, revocation, deps);
			if (!outcome.ok) return outcome;
			const { record, successor, sequence } = outcome.value;
			return ok({
				body: writeSigningKey(record, deps.clock.nowMs()),
				facts: { ...factsOf(record), successor: successor?.id, forced: body.force ? true : undefined },
				sequence,
			});
		},
	});
}

/** A new key where the one that is to be revoked signs, and no other is published that could take over. */
async function prepareSuccessor(
	router: AdminRouter,
	kid: string,
	isForced: boolean,
): Promise<Result<PreparedSigningKey | undefined, Fault>> {
	const { deps } = router;
	const nowMs = deps.clock.nowMs();
	const key = await deps.store.signingKeys.get(kid);
	if (key === undefined || signingKeyState(key, nowMs) !== 'active') return ok(undefined);
	const others = await deps.store.signingKeys.list(key.purpose);
	if (others.some((other) => signingKeyState(other, nowMs) === 'next')) return ok(undefined);
	const obtained = await obtain(router, key.purpose, deps.signingKeyPolicies[key.purpose].algorithm);
	if (obtained.ok) return obtained;
	// SECURITY: a key that others have signs for them until it is revoked, so that nothing may keep that from happening.
	// signing-key-routes.test.ts
	if (isForced) return ok(undefined);
	const detail = `${obtained.fault.detail} To revoke it at once all the same, use force: no token is issued then until a new key is there.`;
	return fail({ ...obtained.fault, detail });
}

function obtain(
	{ deps: { keys, store, remoteSigningKeys, clock } }: AdminRouter,
	purpose: SigningPurpose,
	algorithm: SigningAlgorithm,
): Promise<Result<PreparedSigningKey, Fault>> {
	const remote = remoteSigningKeys === undefined ? undefined : { remote: remoteSigningKeys };
	return obtainSigningKey({ keys, registry: store, clock, ...remote }, purpose, algorithm);
}

function factsOf({ id, purpose, algorithm }: SigningKeyRecord): { readonly [name: string]: string } {
	return { kid: id, purpose, algorithm };
}

function writeSigningKey(key: SigningKeyRecord, nowMs: number): z.output<typeof signingKeySchema> {
	return {
		kid: key.id,
		purpose: key.purpose,
		algorithm: key.algorithm,
		state: signingKeyState(key, nowMs),
		activeFrom: writeTime(key.activeFromMs),
		...(key.retiresAtMs === undefined ? undefined : { retiresAt: writeTime(key.retiresAtMs) }),
		...(key.revokedAtMs === undefined ? undefined : { revokedAt: writeTime(key.revokedAtMs) }),
		createdAt: writeTime(key.createdAtMs),
	};
}
