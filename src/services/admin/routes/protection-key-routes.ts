// Routes of the keys that hide what access tokens say: listed, rotated, revoked. A change is in force when it is answered; a
// new key is in the key store before the command begins.
import { z } from '@hono/zod-openapi';
import {
	type PreparedProtectionKey,
	revokeProtectionKey,
	rotateProtectionKey,
} from '../../../domain/token/change-protection-key.ts';
import { KEY_LEAD_MS_MIN } from '../../../domain/token/key-succession.ts';
import {
	PROTECTION_ALGORITHMS,
	PROTECTION_PURPOSES,
	type ProtectionKeyRecord,
} from '../../../domain/token/protection-key.ts';
import { prepareProtectionKey } from '../../../domain/token/protection-key-keeper.ts';
import { signingKeyState } from '../../../domain/token/signing-key.ts';
import { ok } from '../../../kernel/result.ts';
import { type AdminRouter, addCommand, addRead, noParams } from '../admin-route.ts';
import { timeSchema, writeTime } from '../wire/value-wire.ts';

const purposeSchema = z
	.enum(['token-sealing', 'token-encryption'])
	.openapi({ description: 'What the key does: seal opaque tokens, or encrypt signed ones.' });

const protectionKeySchema = z
	.object({
		kid: z.string().openapi({ description: 'Names the key in tokens.' }),
		purpose: purposeSchema,
		algorithm: z.enum(['A256GCM', 'ECDH-ES']),
		state: z.enum(['next', 'active', 'retiring', 'gone', 'revoked']).openapi({
			description:
				'`next` is known to every gateway and not used yet; new tokens are made with the `active` one; a `retiring` one ' +
				'opens tokens until the last of them has expired; `gone` opens nothing any more; no token of a `revoked` one opens.',
		}),
		activeFrom: timeSchema,
		retiresAt: timeSchema.optional(),
		revokedAt: timeSchema.optional(),
		createdAt: timeSchema,
	})
	.openapi('ProtectionKey');

const rotationInput = z.strictObject({ purpose: purposeSchema }).openapi('ProtectionKeyRotationInput');

const kidParams = z.strictObject({
	kid: z
		.string()
		.regex(/^(?:[A-Za-z0-9_-]{11}|[A-Za-z0-9_-]{43})$/)
		.openapi({ param: { name: 'kid', in: 'path' }, description: 'The `kid` of a key.' }),
});

const protectionKeyList = z.object({ items: z.array(protectionKeySchema) }).openapi('ProtectionKeyList');

/** Adds the routes of the keys that hide tokens. */
export function addProtectionKeyRoutes(router: AdminRouter): void {
	addList(router);
	addRotation(router);
	addRevocation(router);
}

function addList(router: AdminRouter): void {
	const { deps } = router;
	addRead(router, {
		path: '/protection-keys',
		operationId: 'listProtectionKeys',
		tag: 'protection-keys',
		summary: 'List the keys that encrypt and seal access tokens; newest first',
		params: noParams,
		query: z.strictObject({ purpose: purposeSchema.optional() }),
		answer: { description: 'All of them.', schema: protectionKeyList, hasRevision: false },
		problems: [400],
		read: async ({ query }) => {
			const purposes = query.purpose === undefined ? PROTECTION_PURPOSES : [query.purpose];
			const keys: ProtectionKeyRecord[] = [];
			for (const purpose of purposes) keys.push(...(await deps.store.protectionKeys.list(purpose)));
			keys.sort((a, b) => b.activeFromMs - a.activeFromMs || (a.id < b.id ? 1 : -1));
			return ok({ body: { items: keys.map((key) => writeKey(key, deps.clock.nowMs())) } });
		},
	});
}

function addRotation(router: AdminRouter): void {
	const { deps } = router;
	addCommand(router, {
		method: 'post',
		path: '/protection-keys/rotations',
		operationId: 'rotateProtectionKey',
		tag: 'protection-keys',
		summary: 'Let another key encrypt or seal access tokens, as soon as every gateway knows it',
		description: 'About two seconds later. Tokens of the key before it are good until they expire.',
		params: noParams,
		body: rotationInput,
		status: 201,
		answer: { description: 'The key that is used next.', schema: protectionKeySchema, hasRevision: false },
		problems: [],
		ifMatch: 'none',
		auditType: 'key.rotated',
		prepare: async ({ body: { purpose } }) => ok(await prepareProtectionKey(deps, purpose)),
		work: async (registry, _input, prepared) => {
			const activeFromMs = deps.clock.nowMs() + KEY_LEAD_MS_MIN;
			const outcome = await rotateProtectionKey(registry, prepared, activeFromMs, deps);
			if (!outcome.ok) return outcome;
			const { record, sequence } = outcome.value;
			return ok({
				body: writeKey(record, deps.clock.nowMs()),
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
		path: '/protection-keys/{kid}/revoke',
		operationId: 'revokeProtectionKey',
		tag: 'protection-keys',
		summary: 'Revoke a key: no token that was made with it opens any more, from the next request on',
		description:
			'For a key that may be known to others. Clients have to ask for new access tokens. When the key is the active one, ' +
			'the next one, or a new one, is used from now on.',
		params: kidParams,
		body: undefined,
		status: 200,
		answer: { description: 'The key as it is now.', schema: protectionKeySchema, hasRevision: false },
		problems: [],
		ifMatch: 'none',
		auditType: 'key.revoked',
		prepare: async ({ params }) => ok(await prepareSuccessor(router, params.kid)),
		work: async (registry, { params }, prepared) => {
			const outcome = await revokeProtectionKey(registry, { id: params.kid, prepared }, deps);
			if (!outcome.ok) return outcome;
			const { record, successor, sequence } = outcome.value;
			return ok({
				body: writeKey(record, deps.clock.nowMs()),
				facts: { ...factsOf(record), successor: successor?.id },
				sequence,
			});
		},
	});
}

/** A new key where the one that is to be revoked is in use, and no other is known that could take over. */
async function prepareSuccessor({ deps }: AdminRouter, id: string): Promise<PreparedProtectionKey | undefined> {
	const nowMs = deps.clock.nowMs();
	const key = await deps.store.protectionKeys.get(id);
	if (key === undefined || signingKeyState(key, nowMs) !== 'active') return undefined;
	const others = await deps.store.protectionKeys.list(key.purpose);
	if (others.some((other) => signingKeyState(other, nowMs) === 'next')) return undefined;
	return prepareProtectionKey(deps, key.purpose);
}

function factsOf({ id, purpose }: ProtectionKeyRecord): { readonly [name: string]: string } {
	return { kid: id, purpose, algorithm: PROTECTION_ALGORITHMS[purpose] };
}

function writeKey(key: ProtectionKeyRecord, nowMs: number): z.output<typeof protectionKeySchema> {
	return {
		kid: key.id,
		purpose: key.purpose,
		algorithm: PROTECTION_ALGORITHMS[key.purpose],
		state: signingKeyState(key, nowMs),
		activeFrom: writeTime(key.activeFromMs),
		...(key.retiresAtMs === undefined ? undefined : { retiresAt: writeTime(key.retiresAtMs) }),
		...(key.revokedAtMs === undefined ? undefined : { revokedAt: writeTime(key.revokedAtMs) }),
		createdAt: writeTime(key.createdAtMs),
	};
}
