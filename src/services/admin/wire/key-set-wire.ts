// Wire forms of keys that are fetched from others: of external issuers, and of clients that publish theirs at a URL.
import { z } from '@hono/zod-openapi';
import { KEY_SET_ALGORITHMS } from '../../../domain/client/add-key-set.ts';
import { OVERLAP_SECONDS_MAX } from '../../../domain/client/add-credential.ts';
import type { ExternalIssuer } from '../../../domain/issuer/external-issuer.ts';
import type { KeySetState } from '../../../domain/issuer/key-set-keeper.ts';
import { timeSchema, writeTime } from './value-wire.ts';

const keySetSchema = z
	.object({
		state: z.enum(['current', 'failing', 'lapsed', 'waiting']).openapi({
			description:
				'`current`: as it was last published. `failing`: it cannot be fetched, and what was fetched last counts. ' +
				'`lapsed`: that is too old, and nothing counts. `waiting`: it was never fetched.',
		}),
		keys: z
			.array(z.object({ keyId: z.string(), algorithm: z.string() }))
			.openapi({ description: 'The keys that count.' }),
		fetchedAt: timeSchema.optional().openapi({ description: 'When it was last fetched.' }),
		goodUntil: timeSchema.optional().openapi({ description: 'Until when its keys count without being fetched again.' }),
		failure: z.string().optional().openapi({ description: 'Why it could not be fetched the last time.' }),
	})
	.openapi('KeySet');

/** What credentials have that stand for others. */
export const fetchedKeyFields = {
	jwksUri: z.string().optional().openapi({ description: 'Where the client publishes its keys.' }),
	keySet: keySetSchema.optional().openapi({ description: 'The keys there, as they are known now.' }),
	issuer: z.string().optional().openapi({ description: 'The `iss` of the external issuer that knows the client.' }),
	externalClientId: z.string().optional().openapi({ description: 'The id of the client there.' }),
};

export const keySetInput = z
	.strictObject({
		jwksUri: z.string().min(1).max(1024).openapi({
			description:
				'https URL of a JWK Set (RFC 7517). Its keys are fetched, judged and fetched again; nobody else asks.',
		}),
		algorithm: z.enum(KEY_SET_ALGORITHMS).openapi({
			description: 'The one algorithm of the client assertions. Keys for another one do not count.',
		}),
		lifetimeSeconds: z
			.int()
			.min(60)
			.optional()
			.openapi({ description: 'From now; a year when absent, three at most.' }),
		overlapSeconds: z.int().min(0).max(OVERLAP_SECONDS_MAX).optional().openapi({
			description: 'The other URLs of the client end this many seconds from now. They live on when it is absent.',
		}),
	})
	.openapi('KeySetInput');

export const externalClientInput = z
	.strictObject({
		issuer: z.string().min(1).max(512).openapi({
			description: 'The external issuer: its name in the configuration, or its exact `iss`.',
		}),
		externalClientId: z.string().min(1).max(255).openapi({
			description: 'The id of the client there, exactly as its tokens say it.',
		}),
		lifetimeSeconds: z.int().min(60).optional().openapi({
			description: 'From now; two years when absent, ten at most. The same link again begins anew.',
		}),
	})
	.openapi('ExternalClientInput');

export const issuerSchema = z
	.object({
		name: z.string(),
		issuer: z.string(),
		kind: z.string(),
		senderConstraint: z.enum(['mtls', 'dpop', 'none']),
		keysFrom: z.string().openapi({ description: 'URL of its keys, or of the metadata that names it.' }),
		keySet: keySetSchema,
	})
	.openapi('ExternalIssuer');

export const issuerList = z.object({ items: z.array(issuerSchema) }).openapi('ExternalIssuerList');

/** Writes how a key set stands. */
export function writeKeySet(state: KeySetState | undefined, nowMs: number): z.infer<typeof keySetSchema> {
	if (state === undefined || state.fetchedAtMs === 0) {
		return { state: 'waiting', keys: [], ...(state?.failure === undefined ? undefined : { failure: state.failure }) };
	}
	const hasLapsed = nowMs >= state.goodUntilMs;
	return {
		state: hasLapsed ? 'lapsed' : state.failure === undefined ? 'current' : 'failing',
		keys: hasLapsed ? [] : state.keys.map(({ kid, algorithm }) => ({ keyId: kid, algorithm })),
		fetchedAt: writeTime(state.fetchedAtMs),
		goodUntil: writeTime(state.goodUntilMs),
		...(state.failure === undefined ? undefined : { failure: state.failure }),
	};
}

/** Writes an external issuer with its keys. */
export function writeIssuer(
	{ name, issuer, kind, senderConstraint, keys }: ExternalIssuer,
	state: KeySetState | undefined,
	nowMs: number,
): z.infer<typeof issuerSchema> {
	const keysFrom = 'jwksUri' in keys ? keys.jwksUri : keys.discoveryUri;
	return { name, issuer, kind, senderConstraint, keysFrom, keySet: writeKeySet(state, nowMs) };
}
